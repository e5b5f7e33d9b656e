//! What doctor reads: whether Slack answers, and whose the bot's token is. It changes nothing, and
//! judges nothing.

use chatops_core::config::{SlackConfig, Timeouts};
use chatops_http::{VendorResponse, describe_error};
use reqwest::{Client, RequestBuilder, Response, header};
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

/// What Slack says about a token.
#[derive(Debug)]
pub struct TokenAnswer {
    /// The answer: an [`AuthTest`].
    pub response: VendorResponse,
    /// The token's scopes, if Slack names them.
    pub scopes: Option<Vec<String>>,
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
        let response = send(self.http.get(origin.clone())).await?;
        Ok(VendorResponse::read(response, MAX_BODY_BYTES).await)
    }

    /// Asks whose token this is, and what it may do; the error says why there is no answer.
    pub async fn auth_test(&self, token: &SecretString) -> Result<TokenAnswer, String> {
        let mut url = self.api.clone();
        url.set_path("/api/auth.test");
        let text = format!("Bearer {}", token.expose_secret());
        let mut value = header::HeaderValue::from_str(&text)
            .map_err(|_| "the token has characters that no header takes")?;
        value.set_sensitive(true);
        let response = send(self.http.get(url).header(header::AUTHORIZATION, value)).await?;
        let scopes = response.headers().get("x-oauth-scopes");
        let scopes = scopes.and_then(|scopes| scopes.to_str().ok());
        Ok(TokenAnswer {
            scopes: scopes.map(|scopes| scopes.split(',').map(|s| s.trim().to_owned()).collect()),
            response: VendorResponse::read(response, MAX_BODY_BYTES).await,
        })
    }
}

async fn send(request: RequestBuilder) -> Result<Response, String> {
    let request = request.header(header::ACCEPT, "application/json");
    let response = request.send().await;
    response.map_err(|error| describe_error(&error))
}
