use std::sync::Mutex;

use chatops_core::ports::{PortErrorKind, QueueError, ReceivedMessage, SendError};
use serde_json::json;

use super::*;

/// Records releases; with some receipts they fail or never end.
#[derive(Default)]
struct ReleasedMessages(Mutex<Vec<(String, Duration)>>);

impl MessageQueue for ReleasedMessages {
    async fn send(&self, _: QueueName, _: &MessageBody, _: Duration) -> Result<(), SendError> {
        unreachable!("the shell sends nothing")
    }

    async fn receive(
        &self,
        _: QueueName,
        _: usize,
        _: Duration,
    ) -> Result<Vec<ReceivedMessage>, QueueError> {
        unreachable!("Lambda receives")
    }

    async fn delete(&self, _: QueueName, _: &MessageReceipt) -> Result<(), QueueError> {
        unreachable!("Lambda deletes")
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
                self.0.lock().unwrap().push((by.0.clone(), delay));
                Ok(())
            }
        }
    }
}

/// A batch as Lambda sends it; each body decides its outcome.
fn batch(bodies: &[&str]) -> SqsBatch {
    let record = |body: &&str| {
        json!({
            "messageId": format!("id-{body}"),
            "receiptHandle": format!("receipt-{body}"),
            "body": body,
            "attributes": {"ApproximateReceiveCount": "3", "SentTimestamp": "1"},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
        })
    };
    let records: Vec<_> = bodies.iter().map(record).collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

async fn handle(body: MessageBody) -> Result<(), String> {
    match body.as_wire() {
        "good" => Ok(()),
        "slow" => {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(())
        }
        "endless" => std::future::pending().await,
        "poison" => panic!("poison"),
        "late-poison" => {
            tokio::time::sleep(Duration::from_secs(1)).await;
            panic!("poison")
        }
        other => Err(format!("{other} failed")),
    }
}

/// Runs a batch: what comes again, sorted, and what was released.
async fn run_again(bodies: &[&str]) -> (Vec<String>, Vec<(String, Duration)>) {
    let queue = ReleasedMessages::default();
    let left = Duration::from_secs(10);
    let answer = run(&queue, QueueName::Work, batch(bodies), left, handle).await;
    let failures = answer.batch_item_failures.into_iter();
    let mut failed: Vec<_> = failures.map(|failure| failure.item_identifier).collect();
    failed.sort();
    (failed, queue.0.into_inner().unwrap())
}

#[tokio::test(start_paused = true)]
async fn what_succeeds_is_not_named() {
    assert_eq!(run_again(&["good", "slow", "good"]).await, (vec![], vec![]));
    assert_eq!(run_again(&[]).await, (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_panic_touches_no_neighbour() {
    let (failed, released) = run_again(&["good", "poison", "slow", "late-poison", "bad"]).await;
    assert_eq!(failed, ["id-bad", "id-late-poison", "id-poison"]);
    assert_eq!(released.len(), 3);
    let mut delays = released.iter().map(|(_, delay)| delay.as_secs());
    assert!(delays.all(|delay| delay == 8));
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
    let (queue, batch) = (ReleasedMessages::default(), batch(&["endless", "slow"]));
    let answer = run(&queue, QueueName::Work, batch, Duration::ZERO, handle).await;
    assert_eq!(answer.batch_item_failures.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_released_is_named_all_the_same() {
    let begun = Instant::now();
    let (failed, released) = run_again(&["broken", "stuck", "bad"]).await;
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
