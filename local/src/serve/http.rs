//! HTTP for ingest: limits of the body, and the health check.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use axum::routing::get;
use bytes::Bytes;
use chatops_core::ports::{Clock, Ledger, Ports};
use chatops_ingest::{
    Ingest, MAX_BODY_BYTES, MAX_PRESS_BYTES, MAX_WEBHOOK_BYTES, PRESS_PATH, WEBHOOK_PATH,
};
use tokio::net::TcpListener;
use tracing::error;

use super::shutdown::StopReceiver;
use crate::clock::WallClock;
use crate::secrets::EnvSecrets;
use crate::sqlite::Sqlite;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long requests in flight may take after the stop: later Slack no longer waits. Without a limit,
/// a client that connects and sends nothing would keep the process alive.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

type LocalIngest = Ingest<Ports<(), Sqlite, (), EnvSecrets>>;

/// Serves until the stop, and answers the requests in flight.
pub(super) async fn serve_http(
    listener: TcpListener,
    ingest: Arc<LocalIngest>,
    db: Sqlite,
    stop: StopReceiver,
) -> Result<()> {
    let app = Router::new()
        .route("/healthz", get(check_health).with_state(db))
        .fallback(handle_request)
        .with_state(ingest);
    let (mut asked, mut late) = (stop.clone(), stop);
    let until = async move { asked.requested().await };
    let serving = axum::serve(listener, app)
        .with_graceful_shutdown(until)
        .into_future();
    tokio::select! {
        served = serving => served.context("the HTTP server failed"),
        () = async { late.requested().await; tokio::time::sleep(DRAIN_TIMEOUT).await } => Ok(()),
    }
}

async fn handle_request(
    State(ingest): State<Arc<LocalIngest>>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let (largest, too_large) = match parts.uri.path() {
        PRESS_PATH => (MAX_PRESS_BYTES, "The body is larger than 256 KiB.\n"),
        WEBHOOK_PATH => (MAX_WEBHOOK_BYTES, "The webhook is larger than 256 KiB.\n"),
        _ => (MAX_BODY_BYTES, "The body is larger than 16 KiB.\n"),
    };
    let body = match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, largest)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return text_response(StatusCode::PAYLOAD_TOO_LARGE, too_large),
        Err(_) => {
            let late = "The body took too long to arrive.\n";
            return text_response(StatusCode::REQUEST_TIMEOUT, late);
        }
    };
    let request = Request::from_parts(parts, body);
    ingest.handle(request).await.map(Body::from)
}

/// Healthy: the data file can be read.
async fn check_health(State(db): State<Sqlite>) -> Response<Body> {
    match db.list_due(WallClock.now(), 1).await {
        Ok(_) => text_response(StatusCode::OK, "ok\n"),
        Err(error) => {
            error!(%error, "not healthy");
            let unreadable = "The data file cannot be read.\n";
            text_response(StatusCode::SERVICE_UNAVAILABLE, unreadable)
        }
    }
}

fn text_response(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}
