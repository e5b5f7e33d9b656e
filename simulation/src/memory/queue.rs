//! The queues in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use chatops_core::Time;
use chatops_core::message::MessageBody;
use chatops_core::ports::{
    Clock, MessageQueue, MessageReceipt, QueueError, QueueName, ReceivedMessage, SendError,
};
use chrono::TimeDelta;

use super::{ManualClock, lock_mutex};

/// The longest delay; what asks for more comes early.
const MAX_DELAY: Duration = Duration::from_mins(15);

/// A message as it lies in a lane, visible or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryMessage {
    /// Its number, in the order of sending.
    pub sequence: u64,
    /// When it can be received.
    pub visible_at: Time,
    /// How often it has been received in this lane.
    pub receive_count: u32,
    /// The message.
    pub body: MessageBody,
}

#[derive(Debug)]
struct QueueEntry {
    body: MessageBody,
    receive_count: u32,
}

#[derive(Debug, Default)]
struct QueueContents {
    /// Messages in the order in which they are received.
    messages: BTreeMap<(QueueName, Time, u64), QueueEntry>,
    /// Where a message lies, by its number.
    positions: BTreeMap<u64, (QueueName, Time)>,
    sent: u64,
}

/// The queues in memory.
#[derive(Debug)]
pub struct MemoryQueue {
    clock: ManualClock,
    max_receives: u32,
    contents: Mutex<QueueContents>,
}

impl MemoryQueue {
    /// Empty queues that hand a message out at most `max_receives` times (and at least once)
    /// before it goes to the dead lane.
    #[must_use]
    pub fn new(clock: ManualClock, max_receives: u32) -> Self {
        Self {
            clock,
            max_receives: max_receives.max(1),
            contents: Mutex::default(),
        }
    }

    /// What lies in a lane, in the order in which it becomes visible.
    #[must_use]
    pub fn messages(&self, queue: QueueName) -> Vec<MemoryMessage> {
        let contents = lock_mutex(&self.contents);
        let lying =
            |(&(_, visible_at, sequence), message): (&(QueueName, Time, u64), &QueueEntry)| {
                MemoryMessage {
                    sequence,
                    visible_at,
                    receive_count: message.receive_count,
                    body: message.body.clone(),
                }
            };
        contents
            .messages
            .range(all_keys(queue))
            .map(lying)
            .collect()
    }

    /// When the first message of a lane can be received; in the past if one can be now.
    #[must_use]
    pub fn next_visible(&self, queue: QueueName) -> Option<Time> {
        lock_mutex(&self.contents)
            .messages
            .range(all_keys(queue))
            .next()
            .map(|(&(_, visible_at, _), _)| visible_at)
    }
}

/// Every key of a lane.
fn all_keys(queue: QueueName) -> std::ops::RangeInclusive<(QueueName, Time, u64)> {
    (queue, Time::MIN_UTC, 0)..=(queue, Time::MAX_UTC, u64::MAX)
}

/// Every key of a lane that is visible at `now`.
fn visible_keys(queue: QueueName, now: Time) -> std::ops::RangeInclusive<(QueueName, Time, u64)> {
    (queue, Time::MIN_UTC, 0)..=(queue, now, u64::MAX)
}

/// `now` and `wait`, or the end of time.
fn add_capped(now: Time, wait: Duration) -> Time {
    TimeDelta::from_std(wait)
        .ok()
        .and_then(|wait| now.checked_add_signed(wait))
        .unwrap_or(Time::MAX_UTC)
}

impl QueueContents {
    fn insert_message(
        &mut self,
        queue: QueueName,
        visible_at: Time,
        sequence: u64,
        message: QueueEntry,
    ) {
        self.messages.insert((queue, visible_at, sequence), message);
        self.positions.insert(sequence, (queue, visible_at));
    }

    /// Takes the message out that `receipt` names, unless the receipt is void.
    fn take_message(
        &mut self,
        queue: QueueName,
        receipt: &MessageReceipt,
    ) -> Option<(u64, QueueEntry)> {
        let (sequence, receives) = receipt.0.split_once('-')?;
        let (sequence, receives) = (sequence.parse().ok()?, receives.parse::<u32>().ok()?);
        // In another lane there is nothing under this key.
        let (_, visible_at) = *self.positions.get(&sequence)?;
        let key = (queue, visible_at, sequence);
        if self.messages.get(&key)?.receive_count != receives {
            return None;
        }
        self.positions.remove(&sequence);
        self.messages
            .remove(&key)
            .map(|message| (sequence, message))
    }

    /// Moves what was received too often out of the way.
    fn move_to_dlq(&mut self, queue: QueueName, now: Time, max_receives: u32) {
        let Some(dead) = queue.dead_letter_queue() else {
            return;
        };
        let worn = |(key, message): (&(QueueName, Time, u64), &QueueEntry)| {
            (message.receive_count >= max_receives).then_some(*key)
        };
        let worn: Vec<_> = self
            .messages
            .range(visible_keys(queue, now))
            .filter_map(worn)
            .collect();
        for key in worn {
            if let Some(message) = self.messages.remove(&key) {
                self.insert_message(
                    dead,
                    now,
                    key.2,
                    QueueEntry {
                        receive_count: 0,
                        ..message
                    },
                );
            }
        }
    }
}

impl MessageQueue for MemoryQueue {
    async fn send(
        &self,
        queue: QueueName,
        body: &MessageBody,
        delay: Duration,
    ) -> Result<(), SendError> {
        let visible_at = add_capped(self.clock.now(), delay.min(MAX_DELAY));
        let contents = &mut *lock_mutex(&self.contents);
        contents.sent += 1;
        contents.insert_message(
            queue,
            visible_at,
            contents.sent,
            QueueEntry {
                body: body.clone(),
                receive_count: 0,
            },
        );
        Ok(())
    }

    async fn receive(
        &self,
        queue: QueueName,
        max: usize,
        visibility: Duration,
    ) -> Result<Vec<ReceivedMessage>, QueueError> {
        let now = self.clock.now();
        let contents = &mut *lock_mutex(&self.contents);
        contents.move_to_dlq(queue, now, self.max_receives);
        let keys: Vec<_> = contents
            .messages
            .range(visible_keys(queue, now))
            .map(|(key, _)| *key)
            .take(max)
            .collect();
        let mut deliveries = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(mut message) = contents.messages.remove(&key) else {
                continue;
            };
            message.receive_count = message.receive_count.saturating_add(1);
            deliveries.push(ReceivedMessage {
                receipt: MessageReceipt(format!("{}-{}", key.2, message.receive_count)),
                body: message.body.clone(),
                receive_count: message.receive_count,
            });
            contents.insert_message(queue, add_capped(now, visibility), key.2, message);
        }
        Ok(deliveries)
    }

    async fn delete(&self, queue: QueueName, receipt: &MessageReceipt) -> Result<(), QueueError> {
        lock_mutex(&self.contents).take_message(queue, receipt);
        Ok(())
    }

    async fn release(
        &self,
        queue: QueueName,
        receipt: &MessageReceipt,
        delay: Duration,
    ) -> Result<(), QueueError> {
        let visible_at = add_capped(self.clock.now(), delay);
        let contents = &mut *lock_mutex(&self.contents);
        if let Some((sequence, message)) = contents.take_message(queue, receipt) {
            contents.insert_message(queue, visible_at, sequence, message);
        }
        Ok(())
    }
}
