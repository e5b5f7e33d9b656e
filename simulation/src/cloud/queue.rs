//! The queues behind SQS's faults.

use std::sync::Arc;
use std::time::Duration;

use chatops_core::message::MessageBody;
use chatops_core::ports::{
    Clock, MessageQueue, MessageReceipt, PortErrorKind, QueueError, QueueName, ReceivedMessage,
    SendError,
};

use crate::crash_points::{CrashPoints, drive};
use crate::fault_injector::FaultKind;
use crate::outside::{Dependency, Outages};
use chatops_testkit::memory::{ManualClock, MemoryQueue};

/// The queues as the adapter of SQS shows them, and as Lambda uses them.
#[derive(Debug)]
pub struct CloudQueue {
    queue: Arc<MemoryQueue>,
    points: CrashPoints,
    outages: Arc<Outages>,
    clock: ManualClock,
}

impl CloudQueue {
    /// The queues in `queue`.
    #[must_use]
    pub fn new(
        queue: &Arc<MemoryQueue>,
        points: &CrashPoints,
        outages: &Arc<Outages>,
        clock: &ManualClock,
    ) -> Self {
        Self {
            queue: Arc::clone(queue),
            outages: Arc::clone(outages),
            points: points.clone(),
            clock: clock.clone(),
        }
    }

    /// Removes a message from its queue, whoever handles it.
    pub fn remove(&self, queue: QueueName, receipt: &MessageReceipt) {
        let newest = self.newest_receipt(queue, receipt);
        let _ = drive(self.queue.delete(queue, newest.as_ref().unwrap_or(receipt)));
    }

    fn check_outage(&self) -> Result<(), QueueError> {
        if self.outages.is_out(Dependency::Queue) {
            return queue_error("an outage");
        }
        Ok(())
    }

    fn is_empty(&self, queue: QueueName) -> bool {
        let next = self.queue.next_visible(queue);
        next.is_none_or(|at| at > self.clock.now())
    }

    /// The newest receipt of a message, if it is another one.
    fn newest_receipt(&self, queue: QueueName, receipt: &MessageReceipt) -> Option<MessageReceipt> {
        let (sequence, _) = receipt.0.split_once('-')?;
        let sequence = sequence.parse::<u64>().ok()?;
        let message = self.queue.messages(queue);
        let message = message
            .iter()
            .find(|message| message.sequence == sequence)?;
        let newest = MessageReceipt(format!("{sequence}-{}", message.receive_count));
        (newest != *receipt).then_some(newest)
    }
}

fn queue_error<T>(what: &str) -> Result<T, QueueError> {
    Err(QueueError::new(PortErrorKind::Unavailable, what.to_owned()))
}

impl MessageQueue for CloudQueue {
    async fn send(
        &self,
        queue: QueueName,
        body: &MessageBody,
        delay: Duration,
    ) -> Result<(), SendError> {
        if self.outages.is_out(Dependency::Queue) {
            return Err(SendError::not_sent("an outage"));
        }
        if self.points.should_fail(FaultKind::SendThrottled) {
            return Err(SendError::unknown("throttled"));
        }
        if self.points.should_fail(FaultKind::SendTwice) {
            self.queue.send(queue, body, delay).await?;
        }
        self.queue.send(queue, body, delay).await
    }

    async fn receive(
        &self,
        queue: QueueName,
        max: usize,
        visibility: Duration,
    ) -> Result<Vec<ReceivedMessage>, QueueError> {
        self.check_outage()?;
        if self.is_empty(queue) {
            return self.queue.receive(queue, max, visibility).await;
        }
        if self.points.should_fail(FaultKind::ReceiveFails) {
            return queue_error("the queue does not answer");
        }
        if self.points.should_fail(FaultKind::ReceiveOverlooks) {
            return Ok(vec![]);
        }
        let deliveries = self.queue.receive(queue, max, visibility).await?;
        // Where a handler runs in one go, nobody else can take it meanwhile.
        if let Some(last) = deliveries.last()
            && !self.points.has_placed_faults()
            && self.points.should_fail(FaultKind::VisibleTooEarly)
        {
            self.queue
                .release(queue, &last.receipt, Duration::ZERO)
                .await?;
        }
        Ok(deliveries)
    }

    async fn delete(&self, queue: QueueName, receipt: &MessageReceipt) -> Result<(), QueueError> {
        self.check_outage()?;
        if self.points.should_fail(FaultKind::DeleteFails) {
            return queue_error("the queue does not answer");
        }
        if self.points.is_on_aws()
            && let Some(newest) = self.newest_receipt(queue, receipt)
            && self.points.should_fail(FaultKind::OldReceiptCounts)
        {
            return self.queue.delete(queue, &newest).await;
        }
        self.queue.delete(queue, receipt).await?;
        if self.points.should_fail(FaultKind::DeleteAnswerLost) {
            return queue_error("the answer was lost");
        }
        Ok(())
    }

    async fn release(
        &self,
        queue: QueueName,
        receipt: &MessageReceipt,
        delay: Duration,
    ) -> Result<(), QueueError> {
        self.check_outage()?;
        if self.points.should_fail(FaultKind::ReleaseFails) {
            return queue_error("the queue does not answer");
        }
        self.queue.release(queue, receipt, delay).await
    }
}
