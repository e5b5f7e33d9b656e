//! CircleCI's answers: what each status means for a read and for the trigger.

use chatops_core::deploy::CiPipeline;
use chatops_core::ports::{CiReadError, TriggerOutcome};
use chatops_http::{JsonResponse, truncate};
use reqwest::StatusCode;
use serde::de::DeserializeOwned;

use crate::error_text;
use crate::wire::Item;

/// The answer if it is a success, or CircleCI's error.
pub(super) fn error_for_status(response: JsonResponse) -> Result<JsonResponse, CiReadError> {
    if response.status.is_success() {
        return Ok(response);
    }
    let status = response.status;
    let message = truncate(&error_message(&response));
    Err(CiReadError {
        message: format!("HTTP {}: {message}", status.as_u16()),
        retry_after: response.retry_after,
        unauthorized: status == StatusCode::UNAUTHORIZED,
    })
}

/// The meaning of an answer to the POST. In a success `run` finds what was created, and `why` the
/// message of a 200 that is documented as "understood, and not triggered".
pub(super) async fn trigger_outcome<T: DeserializeOwned + Send + 'static>(
    response: JsonResponse,
    run: impl FnOnce(&T) -> Option<CiPipeline>,
    why: impl FnOnce(&T) -> Option<String>,
) -> TriggerOutcome {
    let (status, retry_after) = (response.status, response.retry_after);
    if status.is_success() {
        let answer = response.parse::<Item<T>>().await;
        let answer = match answer.and_then(Item::object) {
            Ok(answer) => answer,
            Err(because) => return TriggerOutcome::Unknown { because },
        };
        if let Some(created) = run(&answer) {
            return TriggerOutcome::Created(created);
        }
        return match why(&answer) {
            Some(message) if status == StatusCode::OK => TriggerOutcome::Refused {
                status: status.as_u16(),
                message: truncate(&message),
            },
            _ => TriggerOutcome::Unknown {
                because: "the answer does not name what was created".to_owned(),
            },
        };
    }
    // Now the status alone decides; a body that broke off has no message.
    let said = error_message(&response);
    let (message, status) = (truncate(&said), status.as_u16());
    let error = format!("HTTP {status}: {message}");
    match status {
        401 => TriggerOutcome::Unauthorized { message },
        429 => TriggerOutcome::NotNow { error, retry_after },
        // GitHub has refused CircleCI: its own limit, which passes.
        403 if error_text::is_rate_limit(&said) => TriggerOutcome::NotNow { error, retry_after },
        // After a time-out on the way CircleCI may have done it.
        408 | 500..=599 => TriggerOutcome::Unknown { because: error },
        _ => TriggerOutcome::Refused { status, message },
    }
}

pub(super) fn is_throttled(response: &JsonResponse) -> bool {
    response.status == StatusCode::TOO_MANY_REQUESTS
}

/// What an error says, not yet cut.
fn error_message(response: &JsonResponse) -> String {
    match response.start() {
        Ok(body) => {
            error_text::read(body).unwrap_or_else(|| "an answer without a message".to_owned())
        }
        Err(broken) => broken.to_owned(),
    }
}
