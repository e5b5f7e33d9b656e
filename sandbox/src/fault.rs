//! Faults of the next calls, and their effect on the connection.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::{StreamExt as _, stream};

use crate::server::{DropConnection, Time, lock};

/// A fault of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpFault {
    /// The call has no effect, and the response has this status.
    Reject {
        /// The HTTP status.
        status: u16,
        /// The `Retry-After` header, if any.
        retry_after_s: Option<u64>,
        /// CircleCI's `message`; Slack's complete body.
        message: String,
    },
    /// The call has no effect; the response is a 429 with this `Retry-After`, word for word.
    Throttle {
        /// Seconds, a point in time as an HTTP date, or anything else.
        retry_after: String,
    },
    /// The call takes effect, and the connection closes before any byte of the response.
    AnswerLost,
    /// The call takes effect, and the response has this status instead of its own.
    ErrorAfter {
        /// The HTTP status.
        status: u16,
    },
    /// The call takes effect; half of the response's body arrives, and the connection closes.
    HalfBody,
    /// The call has no effect; the connection closes without a byte after this time.
    Hang {
        /// How long.
        duration: Duration,
    },
    /// The call takes effect; the response has its own status, and its body is a web page.
    Garbage,
}

impl HttpFault {
    /// A 429 that asks to wait for so many seconds, of whatever size.
    pub fn throttle_for(seconds: u64) -> Self {
        let retry_after = seconds.to_string();
        Self::Throttle { retry_after }
    }

    /// A 429 that asks to wait until `at`, as an HTTP date.
    pub fn throttle_until(at: Time) -> Self {
        let retry_after = at.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        Self::Throttle { retry_after }
    }
}

/// The coming faults of each kind of call, in order.
#[derive(Debug)]
pub(crate) struct FaultQueues<K, F = HttpFault>(Mutex<BTreeMap<K, VecDeque<F>>>);

impl<K: Ord, F> FaultQueues<K, F> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    pub(crate) fn push(&self, call: K, fault: F) {
        lock(&self.0).entry(call).or_default().push_back(fault);
    }

    /// Whatever was to come, the next call has this fault or none.
    pub(crate) fn replace(&self, call: K, fault: Option<F>) {
        lock(&self.0).insert(call, fault.into_iter().collect());
    }

    pub(crate) fn peek(&self, call: &K) -> Option<F>
    where
        F: Clone,
    {
        lock(&self.0).get(call)?.front().cloned()
    }

    pub(crate) fn take_next(&self, call: &K) -> Option<F> {
        lock(&self.0).get_mut(call)?.pop_front()
    }
}

/// A response before a fault changes it.
#[derive(Debug)]
pub(crate) struct PlannedResponse {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// For the journal.
    pub(crate) note: String,
}

/// A call after its effect, before its response is sent.
#[derive(Debug)]
pub(crate) struct FaultedResponse {
    /// The status that the caller will see; `None` if no response arrives.
    pub(crate) status: Option<u16>,
    /// For the journal.
    pub(crate) note: String,
    wire: WireResponse,
}

/// What goes over the connection.
#[derive(Debug)]
enum WireResponse {
    /// Status, body and `Retry-After`.
    Complete(u16, String, Option<String>),
    /// Status and complete body.
    Half(u16, String),
    /// Silence for this long.
    Nothing(Duration),
}

/// Runs the effect unless the fault prevents it. `error_body` makes a body of an error's message.
pub(crate) fn apply_fault(
    fault: Option<HttpFault>,
    error_body: impl FnOnce(&str) -> String,
    effect: impl FnOnce() -> PlannedResponse,
) -> FaultedResponse {
    let complete = |status, body, retry_after, note| FaultedResponse {
        status: Some(status),
        note,
        wire: WireResponse::Complete(status, body, retry_after),
    };
    let broken = |note, wire| FaultedResponse {
        status: None,
        note,
        wire,
    };
    match fault {
        None => {
            let planned = effect();
            complete(planned.status, planned.body, None, planned.note)
        }
        Some(HttpFault::Reject {
            status,
            retry_after_s,
            message,
        }) => {
            let retry_after = retry_after_s.map(|seconds| seconds.to_string());
            complete(status, error_body(&message), retry_after, message)
        }
        Some(HttpFault::Throttle { retry_after }) => {
            let message = "Rate limit exceeded".to_owned();
            complete(429, error_body(&message), Some(retry_after), message)
        }
        Some(HttpFault::ErrorAfter { status }) => {
            let note = format!("{}; answered with an error", effect().note);
            complete(status, error_body("Internal server error"), None, note)
        }
        Some(HttpFault::Garbage) => {
            let planned = effect();
            let page = "<!doctype html><title>Working on it</title>".to_owned();
            let note = format!("{}; answered with a web page", planned.note);
            complete(planned.status, page, None, note)
        }
        Some(HttpFault::AnswerLost) => {
            let note = format!("{}; the answer is lost", effect().note);
            broken(note, WireResponse::Nothing(Duration::ZERO))
        }
        Some(HttpFault::HalfBody) => {
            let planned = effect();
            let note = format!("{}; half of the answer is lost", planned.note);
            broken(note, WireResponse::Half(planned.status, planned.body))
        }
        Some(HttpFault::Hang { duration }) => {
            let note = "no effect and no answer".to_owned();
            broken(note, WireResponse::Nothing(duration))
        }
    }
}

impl FaultedResponse {
    /// The response, after the silence of a fault.
    pub(crate) async fn into_response(self) -> Response {
        match self.wire {
            WireResponse::Complete(status, body, retry_after) => {
                let mut response = build_response(status, content_type(&body), Body::from(body));
                // A text that no header can carry is left out.
                let retry_after = retry_after.and_then(|text| HeaderValue::from_str(&text).ok());
                if let Some(retry_after) = retry_after {
                    let headers = response.headers_mut();
                    headers.insert(header::RETRY_AFTER, retry_after);
                }
                response
            }
            WireResponse::Half(status, body) => half_response(status, &body),
            WireResponse::Nothing(silence) => {
                if !silence.is_zero() {
                    tokio::time::sleep(silence).await;
                }
                let mut response = Response::new(Body::empty());
                response.extensions_mut().insert(DropConnection);
                response
            }
        }
    }
}

/// Announces the length of the complete body and breaks off after half of it.
fn half_response(status: u16, body: &str) -> Response {
    let sent = Bytes::copy_from_slice(&body.as_bytes()[..body.len() / 2]);
    // The pause lets the server flush the half before the error closes the connection.
    let broken = stream::once(async {
        tokio::task::yield_now().await;
        Err(std::io::Error::other("the fault breaks off the body"))
    });
    let chunks = stream::iter([Ok(sent)]).chain(broken);
    let mut response = build_response(status, content_type(body), Body::from_stream(chunks));
    let length = HeaderValue::from(body.len());
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length);
    response
}

fn build_response(status: u16, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

fn content_type(body: &str) -> &'static str {
    match body.as_bytes().first() {
        Some(b'{' | b'[') => "application/json;charset=utf-8",
        Some(b'<') => "text/html;charset=utf-8",
        _ => "text/plain;charset=utf-8",
    }
}
