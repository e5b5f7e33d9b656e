//! Queues: at least once, in no order, with delay, visibility and dead-lettering, as SQS has them.

use std::future::Future;
use std::time::Duration;

use crate::message::Body;

/// A queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// From ingest (and the worker itself) to the worker.
    Work,
    /// From the worker (and the notifier itself) to the notifier.
    Notice,
    /// Orders to try again, and work messages that killed their handler.
    WorkDead,
    /// Notices that killed their handler.
    NoticeDead,
}

impl Lane {
    /// All lanes.
    pub const ALL: [Lane; 4] = [Lane::Work, Lane::Notice, Lane::WorkDead, Lane::NoticeDead];

    /// Where a message goes that was received too often; dead-letter queues have no such place.
    #[must_use]
    pub fn dead(self) -> Option<Lane> {
        match self {
            Lane::Work => Some(Lane::WorkDead),
            Lane::Notice => Some(Lane::NoticeDead),
            Lane::WorkDead | Lane::NoticeDead => None,
        }
    }

    /// The lane's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Lane::Work => "work",
            Lane::Notice => "notice",
            Lane::WorkDead => "work-dead",
            Lane::NoticeDead => "notice-dead",
        }
    }
}

/// Why a message was not (certainly) sent.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SendError {
    /// It is certainly not in the queue.
    #[error("the message was not queued: {0}")]
    NotSent(String),
    /// It may be in the queue.
    #[error("whether the message was queued is unknown: {0}")]
    Unknown(String),
}

/// A queue could not be read or changed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the queue cannot be used: {0}")]
pub struct QueueError(pub String);

/// Names one receipt of one message; a later receipt of the same message makes it void.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Receipt(pub String);

/// A received message.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// For deleting or releasing it.
    pub receipt: Receipt,
    /// The message.
    pub body: Body,
    /// How often it has been received, this time included.
    pub receives: u32,
}

/// The queues. The handlers only send; runners receive.
pub trait Queue: Send + Sync {
    /// Sends a message that becomes visible after `delay` (at most 15 minutes; longer delays are
    /// cut to that, so a hint may come early and must be able to die).
    fn send(
        &self,
        lane: Lane,
        body: &Body,
        delay: Duration,
    ) -> impl Future<Output = Result<(), SendError>> + Send;

    /// Receives at most `max` visible messages and hides them for `visibility`. A message that
    /// has already been received as often as the queue allows goes to the dead lane instead.
    fn receive(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
    ) -> impl Future<Output = Result<Vec<Delivery>, QueueError>> + Send;

    /// Deletes a received message. Deleting what is gone, or by a void receipt, does nothing.
    fn delete(
        &self,
        lane: Lane,
        receipt: &Receipt,
    ) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// Makes a received message visible again after `delay` (longer delays than half a day may be
    /// cut to less). By a void receipt it does nothing.
    fn release(
        &self,
        lane: Lane,
        receipt: &Receipt,
        delay: Duration,
    ) -> impl Future<Output = Result<(), QueueError>> + Send;
}
