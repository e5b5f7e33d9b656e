//! The batch shell: hands the records of a batch from a queue to a handler, and reports to Lambda which
//! of them have to come again.
//!
//! The function's event source has to report item failures (`ReportBatchItemFailures`). Then Lambda
//! deletes what the response does not name; the rest comes back when it becomes visible. Lambda does not
//! poll more slowly because of failures, so the shell spaces the tries itself.

use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use chatops_core::Time;
use chatops_core::message::MessageBody;
use chatops_core::ports::{MessageQueue, MessageReceipt, QueueName, redelivery_pause};
use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, error, info_span, warn};

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
}

impl SqsRecord {
    fn receive_count(&self) -> u32 {
        let count = self.attributes.receive_count.as_deref();
        count.and_then(|count| count.parse().ok()).unwrap_or(1)
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

/// Hands all messages of a batch to `handle` concurrently, until [`END_MARGIN`] before the function ends
/// in `left`.
///
/// A handler that fails or panics does not affect the others. One that is not finished in time is dropped
/// where it waits, as if the process had died there; the pipeline tolerates that. Both messages come
/// again, the later the more often they have been tried.
pub async fn run<Q, F, E>(
    queue: &Q,
    queue_name: QueueName,
    batch: SqsBatch,
    left: Duration,
    handle: impl Fn(MessageBody) -> F,
) -> BatchResponse
where
    Q: MessageQueue,
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    let deadline = Instant::now() + left.saturating_sub(END_MARGIN);
    let with_span = |record: SqsRecord| {
        let (message, receive_count) = (&record.message_id, record.receive_count());
        // The service records which deploy it is about, once it knows.
        let span = info_span!("message", message, receive_count, deploy.id = Empty);
        Some((record, span))
    };
    let mut waiting: Vec<_> = batch.records.into_iter().map(with_span).collect();
    let mut in_hand = FuturesUnordered::new();
    for (n, (record, span)) in waiting.iter().flatten().enumerate() {
        let (handle, body) = (&handle, MessageBody::from_wire(record.body.clone()));
        let handled = async move { handle(body).await }.instrument(span.clone());
        let handled = AssertUnwindSafe(handled).catch_unwind();
        in_hand.push(handled.map(move |handled| (n, handled)));
    }
    let mut failed = Vec::new();
    while let Ok(Some((n, handled))) = tokio::time::timeout_at(deadline, in_hand.next()).await {
        let Some(at) = waiting.get_mut(n).and_then(Option::take) else {
            continue;
        };
        let error = match handled {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the handler panicked".to_owned(),
        };
        failed.push((at, error));
    }
    drop(in_hand);
    let unfinished = waiting.into_iter().flatten();
    failed.extend(unfinished.map(|at| (at, "there was no time left".to_owned())));
    let mut answer = BatchResponse::default();
    let mut releases = Vec::new();
    for ((record, span), error) in failed {
        let (receives, message) = (record.receive_count(), record.message_id);
        span.in_scope(|| error!(error, "a message will come again"));
        let receipt = MessageReceipt(record.receipt_handle);
        releases.push(async move {
            queue
                .release(queue_name, &receipt, redelivery_pause(receives))
                .await
        });
        answer.batch_item_failures.push(BatchItemFailure {
            item_identifier: message,
        });
    }
    // A message that is not released comes back by itself, later.
    let ended = tokio::time::timeout(END_MARGIN / 2, futures::future::join_all(releases)).await;
    for error in ended.into_iter().flatten().filter_map(Result::err) {
        warn!(%error, "a message comes again later than it could");
    }
    answer
}

#[cfg(test)]
mod tests;
