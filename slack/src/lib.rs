//! Slack over HTTP: response URLs, and the Web API if there is a bot. Nothing here knows a deploy.
//!
//! Each message is posted once: no resend, no redirect, no pooled connection that may have died, no
//! proxy from the environment.

#[cfg(test)]
mod fuzz;
mod inspect;
mod response;

use std::time::{Duration, Instant};

pub use self::inspect::{AuthTest, SlackInspector, TokenAnswer};
use chatops_core::config::{SlackConfig, Timeouts};
use chatops_core::notification::PostResult;
use chatops_core::ports::{
    ChatClient, PortErrorKind, PostTarget, SecretError, SecretName, SecretReader,
};
use chatops_core::posted::PostedMessage;
use chatops_core::secret::ResponseUrl;
use chatops_core::text::{Audience, SlackMessage};
use chatops_http::{RateLimitPause, VendorResponse};
use reqwest::{Client, RequestBuilder, header};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tracing::warn;
use url::Url;

/// The most of an answer that is read, in bytes. A response URL's has a few dozen, the Web API's a
/// few thousand.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The client for Slack.
#[derive(Debug)]
pub struct SlackClient<Secrets> {
    http: Client,
    response_url_origins: Vec<Url>,
    api_url: Url,
    /// Of the bot. A response URL belongs to one deploy, whose record holds its pause.
    bot_pause: RateLimitPause,
    secrets: Secrets,
}

impl<Secrets: SecretReader> SlackClient<Secrets> {
    /// A client that posts to response URLs below the configured origins and, with the bot's token
    /// from `secrets`, to the Web API.
    pub fn new(
        slack: &SlackConfig,
        timeouts: &Timeouts,
        secrets: Secrets,
    ) -> reqwest::Result<Self> {
        let http = chatops_http::client_builder(timeouts)
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self {
            http,
            response_url_origins: slack.response_url_origins.clone(),
            api_url: slack.api.clone(),
            bot_pause: RateLimitPause::default(),
            secrets,
        })
    }

    /// A client with other settings, and the pause that Slack has asked the bot for.
    pub fn reconfigure(&self, slack: &SlackConfig, timeouts: &Timeouts) -> reqwest::Result<Self>
    where
        Secrets: Clone,
    {
        Ok(Self {
            bot_pause: self.bot_pause.clone(),
            ..Self::new(slack, timeouts, self.secrets.clone())?
        })
    }

    async fn post_to_url(
        &self,
        url: &ResponseUrl,
        message: &SlackMessage,
        in_place: bool,
    ) -> PostResult {
        // Checked by ingest, and again before it is called.
        if ResponseUrl::parse(url.expose(), &self.response_url_origins).is_err() {
            let reason = "the response URL is not Slack's".to_owned();
            return PostResult::Refused { reason };
        }
        let request = self.http.post(url.expose());
        let mut body = message.to_json();
        body["replace_original"] = in_place.into();
        match self.send_once(request, &body).await {
            Ok(response) => response::response_url_result(&response),
            Err(result) => result,
        }
    }

    /// One call of the Web API with a message, as the bot.
    async fn send_as_bot(&self, method: &str, message: &SlackMessage, to: Value) -> PostResult {
        let mut body = message.to_json();
        if let (Some(body), Value::Object(to)) = (body.as_object_mut(), to) {
            // Only response URLs have these keys.
            body.remove("response_type");
            body.remove("replace_original");
            body.extend(to);
        }
        self.call_as_bot(method, &body).await
    }

    /// One call of the Web API, as the bot.
    async fn call_as_bot(&self, method: &str, body: &Value) -> PostResult {
        if let Some(left) = self.bot_pause.remaining(Instant::now()) {
            return not_sent("Slack has asked the bot for a pause", Some(left));
        }
        let token = match self.secrets.find(SecretName::SlackBot).await {
            Ok(token) => token,
            Err(error) => return not_sent(&error.to_string(), None),
        };
        let mut url = self.api_url.clone();
        url.set_path(&format!("/api/{method}"));
        let token = token.current.expose_secret();
        let request = self.http.post(url).bearer_auth(token);
        let result = match self.send_once(request, body).await {
            Ok(response) => response::web_api_result(&response),
            Err(result) => result,
        };
        if let PostResult::Later { after } = result {
            self.bot_pause.extend(after, Instant::now());
        }
        result
    }

    /// Sends once: Slack's answer, or the result of a request without an answer.
    async fn send_once(
        &self,
        request: RequestBuilder,
        body: &Value,
    ) -> Result<VendorResponse, PostResult> {
        let request = request
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(body.to_string());
        match request.send().await {
            Ok(response) => Ok(VendorResponse::read(response, MAX_BODY_BYTES).await),
            // No byte of the request was written.
            Err(error) if error.is_connect() || error.is_builder() => {
                Err(not_sent("Slack could not be reached", None))
            }
            Err(_) => Err(PostResult::Unknown),
        }
    }
}

/// How the Web API names a message.
fn place(message: &PostedMessage) -> Value {
    json!({"channel": message.channel.as_str(), "ts": message.ts.as_str()})
}

fn not_sent(reason: &str, after: Option<Duration>) -> PostResult {
    let reason = reason.to_owned();
    PostResult::NotSent { reason, after }
}

impl<Secrets: SecretReader> ChatClient for SlackClient<Secrets> {
    async fn post(&self, to: &PostTarget, message: &SlackMessage) -> PostResult {
        match to {
            PostTarget::ResponseUrl(url) => self.post_to_url(url, message, false).await,
            PostTarget::Pressed(url) => self.post_to_url(url, message, true).await,
            PostTarget::Conversation { channel, user } => {
                let channel = channel.as_str();
                let (method, to) = match message.audience {
                    Audience::Channel => ("chat.postMessage", json!({"channel": channel})),
                    Audience::Requester => (
                        "chat.postEphemeral",
                        json!({"channel": channel, "user": user.as_str()}),
                    ),
                };
                self.send_as_bot(method, message, to).await
            }
            PostTarget::Thread { parent, broadcast } => {
                let to = json!({
                    "channel": parent.channel.as_str(),
                    "thread_ts": parent.ts.as_str(),
                    "reply_broadcast": broadcast,
                });
                self.send_as_bot("chat.postMessage", message, to).await
            }
            PostTarget::Edit(edited) => {
                self.send_as_bot("chat.update", message, place(edited))
                    .await
            }
        }
    }

    async fn delete(&self, message: &PostedMessage) -> PostResult {
        match self.call_as_bot("chat.delete", &place(message)).await {
            PostResult::Refused { reason } if reason == "message_not_found" => {
                PostResult::Delivered(None)
            }
            result => result,
        }
    }

    async fn has_bot(&self) -> Result<bool, SecretError> {
        match self.secrets.find(SecretName::SlackBot).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == PortErrorKind::Missing => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn renew_token(&self) {
        if let Err(error) = self.secrets.refresh(SecretName::SlackBot).await {
            warn!(%error, "the bot's token could not be refreshed");
        }
    }
}
