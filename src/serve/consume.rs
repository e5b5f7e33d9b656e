//! Takes messages from one lane and hands them to a stage, several at a time.
//!
//! A message is deleted only after its handler succeeded. A handler that fails or panics gets it
//! again, later each time, until the queue counts it as dead.

use std::collections::HashMap;
use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use anyhow::Result;
use chatops_core::message::Body;
use chatops_core::ports::{Clock, Delivery, Lane, Queue};
use tokio::task::{Id, JoinError, JoinSet};
use tracing::{error, warn};

use super::stop::Stop;
use crate::clock::SystemClock;
use crate::sqlite::Sqlite;

/// How many messages of a lane are in hand at a time.
const AT_ONCE: usize = 16;

/// How long a message stays hidden while it is in hand: far longer than any handler takes.
const VISIBILITY: Duration = Duration::from_mins(3);

/// How long nothing is received before the queue is asked again all the same.
const POLL: Duration = Duration::from_secs(1);

/// What a handler made of a message.
#[derive(Debug)]
pub(super) enum Handled {
    /// It is done.
    Done,
    /// It goes back.
    Failed(String),
}

impl<E: Display> From<Result<(), E>> for Handled {
    fn from(result: Result<(), E>) -> Self {
        result.map_or_else(
            |error| Handled::Failed(error.to_string()),
            |()| Handled::Done,
        )
    }
}

/// One lane's consumer.
pub(super) struct Consumer {
    pub(super) queue: Sqlite,
    pub(super) lane: Lane,
    pub(super) stop: Stop,
}

impl Consumer {
    /// Runs until stopped, then until nothing is in hand.
    pub(super) async fn run<F, H>(self, handler: H) -> Result<()>
    where
        F: Future<Output = Handled> + Send + 'static,
        H: Fn(Body) -> F + Send + Sync,
    {
        let mut in_hand = JoinSet::new();
        let mut deliveries: HashMap<Id, Delivery> = HashMap::new();
        let mut stop = self.stop.clone();
        loop {
            while let Some(ended) = in_hand.try_join_next_with_id() {
                self.finish(ended, &mut deliveries).await;
            }
            if stop.is_asked() {
                break;
            }
            let room = AT_ONCE - in_hand.len();
            let received = if room > 0 {
                self.receive(room).await
            } else {
                vec![]
            };
            if received.is_empty() {
                let pause = self.pause().await;
                tokio::select! {
                    () = self.queue.wake(self.lane), if room > 0 => {}
                    () = tokio::time::sleep(pause), if room > 0 => {}
                    Some(ended) = in_hand.join_next_with_id() => {
                        self.finish(ended, &mut deliveries).await;
                    }
                    () = stop.asked() => {}
                }
            }
            for delivery in received {
                let task = in_hand.spawn(handler(delivery.body.clone()));
                deliveries.insert(task.id(), delivery);
            }
        }
        while let Some(ended) = in_hand.join_next_with_id().await {
            self.finish(ended, &mut deliveries).await;
        }
        Ok(())
    }

    async fn receive(&self, room: usize) -> Vec<Delivery> {
        match self.queue.receive(self.lane, room, VISIBILITY).await {
            Ok(received) => received,
            Err(error) => {
                error!(lane = self.lane.name(), %error, "nothing can be received");
                // Without this the loop would spin on a broken file.
                tokio::time::sleep(POLL).await;
                vec![]
            }
        }
    }

    /// Until the next delayed message can be received, and at most [`POLL`].
    async fn pause(&self) -> Duration {
        match self.queue.next_visible(self.lane).await {
            Ok(Some(at)) => (at - SystemClock.now())
                .to_std()
                .unwrap_or_default()
                .min(POLL),
            _ => POLL,
        }
    }

    async fn finish(
        &self,
        ended: Result<(Id, Handled), JoinError>,
        deliveries: &mut HashMap<Id, Delivery>,
    ) {
        let (id, handled) = match ended {
            Ok(ended) => ended,
            Err(panic) => (
                panic.id(),
                Handled::Failed("the handler panicked".to_owned()),
            ),
        };
        let Some(delivery) = deliveries.remove(&id) else {
            return;
        };
        let settled = match handled {
            Handled::Done => self.queue.delete(self.lane, &delivery.receipt).await,
            Handled::Failed(why) => {
                let (lane, receives) = (self.lane.name(), delivery.receives);
                warn!(lane, receives, %why, "a message goes back");
                let delay = Duration::from_secs(2_u64 << receives.min(6));
                self.queue
                    .release(self.lane, &delivery.receipt, delay)
                    .await
            }
        };
        if let Err(error) = settled {
            // It comes back when its visibility runs out; handlers may run twice.
            warn!(lane = self.lane.name(), %error, "a message could not be settled");
        }
    }
}
