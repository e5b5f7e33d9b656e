//! The say endpoint: a client posts a command to [`SAY_PATH`] and receives the acknowledgement, every
//! message that Slack shows through that command's response URL, and what the app's bot shows in that
//! channel.
//!
//! The response is a stream of JSON values, one a line, that ends when the client hangs up.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};

use super::installed_app::InstalledApp;
use super::sender::{AckBody, CommandAck, TypedCommand};
use crate::http;
use crate::journal::{Journal, JournalEvent, JournalSubscription};

/// Its path.
pub(crate) const SAY_PATH: &str = "/say";

/// What the client receives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SayEvent {
    /// The app's immediate answer; always the first event.
    Acknowledged {
        /// The HTTP status; `None` if no answer arrived in time.
        status: Option<u16>,
        /// From sending to the complete answer, or to giving up, in milliseconds.
        latency_ms: f64,
        /// The only person who sees it; `None` means the whole channel.
        visible_to: Option<String>,
        /// What people see; empty for an empty answer.
        shown: String,
        /// The id of the first block.
        block_id: Option<String>,
    },
    /// A message.
    Message {
        /// Whether the bot posted it, for whatever reason.
        by_bot: bool,
        /// Whether it is shown in place of an earlier one.
        edited: bool,
        /// The only person who sees it; `None` means the whole channel.
        visible_to: Option<String>,
        /// What people see.
        shown: String,
        /// The id of the first block.
        block_id: Option<String>,
    },
}

/// The endpoint, and the app that receives its commands.
#[derive(Debug)]
pub(crate) struct SayEndpoint {
    app: Arc<InstalledApp>,
    journal: Journal,
}

impl SayEndpoint {
    pub(crate) fn new(app: Arc<InstalledApp>, journal: Journal) -> Self {
        Self { app, journal }
    }
}

/// Answers `POST /say`.
pub(crate) async fn handle_say(
    State(endpoint): State<Arc<SayEndpoint>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let refuse = |status: StatusCode, why: &str| (status, why.to_owned()).into_response();
    // A web page cannot send this type without a preflight request, which nothing answers.
    if !http::is_json(&headers) {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json");
    }
    let typed: TypedCommand = match serde_json::from_slice(&body) {
        Ok(typed) => typed,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let (user, channel) = (typed.user_id.clone(), typed.channel_id.clone());
    // Before anything is typed, so that no message is missed.
    let entries = endpoint.journal.subscribe();
    let Some((path, ack_receiver)) = endpoint.app.type_command(typed) else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "no app is installed yet");
    };
    let Ok(ack) = ack_receiver.await else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "the command was not sent");
    };
    let first = stream::iter([json_line(&ack_event(ack, user))]);
    let place = (path, channel);
    let rest = stream::unfold((entries, place), |(mut entries, place)| async move {
        let message = next_message(&mut entries, &place.0, &place.1).await?;
        Some((json_line(&message), (entries, place)))
    });
    let lines = Body::from_stream(first.chain(rest).map(Ok::<_, Infallible>));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response()
}

fn ack_event(ack: CommandAck, user: String) -> SayEvent {
    let body = ack.body.as_ref();
    let is_public = body.is_some_and(AckBody::is_public);
    SayEvent::Acknowledged {
        status: ack.status,
        latency_ms: ack.latency.as_secs_f64() * 1_000.0,
        visible_to: (!is_public).then_some(user),
        block_id: body.and_then(AckBody::block_id),
        shown: ack.shown,
    }
}

/// The next message that is shown through a response URL, or by the bot in the channel.
async fn next_message(
    entries: &mut JournalSubscription,
    path: &str,
    in_channel: &str,
) -> Option<SayEvent> {
    loop {
        match entries.next().await?.event {
            JournalEvent::MessageDelivered {
                channel,
                visible_to,
                response_path,
                shown,
                block_id,
                ..
            } if response_path == path
                || (channel == in_channel && response_path.starts_with("/api/")) =>
            {
                return Some(SayEvent::Message {
                    by_bot: response_path != path,
                    edited: false,
                    visible_to,
                    shown,
                    block_id,
                });
            }
            JournalEvent::MessageEdited {
                channel,
                shown,
                block_id,
                ..
            } if channel == in_channel => {
                return Some(SayEvent::Message {
                    by_bot: true,
                    edited: true,
                    visible_to: None,
                    shown,
                    block_id,
                });
            }
            _ => {}
        }
    }
}

fn json_line(event: &SayEvent) -> Bytes {
    // Plain data always has a JSON form.
    let mut line = serde_json::to_vec(event).unwrap_or_default();
    line.push(b'\n');
    Bytes::from(line)
}

/// The client of the say endpoint: one command and its events.
#[derive(Debug)]
pub struct SaySession(http::LineStream);

/// Why there is no further event.
#[derive(Debug, thiserror::Error)]
pub enum SayError {
    /// There is no complete response.
    #[error(transparent)]
    Http(#[from] http::HttpError),
    /// The server is not a say endpoint, or does not take the command.
    #[error("HTTP {status}{}{message}", if message.is_empty() { "" } else { ": " })]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The first line of the response.
        message: String,
    },
    /// An event cannot be read.
    #[error("the answer cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

impl SaySession {
    /// Types a command into the Slack that listens at `slack`.
    pub async fn start(slack: SocketAddr, typed: &TypedCommand) -> Result<Self, SayError> {
        let body = serde_json::to_string(typed)?;
        let request = Request::post(format!("http://{slack}{SAY_PATH}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(http::HttpError::from)?;
        let mut lines = http::open_lines(request).await?;
        if lines.status() == StatusCode::OK {
            return Ok(Self(lines));
        }
        let message = lines.next_line().await.ok().flatten().unwrap_or_default();
        Err(SayError::Refused {
            status: lines.status().as_u16(),
            message,
        })
    }

    /// The next event; `None` if Slack ended the stream.
    pub async fn next_event(&mut self) -> Result<Option<SayEvent>, SayError> {
        let line = self.0.next_line().await?;
        Ok(line.map(|line| serde_json::from_str(&line)).transpose()?)
    }
}
