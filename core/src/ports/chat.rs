//! Slack as the notifier uses it.

use std::future::Future;

use crate::id::{ChannelId, UserId};
use crate::reply::Posted;
use crate::secret::ResponseUrl;
use crate::words::Post;

/// Where to post.
#[derive(Debug, Clone)]
pub enum To {
    /// A command's reply address.
    Address(ResponseUrl),
    /// A conversation, as the bot; what is for the asker alone is shown to this person.
    Conversation {
        /// The conversation.
        channel: ChannelId,
        /// The asker.
        user: UserId,
    },
}

/// Slack.
pub trait Chat: Send + Sync {
    /// Posts, once: no resend, no redirect.
    fn post(&self, to: &To, post: &Post) -> impl Future<Output = Posted> + Send;

    /// Reads the bot's token afresh, where there is one that may have been replaced.
    fn renew_token(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}
