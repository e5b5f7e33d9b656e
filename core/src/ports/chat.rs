//! Slack as the notifier uses it.

use std::future::Future;

use crate::id::{ChannelId, UserId};
use crate::notification::PostResult;
use crate::secret::ResponseUrl;
use crate::text::SlackMessage;

/// Where to post.
#[derive(Debug, Clone)]
pub enum PostTarget {
    /// A command's reply address.
    ResponseUrl(ResponseUrl),
    /// A conversation, as the bot; what is for the asker alone is shown to this person.
    Conversation {
        /// The conversation.
        channel: ChannelId,
        /// The asker.
        user: UserId,
    },
}

/// Slack.
pub trait ChatClient: Send + Sync {
    /// Posts, once: no resend, no redirect.
    fn post(&self, to: &PostTarget, post: &SlackMessage)
    -> impl Future<Output = PostResult> + Send;

    /// Reads the bot's token afresh, where there is one that may have been replaced.
    fn renew_token(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}
