//! HTTP in front of ingest: the body's limits, and the health of the data file.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use axum::routing::get;
use bytes::Bytes;
use chatops_core::ports::{Clock, Store};
use chatops_ingest::{Ingest, LARGEST_BODY, LARGEST_EVENT, WEBHOOK_PATH};
use tokio::net::TcpListener;
use tracing::error;

use super::stop::Stop;
use crate::clock::SystemClock;
use crate::secrets::EnvSecrets;
use crate::sqlite::Sqlite;

/// How long a body may take to arrive. Slack's come in one piece.
const BODY_TIME: Duration = Duration::from_secs(5);

/// How long requests in hand may take after a stop was asked for: later Slack has given up waiting.
/// Without a limit, one client that connected and said nothing would keep the process alive.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

type Stage = Ingest<Sqlite, EnvSecrets, SystemClock>;

/// Serves until stopped; requests in hand are answered.
pub(super) async fn serve(
    listener: TcpListener,
    ingest: Arc<Stage>,
    db: Sqlite,
    stop: Stop,
) -> Result<()> {
    let app = Router::new()
        .route("/healthz", get(health).with_state(db))
        .fallback(receive)
        .with_state(ingest);
    let (mut asked, mut late) = (stop.clone(), stop);
    let until = async move { asked.asked().await };
    let serving = axum::serve(listener, app)
        .with_graceful_shutdown(until)
        .into_future();
    tokio::select! {
        served = serving => served.context("the HTTP server failed"),
        () = async { late.asked().await; tokio::time::sleep(LAST_ANSWERS).await } => Ok(()),
    }
}

async fn receive(State(ingest): State<Arc<Stage>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let (largest, too_large) = match head.uri.path() {
        WEBHOOK_PATH => (LARGEST_EVENT, "The event is larger than 256 KiB.\n"),
        _ => (LARGEST_BODY, "The body is larger than 16 KiB.\n"),
    };
    let body = match tokio::time::timeout(BODY_TIME, to_bytes(body, largest)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return text(StatusCode::PAYLOAD_TOO_LARGE, too_large),
        Err(_) => {
            return text(
                StatusCode::REQUEST_TIMEOUT,
                "The body took too long to arrive.\n",
            );
        }
    };
    ingest
        .handle(Request::from_parts(head, body))
        .await
        .map(Body::from)
}

/// Healthy means that the data can be read.
async fn health(State(db): State<Sqlite>) -> Response<Body> {
    match db.due(SystemClock.now(), 1).await {
        Ok(_) => text(StatusCode::OK, "ok\n"),
        Err(error) => {
            error!(%error, "not healthy");
            text(
                StatusCode::SERVICE_UNAVAILABLE,
                "The data file cannot be read.\n",
            )
        }
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}
