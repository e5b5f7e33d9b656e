//! GET requests to CircleCI and Slack, limited in time and size.

use std::error::Error;

use chatops_core::Time;
use chatops_core::config::Timeouts;
use chrono::{DateTime, TimeDelta};
use reqwest::{Client, header};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use url::Url;

use super::super::now;
use super::super::output::sanitize;

/// The most bytes of a body that are read.
const MAX_BODY_LEN: usize = 1024 * 1024;

/// The most characters of an error message that are shown.
const MAX_SHOWN_LEN: usize = 200;

/// How a token is sent.
pub(super) enum AuthHeader<'t> {
    None,
    CircleToken(&'t SecretString),
    Bearer(&'t SecretString),
}

pub(super) struct DoctorClient(Client);

pub(super) struct DoctorResponse {
    pub(super) status: u16,
    /// How far the server's clock is ahead of ours, by its Date header.
    pub(super) clock_ahead: Option<TimeDelta>,
    body: Vec<u8>,
}

impl DoctorClient {
    /// With the timeouts of `chatops serve`; no redirects, no proxy.
    pub(super) fn new(times: &Timeouts) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .connect_timeout(times.connect_timeout)
            .timeout(times.request_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("chatops/", env!("CARGO_PKG_VERSION")));
        client.build().map(Self)
    }

    /// Requests a URL; the error says why there is no answer.
    pub(super) async fn get(
        &self,
        url: Url,
        token: AuthHeader<'_>,
    ) -> Result<DoctorResponse, String> {
        let request = self.0.get(url).header(header::ACCEPT, "application/json");
        let header = match token {
            AuthHeader::None => None,
            AuthHeader::CircleToken(token) => {
                Some(("Circle-Token", token.expose_secret().to_owned()))
            }
            AuthHeader::Bearer(token) => {
                Some(("Authorization", format!("Bearer {}", token.expose_secret())))
            }
        };
        let request = match header {
            None => request,
            Some((name, text)) => {
                let mut value = header::HeaderValue::from_str(&text)
                    .map_err(|_| "the token has characters that no header takes")?;
                value.set_sensitive(true);
                request.header(name, value)
            }
        };
        let before = now();
        let mut response = request.send().await.map_err(|error| error_text(&error))?;
        let between = before + (now() - before) / 2;
        let mut body = Vec::new();
        // The body may be incomplete: the status is enough.
        while let Ok(Some(more)) = response.chunk().await {
            body.extend_from_slice(&more);
            if body.len() > MAX_BODY_LEN {
                break;
            }
        }
        let date = response.headers().get(header::DATE);
        let date = date
            .and_then(|date| date.to_str().ok())
            .and_then(parse_date);
        Ok(DoctorResponse {
            status: response.status().as_u16(),
            clock_ahead: date.map(|date| date - between),
            body,
        })
    }
}

impl DoctorResponse {
    /// The body, if it has this form.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The status, and the error message.
    pub(super) fn status_text(&self) -> String {
        #[derive(serde::Deserialize)]
        struct ErrorBody {
            message: String,
        }
        match self.json::<ErrorBody>() {
            Some(ErrorBody { message }) if !message.trim().is_empty() => {
                let message: String = message.chars().take(MAX_SHOWN_LEN).collect();
                format!("{} {}", self.status, sanitize(message.trim()))
            }
            _ => self.status.to_string(),
        }
    }
}

fn parse_date(date: &str) -> Option<Time> {
    DateTime::parse_from_rfc2822(date).ok().map(Into::into)
}

/// Why there is no answer, without the URL, which the reader has.
fn error_text(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    sanitize(&cause.to_string())
}
