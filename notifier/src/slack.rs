//! Slack's reply addresses over HTTP.
//!
//! One post, once: no resend, no redirect, no pooled connection that may have died, no proxy from
//! the environment. A 200 can still carry a refusal, so the body is read too.

use std::time::Duration;

use chatops_core::config::Times;
use chatops_core::ports::Chat;
use chatops_core::reply::Posted;
use chatops_core::secret::ResponseUrl;
use chatops_core::words::Post;
use reqwest::{Client, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// The most of an answer that is read, in bytes; Slack's are a few dozen.
const LARGEST_ANSWER: usize = 64 * 1024;

/// The client for `response_url`.
#[derive(Debug)]
pub struct SlackReplies {
    client: Client,
    origins: Vec<Url>,
}

impl SlackReplies {
    /// A client that posts only below `origins`.
    pub fn new(times: &Times, origins: Vec<Url>) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .connect_timeout(times.connect_timeout)
            .timeout(times.request_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            .no_proxy()
            .build()?;
        Ok(Self { client, origins })
    }
}

#[derive(Deserialize)]
struct Answer {
    ok: bool,
    /// A word, but whatever it is, it does not make a refusal a success.
    #[serde(default)]
    error: Value,
}

impl Chat for SlackReplies {
    async fn post(&self, to: &ResponseUrl, post: &Post) -> Posted {
        // Checked when it came in, and again before it is called.
        if ResponseUrl::parse(to.expose(), &self.origins).is_err() {
            return Posted::Refused {
                why: "the address is not Slack's".to_owned(),
            };
        }
        let request = self
            .client
            .post(to.expose())
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(post.to_json().to_string());
        match request.send().await {
            Ok(response) => answered(response).await,
            // No byte of the request was written.
            Err(error) if error.is_connect() || error.is_builder() => Posted::NotSent {
                why: "Slack could not be reached".to_owned(),
            },
            Err(_) => Posted::Unknown,
        }
    }
}

async fn answered(response: Response) -> Posted {
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Posted::Later {
            after: retry_after(&response),
        };
    }
    // A time-out on the way says nothing about what was done behind it.
    if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
        return Posted::Unknown;
    }
    let body = read(response).await;
    let answer = body
        .as_deref()
        .and_then(|body| serde_json::from_slice::<Answer>(body).ok());
    match (status.is_success(), body, answer) {
        (true, _, Some(Answer { ok: false, error })) | (false, _, Some(Answer { error, .. })) => {
            Posted::Refused {
                why: error.as_str().map_or_else(|| status.to_string(), short),
            }
        }
        (true, Some(_), _) => Posted::Shown,
        // The head said 200 but the answer broke off.
        (true, None, _) => Posted::Unknown,
        (false, body, None) => {
            let text = body
                .and_then(|body| String::from_utf8(body).ok())
                .unwrap_or_default();
            Posted::Refused {
                why: short(&format!("{status} {text}")),
            }
        }
    }
}

async fn read(mut response: Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
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
