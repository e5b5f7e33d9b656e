//! The batch shell: hands the records of a batch from a queue to a handler, and reports to Lambda which
//! of them have to come again.
//!
//! The function's event source has to report item failures (`ReportBatchItemFailures`). Then Lambda
//! deletes what the response does not name; the rest comes back when it becomes visible. Lambda does not
//! poll more slowly because of failures, so the shell spaces the tries itself.

use std::collections::BTreeSet;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use chatops_core::Time;
use chatops_core::delivery::{AfterFailure, HandlerFailure, settle_failure};
use chatops_core::message::MessageBody;
use chatops_core::ports::{MessageQueue, MessageReceipt, QueueName, ReceivedMessage, SenderId};
use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

use crate::sqs::QueueUrls;

/// How long before the function's end the shell gives up unfinished records: time to make them visible
/// again and to respond.
pub const END_MARGIN: Duration = Duration::from_secs(2);

/// The event of a function that also has a schedule.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "the event is neither a batch of SQS nor EventBridge's 'Scheduled Event'"
)]
pub enum WorkerEvent {
    /// Messages.
    Batch(SqsBatch),
    /// The schedule.
    Schedule(ScheduleEvent),
}

/// `EventBridge`'s event of a schedule.
#[derive(Debug, Deserialize)]
pub struct ScheduleEvent {
    #[serde(rename = "detail-type")]
    _kind: ScheduleKind,
}

#[derive(Debug, Deserialize)]
enum ScheduleKind {
    #[serde(rename = "Scheduled Event")]
    Scheduled,
}

/// A batch of messages.
#[derive(Debug, Deserialize)]
pub struct SqsBatch {
    /// The messages.
    #[serde(rename = "Records")]
    pub records: Vec<SqsRecord>,
}

/// One message.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SqsRecord {
    /// Its id in the response.
    pub message_id: String,
    /// Makes it visible again.
    pub receipt_handle: String,
    /// The message.
    pub body: String,
    /// Names its queue.
    #[serde(rename = "eventSourceARN")]
    pub queue_arn: String,
    /// What SQS knows about it.
    #[serde(default)]
    pub attributes: SqsAttributes,
}

/// What SQS knows about a message.
#[derive(Debug, Default, Deserialize)]
pub struct SqsAttributes {
    /// How often it has been received.
    #[serde(rename = "ApproximateReceiveCount", default)]
    pub receive_count: Option<String>,
    /// Who sent it.
    #[serde(rename = "SenderId")]
    pub sender: Option<String>,
}

/// A batch from a queue that the function does not know.
#[derive(Debug, thiserror::Error)]
#[error("the batch is from {0}, and no variable of the function names that queue")]
pub struct UnknownQueue(String);

impl SqsBatch {
    /// The queue that the batch is from: all of it, since each queue has a mapping of its own.
    pub fn queue_name(&self, urls: &QueueUrls) -> Result<Option<QueueName>, UnknownQueue> {
        let Some(first) = self.records.first() else {
            return Ok(None);
        };
        let found = urls.find_by_arn(&first.queue_arn);
        found.map_or_else(
            || Err(UnknownQueue(first.queue_arn.clone())),
            |queue| Ok(Some(queue)),
        )
    }
}

impl SqsRecord {
    /// Its id in the response, and the message.
    pub(super) fn into_message(self) -> (String, ReceivedMessage) {
        let receive_count = self.attributes.receive_count;
        let receive_count = receive_count.and_then(|count| count.parse().ok());
        let message = ReceivedMessage {
            receipt: MessageReceipt(self.receipt_handle),
            body: MessageBody::from_wire(self.body),
            receive_count: receive_count.unwrap_or(1),
            sender: self.attributes.sender.map(SenderId),
        };
        (self.message_id, message)
    }
}

/// The response: what has to come again. With anything else in it, the whole batch would.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    /// The messages to come again.
    pub batch_item_failures: Vec<BatchItemFailure>,
}

/// A message to come again.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemFailure {
    /// Its id.
    pub item_identifier: String,
}

/// Until when a handler may expect to finish what it begins, a call's response recorded, before [`run`]
/// gives up on it.
#[must_use]
pub fn work_deadline(now: Time, left: Duration) -> Time {
    now + left.saturating_sub(2 * END_MARGIN)
}

/// Every message of a batch failed: most likely something that all of them depend on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("all {0} messages of the batch failed")]
pub struct BatchFailed(usize);

/// Hands all messages of a batch to `handle` concurrently, until [`END_MARGIN`] before the function ends
/// in `left`.
///
/// A handler that fails or panics does not affect the others. One that is not finished in time is dropped
/// where it waits, as if the process had died there; the pipeline tolerates that. What failed is settled
/// by [`settle_failure`], and what comes again is named in the response. If nothing was handled, the run
/// itself fails after that: Lambda reports no failed items anywhere, only failed runs.
pub async fn run<Q, F, E>(
    queues: &Q,
    queue_name: QueueName,
    batch: SqsBatch,
    left: Duration,
    handle: impl Fn(ReceivedMessage) -> F,
) -> Result<BatchResponse, BatchFailed>
where
    Q: MessageQueue,
    F: Future<Output = Result<(), E>>,
    E: Into<HandlerFailure>,
{
    let deadline = Instant::now() + left.saturating_sub(END_MARGIN);
    let with_span = |record: SqsRecord| {
        let (id, message) = record.into_message();
        let receive_count = message.receive_count;
        // The service records which deploy it is about, once it knows.
        let span = info_span!("message", message = id, receive_count, deploy.id = Empty);
        Some(BatchMessage { id, message, span })
    };
    let size = batch.records.len();
    let mut waiting: Vec<_> = batch.records.into_iter().map(with_span).collect();
    let mut in_hand = FuturesUnordered::new();
    for (n, one) in waiting.iter().flatten().enumerate() {
        let (handle, message) = (&handle, one.message.clone());
        let handled = async move { handle(message).await }.instrument(one.span.clone());
        let handled = AssertUnwindSafe(handled).catch_unwind();
        in_hand.push(handled.map(move |handled| (n, handled)));
    }
    let mut failed = Vec::new();
    while let Ok(Some((n, handled))) = tokio::time::timeout_at(deadline, in_hand.next()).await {
        let Some(one) = waiting.get_mut(n).and_then(Option::take) else {
            continue;
        };
        let failure = match handled {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.into(),
            Err(_) => HandlerFailure::Panicked,
        };
        failed.push((one, failure));
    }
    drop(in_hand);
    failed.extend(waiting.drain(..).flatten().map(|one| {
        let error = "there was no time left".to_owned();
        (one, HandlerFailure::Later { error })
    }));
    let all_failed = failed.len();
    let batch_item_failures = settle_all(queues, queue_name, failed).await;
    if all_failed > 0 && all_failed == size {
        return Err(BatchFailed(all_failed));
    }
    Ok(BatchResponse {
        batch_item_failures,
    })
}

/// A message in hand.
struct BatchMessage {
    id: String,
    message: ReceivedMessage,
    span: Span,
}

/// Settles the failed messages side by side; returns what comes again.
async fn settle_all<Q: MessageQueue>(
    queues: &Q,
    queue_name: QueueName,
    failed: Vec<(BatchMessage, HandlerFailure)>,
) -> Vec<BatchItemFailure> {
    let mut again: BTreeSet<_> = failed.iter().map(|(one, _)| one.id.clone()).collect();
    let settled = failed.into_iter().map(|(one, failure)| async move {
        let settled = settle_failure(queues, queue_name, &one.message, failure);
        (one.id, settled.instrument(one.span).await)
    });
    let mut settled: FuturesUnordered<_> = settled.collect();
    let deadline = Instant::now() + END_MARGIN / 2;
    // What is not settled in time comes back by itself, later.
    while let Ok(Some((id, settled))) = tokio::time::timeout_at(deadline, settled.next()).await {
        if settled == AfterFailure::Removed {
            again.remove(&id);
        }
    }
    let item = |item_identifier| BatchItemFailure { item_identifier };
    again.into_iter().map(item).collect()
}

#[cfg(test)]
mod tests;
