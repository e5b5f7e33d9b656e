//! How CircleCI and Slack are called over HTTP: each request once, without redirects and proxies, and
//! each answer read up to a limit. Numbers and texts of theirs are cut here, before anybody uses them.
//!
//! Nothing here knows a vendor's addresses, tokens or the meaning of an answer.

#[cfg(test)]
mod fuzz;
mod rate_limit;
mod response;
mod retry_after;
mod text;

use std::error::Error;

use chatops_core::config::Timeouts;
use reqwest::{Client, ClientBuilder};

pub use self::rate_limit::RateLimitPause;
pub use self::response::{JsonResponse, MAX_BODY_BYTES, MAX_ERROR_BYTES, VendorResponse};
pub use self::text::{MAX_MESSAGE_CHARS, MAX_NAME_CHARS, cut_name, plain_text, truncate};

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
        last = Some(without_number(inner.to_string()));
        cause = inner.source();
    }
    match last {
        Some(detail) if !error.is_timeout() => truncate(&format!("{what}: {detail}")),
        _ => what.to_owned(),
    }
}

/// An error of the system without its number, which says nothing to those who read it in Slack.
fn without_number(error: String) -> String {
    match error.rsplit_once(" (os error ") {
        Some((said, _)) => said.to_owned(),
        None => error,
    }
}
