use std::sync::Mutex;

use chatops_core::ports::{Delivery, QueueError, SendError};
use serde_json::json;

use super::*;

/// Remembers what was released; by some receipts that fails, or takes for ever.
#[derive(Default)]
struct Released(Mutex<Vec<(String, Duration)>>);

impl Queue for Released {
    async fn send(&self, _: Lane, _: &Body, _: Duration) -> Result<(), SendError> {
        unreachable!("the shell sends nothing")
    }

    async fn receive(&self, _: Lane, _: usize, _: Duration) -> Result<Vec<Delivery>, QueueError> {
        unreachable!("Lambda receives")
    }

    async fn delete(&self, _: Lane, _: &Receipt) -> Result<(), QueueError> {
        unreachable!("Lambda deletes")
    }

    async fn release(&self, _: Lane, by: &Receipt, delay: Duration) -> Result<(), QueueError> {
        match by.0.as_str() {
            "receipt-broken" => Err(QueueError("broken".to_owned())),
            "receipt-stuck" => std::future::pending().await,
            _ => {
                self.0.lock().unwrap().push((by.0.clone(), delay));
                Ok(())
            }
        }
    }
}

/// A batch as Lambda sends it; each body says what becomes of it.
fn batch(bodies: &[&str]) -> Batch {
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

async fn handle(body: Body) -> Result<(), String> {
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

/// What comes again of a batch, in any order; and what was made visible.
async fn again(bodies: &[&str]) -> (Vec<String>, Vec<(String, Duration)>) {
    let queue = Released::default();
    let left = Duration::from_secs(10);
    let answer = run(&queue, Lane::Work, batch(bodies), left, handle).await;
    let failures = answer.batch_item_failures.into_iter();
    let mut failed: Vec<_> = failures.map(|failure| failure.item_identifier).collect();
    failed.sort();
    (failed, queue.0.into_inner().unwrap())
}

#[tokio::test(start_paused = true)]
async fn what_succeeds_is_not_named() {
    assert_eq!(again(&["good", "slow", "good"]).await, (vec![], vec![]));
    assert_eq!(again(&[]).await, (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_panic_touches_no_neighbour() {
    let (failed, released) = again(&["good", "poison", "slow", "late-poison", "bad"]).await;
    assert_eq!(failed, ["id-bad", "id-late-poison", "id-poison"]);
    assert_eq!(released.len(), 3);
    assert!(
        released
            .iter()
            .all(|(_, delay)| *delay == Duration::from_secs(8))
    );
}

#[tokio::test(start_paused = true)]
async fn records_are_handled_side_by_side() {
    let begun = Instant::now();
    assert_eq!(again(&["slow"; 10]).await.0.len(), 0);
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_finished_comes_again_before_the_end() {
    let begun = Instant::now();
    let (failed, released) = again(&["endless", "slow", "good"]).await;
    assert_eq!(failed, ["id-endless"]);
    assert_eq!(released.len(), 1);
    assert_eq!(begun.elapsed(), Duration::from_secs(8));
}

#[tokio::test(start_paused = true)]
async fn without_time_nothing_is_lost() {
    let queue = Released::default();
    let bodies = ["endless", "slow"];
    let answer = run(&queue, Lane::Work, batch(&bodies), Duration::ZERO, handle).await;
    assert_eq!(answer.batch_item_failures.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_released_is_named_all_the_same() {
    let begun = Instant::now();
    let (failed, released) = again(&["broken", "stuck", "bad"]).await;
    assert_eq!(failed, ["id-bad", "id-broken", "id-stuck"]);
    assert_eq!(released.len(), 1);
    assert_eq!(begun.elapsed(), GUARD / 2);
}

#[test]
fn the_answer_is_what_lambda_reads() {
    let answer = Answer {
        batch_item_failures: vec![ItemFailure {
            item_identifier: "m1".to_owned(),
        }],
    };
    let expected = json!({"batchItemFailures": [{"itemIdentifier": "m1"}]});
    assert_eq!(serde_json::to_value(answer).unwrap(), expected);
    let none = json!({"batchItemFailures": []});
    assert_eq!(serde_json::to_value(Answer::default()).unwrap(), none);
}

#[test]
fn pauses_grow_and_end() {
    let pauses: Vec<_> = (0..20).map(|n| pause(n).as_secs()).collect();
    assert_eq!(pauses[..9], [2, 2, 4, 8, 16, 32, 64, 120, 120]);
    assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
}
