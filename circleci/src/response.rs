//! CircleCI's answers: the status, the body up to a limit, and the message in it.

use std::time::Duration;

use chatops_core::deploy::CiPipeline;
use chatops_core::ports::{CiReadError, TriggerOutcome};
use chatops_http::{VendorResponse, truncate};
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The most of an answer that is read, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// An answer. The status and the pause are valid even if the body broke off.
pub(super) struct ApiResponse {
    status: StatusCode,
    retry_after: Option<Duration>,
    /// The whole body, or why it could not be read.
    body: Result<Vec<u8>, String>,
}

impl ApiResponse {
    pub(super) async fn read(response: Response) -> Self {
        let VendorResponse {
            status,
            retry_after,
            body,
            ..
        } = VendorResponse::read(response, MAX_BODY_BYTES).await;
        Self {
            status,
            retry_after,
            body,
        }
    }

    /// The answer if it is a success, or CircleCI's error.
    pub(super) fn error_for_status(self) -> Result<Self, CiReadError> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(CiReadError {
            message: format!("HTTP {}: {}", self.status.as_u16(), self.error_message()),
            retry_after: self.retry_after,
            unauthorized: self.status == StatusCode::UNAUTHORIZED,
        })
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, CiReadError> {
        let body = self.body.as_ref().map_err(CiReadError::from_message)?;
        serde_json::from_slice(body).map_err(|error| {
            CiReadError::from_message(format!("the answer cannot be read: {error}"))
        })
    }

    pub(super) fn is_throttled(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
    }

    /// How long CircleCI asks to wait, if it does.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The meaning of an answer to `pipeline/run`: a 200 with only a message is documented as
    /// "understood, and not triggered".
    pub(super) fn run_outcome<T: DeserializeOwned>(
        self,
        run: impl Fn(&T) -> CiPipeline,
    ) -> TriggerOutcome {
        match self.message() {
            Some(message) if self.status == StatusCode::OK && self.json::<T>().is_err() => {
                let status = 200;
                TriggerOutcome::Refused { status, message }
            }
            _ => self.outcome(run),
        }
    }

    /// The meaning of an answer to the POST, where a success is a `T`.
    pub(super) fn outcome<T: DeserializeOwned>(
        self,
        run: impl Fn(&T) -> CiPipeline,
    ) -> TriggerOutcome {
        let status = self.status;
        if status.is_success() {
            return match self.json::<T>() {
                Ok(created) => TriggerOutcome::Created(run(&created)),
                Err(error) => TriggerOutcome::Unknown {
                    because: error.message,
                },
            };
        }
        // Now the status alone decides; a body that broke off has no message.
        let (message, status) = (self.error_message(), status.as_u16());
        let error = format!("HTTP {status}: {message}");
        match status {
            401 => TriggerOutcome::Unauthorized { message },
            429 => TriggerOutcome::NotNow {
                error,
                retry_after: self.retry_after,
            },
            // After a time-out on the way CircleCI may have done it.
            408 | 500..=599 => TriggerOutcome::Unknown { because: error },
            _ => TriggerOutcome::Refused { status, message },
        }
    }

    fn error_message(&self) -> String {
        let none = || "an answer without a message".to_owned();
        match &self.body {
            Ok(_) => self.message().unwrap_or_else(none),
            Err(broken) => broken.clone(),
        }
    }

    /// CircleCI's `message`, which may itself be JSON with a `message` in it.
    fn message(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(self.body.as_ref().ok()?).ok()?;
        let mut text = body.get("message")?.as_str()?.to_owned();
        while let Some(inner) = serde_json::from_str::<Value>(&text)
            .ok()
            .and_then(|nested| nested.get("message")?.as_str().map(str::to_owned))
        {
            text = inner;
        }
        Some(truncate(&text)).filter(|message| !message.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: &str = "an answer without a message";

    fn response(body: &str) -> ApiResponse {
        ApiResponse {
            status: StatusCode::BAD_REQUEST,
            retry_after: None,
            body: Ok(body.into()),
        }
    }

    #[test]
    fn the_message_is_read() {
        let response = response(r#"{"message":" Branch not found\n"}"#);
        assert_eq!(response.error_message(), "Branch not found");
    }

    #[test]
    fn a_message_may_be_json_with_a_message_in_it() {
        let mut body = r#"{"message":"Not Found","documentation_url":"https://x"}"#.to_owned();
        for _ in 0..3 {
            assert_eq!(response(&body).error_message(), "Not Found");
            body = serde_json::json!({ "message": body }).to_string();
        }
    }

    #[test]
    fn json_in_a_message_that_says_nothing_more_stands_as_it_is() {
        for inner in [r#"{"error":"x"}"#, "[1]", "17", r#"{"message":4}"#] {
            let body = serde_json::json!({ "message": inner }).to_string();
            assert_eq!(response(&body).error_message(), inner);
        }
    }

    #[test]
    fn a_missing_message_is_named() {
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
            assert_eq!(response(body).error_message(), NONE, "{body}");
        }
        let bytes = ApiResponse {
            body: Ok(vec![0xff, 0xfe]),
            ..response("")
        };
        assert_eq!(bytes.error_message(), NONE);
    }

    #[test]
    fn a_body_that_broke_off_says_why() {
        let broken = ApiResponse {
            body: Err("timed out".to_owned()),
            ..response("")
        };
        assert_eq!(broken.error_message(), "timed out");
        assert_eq!(broken.message(), None);
        assert_eq!(broken.json::<Value>().unwrap_err().message, "timed out");
    }

    #[test]
    fn deep_nesting_is_rejected_and_not_followed() {
        let deep = "[".repeat(100_000);
        assert_eq!(response(&deep).error_message(), NONE);
        let body = serde_json::json!({ "message": deep }).to_string();
        assert_eq!(response(&body).error_message(), truncate(&deep));
    }

    #[test]
    fn an_error_keeps_the_pause_and_whether_the_token_was_rejected() {
        let after = Some(Duration::from_secs(7));
        let error_of = |status, body| {
            let retry_after = after;
            let response = ApiResponse {
                status,
                retry_after,
                body,
            };
            response.error_for_status().err().unwrap()
        };
        let error = error_of(StatusCode::TOO_MANY_REQUESTS, Ok(b"{}".to_vec()));
        assert_eq!((error.retry_after, error.unauthorized), (after, false));
        let error = error_of(StatusCode::UNAUTHORIZED, Err("timed out".to_owned()));
        assert!(error.unauthorized);
        assert_eq!(error.message, "HTTP 401: timed out");
    }
}
