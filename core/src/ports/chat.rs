//! Slack as the notifier uses it.

use std::future::Future;

use crate::id::{ChannelId, UserId};
use crate::notification::PostResult;
use crate::secret::ResponseUrl;
use crate::text::SlackMessage;

use super::SecretError;

/// Where to post.
#[derive(Debug, Clone)]
pub enum PostTarget {
    /// A command's response URL.
    ResponseUrl(ResponseUrl),
    /// A conversation, as the bot; an ephemeral message is shown to this user.
    Conversation {
        /// The conversation.
        channel: ChannelId,
        /// The requester.
        user: UserId,
    },
}

/// Slack.
pub trait ChatClient: Send + Sync {
    /// Posts once: no resend, no redirect.
    fn post(&self, to: &PostTarget, post: &SlackMessage)
    -> impl Future<Output = PostResult> + Send;

    /// Whether there is a bot, which can post where the response URL no longer works.
    fn has_bot(&self) -> impl Future<Output = Result<bool, SecretError>> + Send;

    /// Refreshes the bot's token, if there is one.
    fn renew_token(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}
