//! Slack as the notifier uses it.

use std::future::Future;

use crate::reply::Posted;
use crate::secret::ResponseUrl;
use crate::words::Post;

/// Slack.
pub trait Chat: Send + Sync {
    /// Posts to a reply address, once: no resend, no redirect.
    fn post(&self, to: &ResponseUrl, post: &Post) -> impl Future<Output = Posted> + Send;
}
