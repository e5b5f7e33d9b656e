//! The meaning of Slack's answers. A 200 can carry an error, so the body is read, too.

use std::time::Duration;

use chatops_core::id::ChannelId;
use chatops_core::notification::PostResult;
use chatops_core::posted::{MessageTs, PostedMessage};
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

/// Errors after which it may have posted or edited: "some aspect of the operation" can have succeeded.
const UNCERTAIN_ERRORS: [&str; 4] = [
    "internal_error",
    "fatal_error",
    "rollup_error",
    "update_failed",
];

/// Errors that pass by themselves: limits, and a workspace or a service that is away for a while. Slack
/// describes all as temporary but `accesslimited` and `message_limit_exceeded`, limits of an amount in a
/// time.
const PASSING_ERRORS: [&str; 9] = [
    "ratelimited",
    "rate_limited",
    "service_unavailable",
    "team_added_to_org",
    "org_login_required",
    "request_timeout",
    "accesslimited",
    "message_limit_exceeded",
    "external_channel_migrating",
];

#[derive(Deserialize)]
struct SlackResponse {
    ok: bool,
    /// A string; any other value does not turn an error into a success.
    #[serde(default)]
    error: Value,
    /// Where the bot has posted it.
    #[serde(default)]
    channel: Value,
    #[serde(default)]
    ts: Value,
}

impl SlackResponse {
    fn posted(&self) -> Option<PostedMessage> {
        Some(PostedMessage {
            channel: ChannelId::parse(self.channel.as_str()?)?,
            ts: MessageTs::parse(self.ts.as_str()?)?,
        })
    }
}

/// The answer of a response URL: only `ok`, as text or in JSON, means that Slack showed the message.
pub(super) fn response_url_result(response: &VendorResponse) -> PostResult {
    let text = response
        .body
        .as_deref()
        .ok()
        .and_then(|body| str::from_utf8(body).ok());
    match text.map(str::trim) {
        Some("ok") if response.status.is_success() => PostResult::Delivered(None),
        _ => match web_api_result(response) {
            // It takes no token, so no other one helps.
            PostResult::Unauthorized { reason } => PostResult::Refused { reason },
            result => result,
        },
    }
}

/// The answer of the Web API, which always has `ok`: a success without it is not Slack's.
pub(super) fn web_api_result(response: &VendorResponse) -> PostResult {
    let (status, after) = (response.status, response.retry_after);
    if status == StatusCode::TOO_MANY_REQUESTS {
        return PostResult::Later { after };
    }
    // After a time-out on the way Slack may have shown it.
    if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
        return PostResult::Unknown;
    }
    let body = response.body.as_deref().ok();
    let answer = body.and_then(|body| serde_json::from_slice(body).ok());
    match (status.is_success(), answer) {
        (true, Some(answer @ SlackResponse { ok: true, .. })) => {
            PostResult::Delivered(answer.posted())
        }
        (true, None) => PostResult::Unknown,
        (_, Some(SlackResponse { error, .. })) => match error.as_str() {
            Some(code) => result_by_error(code, after),
            None => refused(&status.to_string()),
        },
        (false, None) => {
            let text = body.and_then(|body| str::from_utf8(body).ok());
            let text = text.unwrap_or_default().trim();
            if is_plain_error(text) {
                result_by_error(text, after)
            } else {
                // Not Slack's words: something between here and Slack.
                refused(&format!("{status} {text}"))
            }
        }
    }
}

/// What one of Slack's errors means.
fn result_by_error(code: &str, after: Option<Duration>) -> PostResult {
    if PASSING_ERRORS.contains(&code) {
        PostResult::Later { after }
    } else if UNCERTAIN_ERRORS.contains(&code) {
        PostResult::Unknown
    } else if TOKEN_ERRORS.contains(&code) {
        let reason = code.to_owned();
        PostResult::Unauthorized { reason }
    } else {
        refused(code)
    }
}

/// Whether an answer is an error and nothing else, as those of incoming webhooks are.
fn is_plain_error(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    !text.is_empty() && text.len() <= 100 && text.chars().all(is_word)
}

fn refused(reason: &str) -> PostResult {
    PostResult::Refused {
        reason: reason.trim().chars().take(100).collect(),
    }
}
