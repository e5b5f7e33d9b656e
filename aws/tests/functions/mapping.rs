//! An event source mapping: it receives from a queue, invokes a function with the batch, and deletes
//! what does not have to come again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::delete_message::DeleteMessageError;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use serde_json::{Value, json};

use crate::function::{InvokeOutcome, LambdaFunction};

/// What Lambda takes at a time.
const BATCH_SIZE: i32 = 10;

/// How long a received message is hidden. A batch whose function dies comes again at once, which only
/// leaves out the waiting; one that ends in an error has said itself when.
const VISIBILITY_SECONDS: i32 = 60;

/// How messages are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeliveryMode {
    /// As they come.
    Once,
    /// Each twice in its batch, the last first, and every batch once more.
    Twice,
}

/// One batch and its outcome.
#[derive(Debug, Clone)]
pub(crate) struct BatchRun {
    /// The bodies.
    pub(crate) bodies: Vec<String>,
    /// The bodies of those that come again.
    pub(crate) failed: Vec<String>,
    pub(crate) outcome: InvokeOutcome,
}

/// The mapping.
#[derive(Debug)]
pub(crate) struct SourceMapping {
    pub(crate) sqs: Client,
    pub(crate) queue: String,
    pub(crate) function: Arc<LambdaFunction>,
    pub(crate) left: Duration,
    pub(crate) mode: DeliveryMode,
    pub(crate) runs: Mutex<Vec<BatchRun>>,
    pub(crate) stopped: AtomicBool,
}

impl SourceMapping {
    /// Until it is stopped or dropped.
    pub(crate) async fn run(self: Arc<Self>) {
        while !self.stopped.load(Ordering::Relaxed) {
            self.receive_once(1).await;
        }
    }

    /// What was received is finished first.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Receives, waiting for this many seconds at most, and invokes if there is something.
    pub(crate) async fn receive_once(&self, wait: i32) -> Option<BatchRun> {
        let messages = receive_messages(&self.sqs, &self.queue, wait).await;
        if messages.is_empty() {
            return None;
        }
        let record = |message| event_record(&self.queue, message);
        let mut records: Vec<Value> = messages.iter().map(record).collect();
        if self.mode == DeliveryMode::Twice {
            records.extend(records.clone());
            records.reverse();
        }
        let event = json!({ "Records": records });
        let mut outcome = self.function.invoke(&event, self.left).await;
        if self.mode == DeliveryMode::Twice {
            outcome = self.function.invoke(&event, self.left).await;
        }
        let run = self.finish_batch(&messages, outcome).await;
        self.runs.lock().unwrap().push(run.clone());
        Some(run)
    }

    async fn finish_batch(&self, messages: &[Message], outcome: InvokeOutcome) -> BatchRun {
        let ids = messages.iter().map(|m| m.message_id.clone().unwrap());
        let by_id: BTreeMap<String, &Message> = ids.zip(messages).collect();
        let again: Vec<String> = match &outcome {
            InvokeOutcome::Answer(answer) => failed_ids(answer),
            _ => by_id.keys().cloned().collect(),
        };
        // An unknown id would be a failure of the whole batch.
        assert!(again.iter().all(|id| by_id.contains_key(id)), "{again:?}");
        for (id, message) in &by_id {
            let receipt = message.receipt_handle.clone();
            if !again.contains(id) {
                let delete = self.sqs.delete_message().queue_url(&self.queue);
                let deleted = delete.set_receipt_handle(receipt).send().await;
                // A function deletes what it moves elsewhere, and SQS takes a second delete for done. The
                // emulator calls that receipt invalid.
                let is_gone = |error: &DeleteMessageError| error.is_receipt_handle_is_invalid();
                let failed = deleted.err().map(SdkError::into_service_error);
                assert!(failed.as_ref().is_none_or(is_gone), "{failed:?}");
            } else if !matches!(outcome, InvokeOutcome::Answer(_) | InvokeOutcome::Error(_)) {
                let change = self.sqs.change_message_visibility();
                let change = change.queue_url(&self.queue).visibility_timeout(0);
                let changed = change.set_receipt_handle(receipt).send().await;
                changed.unwrap();
            }
        }
        let body = |message: &Message| message.body.clone().unwrap();
        let failed = again.iter().map(|id| body(by_id[id]));
        BatchRun {
            bodies: messages.iter().map(body).collect(),
            failed: failed.collect(),
            outcome,
        }
    }
}

/// The messages that a queue has for Lambda now.
pub(crate) async fn receive_messages(sqs: &Client, queue: &str, wait: i32) -> Vec<Message> {
    let request = sqs.receive_message().queue_url(queue);
    let request = request.max_number_of_messages(BATCH_SIZE);
    let request = request.visibility_timeout(VISIBILITY_SECONDS);
    let request = request.wait_time_seconds(wait);
    let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
    let received = request.send().await.unwrap();
    received.messages.unwrap_or_default()
}

/// A message as a record of the event.
pub(crate) fn event_record(queue_url: &str, message: &Message) -> Value {
    let name = queue_url.rsplit('/').next().unwrap_or_default();
    let attributes = message.attributes.iter().flatten();
    let attributes: BTreeMap<&str, &String> = attributes
        .map(|(name, value)| (name.as_str(), value))
        .collect();
    json!({
        "messageId": message.message_id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": attributes,
        "messageAttributes": {},
        "md5OfBody": message.md5_of_body,
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{name}"),
        "awsRegion": "us-east-1",
    })
}

/// The run failed because each of so many messages did.
#[track_caller]
pub(crate) fn assert_all_failed(outcome: &InvokeOutcome, count: usize) {
    let InvokeOutcome::Error(error) = outcome else {
        panic!("not an error: {outcome:?}")
    };
    let said = error["errorMessage"].as_str().unwrap();
    let expected = format!("all {count} messages of the batch failed");
    assert_eq!(said, expected);
}

/// The ids in the function's response. Anything else in it counts as a failure of the whole batch.
pub(crate) fn failed_ids(answer: &Value) -> Vec<String> {
    let failures = answer["batchItemFailures"].as_array();
    let failures = failures.unwrap_or_else(|| panic!("not an answer to a batch: {answer}"));
    let id = |failure: &Value| failure["itemIdentifier"].as_str().unwrap().to_owned();
    failures.iter().map(id).collect()
}
