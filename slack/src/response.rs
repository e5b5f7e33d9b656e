//! The meaning of Slack's answers. A 200 can carry an error, so the body is read, too.

use chatops_core::notification::PostResult;
use chatops_http::VendorResponse;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;

/// The Web API's errors about a token that another one may replace.
const TOKEN_ERRORS: [&str; 5] = [
    "invalid_auth",
    "token_revoked",
    "token_expired",
    "account_inactive",
    "not_authed",
];

/// The Web API's internal errors, after which it may have posted.
const UNCERTAIN_ERRORS: [&str; 2] = ["internal_error", "fatal_error"];

#[derive(Deserialize)]
struct SlackResponse {
    ok: bool,
    /// A string; any other value does not turn an error into a success.
    #[serde(default)]
    error: Value,
}

/// The answer of a response URL: any 200 without an error means that Slack showed the message.
pub(super) fn response_url_result(response: &VendorResponse) -> PostResult {
    let status = response.status;
    if let Some(posted) = result_by_status(response) {
        return posted;
    }
    let body = response.body.as_deref().ok();
    let response = parse_body(body);
    match (status.is_success(), body, response) {
        (_, _, Some(SlackResponse { ok: false, error })) if is_throttle(&error) => {
            PostResult::Later { after: None }
        }
        (true, _, Some(SlackResponse { ok: false, error }))
        | (false, _, Some(SlackResponse { error, .. })) => rejection(status, &error),
        (true, Some(_), _) => PostResult::Delivered,
        // A 200 that broke off.
        (true, None, _) => PostResult::Unknown,
        (false, body, None) => foreign_rejection(status, body),
    }
}

/// The answer of the Web API, which always has `ok`: what has none is not Slack's.
pub(super) fn web_api_result(response: &VendorResponse) -> PostResult {
    let (status, after) = (response.status, response.retry_after);
    if let Some(posted) = result_by_status(response) {
        return posted;
    }
    let body = response.body.as_deref().ok();
    match (status.is_success(), parse_body(body)) {
        (true, Some(SlackResponse { ok: true, .. })) => PostResult::Delivered,
        (_, Some(SlackResponse { error, .. })) => match error.as_str() {
            _ if is_throttle(&error) => PostResult::Later { after },
            Some(code) if UNCERTAIN_ERRORS.contains(&code) => PostResult::Unknown,
            Some(code) if TOKEN_ERRORS.contains(&code) => PostResult::Unauthorized {
                reason: code.to_owned(),
            },
            _ => rejection(status, &error),
        },
        (true, None) => PostResult::Unknown,
        (false, None) => foreign_rejection(status, body),
    }
}

/// What the status alone decides.
fn result_by_status(response: &VendorResponse) -> Option<PostResult> {
    let status = response.status;
    if status == StatusCode::TOO_MANY_REQUESTS {
        let after = response.retry_after;
        return Some(PostResult::Later { after });
    }
    // After a time-out on the way Slack may have shown it.
    let is_unknown = status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT;
    is_unknown.then_some(PostResult::Unknown)
}

fn parse_body(body: Option<&[u8]>) -> Option<SlackResponse> {
    serde_json::from_slice(body?).ok()
}

/// A rejection with Slack's error.
fn rejection(status: StatusCode, error: &Value) -> PostResult {
    PostResult::Refused {
        reason: error.as_str().map_or_else(|| status.to_string(), truncate),
    }
}

/// A rejection that is not in Slack's form.
fn foreign_rejection(status: StatusCode, body: Option<&[u8]>) -> PostResult {
    let text = body.and_then(|body| str::from_utf8(body).ok());
    let text = text.unwrap_or_default();
    PostResult::Refused {
        reason: truncate(&format!("{status} {text}")),
    }
}

fn is_throttle(error: &Value) -> bool {
    matches!(error.as_str(), Some("ratelimited" | "rate_limited"))
}

fn truncate(text: &str) -> String {
    text.trim().chars().take(100).collect()
}
