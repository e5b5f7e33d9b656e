//! Slack over HTTP: reply addresses, and the bot's Web API where there is a bot.
//!
//! One post, once: no resend, no redirect, no pooled connection that may have died, no proxy from
//! the environment.

mod answer;

use chatops_core::config::{Slack, Times};
use chatops_core::id::{ChannelId, UserId};
use chatops_core::ports::{Chat, SecretName, Secrets, To};
use chatops_core::reply::Posted;
use chatops_core::secret::ResponseUrl;
use chatops_core::words::{Audience, Post};
use reqwest::{Client, RequestBuilder, Response, header};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tracing::warn;
use url::Url;

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
        match self
            .send(self.client.post(to.expose()), &post.to_json())
            .await
        {
            Ok(response) => answer::of_an_address(response).await,
            Err(posted) => posted,
        }
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
            Ok(response) => answer::of_the_web_api(response).await,
            Err(posted) => posted,
        }
    }

    /// Sends, once: what Slack answered, or what became of a request that got no answer.
    async fn send(&self, request: RequestBuilder, body: &Value) -> Result<Response, Posted> {
        let request = request
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(body.to_string());
        request.send().await.map_err(|error| {
            if error.is_connect() || error.is_builder() {
                // No byte of the request was written.
                Posted::NotSent {
                    why: "Slack could not be reached".to_owned(),
                }
            } else {
                Posted::Unknown
            }
        })
    }
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
