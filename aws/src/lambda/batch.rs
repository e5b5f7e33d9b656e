//! The batch shell: what Lambda hands a function from a queue, record by record to a handler, and
//! back what is to come again.
//!
//! The function's event source has to report item failures (`ReportBatchItemFailures`). Then Lambda
//! deletes what is not named in the answer, and what is named comes back when it becomes visible.
//! Lambda does not poll more slowly because of failures, so that the shell spaces the tries itself.

use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use chatops_core::Time;
use chatops_core::message::Body;
use chatops_core::ports::{Lane, Queue, Receipt};
use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, error, info_span, warn};

/// How long before the function's end the shell gives up on what is not finished: time to make it
/// visible again and to answer.
pub const GUARD: Duration = Duration::from_secs(2);

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_mins(2);

/// What a function gets that also has a schedule.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "the event is neither a batch of SQS nor EventBridge's 'Scheduled Event'"
)]
pub enum Work {
    /// Messages.
    Batch(Batch),
    /// It is time.
    Schedule(Schedule),
}

/// `EventBridge`'s event of a schedule.
#[derive(Debug, Deserialize)]
pub struct Schedule {
    #[serde(rename = "detail-type")]
    _kind: ScheduleKind,
}

#[derive(Debug, Deserialize)]
enum ScheduleKind {
    #[serde(rename = "Scheduled Event")]
    Scheduled,
}

/// What Lambda hands over.
#[derive(Debug, Deserialize)]
pub struct Batch {
    /// The messages.
    #[serde(rename = "Records")]
    pub records: Vec<Record>,
}

/// One message.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// What Lambda calls it in the answer.
    pub message_id: String,
    /// For making it visible again.
    pub receipt_handle: String,
    /// The message.
    pub body: String,
    /// What SQS knows about it.
    #[serde(default)]
    pub attributes: Attributes,
}

/// What SQS knows about a message.
#[derive(Debug, Default, Deserialize)]
pub struct Attributes {
    /// How often it has been received.
    #[serde(rename = "ApproximateReceiveCount", default)]
    pub receives: Option<String>,
}

impl Record {
    fn receives(&self) -> u32 {
        let count = self.attributes.receives.as_deref();
        count.and_then(|count| count.parse().ok()).unwrap_or(1)
    }
}

/// The answer: what is to come again. Nothing else in it, and the whole batch would.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// These.
    pub batch_item_failures: Vec<ItemFailure>,
}

/// A message to come again.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemFailure {
    /// Its name.
    pub item_identifier: String,
}

/// Until when a handler may expect that what it begins is finished: a call's answer written down,
/// and all before [`run`] gives up on it.
#[must_use]
pub fn ends(now: Time, left: Duration) -> Time {
    now + left.saturating_sub(2 * GUARD)
}

/// Hands every message of a batch to `handle`, all of them at a time, until [`GUARD`] before the
/// function ends in `left`.
///
/// A handler that fails or panics does not touch its neighbours. One that is not finished in time
/// is dropped where it waits, which is as if the process had died there: the pipeline is made for
/// that. Both come again, the later the more often they have been tried.
pub async fn run<Q, F, E>(
    queue: &Q,
    lane: Lane,
    batch: Batch,
    left: Duration,
    handle: impl Fn(Body) -> F,
) -> Answer
where
    Q: Queue,
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    let deadline = Instant::now() + left.saturating_sub(GUARD);
    let with_span = |record: Record| {
        let (message, receives) = (&record.message_id, record.receives());
        // The stage says which deploy it is about, once it knows.
        let span = info_span!("message", message, receives, deploy.id = Empty);
        Some((record, span))
    };
    let mut waiting: Vec<_> = batch.records.into_iter().map(with_span).collect();
    let mut in_hand = FuturesUnordered::new();
    for (n, (record, span)) in waiting.iter().flatten().enumerate() {
        let (handle, body) = (&handle, Body::from_wire(record.body.clone()));
        let handled = async move { handle(body).await }.instrument(span.clone());
        let handled = AssertUnwindSafe(handled).catch_unwind();
        in_hand.push(handled.map(move |handled| (n, handled)));
    }
    let mut failed = Vec::new();
    while let Ok(Some((n, handled))) = tokio::time::timeout_at(deadline, in_hand.next()).await {
        let Some(at) = waiting.get_mut(n).and_then(Option::take) else {
            continue;
        };
        let why = match handled {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the handler panicked".to_owned(),
        };
        failed.push((at, why));
    }
    drop(in_hand);
    let unfinished = waiting.into_iter().flatten();
    failed.extend(unfinished.map(|at| (at, "there was no time left".to_owned())));
    let mut answer = Answer::default();
    let mut releases = Vec::new();
    for ((record, span), why) in failed {
        let (receives, message) = (record.receives(), record.message_id);
        span.in_scope(|| error!(why, "a message will come again"));
        let receipt = Receipt(record.receipt_handle);
        releases.push(async move { queue.release(lane, &receipt, pause(receives)).await });
        answer.batch_item_failures.push(ItemFailure {
            item_identifier: message,
        });
    }
    // What is not made visible comes back by itself, later.
    let ended = tokio::time::timeout(GUARD / 2, futures::future::join_all(releases)).await;
    for error in ended.into_iter().flatten().filter_map(Result::err) {
        warn!(%error, "a message comes again later than it could");
    }
    answer
}

/// Two seconds, four, eight, up to two minutes.
fn pause(receives: u32) -> Duration {
    let seconds = 2_u64.saturating_pow(receives.clamp(1, 10));
    Duration::from_secs(seconds).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests;
