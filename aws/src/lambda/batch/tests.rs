use std::sync::Mutex;

use chatops_core::ports::{PortErrorKind, QueueError, SendError};
use serde_json::json;

use super::*;

/// Records what happens to messages; with some receipts it fails or never ends.
#[derive(Default)]
struct RecordedCalls {
    released: Mutex<Vec<(String, Duration)>>,
    sent: Mutex<Vec<(QueueName, String, Duration)>>,
    deleted: Mutex<Vec<String>>,
}

impl MessageQueue for RecordedCalls {
    async fn send(
        &self,
        to: QueueName,
        body: &MessageBody,
        delay: Duration,
    ) -> Result<(), SendError> {
        let sent = (to, body.as_wire().to_owned(), delay);
        self.sent.lock().unwrap().push(sent);
        Ok(())
    }

    async fn receive(
        &self,
        _: QueueName,
        _: usize,
        _: Duration,
    ) -> Result<Vec<ReceivedMessage>, QueueError> {
        unreachable!("Lambda receives")
    }

    async fn delete(&self, _: QueueName, by: &MessageReceipt) -> Result<(), QueueError> {
        self.deleted.lock().unwrap().push(by.0.clone());
        Ok(())
    }

    async fn release(
        &self,
        _: QueueName,
        by: &MessageReceipt,
        delay: Duration,
    ) -> Result<(), QueueError> {
        match by.0.as_str() {
            "receipt-broken" => Err(QueueError::new(PortErrorKind::Unavailable, "broken")),
            "receipt-stuck" => std::future::pending().await,
            _ => {
                self.released.lock().unwrap().push((by.0.clone(), delay));
                Ok(())
            }
        }
    }
}

/// A batch as Lambda sends it; what is quoted in each body decides its outcome.
fn batch(bodies: &[&str]) -> SqsBatch {
    let record = |body: &&str| {
        json!({
            "messageId": format!("id-{body}"),
            "receiptHandle": format!("receipt-{body}"),
            "body": body,
            "attributes": {"ApproximateReceiveCount": "3", "SentTimestamp": "1"},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:1:web-work",
        })
    };
    let records: Vec<_> = bodies.iter().map(record).collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

async fn handle(message: ReceivedMessage) -> Result<(), HandlerFailure> {
    match message.body.as_wire().trim_matches(['"', '{', '}']) {
        "good" => Ok(()),
        "slow" => {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(())
        }
        "endless" => std::future::pending().await,
        "unreadable" => Err(HandlerFailure::Poison {
            reason: "no JSON".to_owned(),
        }),
        "late" => {
            tokio::time::sleep(Duration::from_secs(1)).await;
            panic!("late")
        }
        "" => panic!("empty"),
        other => Err(HandlerFailure::Later {
            error: format!("{other} failed"),
        }),
    }
}

/// Runs a batch: what comes again, or that all failed; and what was done about it.
async fn run_batch(bodies: &[&str]) -> (Result<Vec<String>, BatchFailed>, RecordedCalls) {
    let queue = RecordedCalls::default();
    let left = Duration::from_secs(10);
    let answer = run(&queue, QueueName::Work, batch(bodies), left, handle).await;
    let failed = answer.map(|answer| {
        let failures = answer.batch_item_failures.into_iter();
        failures.map(|failure| failure.item_identifier).collect()
    });
    (failed, queue)
}

/// What comes again of a batch, and what was released.
async fn run_again(bodies: &[&str]) -> (Vec<String>, Vec<(String, Duration)>) {
    let (failed, queue) = run_batch(bodies).await;
    (failed.unwrap(), queue.released.into_inner().unwrap())
}

#[tokio::test(start_paused = true)]
async fn what_succeeds_is_not_named() {
    assert_eq!(run_again(&["good", "slow", "good"]).await, (vec![], vec![]));
    assert_eq!(run_again(&[]).await, (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_failure_touches_no_neighbour() {
    let (failed, queue) = run_batch(&["good", "{}", "slow", "bad", "unreadable"]).await;
    assert_eq!(failed.unwrap(), ["id-bad"]);
    let pause = Duration::from_secs(8);
    let released = queue.released.into_inner().unwrap();
    assert_eq!(released, [("receipt-bad".to_owned(), pause)]);
    let mut sent = queue.sent.into_inner().unwrap();
    sent.sort();
    let again = r#"{"crash_count":1}"#.to_owned();
    assert_eq!(
        sent,
        [
            (QueueName::Work, again, Duration::from_secs(2)),
            (QueueName::WorkDlq, "unreadable".to_owned(), Duration::ZERO),
        ]
    );
    let mut deleted = queue.deleted.into_inner().unwrap();
    deleted.sort();
    assert_eq!(deleted, ["receipt-unreadable", "receipt-{}"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_which_all_failed_fails() {
    let (failed, queue) = run_batch(&["bad", "{}", "endless"]).await;
    assert_eq!(failed, Err(BatchFailed(3)));
    // Not before everything is settled.
    assert_eq!(queue.released.into_inner().unwrap().len(), 2);
    assert_eq!(queue.sent.into_inner().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn records_are_handled_side_by_side() {
    let begun = Instant::now();
    assert_eq!(run_again(&["slow"; 10]).await.0.len(), 0);
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_finished_comes_again_before_the_end() {
    let begun = Instant::now();
    let (failed, released) = run_again(&["endless", "slow", "good"]).await;
    assert_eq!(failed, ["id-endless"]);
    assert_eq!(released.len(), 1);
    assert_eq!(begun.elapsed(), Duration::from_secs(8));
}

#[tokio::test(start_paused = true)]
async fn without_time_nothing_is_lost() {
    let (queue, batch) = (RecordedCalls::default(), batch(&["endless", "slow"]));
    let answer = run(&queue, QueueName::Work, batch, Duration::ZERO, handle).await;
    assert_eq!(answer, Err(BatchFailed(2)));
    assert_eq!(queue.released.into_inner().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_released_is_named_all_the_same() {
    let begun = Instant::now();
    let (failed, released) = run_again(&["broken", "stuck", "bad", "good"]).await;
    assert_eq!(failed, ["id-bad", "id-broken", "id-stuck"]);
    assert_eq!(released.len(), 1);
    assert_eq!(begun.elapsed(), END_MARGIN / 2);
}

#[test]
fn the_answer_is_what_lambda_reads() {
    let item_identifier = "m1".to_owned();
    let answer = BatchResponse {
        batch_item_failures: vec![BatchItemFailure { item_identifier }],
    };
    let expected = json!({"batchItemFailures": [{"itemIdentifier": "m1"}]});
    assert_eq!(serde_json::to_value(answer).unwrap(), expected);
    let none = json!({"batchItemFailures": []});
    let response = serde_json::to_value(BatchResponse::default()).unwrap();
    assert_eq!(response, none);
}

#[test]
fn a_batch_is_of_the_queue_that_its_arn_names() {
    let url = |name: &str| format!("https://sqs.eu-central-1.amazonaws.com/1/{name}");
    let urls = [
        (QueueName::Work, url("web-work")),
        (QueueName::Polls, url("web-polls")),
    ];
    let urls: QueueUrls = urls.into_iter().collect();
    assert_eq!(
        batch(&["good"]).queue_name(&urls).unwrap(),
        Some(QueueName::Work)
    );
    assert_eq!(batch(&[]).queue_name(&urls).unwrap(), None);
    let error = batch(&["good"])
        .queue_name(&QueueUrls::default())
        .unwrap_err();
    assert!(error.to_string().contains("eu-central-1:1:web-work"));
}
