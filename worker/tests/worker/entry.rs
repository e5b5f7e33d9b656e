//! Which message is accepted from which queue, by whom, and what becomes of the others.

use std::time::Duration;

use chatops_core::delivery::{AfterFailure, HandlerFailure, MAX_CRASHES, settle_failure};
use chatops_core::deploy::decide::{self, Context};
use chatops_core::deploy::{ActedBy, DeployState, EndReason};
use chatops_core::id::ShortId;
use chatops_core::message::MessageBody;
use chatops_core::ports::{
    Clock as _, DeployReader as _, Ledger as _, MessageQueue as _, QueueName, SenderId,
    redelivery_pause,
};
use chatops_testkit::memory::ManualClock;
use serde_json::json;
use uuid::Uuid;

use crate::support::{
    TestWorker, bodies, body, cancel_action, deploy_command, deploy_id, invocation, new_worker,
    operator, put, user,
};

const HIDDEN: Duration = Duration::from_mins(3);

/// An operator, who gives any name, cancels a deploy.
fn operator_action(clock: &ManualClock) -> MessageBody {
    cancel_action(operator("typed"), clock)
}

async fn handle(
    worker: &TestWorker,
    queue: QueueName,
    message: &MessageBody,
    sender: Option<&str>,
) -> Result<(), HandlerFailure> {
    let sender = sender.map(|id| SenderId(id.to_owned()));
    let invocation = invocation("run");
    let handled = worker.handle(&invocation, queue, message, sender.as_ref());
    Box::pin(handled).await.map_err(HandlerFailure::from)
}

/// A deploy on record that is not triggered yet.
async fn requested_deploy() -> (TestWorker, ManualClock) {
    let (worker, clock) = new_worker();
    let message = serde_json::from_value(deploy_command(deploy_id(1), &clock)).unwrap();
    let invocation = invocation("first");
    let ctx = Context {
        now: clock.now(),
        invocation: &invocation.id,
        posted_attempt: 0,
        deadline: None,
        config: &worker.config,
    };
    let commit = decide::open_deploy(&message, ShortId::USUAL, ctx);
    worker.ports.ledger.commit(commit).await.unwrap();
    (worker, clock)
}

/// Who canceled the deploy, if anybody.
async fn canceled_by(worker: &TestWorker) -> Option<ActedBy> {
    let record = worker.ports.ledger.read_deploy(deploy_id(1)).await.unwrap();
    let record = record.unwrap();
    assert_eq!(record.state == DeployState::Canceled, record.end.is_some());
    match record.end?.reason {
        EndReason::CanceledBeforeTrigger { by } => Some(by),
        other => panic!("{other:?}"),
    }
}

fn by_operator(name: &str) -> ActedBy {
    ActedBy::Operator {
        name: name.to_owned(),
    }
}

#[tokio::test]
async fn an_operator_is_whoever_can_send_to_their_queue() {
    for (queue, sender, by) in [
        (
            QueueName::Operators,
            Some("AROAEXAMPLE:ada"),
            Some(by_operator("ada")),
        ),
        (QueueName::Operators, None, Some(by_operator("typed"))),
        (QueueName::Work, Some("AROAEXAMPLE:ada"), None),
        (QueueName::Work, None, None),
    ] {
        let (worker, clock) = requested_deploy().await;
        let action = operator_action(&clock);
        handle(&worker, queue, &action, sender).await.unwrap();
        assert_eq!(canceled_by(&worker).await, by, "{queue:?} {sender:?}");
    }
}

#[tokio::test]
async fn what_does_not_belong_in_a_queue_is_poison() {
    let (worker, clock) = requested_deploy().await;
    let command = body(&deploy_command(deploy_id(2), &clock));
    let poll = body(&json!({"type": "poll.v1", "deploy": deploy_id(3)}));
    let webhook = body(&json!({"type": "webhook.v1", "pipeline": Uuid::from_u128(9)}));
    let user_action = cancel_action(user(None), &clock);
    let action = operator_action(&clock);
    let nothing = MessageBody::from_wire("{\"type\":\"nothing.v9\"}".to_owned());
    let torn = MessageBody::from_wire("{\"type\":".to_owned());
    for (queue, message) in [
        (QueueName::Operators, &command),
        (QueueName::Operators, &poll),
        (QueueName::Operators, &user_action),
        (QueueName::Polls, &command),
        (QueueName::Polls, &user_action),
        (QueueName::Polls, &action),
        (QueueName::Work, &nothing),
        (QueueName::Polls, &torn),
    ] {
        let handled = handle(&worker, queue, message, None).await;
        let is_poison = matches!(handled, Err(HandlerFailure::Poison { .. }));
        assert!(is_poison, "{queue:?} {}: {handled:?}", message.as_wire());
    }
    assert_eq!(canceled_by(&worker).await, None);
    // Wake-ups are accepted where a redrive puts them, too.
    for queue in [QueueName::Work, QueueName::Polls] {
        for message in [&poll, &webhook] {
            handle(&worker, queue, message, None).await.unwrap();
        }
    }
}

/// Settles the one message of a queue.
async fn settle(worker: &TestWorker, queue: QueueName, failure: &HandlerFailure) -> AfterFailure {
    let queues = &worker.ports.queue;
    let message = queues.receive(queue, 1, HIDDEN).await.unwrap().remove(0);
    settle_failure(queues, queue, &message, failure.clone()).await
}

#[tokio::test]
async fn a_dependency_only_spaces_a_message() {
    let (worker, clock) = new_worker();
    let message = body(&deploy_command(deploy_id(1), &clock));
    put(&worker, QueueName::Work, &message).await;
    let error = "the store is down".to_owned();
    let failure = HandlerFailure::Later { error };
    for receives in 1..5 {
        let after = settle(&worker, QueueName::Work, &failure).await;
        assert_eq!(after, AfterFailure::ComesAgain);
        let visible = worker.ports.queue.next_visible(QueueName::Work).unwrap();
        let pause = (visible - clock.now()).to_std().unwrap();
        assert_eq!(pause, redelivery_pause(receives));
        clock.advance(pause);
    }
    assert_eq!(bodies(&worker, QueueName::Work), [message.as_wire()]);
}

#[tokio::test]
async fn poison_is_buried_at_once() {
    let (worker, _) = new_worker();
    let torn = MessageBody::from_wire("{\"type\":".to_owned());
    let reason = "it cannot be read".to_owned();
    let failure = HandlerFailure::Poison { reason };
    for (queue, dlq) in [
        (QueueName::Work, QueueName::WorkDlq),
        (QueueName::Polls, QueueName::WorkDlq),
        (QueueName::Notify, QueueName::NotifyDlq),
    ] {
        put(&worker, queue, &torn).await;
        let after = settle(&worker, queue, &failure).await;
        assert_eq!(after, AfterFailure::Removed);
        assert!(bodies(&worker, queue).is_empty());
        assert_eq!(bodies(&worker, dlq).pop().as_deref(), Some(torn.as_wire()));
    }
}

/// Redriven, it would be a command of whoever it names.
#[tokio::test]
async fn what_an_operator_may_not_send_is_buried_for_good() {
    let (worker, clock) = new_worker();
    let command = body(&deploy_command(deploy_id(1), &clock));
    put(&worker, QueueName::Operators, &command).await;
    let handled = handle(&worker, QueueName::Operators, &command, None).await;
    settle(&worker, QueueName::Operators, &handled.unwrap_err()).await;
    let buried = bodies(&worker, QueueName::WorkDlq).remove(0);
    let buried = MessageBody::from_wire(buried);
    for queue in [QueueName::Work, QueueName::Polls, QueueName::Operators] {
        let handled = handle(&worker, queue, &buried, None).await;
        assert!(matches!(handled, Err(HandlerFailure::Poison { .. })));
    }
    assert!(buried.as_wire().contains("deploy.v1"));
}

#[tokio::test]
async fn a_message_is_buried_at_the_fifth_panic() {
    let (worker, clock) = new_worker();
    put(
        &worker,
        QueueName::Work,
        &body(&deploy_command(deploy_id(1), &clock)),
    )
    .await;
    for crashes in 1..=MAX_CRASHES {
        let queued = bodies(&worker, QueueName::Work).remove(0);
        assert_eq!(MessageBody::from_wire(queued).crash_count(), crashes - 1);
        // What it was received for before does not count.
        let error = "the store is down".to_owned();
        settle(&worker, QueueName::Work, &HandlerFailure::Later { error }).await;
        clock.advance(HIDDEN);
        let after = settle(&worker, QueueName::Work, &HandlerFailure::Panicked).await;
        assert_eq!(after, AfterFailure::Removed);
        clock.advance(HIDDEN);
    }
    assert!(bodies(&worker, QueueName::Work).is_empty());
    assert_eq!(bodies(&worker, QueueName::WorkDlq).len(), 1);
}

/// Sent again by the worker, it would be the worker's.
#[tokio::test]
async fn an_operators_action_that_panics_keeps_its_sender() {
    let (worker, clock) = new_worker();
    let action = operator_action(&clock);
    put(&worker, QueueName::Operators, &action).await;
    for _ in 1..MAX_CRASHES {
        let after = settle(&worker, QueueName::Operators, &HandlerFailure::Panicked).await;
        assert_eq!(after, AfterFailure::ComesAgain);
        clock.advance(HIDDEN);
    }
    let after = settle(&worker, QueueName::Operators, &HandlerFailure::Panicked).await;
    assert_eq!(after, AfterFailure::Removed);
    assert_eq!(bodies(&worker, QueueName::WorkDlq), [action.as_wire()]);
}
