//! Receives: verifies the raw bytes, parses, sends one message, acknowledges. It does no work.
//!
//! One `match` on method and path over plain HTTP types, so that a Lambda function and the
//! one-machine server run the same code. Nothing here reads the ledger or talks to CircleCI.

mod circleci;
mod command;
mod form;
mod slack;
mod verify;

use std::sync::Arc;

use bytes::Bytes;
use chatops_core::config::Config;
use chatops_core::ports::{Clock, Queue, Secrets};
use http::{Method, Request, Response, StatusCode, header};

/// The largest body that is read, in bytes. Slack's commands stay far below.
pub const LARGEST_BODY: usize = 16 * 1024;

/// The largest event of CircleCI's that is read, in bytes. They have a few thousand.
pub const LARGEST_EVENT: usize = 256 * 1024;

/// Where CircleCI's events arrive.
pub const WEBHOOK_PATH: &str = "/circleci/webhook";

/// The stage: its ports and the configuration it answers by.
#[derive(Debug)]
pub struct Ingest<Q, X, K> {
    /// Where commands go.
    pub queue: Q,
    /// Where the signing secret comes from.
    pub secrets: X,
    /// The time.
    pub clock: K,
    /// The configuration.
    pub config: Arc<Config>,
}

impl<Q: Queue, X: Secrets, K: Clock> Ingest<Q, X, K> {
    /// Answers one request.
    ///
    /// A command is acknowledged only after the queue has it. The queue adapter bounds the time
    /// that takes, since Slack waits for three seconds.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path();
        match (request.method(), path) {
            (&Method::POST, "/slack/commands" | "/chatops") => self.slack_command(&request).await,
            (&Method::POST, WEBHOOK_PATH) => self.circleci_event(&request).await,
            (&Method::GET, "/slack/commands" | "/chatops") if asks_ssl_check(&request) => {
                plain(StatusCode::OK, "")
            }
            (&Method::GET, "/healthz") => plain(StatusCode::OK, "ok\n"),
            (_, "/slack/commands" | "/chatops" | WEBHOOK_PATH) => not_allowed("POST"),
            (_, "/healthz") => not_allowed("GET"),
            _ => plain(StatusCode::NOT_FOUND, "There is nothing here.\n"),
        }
    }
}

/// Slack's older way of testing the certificate: a GET that carries nothing else.
fn asks_ssl_check(request: &Request<Bytes>) -> bool {
    request
        .uri()
        .query()
        .is_some_and(|query| query.split('&').any(|pair| pair == "ssl_check=1"))
}

fn plain(status: StatusCode, text: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn not_allowed(allowed: &'static str) -> Response<Bytes> {
    let mut response = plain(
        StatusCode::METHOD_NOT_ALLOWED,
        "This address takes another method.\n",
    );
    response
        .headers_mut()
        .insert(header::ALLOW, header::HeaderValue::from_static(allowed));
    response
}
