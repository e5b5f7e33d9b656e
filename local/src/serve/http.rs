//! HTTP for ingest: limits of the body, and the health check. Connections are `connections`'.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chatops_ingest::{
    MAX_BODY_BYTES, MAX_PRESS_BYTES, MAX_WEBHOOK_BYTES, PRESS_PATH, WEBHOOK_PATH,
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::connections::{Answer, Arrival, ConnectionLog, Refusal};
use super::health::Health;
use super::services::CurrentServices;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// What every request is answered with.
#[derive(Debug)]
pub(super) struct HttpAnswer {
    pub(super) services: CurrentServices,
    pub(super) health: Arc<Health>,
    pub(super) log: Arc<ConnectionLog>,
}

impl Answer for HttpAnswer {
    async fn answer(&self, request: Request<Incoming>, arrival: &Arrival) -> Response<Full<Bytes>> {
        let asks = [Method::GET, Method::HEAD].contains(request.method());
        if asks && request.uri().path() == "/healthz" {
            arrival.is_whole();
            return self.report_health().await;
        }
        let request = match self.read_body(request).await {
            Ok(request) => request,
            Err(response) => return response,
        };
        arrival.is_whole();
        let services = self.services.get();
        let response = services.ingest.handle(request).await;
        if matches!(
            response.status(),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
        ) {
            self.log.count(Refusal::NothingThere);
        }
        response.map(Full::new)
    }
}

impl HttpAnswer {
    /// The request with its body, or the answer to one whose body does not come.
    async fn read_body(
        &self,
        request: Request<Incoming>,
    ) -> Result<Request<Bytes>, Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let (largest, too_large) = match parts.uri.path() {
            PRESS_PATH => (MAX_PRESS_BYTES, "The body is larger than 256 KiB.\n"),
            WEBHOOK_PATH => (MAX_WEBHOOK_BYTES, "The webhook is larger than 256 KiB.\n"),
            _ => (MAX_BODY_BYTES, "The body is larger than 16 KiB.\n"),
        };
        let body = Limited::new(body, largest).collect();
        match tokio::time::timeout(BODY_TIMEOUT, body).await {
            Ok(Ok(body)) => Ok(Request::from_parts(parts, body.to_bytes())),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                self.log.count(Refusal::BodyTooLarge);
                Err(text_response(StatusCode::PAYLOAD_TOO_LARGE, too_large))
            }
            // Its sender has gone, or does not speak HTTP.
            Ok(Err(_)) => {
                self.log.count(Refusal::BodyBroken);
                let broken = "The body cannot be read.\n";
                Err(text_response(StatusCode::BAD_REQUEST, broken))
            }
            Err(_) => {
                self.log.count(Refusal::BodyTooSlow);
                let late = "The body took too long to arrive.\n";
                Err(text_response(StatusCode::REQUEST_TIMEOUT, late))
            }
        }
    }

    /// Healthy: a command that came now could be kept. Lost log lines are said, and are no reason to
    /// restart anything.
    async fn report_health(&self) -> Response<Full<Bytes>> {
        let (status, mut text) = match self.health.check().await {
            Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
            Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
        };
        let lost = self.health.lost_log_lines();
        if lost > 0 {
            text = format!("{text}{lost} log lines could not be written\n");
        }
        text_response(status, text)
    }
}

fn text_response(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
