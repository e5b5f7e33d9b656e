//! What Slack does when a person types a command, and what the person sees.

use std::sync::Arc;
use std::time::Duration;

use hyper::{Request, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::model::TEAM;
use super::server::Slack;
use super::signature::{Signed, signed_request};
use crate::http;
use crate::journal::{Journal, Seen};
use crate::server::now;

/// A command as a person types it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typed {
    /// Who, by id.
    pub user_id: String,
    /// Who, by name.
    pub user_name: String,
    /// Where, by id.
    pub channel_id: String,
    /// Where, by name.
    pub channel_name: String,
    /// What follows the command.
    pub text: String,
}

impl Typed {
    /// A text typed by one person in one channel.
    pub fn new(text: &str) -> Self {
        Self {
            user_id: "U0001".to_owned(),
            user_name: "ada".to_owned(),
            channel_id: "C0001".to_owned(),
            channel_name: "deploys".to_owned(),
            text: text.to_owned(),
        }
    }
}

/// A request ready to be sent, once or again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The app's address.
    pub url: String,
    /// Headers and body; a test may change them.
    pub signed: Signed,
    /// The path of the response address inside the body.
    pub response_path: String,
    /// Who typed it, by id.
    pub user_id: String,
    /// What the person typed, with the command.
    pub line: String,
}

/// The app's immediate answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Ack {
    /// The HTTP status; nothing if no answer arrived in time.
    pub status: Option<u16>,
    /// The message in it; nothing for an empty or failed answer.
    pub body: Option<AckBody>,
    /// From sending to the whole answer, or to giving up.
    pub latency: Duration,
    /// What the person sees; empty for an empty answer.
    pub shown: String,
}

/// The message in an immediate answer.
#[derive(Debug, Clone, PartialEq)]
pub struct AckBody {
    /// `ephemeral` or `in_channel`.
    pub response_type: String,
    /// The text; with blocks, only the notification.
    pub text: String,
    /// The blocks, if there are any.
    pub blocks: Option<Value>,
}

/// Slack's side that calls the app.
#[derive(Debug)]
pub struct Client {
    slack: Arc<Slack>,
    journal: Journal,
    slack_url: String,
    signing_secret: String,
    command: String,
    limit: Duration,
}

impl Client {
    pub(crate) fn new(
        slack: Arc<Slack>,
        journal: Journal,
        slack_url: String,
        settings: &crate::Settings,
    ) -> Self {
        Self {
            slack,
            journal,
            slack_url,
            signing_secret: settings.signing_secret.clone(),
            command: settings.command.clone(),
            limit: settings.ack_limit,
        }
    }

    /// A person types: the request goes out and the journal shows both sides.
    pub async fn type_command(&self, app_url: &str, typed: Typed) -> Ack {
        self.send(&self.record(app_url, typed)).await
    }

    /// What a person types: the journal shows it, and the request is ready to be sent.
    pub(super) fn record(&self, app_url: &str, typed: Typed) -> Sent {
        let sent = self.compose(app_url, &typed);
        self.journal.record(
            now(),
            Seen::Typed {
                user_id: typed.user_id,
                user_name: typed.user_name,
                channel_id: typed.channel_id,
                channel_name: typed.channel_name,
                command: self.command.clone(),
                text: typed.text,
            },
        );
        sent
    }

    /// The signed request for a command, with a new response address, not sent yet.
    pub fn compose(&self, app_url: &str, typed: &Typed) -> Sent {
        let now = now();
        let (response_path, trigger_id) = {
            let mut model = self.slack.lock();
            let path = model.issue_response_url(now, &typed.user_id, &typed.channel_id);
            (path, model.trigger_id())
        };
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", "gIkuvaNzQIHg97ATvDxqgjtO")
            .append_pair("team_id", TEAM)
            .append_pair("team_domain", "acme")
            .append_pair("channel_id", &typed.channel_id)
            .append_pair("channel_name", &typed.channel_name)
            .append_pair("user_id", &typed.user_id)
            .append_pair("user_name", &typed.user_name)
            .append_pair("command", &self.command)
            .append_pair("text", &typed.text)
            .append_pair("api_app_id", "A0001")
            .append_pair("is_enterprise_install", "false")
            .append_pair(
                "response_url",
                &format!("{}{response_path}", self.slack_url),
            )
            .append_pair("trigger_id", &trigger_id)
            .finish();
        Sent {
            url: app_url.to_owned(),
            signed: signed_request(&self.signing_secret, now.timestamp(), body),
            response_path,
            user_id: typed.user_id.clone(),
            line: format!("{} {}", self.command, typed.text)
                .trim_end()
                .to_owned(),
        }
    }

    /// Sends the request and takes the immediate answer within Slack's limit.
    pub async fn send(&self, sent: &Sent) -> Ack {
        let started = Instant::now();
        let reply = match request(sent) {
            Ok(request) => http::send(request, self.limit).await,
            Err(_) => Err(http::Error::Address(sent.url.clone())),
        };
        let latency = started.elapsed();
        let status = reply.as_ref().ok().map(|reply| reply.status.as_u16());
        let (body, shown) = match self.understand(sent, reply) {
            Ok(shown) => shown,
            Err(error) => (
                None,
                format!("{} failed with the error \"{error}\"", self.command),
            ),
        };
        self.journal.record(
            now(),
            Seen::Acknowledged {
                user_id: sent.user_id.clone(),
                latency,
                shown: shown.clone(),
                public: body
                    .as_ref()
                    .is_some_and(|body| body.response_type == "in_channel"),
            },
        );
        Ack {
            status,
            body,
            latency,
            shown,
        }
    }

    /// Sends the very same bytes once more, as someone would who has recorded them.
    pub async fn resend(&self, sent: &Sent) -> Ack {
        self.send(sent).await
    }

    /// The answer and what the person sees of it, or Slack's word for the failure.
    fn understand(
        &self,
        sent: &Sent,
        reply: Result<http::Reply, http::Error>,
    ) -> Result<(Option<AckBody>, String), &'static str> {
        let reply = reply.map_err(|error| match error {
            http::Error::TimedOut => "operation_timeout",
            http::Error::Address(_) | http::Error::Broken(_) => "dispatch_failed",
        })?;
        if reply.status.is_client_error() {
            return Err("http_client_error");
        }
        if reply.status != 200 {
            return Err("dispatch_failed");
        }
        let json = reply
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.starts_with("application/json"));
        let mut model = self.slack.lock();
        let message = model
            .acknowledge(now(), &sent.response_path, &reply.body, json)
            .map_err(|_| "dispatch_failed")?;
        if let Some(message) = message {
            let body = AckBody {
                response_type: response_type(message.visible_to.is_none()),
                text: message.text.clone(),
                blocks: message.blocks.clone(),
            };
            return Ok((Some(body), message.shown()));
        }
        // Without a message, `in_channel` shows the channel what the person typed.
        let in_channel = json
            && reply
                .json()
                .is_ok_and(|body| body["response_type"] == "in_channel");
        if in_channel {
            let body = AckBody {
                response_type: response_type(true),
                text: String::new(),
                blocks: None,
            };
            return Ok((Some(body), sent.line.clone()));
        }
        Ok((None, String::new()))
    }
}

fn response_type(in_channel: bool) -> String {
    if in_channel {
        "in_channel"
    } else {
        "ephemeral"
    }
    .to_owned()
}

fn request(sent: &Sent) -> hyper::http::Result<Request<String>> {
    let mut request = Request::post(&sent.url);
    for (name, value) in &sent.signed.headers {
        request = request.header(*name, value);
    }
    request.body(sent.signed.body.clone())
}
