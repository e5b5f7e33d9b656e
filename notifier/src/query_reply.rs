//! Replies to queries and actions: posted as they come, and not recorded. A user who gets none types
//! the command again.

use std::time::Duration;

use chatops_core::backoff::Backoff;
use chatops_core::message::{NotifyMessage, QueryReply};
use chatops_core::notification::PostResult;
use chatops_core::ports::{NotifierPorts, OutgoingMessage, PostMessage, PostTarget, SendMessage};
use tracing::{info, warn};

use crate::{Notifier, NotifyError};

/// How often a reply is posted at most: a response URL takes five uses.
const MAX_POSTS: u32 = 4;

/// The pauses between the posts.
const REPLY_BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(2),
    growth: 2.0,
    longest: Duration::from_secs(8),
};

impl<P: NotifierPorts> Notifier<P> {
    /// Posts a reply. If Slack may not have shown it, it is posted again: twice is better than never.
    pub(crate) async fn deliver_reply(&self, mut reply: QueryReply) -> Result<(), NotifyError> {
        if self.clock.now() >= reply.expires_at {
            info!("reply dropped: the response URL has expired");
            return Ok(());
        }
        let url = reply.response_url.clone();
        let to = if reply.in_place {
            PostTarget::Pressed(url)
        } else {
            PostTarget::ResponseUrl(url)
        };
        let message = reply.message.clone();
        let result = self.ports.perform(PostMessage { to, message }).await;
        info!(outcome = result.as_str(), "reply posted to Slack");
        let after = match result {
            PostResult::Delivered(_) => return Ok(()),
            PostResult::Refused { reason } | PostResult::Unauthorized { reason } => {
                warn!(%reason, "Slack rejected the reply");
                return Ok(());
            }
            PostResult::Later { after } | PostResult::NotSent { after, .. } => after,
            PostResult::Unknown => None,
        };
        reply.attempts += 1;
        if reply.attempts >= MAX_POSTS {
            warn!("the reply could not be posted");
            return Ok(());
        }
        let again = SendMessage {
            delay: after.unwrap_or(REPLY_BACKOFF.pause(reply.attempts - 1)),
            message: OutgoingMessage::Notify(NotifyMessage::QueryReply(Box::new(reply))),
        };
        Ok(self.ports.perform(again).await?)
    }
}
