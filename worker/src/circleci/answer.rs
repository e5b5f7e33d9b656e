//! CircleCI's answers: the status, the body up to a limit, and the words in it.

use std::error::Error;
use std::time::Duration;

use chatops_core::deploy::Pipeline;
use chatops_core::ports::{CiError, Outcome};
use reqwest::{Response, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::wire;

/// The most of an answer that is read, in bytes.
const LARGEST: usize = 1024 * 1024;

/// The most of CircleCI's words that are kept, in characters.
const WORDS: usize = 300;

/// An answer that was read to its end.
pub(super) struct Answer {
    status: StatusCode,
    after: Option<Duration>,
    body: Vec<u8>,
}

impl Answer {
    /// Reads an answer; the error says why it could not be read to its end.
    pub(super) async fn read(mut response: Response) -> Result<Self, String> {
        let status = response.status();
        let after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| said(&error))? {
            if body.len() + chunk.len() > LARGEST {
                return Err("the answer is larger than 1 MiB".to_owned());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Self { status, after, body })
    }

    /// The answer if it is a success, or what CircleCI said instead.
    pub(super) fn succeeded(self) -> Result<Self, CiError> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(CiError {
            message: format!("HTTP {}: {}", self.status.as_u16(), self.words()),
            after: self.after,
            unauthorized: self.status == StatusCode::UNAUTHORIZED,
        })
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, CiError> {
        serde_json::from_slice(&self.body).map_err(|error| CiError {
            message: format!("the answer cannot be read: {error}"),
            after: None,
            unauthorized: false,
        })
    }

    fn words(&self) -> String {
        self.message().unwrap_or_else(|| "an answer without a message".to_owned())
    }

    /// CircleCI's words: `message`, which may itself be JSON with a `message` in it.
    fn message(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        let mut text = body.get("message")?.as_str()?.to_owned();
        while let Some(inner) = serde_json::from_str::<Value>(&text)
            .ok()
            .and_then(|nested| nested.get("message")?.as_str().map(str::to_owned))
        {
            text = inner;
        }
        Some(cut(&text))
    }
}

/// What the answer to the one POST means.
pub(super) async fn triggered(
    response: Response,
    pipeline: impl Fn(&wire::Pipeline) -> Pipeline,
) -> Outcome {
    let status = response.status();
    let answer = Answer::read(response).await;
    if status.is_success() {
        return match answer.map(|answer| (answer.json::<wire::Pipeline>(), answer)) {
            Ok((Ok(seen), _)) => Outcome::Created(pipeline(&seen)),
            // 200 with a message: understood, and not triggered.
            Ok((Err(error), answer)) => match answer.message() {
                Some(message) if status == StatusCode::OK => {
                    Outcome::Refused { status: 200, message }
                }
                _ => Outcome::Unknown { doubt: error.message },
            },
            Err(broken) => Outcome::Unknown { doubt: broken },
        };
    }
    // From here on the status alone decides; a body that broke off only costs the words.
    let (words, after) = match answer {
        Ok(answer) => (answer.words(), answer.after),
        Err(broken) => (broken, None),
    };
    match status {
        StatusCode::UNAUTHORIZED => Outcome::Unauthorized { message: words },
        StatusCode::TOO_MANY_REQUESTS => {
            Outcome::NotNow { obstacle: format!("HTTP 429: {words}"), after }
        }
        // A time-out on the way says nothing about what was done behind it.
        StatusCode::REQUEST_TIMEOUT => Outcome::Unknown { doubt: format!("HTTP 408: {words}") },
        _ if status.is_server_error() => {
            Outcome::Unknown { doubt: format!("HTTP {}: {words}", status.as_u16()) }
        }
        _ => Outcome::Refused { status: status.as_u16(), message: words },
    }
}

/// An HTTP error with its causes, without the URL.
pub(super) fn said(error: &reqwest::Error) -> String {
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
        Some(detail) if !error.is_timeout() => cut(&format!("{what}: {detail}")),
        _ => what.to_owned(),
    }
}

pub(super) fn cut(text: &str) -> String {
    let mut words: String = text.trim().chars().take(WORDS).collect();
    if text.trim().chars().count() > WORDS {
        words.push('…');
    }
    words
}
