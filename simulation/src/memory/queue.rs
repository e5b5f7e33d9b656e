//! The queues in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use chatops_core::Time;
use chatops_core::message::Body;
use chatops_core::ports::{Clock, Delivery, Lane, Queue, QueueError, Receipt, SendError};
use chrono::TimeDelta;

use super::{ManualClock, open};

/// The longest delay; what asks for more comes early.
const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// A message as it lies in a lane, visible or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lying {
    /// Its number, in the order of sending.
    pub sequence: u64,
    /// When it can be received.
    pub visible_at: Time,
    /// How often it has been received in this lane.
    pub receives: u32,
    /// The message.
    pub body: Body,
}

#[derive(Debug)]
struct Message {
    body: Body,
    receives: u32,
}

#[derive(Debug, Default)]
struct Lanes {
    /// Messages in the order in which they are received.
    lying: BTreeMap<(Lane, Time, u64), Message>,
    /// Where a message lies, by its number.
    place: BTreeMap<u64, (Lane, Time)>,
    sent: u64,
}

/// The queues in memory.
#[derive(Debug)]
pub struct MemoryQueue {
    clock: ManualClock,
    max_receives: u32,
    lanes: Mutex<Lanes>,
}

impl MemoryQueue {
    /// Empty queues that hand a message out at most `max_receives` times (and at least once)
    /// before it goes to the dead lane.
    #[must_use]
    pub fn new(clock: ManualClock, max_receives: u32) -> Self {
        Self {
            clock,
            max_receives: max_receives.max(1),
            lanes: Mutex::default(),
        }
    }

    /// What lies in a lane, in the order in which it becomes visible.
    #[must_use]
    pub fn messages(&self, lane: Lane) -> Vec<Lying> {
        let lanes = open(&self.lanes);
        let lying = |(&(_, visible_at, sequence), message): (&(Lane, Time, u64), &Message)| Lying {
            sequence,
            visible_at,
            receives: message.receives,
            body: message.body.clone(),
        };
        lanes.lying.range(whole(lane)).map(lying).collect()
    }

    /// When the first message of a lane can be received; in the past if one can be now.
    #[must_use]
    pub fn next_visible(&self, lane: Lane) -> Option<Time> {
        open(&self.lanes)
            .lying
            .range(whole(lane))
            .next()
            .map(|(&(_, visible_at, _), _)| visible_at)
    }
}

/// Every key of a lane.
fn whole(lane: Lane) -> std::ops::RangeInclusive<(Lane, Time, u64)> {
    (lane, Time::MIN_UTC, 0)..=(lane, Time::MAX_UTC, u64::MAX)
}

/// Every key of a lane that is visible at `now`.
fn visible(lane: Lane, now: Time) -> std::ops::RangeInclusive<(Lane, Time, u64)> {
    (lane, Time::MIN_UTC, 0)..=(lane, now, u64::MAX)
}

/// `now` and `wait`, or the end of time.
fn later(now: Time, wait: Duration) -> Time {
    TimeDelta::from_std(wait)
        .ok()
        .and_then(|wait| now.checked_add_signed(wait))
        .unwrap_or(Time::MAX_UTC)
}

impl Lanes {
    fn put(&mut self, lane: Lane, visible_at: Time, sequence: u64, message: Message) {
        self.lying.insert((lane, visible_at, sequence), message);
        self.place.insert(sequence, (lane, visible_at));
    }

    /// Takes the message out that `receipt` names, unless the receipt is void.
    fn take(&mut self, lane: Lane, receipt: &Receipt) -> Option<(u64, Message)> {
        let (sequence, receives) = receipt.0.split_once('-')?;
        let (sequence, receives) = (sequence.parse().ok()?, receives.parse::<u32>().ok()?);
        // In another lane there is nothing under this key.
        let (_, visible_at) = *self.place.get(&sequence)?;
        let key = (lane, visible_at, sequence);
        if self.lying.get(&key)?.receives != receives {
            return None;
        }
        self.place.remove(&sequence);
        self.lying.remove(&key).map(|message| (sequence, message))
    }

    /// Moves what was received too often out of the way.
    fn bury(&mut self, lane: Lane, now: Time, max_receives: u32) {
        let Some(dead) = lane.dead() else { return };
        let worn = |(key, message): (&(Lane, Time, u64), &Message)| {
            (message.receives >= max_receives).then_some(*key)
        };
        let worn: Vec<_> = self
            .lying
            .range(visible(lane, now))
            .filter_map(worn)
            .collect();
        for key in worn {
            if let Some(message) = self.lying.remove(&key) {
                self.put(
                    dead,
                    now,
                    key.2,
                    Message {
                        receives: 0,
                        ..message
                    },
                );
            }
        }
    }
}

impl Queue for MemoryQueue {
    async fn send(&self, lane: Lane, body: &Body, delay: Duration) -> Result<(), SendError> {
        let visible_at = later(self.clock.now(), delay.min(LONGEST_DELAY));
        let lanes = &mut *open(&self.lanes);
        lanes.sent += 1;
        lanes.put(
            lane,
            visible_at,
            lanes.sent,
            Message {
                body: body.clone(),
                receives: 0,
            },
        );
        Ok(())
    }

    async fn receive(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        let now = self.clock.now();
        let lanes = &mut *open(&self.lanes);
        lanes.bury(lane, now, self.max_receives);
        let keys: Vec<_> = lanes
            .lying
            .range(visible(lane, now))
            .map(|(key, _)| *key)
            .take(max)
            .collect();
        let mut deliveries = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(mut message) = lanes.lying.remove(&key) else {
                continue;
            };
            message.receives = message.receives.saturating_add(1);
            deliveries.push(Delivery {
                receipt: Receipt(format!("{}-{}", key.2, message.receives)),
                body: message.body.clone(),
                receives: message.receives,
            });
            lanes.put(lane, later(now, visibility), key.2, message);
        }
        Ok(deliveries)
    }

    async fn delete(&self, lane: Lane, receipt: &Receipt) -> Result<(), QueueError> {
        open(&self.lanes).take(lane, receipt);
        Ok(())
    }

    async fn release(
        &self,
        lane: Lane,
        receipt: &Receipt,
        delay: Duration,
    ) -> Result<(), QueueError> {
        let visible_at = later(self.clock.now(), delay);
        let lanes = &mut *open(&self.lanes);
        if let Some((sequence, message)) = lanes.take(lane, receipt) {
            lanes.put(lane, visible_at, sequence, message);
        }
        Ok(())
    }
}
