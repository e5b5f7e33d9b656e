//! Faults as settings: what goes wrong with the next calls, and how it looks on the wire.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::{StreamExt as _, stream};

use crate::server::Dropped;

/// What goes wrong with one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The call has no effect and is answered with this status.
    Refuse {
        /// The HTTP status.
        status: u16,
        /// The `Retry-After` header, if any.
        retry_after_s: Option<u64>,
        /// CircleCI's `message`; the whole body at Slack.
        message: String,
    },
    /// The call takes effect and the connection closes before any byte of the answer.
    AnswerLost,
    /// The call takes effect and is answered with this status instead of its own.
    ErrorAfter {
        /// The HTTP status.
        status: u16,
    },
    /// The call takes effect; half of the answer's body arrives and the connection closes.
    HalfBody,
    /// The call has no effect; the connection stays silent for this long and closes.
    Hang {
        /// How long.
        for_: Duration,
    },
    /// The call takes effect and is answered with its own status and a body that is a web page.
    Garbage,
}

/// The faults in wait, for each kind of call in order.
#[derive(Debug)]
pub(crate) struct Faults<K>(Mutex<BTreeMap<K, VecDeque<Fault>>>);

impl<K: Ord> Faults<K> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    pub(crate) fn push(&self, call: K, fault: Fault) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(call)
            .or_default()
            .push_back(fault);
    }

    pub(crate) fn take(&self, call: &K) -> Option<Fault> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_mut(call)?
            .pop_front()
    }
}

/// An answer before any fault has touched it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// For the journal.
    pub(crate) note: String,
}

/// A call that has met its fault: its effect has happened, its answer has not been sent.
#[derive(Debug)]
pub(crate) struct Met {
    /// The status that the caller will see; nothing if no answer arrives.
    pub(crate) status: Option<u16>,
    /// For the journal.
    pub(crate) note: String,
    wire: Wire,
}

/// What goes over the connection.
#[derive(Debug)]
enum Wire {
    Whole {
        status: u16,
        body: String,
        retry_after_s: Option<u64>,
    },
    Half {
        status: u16,
        body: String,
    },
    Nothing {
        after: Duration,
    },
}

/// Runs the effect where the fault leaves it. `refusal` is the body for an error's message.
pub(crate) fn meet(
    fault: Option<Fault>,
    refusal: impl FnOnce(&str) -> String,
    effect: impl FnOnce() -> Answer,
) -> Met {
    let whole = |status, body, retry_after_s, note| Met {
        status: Some(status),
        note,
        wire: Wire::Whole {
            status,
            body,
            retry_after_s,
        },
    };
    match fault {
        None => {
            let answer = effect();
            whole(answer.status, answer.body, None, answer.note)
        }
        Some(Fault::Refuse {
            status,
            retry_after_s,
            message,
        }) => whole(status, refusal(&message), retry_after_s, message),
        Some(Fault::ErrorAfter { status }) => {
            let note = format!("{}; answered with an error", effect().note);
            whole(status, refusal("Internal server error"), None, note)
        }
        Some(Fault::Garbage) => {
            let answer = effect();
            let page = "<!doctype html><title>Working on it</title>".to_owned();
            let note = format!("{}; answered with a web page", answer.note);
            whole(answer.status, page, None, note)
        }
        Some(Fault::AnswerLost) => Met {
            status: None,
            note: format!("{}; the answer is lost", effect().note),
            wire: Wire::Nothing {
                after: Duration::ZERO,
            },
        },
        Some(Fault::HalfBody) => {
            let answer = effect();
            Met {
                status: None,
                note: format!("{}; half of the answer is lost", answer.note),
                wire: Wire::Half {
                    status: answer.status,
                    body: answer.body,
                },
            }
        }
        Some(Fault::Hang { for_ }) => Met {
            status: None,
            note: "no effect and no answer".to_owned(),
            wire: Wire::Nothing { after: for_ },
        },
    }
}

impl Met {
    /// Sends what the fault leaves of the answer.
    pub(crate) async fn into_response(self) -> Response {
        match self.wire {
            Wire::Whole {
                status,
                body,
                retry_after_s,
            } => {
                let mut response = response(status, content_type(&body), Body::from(body));
                if let Some(seconds) = retry_after_s {
                    response
                        .headers_mut()
                        .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                }
                response
            }
            Wire::Half { status, body } => half(status, &body),
            Wire::Nothing { after } => {
                if !after.is_zero() {
                    tokio::time::sleep(after).await;
                }
                let mut response = Response::new(Body::empty());
                response.extensions_mut().insert(Dropped);
                response
            }
        }
    }
}

/// Announces the whole body and breaks off after half of it.
fn half(status: u16, body: &str) -> Response {
    let sent = Bytes::copy_from_slice(&body.as_bytes()[..body.len() / 2]);
    // The pause lets the server flush the half before the error closes the connection.
    let broken = stream::once(async {
        tokio::task::yield_now().await;
        Err(std::io::Error::other("the fault breaks off the body"))
    });
    let body_stream = stream::iter([Ok(sent)]).chain(broken);
    let mut response = response(status, content_type(body), Body::from_stream(body_stream));
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    response
}

fn response(status: u16, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn content_type(body: &str) -> &'static str {
    match body.as_bytes().first() {
        Some(b'{' | b'[') => "application/json;charset=utf-8",
        Some(b'<') => "text/html;charset=utf-8",
        _ => "text/plain;charset=utf-8",
    }
}
