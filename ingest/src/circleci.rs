//! CircleCI's webhook: it wakes the worker up and decides nothing. What it says about the outcome is
//! not trusted; the worker polls CircleCI.
//!
//! The signature is an HMAC-SHA256 of the raw body, in hexadecimal, as `v1` of a comma-separated
//! list. No time is signed, so an old webhook can be replayed: that costs one poll.

use bytes::Bytes;
use chatops_core::id::PipelineId;
use chatops_core::message::WorkMessage;
use chatops_core::ports::{IngestPorts, PortErrorKind, SecretError, SecretName};
use http::{HeaderMap, Request, Response, StatusCode};
use serde::Deserialize;
use tracing::{info, warn};
use uuid::Uuid;

use crate::verify::{Tag, any_tag_matches, decode_tag, versions};
use crate::{Ingest, MAX_WEBHOOK_BYTES, plain};

const SIGNATURE_HEADER: &str = "circleci-signature";

/// The most signatures that are checked.
const MAX_SIGNATURES: usize = 8;

/// What is read of every webhook; the rest may change without notice.
#[derive(Deserialize)]
struct WebhookEnvelope {
    #[serde(rename = "type")]
    kind: String,
}

/// What is read of a `workflow-completed`.
#[derive(Deserialize)]
struct WorkflowCompleted {
    pipeline: CompletedPipeline,
}

#[derive(Deserialize)]
struct CompletedPipeline {
    id: Uuid,
}

impl<P: IngestPorts> Ingest<P> {
    /// Answers a webhook. CircleCI sends again what is not answered with a success.
    pub(crate) async fn handle_webhook(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if request.body().len() > MAX_WEBHOOK_BYTES {
            let text = "The webhook is larger than 256 KiB.\n";
            return plain(StatusCode::PAYLOAD_TOO_LARGE, text);
        }
        match self.is_from_circleci(request).await {
            Ok(true) => {}
            Ok(false) => {
                self.refusals.not_circleci(self.clock.now());
                let text = "The webhook is not signed by CircleCI.\n";
                return plain(StatusCode::UNAUTHORIZED, text);
            }
            Err(error) => {
                let name = SecretName::CircleCiWebhook;
                self.refusals.no_secret(name, &error, self.clock.now());
                let text = "The webhook could not be verified; send it again.\n";
                return plain(StatusCode::SERVICE_UNAVAILABLE, text);
            }
        }
        let id = match completed_pipeline(request.body()) {
            Ok(Some(id)) => id,
            Ok(None) => {
                info!("webhook ignored: no completed workflow");
                return plain(StatusCode::OK, "Accepted, and not needed.\n");
            }
            Err(error) => {
                warn!(%error, "signed webhook rejected: it cannot be read");
                return plain(StatusCode::BAD_REQUEST, "The webhook cannot be read.\n");
            }
        };
        let pipeline = PipelineId(id);
        match self.send_message(WorkMessage::Webhook { pipeline }).await {
            Ok(()) => {
                info!(pipeline = %id, "webhook queued");
                plain(StatusCode::OK, "Accepted.\n")
            }
            Err(error) => {
                warn!(pipeline = %id, %error, "webhook not queued");
                let text = "The webhook could not be queued; send it again.\n";
                plain(StatusCode::SERVICE_UNAVAILABLE, text)
            }
        }
    }

    async fn is_from_circleci(&self, request: &Request<Bytes>) -> Result<bool, SecretError> {
        let tags = parse_signatures(request.headers());
        // A request without a signature costs no read of the secret.
        if tags.is_empty() {
            return Ok(false);
        }
        let check =
            |secret: &_| any_tag_matches(versions(secret), &[request.body()], &tags).then_some(());
        match self.check_with(SecretName::CircleCiWebhook, check).await {
            Ok(verified) => Ok(verified.is_some()),
            Err(error) if error.kind() == PortErrorKind::Missing => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The pipeline of a completed workflow; `None` of any other event.
fn completed_pipeline(body: &[u8]) -> Result<Option<Uuid>, serde_json::Error> {
    let webhook: WebhookEnvelope = serde_json::from_slice(body)?;
    if webhook.kind != "workflow-completed" {
        return Ok(None);
    }
    let completed: WorkflowCompleted = serde_json::from_slice(body)?;
    Ok(Some(completed.pipeline.id))
}

/// The first few signatures of the one known version.
fn parse_signatures(headers: &HeaderMap) -> Vec<Tag> {
    let lists = headers.get_all(SIGNATURE_HEADER).into_iter();
    lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|pair| pair.trim().strip_prefix("v1=").and_then(decode_tag))
        .take(MAX_SIGNATURES)
        .collect()
}
