//! Slack as the notifier uses it.

use std::future::Future;

use crate::id::{ChannelId, UserId};
use crate::notification::PostResult;
use crate::posted::PostedMessage;
use crate::secret::ResponseUrl;
use crate::text::SlackMessage;

use super::SecretError;

/// Where to post.
#[derive(Debug, Clone)]
pub enum PostTarget {
    /// A command's response URL.
    ResponseUrl(ResponseUrl),
    /// In place of the message whose button was pressed, by the press's response URL.
    Pressed(ResponseUrl),
    /// A conversation, as the bot; an ephemeral message is shown to this user.
    Conversation {
        /// The conversation.
        channel: ChannelId,
        /// The requester.
        user: UserId,
    },
    /// The thread below a message of the bot.
    Thread {
        /// That message.
        parent: PostedMessage,
        /// Whether the channel sees it, too.
        broadcast: bool,
    },
    /// In place of a message of the bot.
    Edit(PostedMessage),
}

/// Slack.
pub trait ChatClient: Send + Sync {
    /// Posts once: no resend, no redirect.
    fn post(&self, to: &PostTarget, post: &SlackMessage)
    -> impl Future<Output = PostResult> + Send;

    /// Deletes a message of the bot; `Delivered` also where there is none any more.
    fn delete(&self, message: &PostedMessage) -> impl Future<Output = PostResult> + Send;

    /// Whether there is a bot, which can post where the response URL no longer works.
    fn has_bot(&self) -> impl Future<Output = Result<bool, SecretError>> + Send;

    /// Refreshes the bot's token, if there is one.
    fn renew_token(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}
