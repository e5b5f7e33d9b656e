//! Receives the messages of one queue and passes them to a service, several at a time.
//!
//! A message is deleted only after its handler succeeded. What becomes of it otherwise is decided in
//! [`chatops_core::delivery`]. A series of failures is an error in the log once, and a line when it is
//! over.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use anyhow::Result;
use chatops_core::delivery::{HandlerFailure, settle_failure};
use chatops_core::ports::{Clock, MessageQueue, QueueName, ReceivedMessage};
use tokio::task::{Id, JoinError, JoinSet};
use tracing::{error, info, warn};

use super::shutdown::StopReceiver;
use crate::clock::WallClock;
use crate::sqlite::Sqlite;

/// How long a received message stays hidden: far longer than any handler takes.
const VISIBILITY_TIMEOUT: Duration = Duration::from_mins(3);

/// How long the consumer waits for a wake-up before it receives again.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct QueueConsumer {
    pub(super) queue: Sqlite,
    pub(super) queue_name: QueueName,
    /// The most messages in flight.
    pub(super) max_in_flight: usize,
    pub(super) stop: StopReceiver,
}

impl QueueConsumer {
    /// Runs until the stop, then until nothing is in flight.
    pub(super) async fn run<F, E, H>(self, handler: H) -> Result<()>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<HandlerFailure> + Send + 'static,
        H: Fn(ReceivedMessage) -> F + Send + Sync,
    {
        let mut running = JoinSet::new();
        let mut receive_failures = FailureSeries::default();
        let mut failures = FailureSeries::default();
        let mut deliveries: HashMap<Id, ReceivedMessage> = HashMap::new();
        let mut stop = self.stop.clone();
        loop {
            while let Some(ended) = running.try_join_next_with_id() {
                self.finish_message(ended, &mut deliveries, &mut failures)
                    .await;
            }
            if stop.is_requested() {
                break;
            }
            let room = self.max_in_flight - running.len();
            let received = if room > 0 {
                self.receive_messages(room, &mut receive_failures).await
            } else {
                vec![]
            };
            if received.is_empty() {
                let pause = self.pause_length().await;
                tokio::select! {
                    () = self.queue.wait_for_wake_up(self.queue_name), if room > 0 => {}
                    () = tokio::time::sleep(pause), if room > 0 => {}
                    Some(ended) = running.join_next_with_id() => {
                        self.finish_message(ended, &mut deliveries, &mut failures).await;
                    }
                    () = stop.requested() => {}
                }
            }
            for delivery in received {
                let task = running.spawn(handler(delivery.clone()));
                deliveries.insert(task.id(), delivery);
            }
        }
        while let Some(ended) = running.join_next_with_id().await {
            self.finish_message(ended, &mut deliveries, &mut failures)
                .await;
        }
        Ok(())
    }

    async fn receive_messages(
        &self,
        room: usize,
        series: &mut FailureSeries,
    ) -> Vec<ReceivedMessage> {
        let (queue, timeout) = (self.queue_name, VISIBILITY_TIMEOUT);
        match self.queue.receive(queue, room, timeout).await {
            Ok(received) => {
                series.end(queue, "receiving works again");
                received
            }
            Err(error) => {
                if series.begin() {
                    error!(queue = queue.as_str(), %error, "nothing can be received");
                }
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

    async fn finish_message<E: Into<HandlerFailure>>(
        &self,
        ended: Result<(Id, Result<(), E>), JoinError>,
        deliveries: &mut HashMap<Id, ReceivedMessage>,
        series: &mut FailureSeries,
    ) {
        let (id, handled) = match ended {
            Ok((id, handled)) => (id, handled.map_err(Into::into)),
            Err(panic) => (panic.id(), Err(HandlerFailure::Panicked)),
        };
        let (Some(message), queue) = (deliveries.remove(&id), self.queue_name) else {
            return;
        };
        let Err(failure) = handled else {
            series.end(queue, "messages are handled again");
            if let Err(error) = self.queue.delete(queue, &message.receipt).await {
                // It is received again after its visibility timeout; handlers may run twice.
                warn!(queue = queue.as_str(), %error, "a message was not deleted");
            }
            return;
        };
        if let HandlerFailure::Later { error } = &failure
            && series.begin()
        {
            error!(
                queue = queue.as_str(),
                error, "messages cannot be handled; they are tried again"
            );
        }
        settle_failure(&self.queue, queue, &message, failure).await;
    }
}

/// An unbroken series of failures, which is loud once.
#[derive(Debug, Default)]
struct FailureSeries {
    count: u64,
}

impl FailureSeries {
    /// Counts a failure; whether it is the first.
    fn begin(&mut self) -> bool {
        self.count += 1;
        self.count == 1
    }

    /// Something worked.
    fn end(&mut self, queue: QueueName, what: &str) {
        let failures = std::mem::take(&mut self.count);
        if failures > 0 {
            info!(queue = queue.as_str(), failures, "{what}");
        }
    }
}
