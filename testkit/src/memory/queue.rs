//! The queues in memory.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeInclusive};
use std::sync::Mutex;
use std::time::Duration;

use chatops_core::Time;
use chatops_core::message::MessageBody;
use chatops_core::ports::{
    Clock, LONGEST_HIDING, MessageQueue, MessageReceipt, QueueError, QueueName, ReceivedMessage,
    SendError,
};
use chrono::TimeDelta;

use super::{ManualClock, lock_mutex};

/// The longest delay; a longer one is cut to it.
const MAX_DELAY: Duration = Duration::from_mins(15);

/// A message in a queue, visible or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryMessage {
    /// Its number, in the order of sending.
    pub sequence: u64,
    /// When it can be received.
    pub visible_at: Time,
    /// How often it has been received in this queue.
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
    messages: BTreeMap<MessageKey, QueueEntry>,
    /// Where a message is, by its number.
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
    /// before it goes to the dead-letter queue.
    #[must_use]
    pub fn new(clock: ManualClock, max_receives: u32) -> Self {
        Self {
            clock,
            max_receives: max_receives.max(1),
            contents: Mutex::default(),
        }
    }

    /// The messages of a queue, in the order in which they become visible.
    #[must_use]
    pub fn messages(&self, queue: QueueName) -> Vec<MemoryMessage> {
        let contents = lock_mutex(&self.contents);
        let all = contents.messages.range(all_keys(queue));
        let all = all.map(|(&(_, visible_at, sequence), message)| MemoryMessage {
            sequence,
            visible_at,
            receive_count: message.receive_count,
            body: message.body.clone(),
        });
        all.collect()
    }

    /// When the first message of a queue can be received; not in the future if one can be now.
    #[must_use]
    pub fn next_visible(&self, queue: QueueName) -> Option<Time> {
        let now = self.clock.now();
        let contents = lock_mutex(&self.contents);
        let first = contents.messages.range(all_keys(queue)).next();
        let first = first.map(|(&(_, visible_at, _), _)| visible_at);
        let visible = contents.visible_keys(queue, now).next().is_some();
        first.map(|at| if visible { at.min(now) } else { at })
    }
}

/// A queue, when the message is visible, and its number.
type MessageKey = (QueueName, Time, u64);

/// Every key of a queue.
fn all_keys(queue: QueueName) -> RangeInclusive<MessageKey> {
    (queue, Time::MIN_UTC, 0)..=(queue, Time::MAX_UTC, u64::MAX)
}

/// `now` and `wait`, or the end of time.
fn add_capped(now: Time, wait: Duration) -> Time {
    let wait = TimeDelta::from_std(wait).ok();
    let at = wait.and_then(|wait| now.checked_add_signed(wait));
    at.unwrap_or(Time::MAX_UTC)
}

impl QueueContents {
    /// The messages that are visible at `now`: those whose time has come, then those that a wrong
    /// clock has hidden for too long.
    fn visible_keys(&self, queue: QueueName, now: Time) -> impl Iterator<Item = MessageKey> {
        let last = (queue, add_capped(now, LONGEST_HIDING), u64::MAX);
        let too_far = (
            Bound::Excluded(last),
            Bound::Included(*all_keys(queue).end()),
        );
        let come = (queue, Time::MIN_UTC, 0)..=(queue, now, u64::MAX);
        let visible = self
            .messages
            .range(come)
            .chain(self.messages.range(too_far));
        visible.map(|(key, _)| *key)
    }

    fn insert_message(&mut self, key: MessageKey, body: MessageBody, receive_count: u32) {
        let entry = QueueEntry {
            body,
            receive_count,
        };
        self.messages.insert(key, entry);
        self.positions.insert(key.2, (key.0, key.1));
    }

    /// Takes the message out that a receipt names, unless it is void.
    fn take_message(&mut self, queue: QueueName, of: &MessageReceipt) -> Option<(u64, QueueEntry)> {
        let (sequence, receives) = of.0.split_once('-')?;
        let (sequence, receives) = (sequence.parse().ok()?, receives.parse::<u32>().ok()?);
        // In another queue there is nothing under this key.
        let (_, visible_at) = *self.positions.get(&sequence)?;
        let key = (queue, visible_at, sequence);
        if self.messages.get(&key)?.receive_count != receives {
            return None;
        }
        self.positions.remove(&sequence);
        Some((sequence, self.messages.remove(&key)?))
    }

    /// Moves what was received too often to the dead-letter queue.
    fn move_to_dlq(&mut self, queue: QueueName, now: Time, max_receives: u32) {
        let Some(dead) = queue.dead_letter_queue() else {
            return;
        };
        let is_worn = |key: &MessageKey| {
            let message = self.messages.get(key);
            message.is_some_and(|message| message.receive_count >= max_receives)
        };
        let worn: Vec<MessageKey> = self.visible_keys(queue, now).filter(is_worn).collect();
        for key in worn {
            if let Some(message) = self.messages.remove(&key) {
                self.insert_message((dead, now, key.2), message.body, 0);
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
        let key = (queue, visible_at, contents.sent);
        contents.insert_message(key, body.clone(), 0);
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
        let keys: Vec<MessageKey> = contents.visible_keys(queue, now).take(max).collect();
        let mut deliveries = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(message) = contents.messages.remove(&key) else {
                continue;
            };
            let receive_count = message.receive_count.saturating_add(1);
            deliveries.push(ReceivedMessage {
                receipt: MessageReceipt(format!("{}-{receive_count}", key.2)),
                body: message.body.clone(),
                receive_count,
                sender: None,
            });
            let hidden = add_capped(now, visibility.min(LONGEST_HIDING));
            let hidden = (queue, hidden, key.2);
            contents.insert_message(hidden, message.body, receive_count);
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
        let visible_at = add_capped(self.clock.now(), delay.min(LONGEST_HIDING));
        let contents = &mut *lock_mutex(&self.contents);
        if let Some((sequence, message)) = contents.take_message(queue, receipt) {
            let key = (queue, visible_at, sequence);
            contents.insert_message(key, message.body, message.receive_count);
        }
        Ok(())
    }
}
