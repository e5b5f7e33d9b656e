//! Answers to questions and wishes: posted as they come, and on no record. Whoever gets none asks
//! again.

use std::time::Duration;

use chatops_core::message::{AnswerMessage, Body, NoticeMessage};
use chatops_core::ports::{Chat, Clock, Lane, Queue, Replies, To};
use chatops_core::reply::Posted;
use tracing::{info, warn};

use crate::{HandlerError, Notifier};

/// How often an answer is posted at most: a reply address takes five uses.
const TRIES: u32 = 4;

impl<S: Replies, Q: Queue, H: Chat, K: Clock> Notifier<S, Q, H, K> {
    /// Posts an answer. If Slack may not have shown it, it is posted again, since shown twice is
    /// better than not at all.
    pub(crate) async fn answer(&self, mut answer: AnswerMessage) -> Result<(), HandlerError> {
        if self.clock.now() >= answer.until {
            info!("an answer that nobody waits for any more");
            return Ok(());
        }
        let to = To::Address(answer.to.clone());
        let posted = self.chat.post(&to, &answer.post).await;
        info!(outcome = posted.word(), "answered in Slack");
        let after = match posted {
            Posted::Shown => return Ok(()),
            Posted::Refused { why } | Posted::Unauthorized { why } => {
                warn!(%why, "Slack does not take the answer");
                return Ok(());
            }
            Posted::Later { after } => after,
            Posted::NotSent { .. } | Posted::Unknown => None,
        };
        answer.tries += 1;
        if answer.tries >= TRIES {
            warn!("the answer could not be posted");
            return Ok(());
        }
        let pause = after.unwrap_or(Duration::from_secs(1 << answer.tries));
        let body = Body::encode(&NoticeMessage::Answer(Box::new(answer)))?;
        Ok(self.queue.send(Lane::Notice, &body, pause).await?)
    }
}
