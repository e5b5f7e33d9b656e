//! Receives the messages of one queue and passes them to a service, several at a time.
//!
//! A message is deleted only after its handler succeeded. If the handler fails or panics, the message
//! is received again, later each time, until it becomes a dead letter.

use std::collections::HashMap;
use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use anyhow::Result;
use chatops_core::message::MessageBody;
use chatops_core::ports::{Clock, MessageQueue, QueueName, ReceivedMessage, redelivery_pause};
use tokio::task::{Id, JoinError, JoinSet};
use tracing::{error, warn};

use super::shutdown::StopReceiver;
use crate::clock::WallClock;
use crate::sqlite::Sqlite;

/// The most messages of a queue in flight.
const MAX_IN_FLIGHT: usize = 16;

/// How long a received message stays hidden: far longer than any handler takes.
const VISIBILITY_TIMEOUT: Duration = Duration::from_mins(3);

/// How long the consumer waits for a wake-up before it receives again.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) enum HandlerResult {
    /// The message is deleted.
    Done,
    /// The message is released.
    Failed(String),
}

impl<E: Display> From<Result<(), E>> for HandlerResult {
    fn from(result: Result<(), E>) -> Self {
        result.map_or_else(
            |error| HandlerResult::Failed(error.to_string()),
            |()| HandlerResult::Done,
        )
    }
}

pub(super) struct QueueConsumer {
    pub(super) queue: Sqlite,
    pub(super) queue_name: QueueName,
    pub(super) stop: StopReceiver,
}

impl QueueConsumer {
    /// Runs until the stop, then until nothing is in flight.
    pub(super) async fn run<F, H>(self, handler: H) -> Result<()>
    where
        F: Future<Output = HandlerResult> + Send + 'static,
        H: Fn(MessageBody) -> F + Send + Sync,
    {
        let mut running = JoinSet::new();
        let mut deliveries: HashMap<Id, ReceivedMessage> = HashMap::new();
        let mut stop = self.stop.clone();
        loop {
            while let Some(ended) = running.try_join_next_with_id() {
                self.finish_message(ended, &mut deliveries).await;
            }
            if stop.is_requested() {
                break;
            }
            let room = MAX_IN_FLIGHT - running.len();
            let received = if room > 0 {
                self.receive_messages(room).await
            } else {
                vec![]
            };
            if received.is_empty() {
                let pause = self.pause_length().await;
                tokio::select! {
                    () = self.queue.wait_for_wake_up(self.queue_name), if room > 0 => {}
                    () = tokio::time::sleep(pause), if room > 0 => {}
                    Some(ended) = running.join_next_with_id() => {
                        self.finish_message(ended, &mut deliveries).await;
                    }
                    () = stop.requested() => {}
                }
            }
            for delivery in received {
                let task = running.spawn(handler(delivery.body.clone()));
                deliveries.insert(task.id(), delivery);
            }
        }
        while let Some(ended) = running.join_next_with_id().await {
            self.finish_message(ended, &mut deliveries).await;
        }
        Ok(())
    }

    async fn receive_messages(&self, room: usize) -> Vec<ReceivedMessage> {
        let (queue, timeout) = (self.queue_name, VISIBILITY_TIMEOUT);
        match self.queue.receive(queue, room, timeout).await {
            Ok(received) => received,
            Err(error) => {
                error!(queue = self.queue_name.as_str(), %error, "nothing can be received");
                // Without this the loop would spin on a broken file.
                tokio::time::sleep(POLL_INTERVAL).await;
                vec![]
            }
        }
    }

    /// The time until the next message becomes visible, and at most [`POLL_INTERVAL`].
    async fn pause_length(&self) -> Duration {
        match self.queue.next_visible(self.queue_name).await {
            Ok(Some(at)) => {
                let wait = (at - WallClock.now()).to_std();
                wait.unwrap_or_default().min(POLL_INTERVAL)
            }
            _ => POLL_INTERVAL,
        }
    }

    async fn finish_message(
        &self,
        ended: Result<(Id, HandlerResult), JoinError>,
        deliveries: &mut HashMap<Id, ReceivedMessage>,
    ) {
        let (id, handled) = match ended {
            Ok(ended) => ended,
            Err(panic) => (
                panic.id(),
                HandlerResult::Failed("the handler panicked".to_owned()),
            ),
        };
        let Some(delivery) = deliveries.remove(&id) else {
            return;
        };
        let result = match handled {
            HandlerResult::Done => self.queue.delete(self.queue_name, &delivery.receipt).await,
            HandlerResult::Failed(why) => {
                let (queue, receive_count) = (self.queue_name.as_str(), delivery.receive_count);
                warn!(queue, receive_count, error = %why, "a message is released");
                let delay = redelivery_pause(receive_count);
                self.queue
                    .release(self.queue_name, &delivery.receipt, delay)
                    .await
            }
        };
        if let Err(error) = result {
            // It is received again after its visibility timeout; handlers may run twice.
            warn!(queue = self.queue_name.as_str(), %error, "a message was not deleted or released");
        }
    }
}
