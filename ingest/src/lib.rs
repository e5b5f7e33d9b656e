//! The ingest service: verifies a request's raw bytes, parses them, queues one message for the worker
//! and acknowledges.
//!
//! Plain HTTP types go in and out, so that a Lambda function and the one-machine server run the same
//! code. Nothing here reads the ledger, decides about a deploy or calls Slack or CircleCI.

mod circleci;
mod command;
mod form;
mod payload;
mod press;
mod refusal;
mod slack;
mod verify;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use chatops_core::config::Config;
use chatops_core::message::WorkMessage;
use chatops_core::ports::{Clock, IngestPorts, OutgoingMessage, SendError, SendMessage};
use http::{Method, Request, Response, StatusCode, header};
use tracing::warn;

pub use self::press::{MAX_PRESS_BYTES, PRESS_PATH};
pub use self::refusal::RefusalLog;

/// The largest command that is read, in bytes. Slack's commands stay far below.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// The largest webhook of CircleCI that is read, in bytes. They have a few thousand.
pub const MAX_WEBHOOK_BYTES: usize = 256 * 1024;

/// Where CircleCI's webhooks arrive.
pub const WEBHOOK_PATH: &str = "/circleci/webhook";

/// The service.
pub struct Ingest<P> {
    /// The queue for the worker, and the secrets that Slack and CircleCI sign with.
    pub ports: P,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The configuration.
    pub config: Arc<Config>,
    /// What was refused, for the log.
    pub refusals: Arc<RefusalLog>,
}

/// Warns at start where commands may come unsigned: whoever knows the token can send one in
/// anybody's name.
pub fn warn_of_token(has_token: bool, has_signing_secret: bool) {
    if !has_token {
        return;
    }
    if has_signing_secret {
        warn!(
            "the legacy verification token is set beside the signing secret: unsigned commands are \
             accepted, in the name of anybody; remove the token"
        );
    } else {
        warn!(
            "commands are accepted by the legacy verification token alone, unsigned and in the name \
             of anybody; set a signing secret and remove the token"
        );
    }
}

impl<P> fmt::Debug for Ingest<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingest").finish_non_exhaustive()
    }
}

impl<P: IngestPorts> Ingest<P> {
    /// Answers one request.
    ///
    /// A command is acknowledged only after the queue has taken it. The queue adapter bounds the
    /// time that takes, since Slack waits for three seconds.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path();
        match (request.method(), path) {
            (&Method::POST, "/slack/commands" | "/chatops") => {
                self.handle_slack_command(&request).await
            }
            (&Method::POST, PRESS_PATH) => self.handle_slack_press(&request).await,
            (&Method::POST, WEBHOOK_PATH) => self.handle_webhook(&request).await,
            (&Method::GET, "/slack/commands" | "/chatops") if is_ssl_check_get(&request) => {
                plain(StatusCode::OK, "")
            }
            (&Method::GET, "/healthz") => plain(StatusCode::OK, "ok\n"),
            (_, "/slack/commands" | "/chatops" | PRESS_PATH | WEBHOOK_PATH) => {
                method_not_allowed("POST")
            }
            (_, "/healthz") => method_not_allowed("GET"),
            _ => plain(StatusCode::NOT_FOUND, "There is nothing here.\n"),
        }
    }
}

impl<P: IngestPorts> Ingest<P> {
    async fn send_message(&self, message: WorkMessage) -> Result<(), SendError> {
        let message = OutgoingMessage::Work(message);
        self.ports.perform(SendMessage::now(message)).await
    }
}

/// Slack's older test of the certificate: a GET that carries nothing else.
fn is_ssl_check_get(request: &Request<Bytes>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|pair| pair == "ssl_check=1")
}

fn plain(status: StatusCode, text: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn method_not_allowed(allowed: &'static str) -> Response<Bytes> {
    let text = "This address takes another method.\n";
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, text);
    let allowed = header::HeaderValue::from_static(allowed);
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}
