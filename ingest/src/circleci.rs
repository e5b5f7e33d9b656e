//! CircleCI's webhook: a reason to look, and nothing else. What it says about the outcome is not
//! believed; the worker asks CircleCI.
//!
//! The signature is an HMAC-SHA256 of the raw body, in hexadecimal, as `v1` of a comma-separated
//! list. No time is signed, so an old event can be sent again: that costs one look and no more.

use bytes::Bytes;
use chatops_core::id::PipelineId;
use chatops_core::message::{Body, WorkMessage};
use chatops_core::ports::{Clock, Lane, Queue, SecretName, Secrets, SendError, Versions};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Request, Response, StatusCode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use sha2::Sha256;
use tracing::{info, warn};
use uuid::Uuid;

use crate::verify::unhex;
use crate::{Ingest, LARGEST_EVENT, plain};

const SIGNATURE: &str = "circleci-signature";

/// What is read of an event; the rest may change without notice.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    pipeline: Option<Pipeline>,
}

#[derive(Deserialize)]
struct Pipeline {
    id: Uuid,
}

impl<Q: Queue, X: Secrets, K: Clock> Ingest<Q, X, K> {
    /// Answers a webhook. CircleCI sends again what is not answered with a success.
    pub(crate) async fn circleci_event(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if request.body().len() > LARGEST_EVENT {
            return plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                "The event is larger than 256 KiB.\n",
            );
        }
        if !self.is_circlecis(request).await {
            warn!("event refused: it is not known to be CircleCI's");
            return plain(
                StatusCode::UNAUTHORIZED,
                "The event is not signed by CircleCI.\n",
            );
        }
        let event: Event = match serde_json::from_slice(request.body()) {
            Ok(event) => event,
            Err(error) => {
                warn!(%error, "signed event refused: it cannot be read");
                return plain(StatusCode::BAD_REQUEST, "The event cannot be read.\n");
            }
        };
        let pipeline = event
            .pipeline
            .filter(|_| event.kind == "workflow-completed");
        let Some(Pipeline { id }) = pipeline else {
            info!("an event that is no reason to look");
            return plain(StatusCode::OK, "Accepted, and not needed.\n");
        };
        match self.queue_event(PipelineId(id)).await {
            Ok(()) => {
                info!(pipeline = %id, "event queued");
                plain(StatusCode::OK, "Accepted.\n")
            }
            Err(error) => {
                warn!(pipeline = %id, %error, "event not queued");
                plain(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The event could not be queued; send it again.\n",
                )
            }
        }
    }

    async fn queue_event(&self, pipeline: PipelineId) -> Result<(), SendError> {
        let body = Body::encode(&WorkMessage::Event { pipeline })
            .map_err(|error| SendError::NotSent(error.to_string()))?;
        let now = std::time::Duration::ZERO;
        self.queue.send(Lane::Work, &body, now).await
    }

    /// Whether CircleCI signed it; a mismatch is tried once more with the secret read afresh.
    async fn is_circlecis(&self, request: &Request<Bytes>) -> bool {
        let name = SecretName::CircleCiWebhook;
        for afresh in [false, true] {
            if afresh && let Err(error) = self.secrets.refresh(name).await {
                warn!(%error, "the webhook's secret could not be read afresh");
                return false;
            }
            match self.secrets.get(name).await {
                Ok(secrets) if fits(request.headers(), request.body(), &secrets) => return true,
                Ok(_) => {}
                Err(error) => {
                    warn!(%error, "the webhook's secret could not be read");
                    return false;
                }
            }
        }
        false
    }
}

/// Whether one of the `v1` signatures fits one of the secrets.
fn fits(headers: &HeaderMap, body: &[u8], secrets: &Versions) -> bool {
    let lists = headers.get_all(SIGNATURE).into_iter();
    let signatures: Vec<[u8; 32]> = lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|pair| pair.trim().strip_prefix("v1=").and_then(unhex))
        .take(8)
        .collect();
    let versions = [Some(&secrets.current), secrets.previous.as_ref()];
    let mut fits = false;
    // Every pair is tried, so that the time tells nothing about which one it was.
    for secret in versions.into_iter().flatten() {
        // An empty key would let anybody sign.
        if secret.expose_secret().is_empty() {
            continue;
        }
        for signature in &signatures {
            fits |= Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
                .is_ok_and(|mac| mac.chain_update(body).verify_slice(signature).is_ok());
        }
    }
    fits
}
