//! Queues: at least once, unordered, with delay, visibility timeout and dead-letter queues, like SQS.
//!
//! Where a queue keeps time by this machine's clock, a message that is hidden for longer than
//! [`LONGEST_HIDING`] from now is visible: a clock that was wrong has hidden it.

use std::future::Future;
use std::time::Duration;

use strum::{IntoStaticStr, VariantArray};

use super::{QueueError, SendError};
use crate::backoff::Backoff;
use crate::message::MessageBody;

/// A queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum QueueName {
    /// Commands, actions and queries for the worker, and what repeats a command's trigger.
    Work,
    /// Wake-ups that read CircleCI, for the worker. In a queue of their own they delay nothing that a
    /// person waits for, however many there are and however slow CircleCI is.
    Polls,
    /// Operators' actions for the worker, and nothing else.
    Operators,
    /// From the worker (and the notifier itself) to the notifier.
    Notify,
    /// Retry tickets, and messages for the worker that are buried.
    WorkDlq,
    /// Messages for the notifier that are buried.
    NotifyDlq,
}

impl QueueName {
    /// All queues.
    pub const ALL: [Self; Self::VARIANTS.len()] = *Self::VARIANTS.as_array().unwrap();

    /// The queue for messages that are buried or were received too often.
    #[must_use]
    pub fn dead_letter_queue(self) -> Option<QueueName> {
        match self {
            QueueName::Work | QueueName::Polls | QueueName::Operators => Some(QueueName::WorkDlq),
            QueueName::Notify => Some(QueueName::NotifyDlq),
            QueueName::WorkDlq | QueueName::NotifyDlq => None,
        }
    }

    /// The queue's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The longest that a queue has to hide a message: no delay and no visibility timeout is longer.
pub const LONGEST_HIDING: Duration = Duration::from_hours(1);

/// How often a message is received at most. Every receive counts, whatever it failed for, so with
/// the pauses of [`redelivery_pause`] this outlasts six hours of a dependency's failures; it only
/// bounds handlers that die without a word.
pub const MAX_RECEIVES: u32 = 200;

/// How long a message is hidden after its handler failed: two seconds, four, eight, up to two
/// minutes.
#[must_use]
pub fn redelivery_pause(receive_count: u32) -> Duration {
    const REDELIVERY: Backoff = Backoff {
        first: Duration::from_secs(2),
        growth: 2.0,
        longest: Duration::from_mins(2),
    };
    REDELIVERY.pause(receive_count.saturating_sub(1))
}

/// Who sent a message, as the queue itself recorded it: on SQS the id of a role and, after a colon, the
/// name of its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderId(pub String);

impl SenderId {
    /// The name of an operator: the session's, or the whole id of a sender without a session.
    #[must_use]
    pub fn operator_name(&self) -> &str {
        let session = self.0.split_once(':').map(|(_, session)| session);
        session.filter(|name| !name.is_empty()).unwrap_or(&self.0)
    }
}

/// Identifies one receipt of a message; a later receipt of the same message invalidates it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageReceipt(pub String);

/// A received message.
#[derive(Debug, Clone)]
pub struct ReceivedMessage {
    /// The receipt, to delete or release it.
    pub receipt: MessageReceipt,
    /// The message.
    pub body: MessageBody,
    /// How often it was received, including this time.
    pub receive_count: u32,
    /// Who sent it, where the queue records that.
    pub sender: Option<SenderId>,
}

/// The queues. The handlers only send; runners receive.
pub trait MessageQueue: Send + Sync {
    /// Sends a message that becomes visible after `delay` (at most 15 minutes; longer delays are
    /// shortened, so a wake-up may arrive early).
    fn send(
        &self,
        queue: QueueName,
        body: &MessageBody,
        delay: Duration,
    ) -> impl Future<Output = Result<(), SendError>> + Send;

    /// Receives at most `max` visible messages and hides them for `visibility` (above
    /// [`LONGEST_HIDING`] it may be shortened). A message that was already received as often as the
    /// queue allows goes to the dead-letter queue instead.
    ///
    /// With a visibility of zero it is a look that hides nothing from anybody and does not wait: each
    /// message is returned at most once, and perhaps not all of them. Until somebody else receives it,
    /// a message can be deleted by the receipt.
    fn receive(
        &self,
        queue: QueueName,
        max: usize,
        visibility: Duration,
    ) -> impl Future<Output = Result<Vec<ReceivedMessage>, QueueError>> + Send;

    /// Deletes a received message. Without such a message or with an invalid receipt, nothing happens.
    fn delete(
        &self,
        queue: QueueName,
        receipt: &MessageReceipt,
    ) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// Makes a received message visible again after `delay` (above [`LONGEST_HIDING`] it may be
    /// shortened). With an invalid receipt, nothing happens.
    fn release(
        &self,
        queue: QueueName,
        receipt: &MessageReceipt,
        delay: Duration,
    ) -> impl Future<Output = Result<(), QueueError>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_two_minutes() {
        let pauses: Vec<_> = (0..20).map(|n| redelivery_pause(n).as_secs()).collect();
        assert_eq!(pauses[..9], [2, 2, 4, 8, 16, 32, 64, 120, 120]);
        assert_eq!(redelivery_pause(u32::MAX), Duration::from_mins(2));
        let all = (1..MAX_RECEIVES).map(redelivery_pause);
        assert!(all.sum::<Duration>() > Duration::from_hours(6));
    }

    #[test]
    fn an_operator_is_named_by_the_session() {
        let named = [
            ("AROAEXAMPLE:ada@example.com", "ada@example.com"),
            ("AROAEXAMPLE:a:b", "a:b"),
            ("AIDAEXAMPLE", "AIDAEXAMPLE"),
            ("AROAEXAMPLE:", "AROAEXAMPLE:"),
        ];
        for (id, name) in named {
            assert_eq!(SenderId(id.to_owned()).operator_name(), name);
        }
    }
}
