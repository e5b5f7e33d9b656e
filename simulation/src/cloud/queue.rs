//! The queues behind SQS's faults.

use std::sync::Arc;
use std::time::Duration;

use chatops_core::message::Body;
use chatops_core::ports::{Clock, Delivery, Lane, Queue, QueueError, Receipt, SendError};

use crate::dice::Fault;
use crate::memory::{ManualClock, MemoryQueue};
use crate::points::{Points, drive};

/// The queues as the adapter of SQS shows them, and as Lambda uses them.
#[derive(Debug)]
pub struct CloudQueue {
    queue: Arc<MemoryQueue>,
    points: Points,
    clock: ManualClock,
}

impl CloudQueue {
    /// The queues in `queue`.
    #[must_use]
    pub fn new(queue: &Arc<MemoryQueue>, points: &Points, clock: &ManualClock) -> Self {
        Self {
            queue: Arc::clone(queue),
            points: points.clone(),
            clock: clock.clone(),
        }
    }

    /// Takes a message out of its lane, whoever has it in hand: the queue itself does.
    pub fn remove(&self, lane: Lane, receipt: &Receipt) {
        let newest = self.newest(lane, receipt);
        let _ = drive(self.queue.delete(lane, newest.as_ref().unwrap_or(receipt)));
    }

    fn is_empty(&self, lane: Lane) -> bool {
        let next = self.queue.next_visible(lane);
        next.is_none_or(|at| at > self.clock.now())
    }

    /// The receipt that counts for the message of an older one, if it lies there still.
    fn newest(&self, lane: Lane, receipt: &Receipt) -> Option<Receipt> {
        let (sequence, _) = receipt.0.split_once('-')?;
        let sequence = sequence.parse::<u64>().ok()?;
        let lying = self.queue.messages(lane);
        let lying = lying.iter().find(|lying| lying.sequence == sequence)?;
        let newest = Receipt(format!("{sequence}-{}", lying.receives));
        (newest != *receipt).then_some(newest)
    }
}

fn failed<T>(what: &str) -> Result<T, QueueError> {
    Err(QueueError(what.to_owned()))
}

impl Queue for CloudQueue {
    async fn send(&self, lane: Lane, body: &Body, delay: Duration) -> Result<(), SendError> {
        if self.points.fails(Fault::SendThrottled) {
            return Err(SendError::Unknown("throttled".to_owned()));
        }
        if self.points.fails(Fault::SendTwice) {
            self.queue.send(lane, body, delay).await?;
        }
        self.queue.send(lane, body, delay).await
    }

    async fn receive(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        // Of an empty queue nothing is missed.
        if self.is_empty(lane) {
            return self.queue.receive(lane, max, visibility).await;
        }
        if self.points.fails(Fault::ReceiveFails) {
            return failed("the queue does not answer");
        }
        if self.points.fails(Fault::ReceiveOverlooks) {
            return Ok(vec![]);
        }
        let deliveries = self.queue.receive(lane, max, visibility).await?;
        // Where a handler runs in one go, nobody else can take it meanwhile.
        if let Some(last) = deliveries.last()
            && !self.points.placed()
            && self.points.fails(Fault::ShownInHand)
        {
            self.queue
                .release(lane, &last.receipt, Duration::ZERO)
                .await?;
        }
        Ok(deliveries)
    }

    async fn delete(&self, lane: Lane, receipt: &Receipt) -> Result<(), QueueError> {
        if self.points.fails(Fault::DeleteFails) {
            return failed("the queue does not answer");
        }
        // Where it does not run on AWS, nobody looks for it.
        if self.points.cloud()
            && let Some(newest) = self.newest(lane, receipt)
            && self.points.fails(Fault::OldReceiptCounts)
        {
            return self.queue.delete(lane, &newest).await;
        }
        self.queue.delete(lane, receipt).await?;
        if self.points.fails(Fault::DeleteAnswerLost) {
            return failed("the answer was lost");
        }
        Ok(())
    }

    async fn release(
        &self,
        lane: Lane,
        receipt: &Receipt,
        delay: Duration,
    ) -> Result<(), QueueError> {
        if self.points.fails(Fault::ReleaseFails) {
            return failed("the queue does not answer");
        }
        self.queue.release(lane, receipt, delay).await
    }
}
