//! What the sweeper does about dead letters.

use std::time::Duration;

use chatops_core::deploy::{DeployState, EndReason};
use chatops_core::message::{MessageBody, NotifyMessage};
use chatops_core::ports::{Clock as _, DeployReader as _, MessageQueue as _, QueueName};
use chatops_core::rejection::Rejection;
use chatops_core::text::MessageKind;
use chatops_testkit::memory::ManualClock;
use chatops_worker::DeadLetterCounts;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    TestWorker, bodies, body, cancel_action, deploy_command, deploy_id, invocation, new_worker,
    operator, put, user,
};

const RESPONSE_URL: &str = "https://hooks.slack.com/commands/T0001/1/abc";

async fn bury(worker: &TestWorker, message: &Value) {
    put(worker, QueueName::WorkDlq, &body(message)).await;
}

async fn sweep(worker: &TestWorker) -> DeadLetterCounts {
    let invocation = invocation("sweep");
    let counts = Box::pin(worker.sweep_dead_letters(&invocation)).await;
    counts.unwrap()
}

fn by_user(clock: &ManualClock, more: &Value) -> Value {
    let mut message = json!({
        "team": "T0001", "channel": "C0001", "user": "U0001", "response_url": RESPONSE_URL,
        "requested_at": clock.now(),
    });
    let more = more.as_object().unwrap().clone();
    message.as_object_mut().unwrap().extend(more);
    message
}

fn removed(removed: usize) -> DeadLetterCounts {
    DeadLetterCounts {
        removed,
        ..DeadLetterCounts::default()
    }
}

/// The replies that the notifier is to post.
fn replies(worker: &TestWorker) -> Vec<String> {
    let messages = bodies(worker, QueueName::Notify).into_iter();
    let replies = messages.filter_map(|one| match MessageBody::from_wire(one).decode() {
        Ok(NotifyMessage::QueryReply(reply)) => Some(reply),
        _ => None,
    });
    replies
        .map(|reply| {
            assert_eq!(reply.message.mark.kind, MessageKind::Reply);
            reply.message.headline.to_string()
        })
        .collect()
}

#[tokio::test]
async fn an_accepted_command_is_put_on_record_and_told() {
    let (worker, clock) = new_worker();
    bury(&worker, &deploy_command(deploy_id(1), &clock)).await;
    // As long as it could run, somebody may redrive it.
    let kept = DeadLetterCounts {
        kept: 1,
        ..DeadLetterCounts::default()
    };
    assert_eq!(sweep(&worker).await, kept);
    assert_eq!(
        worker.ports.ledger.read_deploy(deploy_id(1)).await.unwrap(),
        None
    );

    clock.advance(worker.config.timeouts.request_ttl);
    assert_eq!(sweep(&worker).await, removed(1));
    let record = worker.ports.ledger.read_deploy(deploy_id(1)).await.unwrap();
    let record = record.unwrap();
    assert_eq!(record.state, DeployState::Rejected);
    let reason = record.end.unwrap().reason;
    let expired = matches!(reason, EndReason::Rejected(Rejection::Expired { .. }));
    assert!(expired, "{reason:?}");
    let notified = bodies(&worker, QueueName::Notify);
    assert!(notified[0].contains("notify.v1"), "{notified:?}");
    assert!(bodies(&worker, QueueName::WorkDlq).is_empty());
    assert_eq!(sweep(&worker).await, removed(0));
}

#[tokio::test]
async fn actions_and_queries_are_answered_while_that_is_possible() {
    let (worker, clock) = new_worker();
    let action = cancel_action(user(Some(RESPONSE_URL)), &clock);
    let query = json!({"type": "query.v1", "query": {"kind": "in_progress"}});
    let query = by_user(&clock, &query);
    let query = body(&query);
    for message in [&action, &query] {
        put(&worker, QueueName::WorkDlq, message).await;
    }
    assert_eq!(sweep(&worker).await, removed(2));
    let said = replies(&worker);
    assert!(said[0].contains("*Not carried out:*"), "{said:?}");
    assert!(said[1].contains("*Not answered:*"), "{said:?}");

    clock.advance(worker.config.timeouts.response_url_ttl);
    let operators = cancel_action(operator("ada"), &clock);
    for message in [&action, &query, &operators] {
        put(&worker, QueueName::WorkDlq, message).await;
    }
    assert_eq!(sweep(&worker).await, removed(3));
    assert_eq!(replies(&worker).len(), 2);
}

#[tokio::test]
async fn wake_ups_are_removed_and_what_cannot_be_read_stays() {
    let (worker, _) = new_worker();
    bury(&worker, &json!({"type": "poll.v1", "deploy": deploy_id(1)})).await;
    bury(
        &worker,
        &json!({"type": "webhook.v1", "pipeline": Uuid::from_u128(1)}),
    )
    .await;
    bury(&worker, &json!({"type": "nothing.v9"})).await;
    bury(
        &worker,
        &json!({"type": "retry.v1", "deploy": deploy_id(1)}),
    )
    .await;
    let counts = DeadLetterCounts {
        kept: 1,
        poison: 1,
        removed: 2,
        failed: 0,
    };
    assert_eq!(sweep(&worker).await, counts);
    assert_eq!(bodies(&worker, QueueName::WorkDlq).len(), 2);
}

/// Whoever reads or redrives the letters meanwhile finds all that stay.
#[tokio::test]
async fn the_look_hides_nothing() {
    let (worker, _) = new_worker();
    for n in 0..25 {
        bury(
            &worker,
            &json!({"type": "retry.v1", "deploy": deploy_id(n)}),
        )
        .await;
    }
    assert_eq!(sweep(&worker).await.kept, 25);
    let (queue, dlq) = (&worker.ports.queue, QueueName::WorkDlq);
    let all = queue.receive(dlq, 100, Duration::from_mins(1)).await;
    assert_eq!(all.unwrap().len(), 25);
    // What somebody has in hand is not waited for.
    assert_eq!(sweep(&worker).await, DeadLetterCounts::default());
}

/// The ledger's index shows a deploy that waits; the letters are not what is counted.
#[tokio::test]
async fn tickets_are_counted_by_the_ledger() {
    let (worker, clock) = new_worker();
    let command = body(&deploy_command(deploy_id(1), &clock));
    let first = invocation("first");
    let handled = worker.handle(&first, QueueName::Work, &command, None);
    Box::pin(handled).await.unwrap();
    bury(
        &worker,
        &json!({"type": "retry.v1", "deploy": deploy_id(1)}),
    )
    .await;
    let report = worker.sweep(&invocation("sweep")).await.unwrap();
    let waiting = worker.ports.ledger.records();
    let waiting = waiting.iter().filter(|record| record.awaits_retry());
    assert_eq!(report.tickets_waiting, waiting.count());
    assert_eq!(report.letters.poison, 0);
}
