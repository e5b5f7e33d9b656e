//! What doctor reads: whether Slack answers, and whose the bot's token is. It changes nothing, and
//! judges nothing.

use chatops_core::config::{SlackConfig, Timeouts};
use chatops_http::{VendorResponse, describe_error};
use reqwest::{Client, RequestBuilder, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::MAX_BODY_BYTES;

/// Reads what Slack shows.
#[derive(Debug)]
pub struct SlackInspector {
    http: Client,
    api: Url,
}

/// `auth.test`
#[derive(Debug, Clone, Deserialize)]
pub struct AuthTest {
    /// Whether the token is valid.
    pub ok: bool,
    /// Slack's error, if it is not.
    #[serde(default)]
    pub error: String,
    /// The bot's name.
    #[serde(default)]
    pub user: String,
    /// The workspace's name.
    #[serde(default)]
    pub team: String,
}

impl SlackInspector {
    /// An inspector of the configured Slack.
    pub fn new(slack: &SlackConfig, timeouts: &Timeouts) -> reqwest::Result<Self> {
        Ok(Self {
            http: chatops_http::client_builder(timeouts).build()?,
            api: slack.api.clone(),
        })
    }

    /// Requests an origin: any answer says that it can be reached.
    pub async fn reach(&self, origin: &Url) -> Result<VendorResponse, String> {
        send(self.http.get(origin.clone())).await
    }

    /// Asks whose token this is; the error says why there is no answer.
    pub async fn auth_test(&self, token: &SecretString) -> Result<VendorResponse, String> {
        let mut url = self.api.clone();
        url.set_path("/api/auth.test");
        let text = format!("Bearer {}", token.expose_secret());
        let mut value = header::HeaderValue::from_str(&text)
            .map_err(|_| "the token has characters that no header takes")?;
        value.set_sensitive(true);
        send(self.http.get(url).header(header::AUTHORIZATION, value)).await
    }
}

async fn send(request: RequestBuilder) -> Result<VendorResponse, String> {
    let request = request.header(header::ACCEPT, "application/json");
    let response = request
        .send()
        .await
        .map_err(|error| describe_error(&error))?;
    Ok(VendorResponse::read(response, MAX_BODY_BYTES).await)
}
