//! Queues: at least once, in no order, with delay, visibility and dead-lettering, as SQS has them.

use std::future::Future;
use std::time::Duration;

use super::{QueueError, SendError};
use crate::message::MessageBody;

/// A queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueName {
    /// From ingest (and the worker itself) to the worker.
    Work,
    /// From the worker (and the notifier itself) to the notifier.
    Notify,
    /// Orders to try again, and work messages that killed their handler.
    WorkDlq,
    /// Notices that killed their handler.
    NotifyDlq,
}

impl QueueName {
    /// All lanes.
    pub const ALL: [QueueName; 4] = [
        QueueName::Work,
        QueueName::Notify,
        QueueName::WorkDlq,
        QueueName::NotifyDlq,
    ];

    /// Where a message goes that was received too often; dead-letter queues have no such place.
    #[must_use]
    pub fn dead_letter_queue(self) -> Option<QueueName> {
        match self {
            QueueName::Work => Some(QueueName::WorkDlq),
            QueueName::Notify => Some(QueueName::NotifyDlq),
            QueueName::WorkDlq | QueueName::NotifyDlq => None,
        }
    }

    /// The lane's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            QueueName::Work => "work",
            QueueName::Notify => "notify",
            QueueName::WorkDlq => "work-dlq",
            QueueName::NotifyDlq => "notify-dlq",
        }
    }
}

/// Names one receipt of one message; a later receipt of the same message makes it void.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageReceipt(pub String);

/// A received message.
#[derive(Debug, Clone)]
pub struct ReceivedMessage {
    /// For deleting or releasing it.
    pub receipt: MessageReceipt,
    /// The message.
    pub body: MessageBody,
    /// How often it has been received, this time included.
    pub receive_count: u32,
}

/// The queues. The handlers only send; runners receive.
pub trait MessageQueue: Send + Sync {
    /// Sends a message that becomes visible after `delay` (at most 15 minutes; longer delays are
    /// cut to that, so a hint may come early and must be able to die).
    fn send(
        &self,
        lane: QueueName,
        body: &MessageBody,
        delay: Duration,
    ) -> impl Future<Output = Result<(), SendError>> + Send;

    /// Receives at most `max` visible messages and hides them for `visibility`. A message that
    /// has already been received as often as the queue allows goes to the dead lane instead.
    fn receive(
        &self,
        lane: QueueName,
        max: usize,
        visibility: Duration,
    ) -> impl Future<Output = Result<Vec<ReceivedMessage>, QueueError>> + Send;

    /// Deletes a received message. Deleting what is gone, or by a void receipt, does nothing.
    fn delete(
        &self,
        lane: QueueName,
        receipt: &MessageReceipt,
    ) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// Makes a received message visible again after `delay` (longer delays than half a day may be
    /// cut to less). By a void receipt it does nothing.
    fn release(
        &self,
        lane: QueueName,
        receipt: &MessageReceipt,
        delay: Duration,
    ) -> impl Future<Output = Result<(), QueueError>> + Send;
}
