//! How CircleCI and Slack are called over HTTP: each request once, without redirects and proxies, and
//! each answer read up to a limit.
//!
//! Nothing here knows a vendor's addresses, tokens or the meaning of an answer.

use std::error::Error;
use std::time::Duration;

use chatops_core::Time;
use chatops_core::config::Timeouts;
use chrono::DateTime;
use reqwest::{Client, ClientBuilder, Response, StatusCode, header};
use serde::de::DeserializeOwned;

/// The most of a vendor's message that is kept, in characters.
pub const MAX_MESSAGE_CHARS: usize = 300;

/// A client that sends each request once: no resend, no redirect, no proxy from the environment.
pub fn client_builder(timeouts: &Timeouts) -> ClientBuilder {
    Client::builder()
        .connect_timeout(timeouts.connect_timeout)
        .timeout(timeouts.request_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .user_agent(concat!("chatops/", env!("CARGO_PKG_VERSION")))
}

/// An answer. What its head says is valid even if the body broke off.
#[derive(Debug, Clone)]
pub struct VendorResponse {
    /// The status.
    pub status: StatusCode,
    /// The pause that the vendor asks for, if it does.
    pub retry_after: Option<Duration>,
    /// The vendor's clock.
    pub date: Option<Time>,
    /// The whole body, or why it could not be read.
    pub body: Result<Vec<u8>, String>,
}

impl VendorResponse {
    /// Reads an answer whose body has at most `limit` bytes.
    pub async fn read(response: Response, limit: usize) -> Self {
        let head = |name| response.headers().get(name)?.to_str().ok();
        let seconds = head(header::RETRY_AFTER).and_then(|value| value.parse().ok());
        let date = head(header::DATE).and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        Self {
            status: response.status(),
            retry_after: seconds.map(Duration::from_secs),
            date: date.map(Into::into),
            body: read_body(response, limit).await,
        }
    }

    /// The body in this form; `None` if it has another, or broke off.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(self.body.as_ref().ok()?).ok()
    }
}

/// The body up to the limit, or why it could not be read.
async fn read_body(mut response: Response, limit: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| describe_error(&e))? {
        if body.len() + chunk.len() > limit {
            return Err(format!("the answer is larger than {} KiB", limit / 1024));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An HTTP error with its causes, without the URL.
#[must_use]
pub fn describe_error(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "could not connect"
    } else {
        "the connection failed"
    };
    let mut cause = error.source();
    let mut last = None;
    while let Some(inner) = cause {
        last = Some(inner.to_string());
        cause = inner.source();
    }
    match last {
        Some(detail) if !error.is_timeout() => truncate(&format!("{what}: {detail}")),
        _ => what.to_owned(),
    }
}

/// A text of somebody else, trimmed and cut to [`MAX_MESSAGE_CHARS`].
#[must_use]
pub fn truncate(text: &str) -> String {
    let mut message: String = text.trim().chars().take(MAX_MESSAGE_CHARS).collect();
    if text.trim().chars().count() > MAX_MESSAGE_CHARS {
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_cut_between_characters() {
        let message = truncate(&"\u{e9}".repeat(MAX_MESSAGE_CHARS + 1));
        assert_eq!(message.chars().count(), MAX_MESSAGE_CHARS + 1);
        assert!(message.ends_with("\u{e9}…"));
        let longest = "x".repeat(MAX_MESSAGE_CHARS);
        assert_eq!(truncate(&longest), longest);
    }
}
