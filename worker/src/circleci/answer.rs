//! CircleCI's answers: the status, the body up to a limit, and the words in it.

use std::error::Error;
use std::time::Duration;

use chatops_core::deploy::Pipeline;
use chatops_core::ports::{CiError, Outcome};
use reqwest::{Response, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The most of an answer that is read, in bytes.
const LARGEST: usize = 1024 * 1024;

/// The most of CircleCI's words that are kept, in characters.
const WORDS: usize = 300;

/// An answer. The status and the wait stand even if the body broke off.
pub(super) struct Answer {
    status: StatusCode,
    after: Option<Duration>,
    /// The whole body, or why it could not be read to its end.
    body: Result<Vec<u8>, String>,
}

impl Answer {
    pub(super) async fn read(response: Response) -> Self {
        let status = response.status();
        let after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        Self {
            status,
            after,
            body: whole(response).await,
        }
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
        let body = self.body.as_ref().map_err(Clone::clone);
        let read = body.and_then(|body| {
            serde_json::from_slice(body)
                .map_err(|error| format!("the answer cannot be read: {error}"))
        });
        read.map_err(|message| CiError {
            message,
            after: None,
            unauthorized: false,
        })
    }

    /// Whether CircleCI asks for a pause.
    pub(super) fn is_throttled(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
    }

    /// For how long, if it says so.
    pub(super) fn after(&self) -> Option<Duration> {
        self.after
    }

    /// What the answer to `pipeline/run` means: there, 200 with a message alone is documented as
    /// "understood, and not triggered".
    pub(super) fn ran<T: DeserializeOwned>(self, run: impl Fn(&T) -> Pipeline) -> Outcome {
        match self.message() {
            Some(message) if self.status == StatusCode::OK && self.json::<T>().is_err() => {
                Outcome::Refused {
                    status: 200,
                    message,
                }
            }
            _ => self.triggered(run),
        }
    }

    /// What the answer to the one POST means, if a success shows a `T`.
    pub(super) fn triggered<T: DeserializeOwned>(self, run: impl Fn(&T) -> Pipeline) -> Outcome {
        let status = self.status;
        if status.is_success() {
            return match self.json::<T>() {
                Ok(seen) => Outcome::Created(run(&seen)),
                Err(error) => Outcome::Unknown {
                    doubt: error.message,
                },
            };
        }
        // From here on the status alone decides; a body that broke off only costs the words.
        let (words, after) = (self.words(), self.after);
        match status {
            StatusCode::UNAUTHORIZED => Outcome::Unauthorized { message: words },
            StatusCode::TOO_MANY_REQUESTS => Outcome::NotNow {
                obstacle: format!("HTTP 429: {words}"),
                after,
            },
            // A time-out on the way says nothing about what was done behind it.
            StatusCode::REQUEST_TIMEOUT => Outcome::Unknown {
                doubt: format!("HTTP 408: {words}"),
            },
            _ if status.is_server_error() => Outcome::Unknown {
                doubt: format!("HTTP {}: {words}", status.as_u16()),
            },
            _ => Outcome::Refused {
                status: status.as_u16(),
                message: words,
            },
        }
    }

    fn words(&self) -> String {
        match &self.body {
            Ok(_) => self
                .message()
                .unwrap_or_else(|| "an answer without a message".to_owned()),
            Err(broken) => broken.clone(),
        }
    }

    /// CircleCI's words: `message`, which may itself be JSON with a `message` in it.
    fn message(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(self.body.as_ref().ok()?).ok()?;
        let mut text = body.get("message")?.as_str()?.to_owned();
        while let Some(inner) = serde_json::from_str::<Value>(&text)
            .ok()
            .and_then(|nested| nested.get("message")?.as_str().map(str::to_owned))
        {
            text = inner;
        }
        Some(cut(&text)).filter(|words| !words.is_empty())
    }
}

/// A listing that is too long to be read to its end proves nothing.
pub(super) fn unfinished(message: String) -> CiError {
    CiError {
        message,
        after: None,
        unauthorized: false,
    }
}

/// The body up to the limit, or why there is no more of it.
async fn whole(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| said(&error))? {
        if body.len() + chunk.len() > LARGEST {
            return Err("the answer is larger than 1 MiB".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        Answer {
            status: StatusCode::BAD_REQUEST,
            after: None,
            body: Ok(body.into()),
        }
    }

    #[test]
    fn the_words_are_the_message() {
        assert_eq!(
            answer(r#"{"message":" Branch not found\n"}"#).words(),
            "Branch not found"
        );
    }

    #[test]
    fn a_message_may_be_json_with_a_message_in_it() {
        let mut body = r#"{"message":"Not Found","documentation_url":"https://x"}"#.to_owned();
        for _ in 0..3 {
            assert_eq!(answer(&body).words(), "Not Found");
            body = serde_json::json!({ "message": body }).to_string();
        }
    }

    #[test]
    fn json_in_a_message_that_says_nothing_more_stands_as_it_is() {
        for inner in [r#"{"error":"x"}"#, "[1]", "17", r#"{"message":4}"#] {
            let body = serde_json::json!({ "message": inner }).to_string();
            assert_eq!(answer(&body).words(), inner);
        }
    }

    #[test]
    fn an_answer_without_a_message_is_said_so() {
        for body in [
            "",
            "<!doctype html><title>Page not found</title>",
            "null",
            "[]",
            r#""message""#,
            r#"{"error":"x"}"#,
            r#"{"message":null}"#,
            r#"{"message":{"message":"x"}}"#,
            r#"{"message":" "}"#,
            "\u{fffd}",
        ] {
            assert_eq!(
                answer(body).words(),
                "an answer without a message",
                "{body}"
            );
        }
        let bytes = Answer {
            body: Ok(vec![0xff, 0xfe]),
            ..answer("")
        };
        assert_eq!(bytes.words(), "an answer without a message");
    }

    #[test]
    fn a_body_that_broke_off_says_why() {
        let broken = Answer {
            body: Err("timed out".to_owned()),
            ..answer("")
        };
        assert_eq!(broken.words(), "timed out");
        assert_eq!(broken.message(), None);
        assert_eq!(broken.json::<Value>().unwrap_err().message, "timed out");
    }

    #[test]
    fn deep_nesting_is_refused_and_not_followed() {
        let deep = "[".repeat(100_000);
        assert_eq!(answer(&deep).words(), "an answer without a message");
        let body = serde_json::json!({ "message": deep }).to_string();
        assert_eq!(answer(&body).words(), cut(&deep));
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        let words = cut(&"\u{e9}".repeat(WORDS + 1));
        assert_eq!(words.chars().count(), WORDS + 1);
        assert!(words.ends_with("\u{e9}…"));
        assert_eq!(cut(&"x".repeat(WORDS)), "x".repeat(WORDS));
    }

    #[test]
    fn a_refusal_keeps_the_wait_and_whether_the_token_was_refused() {
        let after = Some(Duration::from_secs(7));
        let told = |status, body| {
            Answer {
                status,
                after,
                body,
            }
            .succeeded()
            .err()
            .unwrap()
        };
        let error = told(StatusCode::TOO_MANY_REQUESTS, Ok(b"{}".to_vec()));
        assert_eq!((error.after, error.unauthorized), (after, false));
        let error = told(StatusCode::UNAUTHORIZED, Err("timed out".to_owned()));
        assert!(error.unauthorized);
        assert_eq!(error.message, "HTTP 401: timed out");
    }
}
