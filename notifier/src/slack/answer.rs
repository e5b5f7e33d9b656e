//! What Slack's answers mean. A 200 can still carry a refusal, so the body is read too.

use std::time::Duration;

use chatops_core::reply::Posted;
use reqwest::{Response, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

/// The most of an answer that is read, in bytes; Slack's are a few dozen, a posted message's a few
/// thousand.
const LARGEST: usize = 64 * 1024;

/// The Web API's words about a token that another one may replace.
const OF_THE_TOKEN: [&str; 5] = [
    "invalid_auth",
    "token_revoked",
    "token_expired",
    "account_inactive",
    "not_authed",
];

/// The Web API's words for trouble of its own, after which it may have posted all the same.
const OPEN: [&str; 2] = ["internal_error", "fatal_error"];

#[derive(Deserialize)]
struct Answer {
    ok: bool,
    /// A word, but whatever it is, it does not make a refusal a success.
    #[serde(default)]
    error: Value,
}

/// The answer of a reply address: any 200 that is no refusal means that it was shown.
pub(super) async fn of_an_address(response: Response) -> Posted {
    let status = response.status();
    if let Some(posted) = by_status(&response) {
        return posted;
    }
    let body = read(response).await;
    let answer = parse(body.as_deref());
    match (status.is_success(), body, answer) {
        (_, _, Some(Answer { ok: false, error })) if is_throttle(&error) => {
            Posted::Later { after: None }
        }
        (true, _, Some(Answer { ok: false, error })) | (false, _, Some(Answer { error, .. })) => {
            refused(status, &error)
        }
        (true, Some(_), _) => Posted::Shown,
        // The head said 200 but the answer broke off.
        (true, None, _) => Posted::Unknown,
        (false, body, None) => in_other_words(status, body),
    }
}

/// The answer of the Web API, which always says `ok`: what does not is not Slack's word.
pub(super) async fn of_the_web_api(response: Response) -> Posted {
    let status = response.status();
    let after = retry_after(&response);
    if let Some(posted) = by_status(&response) {
        return posted;
    }
    let body = read(response).await;
    match (status.is_success(), parse(body.as_deref())) {
        (true, Some(Answer { ok: true, .. })) => Posted::Shown,
        (_, Some(Answer { error, .. })) => match error.as_str() {
            _ if is_throttle(&error) => Posted::Later { after },
            Some(word) if OPEN.contains(&word) => Posted::Unknown,
            Some(word) if OF_THE_TOKEN.contains(&word) => Posted::Unauthorized {
                why: word.to_owned(),
            },
            _ => refused(status, &error),
        },
        (true, None) => Posted::Unknown,
        (false, None) => in_other_words(status, body),
    }
}

/// What the status alone decides.
fn by_status(response: &Response) -> Option<Posted> {
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS {
        let after = retry_after(response);
        return Some(Posted::Later { after });
    }
    // A time-out on the way says nothing about what was done behind it.
    let open = status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT;
    open.then_some(Posted::Unknown)
}

fn parse(body: Option<&[u8]>) -> Option<Answer> {
    serde_json::from_slice(body?).ok()
}

/// A refusal in Slack's own words.
fn refused(status: StatusCode, error: &Value) -> Posted {
    Posted::Refused {
        why: error.as_str().map_or_else(|| status.to_string(), short),
    }
}

/// A refusal that is not in Slack's form.
fn in_other_words(status: StatusCode, body: Option<Vec<u8>>) -> Posted {
    let text = body
        .and_then(|body| String::from_utf8(body).ok())
        .unwrap_or_default();
    Posted::Refused {
        why: short(&format!("{status} {text}")),
    }
}

fn is_throttle(error: &Value) -> bool {
    matches!(error.as_str(), Some("ratelimited" | "rate_limited"))
}

async fn read(mut response: Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > LARGEST {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response
        .headers()
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

fn short(text: &str) -> String {
    text.trim().chars().take(100).collect()
}
