//! Slack's keyboard over HTTP: whoever posts to [`PATH`] types a command, and hears the
//! acknowledgement and every message that Slack shows through that command's response address.
//!
//! The answer is a stream of JSON values, one a line, that ends when the client hangs up.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::{StreamExt as _, stream};
use hyper::Request;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::client::{Ack, Client, Typed};
use crate::http;
use crate::journal::{Journal, Seen, Subscription};

/// Where it is.
pub(super) const PATH: &str = "/say";

/// What the one who typed hears.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Heard {
    /// The app's immediate answer; always the first.
    Acknowledged {
        /// The HTTP status; nothing if no answer arrived in time.
        status: Option<u16>,
        /// From sending to the whole answer, or to giving up, in milliseconds.
        latency_ms: f64,
        /// The only person who sees it; nobody in particular means the whole channel.
        visible_to: Option<String>,
        /// What people see; empty for an empty answer.
        shown: String,
    },
    /// A message.
    Message {
        /// The only person who sees it; nobody in particular means the whole channel.
        visible_to: Option<String>,
        /// What people see.
        shown: String,
    },
}

/// The keyboard: a client, and the app that it types to.
#[derive(Debug)]
pub(crate) struct Keyboard {
    client: Arc<Client>,
    journal: Journal,
    request_url: Mutex<Option<String>>,
    /// Commands on their way: they arrive even if the one who typed hangs up. Slack's time limit
    /// ends each.
    sending: Mutex<JoinSet<()>>,
}

impl Keyboard {
    pub(crate) fn new(client: Arc<Client>, journal: Journal) -> Self {
        Self {
            client,
            journal,
            request_url: Mutex::default(),
            sending: Mutex::default(),
        }
    }

    /// Where commands go from now on.
    pub(crate) fn install(&self, request_url: &str) {
        *self.request_url() = Some(request_url.to_owned());
    }

    fn request_url(&self) -> MutexGuard<'_, Option<String>> {
        self.request_url
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Types, and says through which response address the answers come.
    fn press(&self, app_url: &str, typed: Typed) -> (String, oneshot::Receiver<Ack>) {
        let sent = self.client.record(app_url, typed);
        let path = sent.response_path.clone();
        let client = Arc::clone(&self.client);
        let (tell, told) = oneshot::channel();
        let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended are forgotten, so that the set does not grow.
        while sending.try_join_next().is_some() {}
        sending.spawn(async move {
            // Nobody listens if the client has hung up.
            let _ = tell.send(client.send(&sent).await);
        });
        (path, told)
    }
}

/// Answers `POST /say`.
pub(super) async fn say(
    State(keyboard): State<Arc<Keyboard>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // No web page can send this type without asking first, and nobody answers that question.
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !is_json {
        return plain(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send application/json".to_owned(),
        );
    }
    let typed: Typed = match serde_json::from_slice(&body) {
        Ok(typed) => typed,
        Err(error) => return plain(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let Some(app_url) = keyboard.request_url().clone() else {
        return plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "no app is installed yet".to_owned(),
        );
    };
    let user = typed.user_id.clone();
    // Before anything is typed, so that no message is missed.
    let seen = keyboard.journal.subscribe();
    let (path, told) = keyboard.press(&app_url, typed);
    let Ok(ack) = told.await else {
        return plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "the command was not sent".to_owned(),
        );
    };
    let first = stream::iter([line(&acknowledged(ack, user))]);
    let rest = stream::unfold((seen, path), |(mut seen, path)| async move {
        let message = message(&mut seen, &path).await?;
        Some((line(&message), (seen, path)))
    });
    let mut response = Response::new(Body::from_stream(
        first.chain(rest).map(Ok::<_, Infallible>),
    ));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-ndjson"),
    );
    response
}

fn acknowledged(ack: Ack, user: String) -> Heard {
    let in_channel = ack
        .body
        .is_some_and(|body| body.response_type == "in_channel");
    Heard::Acknowledged {
        status: ack.status,
        latency_ms: ack.latency.as_secs_f64() * 1_000.0,
        visible_to: (!in_channel).then_some(user),
        shown: ack.shown,
    }
}

/// The next message that is shown through a response address.
async fn message(seen: &mut Subscription, path: &str) -> Option<Heard> {
    loop {
        if let Seen::SlackMessage {
            visible_to,
            response_path,
            shown,
            ..
        } = seen.next().await?.what
            && response_path == path
        {
            return Some(Heard::Message { visible_to, shown });
        }
    }
}

fn line(heard: &Heard) -> Bytes {
    // Plain data always has a JSON form; an empty line would be skipped.
    let mut line = serde_json::to_vec(heard).unwrap_or_default();
    line.push(b'\n');
    Bytes::from(line)
}

fn plain(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}

/// The other side of the keyboard: a command typed to a Slack that listens at a known address, and
/// what is heard of it.
#[derive(Debug)]
pub struct Conversation(http::Lines);

/// Why nothing more is heard.
#[derive(Debug)]
pub enum NoConversation {
    /// Nobody answers there, or no longer.
    Http(http::Error),
    /// Something answers that is not this keyboard, or does not take the command.
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it says.
        message: String,
    },
    /// What was heard is not what this keyboard says.
    Unreadable(serde_json::Error),
}

impl std::fmt::Display for NoConversation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http(error) => error.fmt(f),
            Self::Refused { status, message } if message.is_empty() => write!(f, "HTTP {status}"),
            Self::Refused { status, message } => write!(f, "HTTP {status}: {message}"),
            Self::Unreadable(error) => write!(f, "the answer cannot be read: {error}"),
        }
    }
}

impl std::error::Error for NoConversation {}

impl Conversation {
    /// Types a command at the Slack that listens at `slack`.
    pub async fn begin(slack: SocketAddr, typed: &Typed) -> Result<Self, NoConversation> {
        let body = serde_json::to_string(typed).map_err(NoConversation::Unreadable)?;
        let request = Request::post(format!("http://{slack}{PATH}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|_| NoConversation::Http(http::Error::Address(slack.to_string())))?;
        let mut lines = http::lines(request).await.map_err(NoConversation::Http)?;
        if lines.status() == StatusCode::OK {
            return Ok(Self(lines));
        }
        let message = lines.next().await.ok().flatten().unwrap_or_default();
        Err(NoConversation::Refused {
            status: lines.status().as_u16(),
            message,
        })
    }

    /// What is heard next; nothing if the other side ended the conversation.
    pub async fn next(&mut self) -> Result<Option<Heard>, NoConversation> {
        let line = self.0.next().await.map_err(NoConversation::Http)?;
        line.map(|line| serde_json::from_str(&line))
            .transpose()
            .map_err(NoConversation::Unreadable)
    }
}
