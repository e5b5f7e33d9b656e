//! What Slack does when a person types a command, and what the person sees.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::super::blocks::first_block_id;
use super::super::model::TEAM_ID;
use super::super::signature::{SignedForm, signed_request};
use super::FakeSlack;
use crate::http;
use crate::journal::{Journal, JournalEvent};
use crate::server::now;

/// A command as a person types it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypedCommand {
    /// Who, by id.
    pub user_id: String,
    /// Who, by name.
    pub user_name: String,
    /// Where, by id.
    pub channel_id: String,
    /// Where, by name.
    pub channel_name: String,
    /// The text after the command.
    pub text: String,
}

impl TypedCommand {
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

/// A request that can be sent once or repeatedly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRequest {
    /// The app's URL.
    pub url: String,
    /// Headers and body; a test may change them.
    pub signed: SignedForm,
    /// The path of the response URL in the body.
    pub response_path: String,
    /// Who typed it, by id.
    pub user_id: String,
    /// What the person typed, with the command.
    pub command_line: String,
}

/// The app's immediate answer.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandAck {
    /// The HTTP status; `None` if no answer arrived in time.
    pub status: Option<u16>,
    /// The message in it; `None` for an empty or failed answer.
    pub body: Option<AckBody>,
    /// From sending to the complete answer, or to giving up.
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

impl AckBody {
    fn new(public: bool, text: &str, blocks: Option<Value>) -> Self {
        let response_type = if public { "in_channel" } else { "ephemeral" };
        Self {
            response_type: response_type.to_owned(),
            text: text.to_owned(),
            blocks,
        }
    }

    pub(crate) fn is_public(&self) -> bool {
        self.response_type == "in_channel"
    }

    /// The id of the first block.
    pub fn block_id(&self) -> Option<String> {
        first_block_id(self.blocks.as_ref())
    }
}

/// Slack's side that calls the app.
#[derive(Debug)]
pub struct CommandSender {
    pub(super) slack: Arc<FakeSlack>,
    journal: Journal,
    pub(super) slack_url: String,
    pub(super) signing_secret: String,
    command: String,
    pub(super) ack_timeout: Duration,
}

impl CommandSender {
    pub(crate) fn new(
        slack: &Arc<FakeSlack>,
        journal: &Journal,
        slack_url: &str,
        settings: &crate::SandboxSettings,
    ) -> Self {
        Self {
            slack: Arc::clone(slack),
            journal: journal.clone(),
            slack_url: slack_url.to_owned(),
            signing_secret: settings.signing_secret.clone(),
            command: settings.command.clone(),
            ack_timeout: settings.ack_timeout,
        }
    }

    /// Types a command: sends the request and records both sides.
    pub async fn type_command(&self, app_url: &str, typed: TypedCommand) -> CommandAck {
        self.send(&self.record_command(app_url, typed)).await
    }

    /// Records what a person types and prepares the request.
    pub(crate) fn record_command(&self, app_url: &str, typed: TypedCommand) -> CommandRequest {
        let sent = self.prepare_command(app_url, &typed);
        let event = JournalEvent::CommandTyped {
            user_id: typed.user_id,
            user_name: typed.user_name,
            channel_id: typed.channel_id,
            channel_name: typed.channel_name,
            command: self.command.clone(),
            text: typed.text,
        };
        self.journal.record(now(), event);
        sent
    }

    /// The signed request for a command with a new response URL, not sent yet.
    pub fn prepare_command(&self, app_url: &str, typed: &TypedCommand) -> CommandRequest {
        let now = now();
        let (response_path, trigger_id) = {
            let mut model = self.slack.lock();
            let path = model.issue_response_url(now, &typed.user_id, &typed.channel_id);
            (path, model.next_trigger_id())
        };
        let response_url = format!("{}{response_path}", self.slack_url);
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", "gIkuvaNzQIHg97ATvDxqgjtO")
            .append_pair("team_id", TEAM_ID)
            .append_pair("team_domain", "acme")
            .append_pair("channel_id", &typed.channel_id)
            .append_pair("channel_name", &typed.channel_name)
            .append_pair("user_id", &typed.user_id)
            .append_pair("user_name", &typed.user_name)
            .append_pair("command", &self.command)
            .append_pair("text", &typed.text)
            .append_pair("api_app_id", "A0001")
            .append_pair("is_enterprise_install", "false")
            .append_pair("response_url", &response_url)
            .append_pair("trigger_id", &trigger_id)
            .finish();
        let command_line = format!("{} {}", self.command, typed.text);
        CommandRequest {
            url: app_url.to_owned(),
            signed: signed_request(&self.signing_secret, now.timestamp(), body),
            response_path,
            user_id: typed.user_id.clone(),
            command_line: command_line.trim_end().to_owned(),
        }
    }

    /// Sends the request and takes the immediate answer within Slack's limit.
    pub async fn send(&self, sent: &CommandRequest) -> CommandAck {
        let started = Instant::now();
        let (headers, body) = (&sent.signed.headers, &sent.signed.body);
        let reply = http::post(&sent.url, headers, body, self.ack_timeout).await;
        let latency = started.elapsed();
        let status = reply.as_ref().ok().map(|reply| reply.status.as_u16());
        let (body, shown) = self.read_ack(sent, reply).unwrap_or_else(|error| {
            let shown = format!("{} failed with the error \"{error}\"", self.command);
            (None, shown)
        });
        let event = JournalEvent::CommandAcknowledged {
            user_id: sent.user_id.clone(),
            latency,
            shown: shown.clone(),
            block_id: body.as_ref().and_then(AckBody::block_id),
            public: body.as_ref().is_some_and(AckBody::is_public),
        };
        self.journal.record(now(), event);
        CommandAck {
            status,
            body,
            latency,
            shown,
        }
    }

    /// Sends the same bytes again, as an attacker who recorded them.
    pub async fn resend(&self, sent: &CommandRequest) -> CommandAck {
        self.send(sent).await
    }

    /// The answer and what the person sees of it, or Slack's code for the failure.
    fn read_ack(
        &self,
        sent: &CommandRequest,
        reply: Result<http::HttpReply, http::HttpError>,
    ) -> Result<(Option<AckBody>, String), &'static str> {
        let reply = reply.map_err(|error| match error {
            http::HttpError::TimedOut => "operation_timeout",
            _ => "dispatch_failed",
        })?;
        if reply.status.is_client_error() {
            return Err("http_client_error");
        }
        if reply.status != 200 {
            return Err("dispatch_failed");
        }
        let json = http::is_json(&reply.headers);
        let mut model = self.slack.lock();
        let message = model
            .receive_ack(now(), &sent.response_path, &reply.body, json)
            .map_err(|_| "dispatch_failed")?;
        if let Some(message) = message {
            let public = message.visible_to.is_none();
            let body = AckBody::new(public, &message.text, message.blocks.clone());
            return Ok((Some(body), message.shown_text()));
        }
        // Without a message, `in_channel` shows the channel what the person typed.
        let is_public = |body: Value| body["response_type"] == "in_channel";
        if json && reply.json().is_ok_and(is_public) {
            let body = AckBody::new(true, "", None);
            return Ok((Some(body), sent.command_line.clone()));
        }
        Ok((None, String::new()))
    }
}
