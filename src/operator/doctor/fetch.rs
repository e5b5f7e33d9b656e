//! One request after the other to CircleCI and Slack, bounded in time and size.

use std::error::Error;

use chatops_core::Time;
use chatops_core::config::Times;
use chrono::{DateTime, TimeDelta};
use reqwest::{Client, header};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use url::Url;

use super::super::now;
use super::super::out::plain;

/// The most of an answer that is read.
const LARGEST: usize = 1024 * 1024;

/// The most of somebody's words that is shown.
const SHOWN: usize = 200;

/// How a token travels.
pub(super) enum Token<'t> {
    /// Not at all.
    None,
    /// As CircleCI wants it.
    Circle(&'t SecretString),
    /// As Slack wants it.
    Bearer(&'t SecretString),
}

/// The client.
pub(super) struct Web(Client);

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    /// How far the other side's clock is ahead of ours, if it says what time it is.
    pub(super) ahead: Option<TimeDelta>,
    body: Vec<u8>,
}

impl Web {
    /// As patient as `chatops serve`, and as wary: no redirect, no proxy.
    pub(super) fn new(times: &Times) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .connect_timeout(times.connect_timeout)
            .timeout(times.request_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("chatops/", env!("CARGO_PKG_VERSION")));
        client.build().map(Self)
    }

    /// Gets an address, or says why there is no answer.
    pub(super) async fn get(&self, url: Url, token: Token<'_>) -> Result<Answer, String> {
        let request = self.0.get(url).header(header::ACCEPT, "application/json");
        let sensitive = |text: String| {
            let value = header::HeaderValue::from_str(&text);
            value.map(|mut value| {
                value.set_sensitive(true);
                value
            })
        };
        let (name, value) = match token {
            Token::None => ("", Ok(header::HeaderValue::from_static(""))),
            Token::Circle(token) => ("Circle-Token", sensitive(token.expose_secret().to_owned())),
            Token::Bearer(token) => (
                "Authorization",
                sensitive(format!("Bearer {}", token.expose_secret())),
            ),
        };
        let value = value.map_err(|_| "the token has characters that no header takes")?;
        let request = match name {
            "" => request,
            name => request.header(name, value),
        };
        let before = now();
        let mut response = request.send().await.map_err(|error| said(&error))?;
        let between = before + (now() - before) / 2;
        let mut body = Vec::new();
        // What comes after the head may be missing: the status says enough.
        while let Ok(Some(more)) = response.chunk().await {
            body.extend_from_slice(&more);
            if body.len() > LARGEST {
                break;
            }
        }
        let date = response.headers().get(header::DATE);
        let date = date.and_then(|date| date.to_str().ok()).and_then(moment);
        Ok(Answer {
            status: response.status().as_u16(),
            ahead: date.map(|date| date - between),
            body,
        })
    }
}

impl Answer {
    /// What was answered, if it is what it should be.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The status, and the words that came with it.
    pub(super) fn said(&self) -> String {
        #[derive(serde::Deserialize)]
        struct Said {
            message: String,
        }
        match self.json::<Said>() {
            Some(Said { message }) if !message.trim().is_empty() => {
                let message: String = message.chars().take(SHOWN).collect();
                format!("{} {}", self.status, plain(message.trim()))
            }
            _ => self.status.to_string(),
        }
    }
}

fn moment(date: &str) -> Option<Time> {
    DateTime::parse_from_rfc2822(date).ok().map(Into::into)
}

/// Why there is no answer, without the address, which the reader has.
fn said(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    plain(&cause.to_string())
}
