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

/// What is read of every event; the rest may change without notice.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
}

/// What is read of the one that is a reason to look.
#[derive(Deserialize)]
struct Completed {
    pipeline: Pipeline,
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
        let id = match completed(request.body()) {
            Ok(Some(id)) => id,
            Ok(None) => {
                info!("an event that is no reason to look");
                return plain(StatusCode::OK, "Accepted, and not needed.\n");
            }
            Err(error) => {
                warn!(%error, "signed event refused: it cannot be read");
                return plain(StatusCode::BAD_REQUEST, "The event cannot be read.\n");
            }
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
        let signatures = signatures(request.headers());
        // Whoever does not even claim to be CircleCI costs no reading.
        if signatures.is_empty() {
            return false;
        }
        for afresh in [false, true] {
            if afresh && let Err(error) = self.secrets.refresh(name).await {
                warn!(%error, "the webhook's secret could not be read afresh");
                return false;
            }
            match self.secrets.get(name).await {
                Ok(secrets) if fits(&signatures, request.body(), &secrets) => return true,
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

/// The pipeline of an event that says a workflow has completed; `None` of any other event.
fn completed(body: &[u8]) -> Result<Option<Uuid>, serde_json::Error> {
    let event: Event = serde_json::from_slice(body)?;
    if event.kind != "workflow-completed" {
        return Ok(None);
    }
    let completed: Completed = serde_json::from_slice(body)?;
    Ok(Some(completed.pipeline.id))
}

/// The first few signatures of the one version that is known.
fn signatures(headers: &HeaderMap) -> Vec<[u8; 32]> {
    let lists = headers.get_all(SIGNATURE).into_iter();
    lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|pair| pair.trim().strip_prefix("v1=").and_then(unhex))
        .take(8)
        .collect()
}

/// Whether one of the signatures fits one of the secrets.
fn fits(signatures: &[[u8; 32]], body: &[u8], secrets: &Versions) -> bool {
    let versions = [Some(&secrets.current), secrets.previous.as_ref()];
    let mut fits = false;
    // Every pair is tried, so that the time tells nothing about which one it was.
    for secret in versions.into_iter().flatten() {
        // An empty key would let anybody sign.
        if secret.expose_secret().is_empty() {
            continue;
        }
        for signature in signatures {
            fits |= Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
                .is_ok_and(|mac| mac.chain_update(body).verify_slice(signature).is_ok());
        }
    }
    fits
}
