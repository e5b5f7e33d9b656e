//! Slack over HTTP: reply addresses, and the bot's Web API where there is a bot.
//!
//! One post, once: no resend, no redirect, no pooled connection that may have died, no proxy from
//! the environment. A 200 can still carry a refusal, so the body is read too.

use std::time::Duration;

use chatops_core::config::{Slack, Times};
use chatops_core::id::{ChannelId, UserId};
use chatops_core::ports::{Chat, SecretName, Secrets, To};
use chatops_core::reply::Posted;
use chatops_core::secret::ResponseUrl;
use chatops_core::words::{Audience, Post};
use reqwest::{Client, RequestBuilder, Response, StatusCode, header};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::warn;
use url::Url;

/// The most of an answer that is read, in bytes; Slack's are a few dozen, a posted message's a few
/// thousand.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Slack's words about a token that another one may replace.
const OF_THE_TOKEN: [&str; 5] = [
    "invalid_auth",
    "token_revoked",
    "token_expired",
    "account_inactive",
    "not_authed",
];

/// The client for Slack.
#[derive(Debug)]
pub struct SlackClient<X> {
    client: Client,
    origins: Vec<Url>,
    api: Url,
    secrets: X,
}

impl<X: Secrets> SlackClient<X> {
    /// A client that posts to reply addresses below the configured origins and, with the bot's
    /// token from `secrets`, to the Web API.
    pub fn new(slack: &Slack, times: &Times, secrets: X) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .connect_timeout(times.connect_timeout)
            .timeout(times.request_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            .no_proxy()
            .build()?;
        Ok(Self {
            client,
            origins: slack.reply_origins.clone(),
            api: slack.api.clone(),
            secrets,
        })
    }

    async fn to_address(&self, to: &ResponseUrl, post: &Post) -> Posted {
        // Checked when it came in, and again before it is called.
        if ResponseUrl::parse(to.expose(), &self.origins).is_err() {
            return Posted::Refused {
                why: "the address is not Slack's".to_owned(),
            };
        }
        self.send(self.client.post(to.expose()), &post.to_json())
            .await
    }

    /// `chat.postMessage`, or `chat.postEphemeral` for what is the asker's alone.
    async fn to_conversation(&self, channel: &ChannelId, user: &UserId, post: &Post) -> Posted {
        let token = match self.secrets.get(SecretName::SlackBot).await {
            Ok(token) => token,
            Err(error) => {
                return Posted::NotSent {
                    why: error.to_string(),
                };
            }
        };
        let mut body = post.to_json();
        body["channel"] = json!(channel.as_str());
        let method = match post.audience {
            Audience::Channel => "chat.postMessage",
            Audience::Asker => {
                body["user"] = json!(user.as_str());
                "chat.postEphemeral"
            }
        };
        if let Some(body) = body.as_object_mut() {
            // A word of reply addresses alone.
            body.remove("response_type");
        }
        let mut url = self.api.clone();
        url.set_path(&format!("/api/{method}"));
        let request = self
            .client
            .post(url)
            .bearer_auth(token.current.expose_secret());
        match self.send(request, &body).await {
            Posted::Refused { why } if OF_THE_TOKEN.contains(&why.as_str()) => {
                Posted::Unauthorized { why }
            }
            posted => posted,
        }
    }

    async fn send(&self, request: RequestBuilder, body: &Value) -> Posted {
        let request = request
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(body.to_string());
        match request.send().await {
            Ok(response) => answered(response).await,
            // No byte of the request was written.
            Err(error) if error.is_connect() || error.is_builder() => Posted::NotSent {
                why: "Slack could not be reached".to_owned(),
            },
            Err(_) => Posted::Unknown,
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    ok: bool,
    /// A word, but whatever it is, it does not make a refusal a success.
    #[serde(default)]
    error: Value,
}

impl<X: Secrets> Chat for SlackClient<X> {
    async fn post(&self, to: &To, post: &Post) -> Posted {
        match to {
            To::Address(address) => self.to_address(address, post).await,
            To::Conversation { channel, user } => self.to_conversation(channel, user, post).await,
        }
    }

    async fn renew_token(&self) {
        if let Err(error) = self.secrets.refresh(SecretName::SlackBot).await {
            warn!(%error, "the bot's token could not be read afresh");
        }
    }
}

async fn answered(response: Response) -> Posted {
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Posted::Later {
            after: retry_after(&response),
        };
    }
    // A time-out on the way says nothing about what was done behind it.
    if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
        return Posted::Unknown;
    }
    let body = read(response).await;
    let answer = body
        .as_deref()
        .and_then(|body| serde_json::from_slice::<Answer>(body).ok());
    match (status.is_success(), body, answer) {
        // The Web API says so with a 200 as well.
        (_, _, Some(Answer { ok: false, error })) if is_throttle(&error) => {
            Posted::Later { after: None }
        }
        (true, _, Some(Answer { ok: false, error })) | (false, _, Some(Answer { error, .. })) => {
            Posted::Refused {
                why: error.as_str().map_or_else(|| status.to_string(), short),
            }
        }
        (true, Some(_), _) => Posted::Shown,
        // The head said 200 but the answer broke off.
        (true, None, _) => Posted::Unknown,
        (false, body, None) => {
            let text = body
                .and_then(|body| String::from_utf8(body).ok())
                .unwrap_or_default();
            Posted::Refused {
                why: short(&format!("{status} {text}")),
            }
        }
    }
}

fn is_throttle(error: &Value) -> bool {
    matches!(error.as_str(), Some("ratelimited" | "rate_limited"))
}

async fn read(mut response: Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response
        .headers()
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

fn short(text: &str) -> String {
    text.trim().chars().take(100).collect()
}
