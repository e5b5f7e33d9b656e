//! The worker's process ends in the middle: whatever was under way, there is at most one pipeline,
//! and the trigger lookup finds it by its deploy id parameter.

use std::time::Duration;

use chatops_core::deploy::DeployState;
use chatops_core::ports::QueueName;
use chatops_testkit::proxy::{NetFault, Proxy};
use chatops_testkit::{deploy_id, wait_until};

use crate::function::InvokeOutcome;
use crate::mapping::{DeliveryMode, assert_all_failed, failed_ids};
use crate::world::{LEFT, LambdaWorld};

/// Kills the worker once the `nth` request of that action is done and its answer under way. The deploy
/// has to end in this state, with this many pipelines.
async fn killed_at(
    way: fn(&LambdaWorld) -> Option<&Proxy>,
    action: &'static str,
    nth: usize,
    (state, pipelines): (DeployState, usize),
) {
    let world = LambdaWorld::with_proxies().await;
    let way = way(&world).unwrap();
    let mut faults = vec![NetFault::Pass; nth - 1];
    faults.push(NetFault::HoldAnswer);
    way.inject(action, faults);
    let sent = world.request_deploy("main deploy").await;
    world.worker.warm_up().await;
    let mappings = world.connect(DeliveryMode::Once);
    wait_until(&format!("{action} to be held"), async || {
        (way.held() == 1).then_some(())
    })
    .await;
    world.worker.kill();
    wait_until("the end of the process", async || {
        let died = mappings.iter().any(|mapping| {
            let runs = mapping.runs.lock().unwrap();
            let mut outcomes = runs.iter().map(|run| &run.outcome);
            outcomes.any(|outcome| matches!(outcome, InvokeOutcome::Died(_)))
        });
        died.then_some(())
    })
    .await;
    world.start_sweeping();
    world.wait_for_end(&sent, state, pipelines).await;
    assert_eq!(world.posts(), pipelines);
    assert_eq!(world.worker.starts(), 2);
    world.check_logs();
}

fn to_aws(world: &LambdaWorld) -> Option<&Proxy> {
    world.to_aws.as_ref()
}

fn to_circleci(world: &LambdaWorld) -> Option<&Proxy> {
    world.to_circleci.as_ref()
}

const WRITE: &str = "TransactWriteItems";
const ONE_SUCCESS: (DeployState, usize) = (DeployState::Succeeded, 1);

#[tokio::test]
async fn killed_as_it_puts_the_command_on_record() {
    killed_at(to_aws, WRITE, 1, ONE_SUCCESS).await;
}

/// The intent is on record, and whether it was sent cannot be known: it is not sent again.
#[tokio::test]
async fn killed_as_it_begins_the_trigger() {
    killed_at(to_aws, WRITE, 2, (DeployState::Unresolved, 0)).await;
}

#[tokio::test]
async fn killed_as_circleci_answers_the_trigger() {
    killed_at(to_circleci, "run", 1, ONE_SUCCESS).await;
}

#[tokio::test]
async fn killed_as_it_records_the_pipeline() {
    killed_at(to_aws, WRITE, 3, ONE_SUCCESS).await;
}

#[tokio::test]
async fn killed_as_it_polls() {
    killed_at(to_circleci, "workflow", 1, ONE_SUCCESS).await;
}

#[tokio::test]
async fn killed_as_it_sends_the_wake_up() {
    killed_at(to_aws, "SendMessage", 1, ONE_SUCCESS).await;
}

/// One of a batch hangs at CircleCI, the others are done: all come again, and nothing is made twice.
#[tokio::test]
async fn killed_in_the_middle_of_a_batch() {
    let world = LambdaWorld::with_proxies().await;
    let way = to_circleci(&world).unwrap();
    let faults = vec![NetFault::Pass, NetFault::HoldAnswer, NetFault::Pass];
    way.inject("run", faults);
    let mut all = Vec::new();
    for branch in ["one", "two", "three"] {
        all.push(world.request_deploy(&format!("{branch} test")).await);
    }
    let work = world.new_mapping(QueueName::Work, DeliveryMode::Once);
    let mut batch = Box::pin(work.receive_once(1));
    let in_hand = wait_until("a trigger to be held", async || {
        (way.held() == 1).then_some(())
    });
    tokio::select! {
        run = &mut batch => panic!("the batch is done: {run:?}"),
        () = in_hand => world.worker.kill(),
    }
    let run = batch.await.unwrap();
    assert_eq!((run.bodies.len(), run.failed.len()), (3, 3));
    world.connect(DeliveryMode::Once);
    world.start_sweeping();
    for sent in &all {
        let (record, pipelines) = world.wait_until_notified(sent).await;
        // It may have died between an intent and its POST: then no other invocation sends it.
        let expected = [(DeployState::Unresolved, 0), ONE_SUCCESS];
        assert!(
            expected.contains(&(record.state, pipelines)),
            "{pipelines} {record:#?}"
        );
    }
    assert!(!world.pipelines().is_empty());
    world.check_logs();
}

/// A process that does not answer in time is killed; its messages come again.
#[tokio::test]
async fn frozen_in_the_middle_past_its_deadline() {
    let world = LambdaWorld::with_proxies().await;
    let way = to_circleci(&world).unwrap();
    way.inject("run", vec![NetFault::HoldAnswer]);
    let sent = world.request_deploy("main deploy").await;
    let messages = world.take_messages(QueueName::Work).await;
    let event = world.batch_event(QueueName::Work, &messages);
    world.worker.warm_up().await;
    let freeze = async {
        wait_until("the trigger", async || (way.held() == 1).then_some(())).await;
        world.worker.freeze();
    };
    let invoke = world.worker.invoke(&event, Duration::from_secs(10));
    let (outcome, ()) = tokio::join!(invoke, freeze);
    assert_eq!(outcome, InvokeOutcome::TimedOut);
    world
        .hand_batch(&world.worker, QueueName::Work, &messages, LEFT)
        .await;
    world.connect(DeliveryMode::Once);
    world.start_sweeping();
    world.wait_for_end(&sent, DeployState::Succeeded, 1).await;
    assert_eq!((world.posts(), world.worker.starts()), (1, 2));
    world.check_logs();
}

/// So near its end that an answer could come too late, the invocation begins no trigger.
#[tokio::test]
async fn with_too_little_time_nothing_is_triggered() {
    let world = LambdaWorld::new().await;
    let sent = world.request_deploy("main deploy").await;
    let messages = world.take_messages(QueueName::Work).await;
    world.worker.warm_up().await;
    // The guard at the end is four seconds, a request to CircleCI may take four more.
    for left in [1, 7] {
        let left = Duration::from_secs(left);
        let event = world.batch_event(QueueName::Work, &messages);
        let outcome = world.worker.invoke(&event, left).await;
        assert_all_failed(&outcome, 1);
    }
    let record = world.record(deploy_id(&sent)).await.unwrap();
    assert_eq!((record.state, record.attempts), (DeployState::Requested, 0));
    assert!(!world.circleci_was_called());
    let answer = world
        .hand_batch(&world.worker, QueueName::Work, &messages, LEFT)
        .await;
    assert_eq!(failed_ids(&answer), [""; 0]);
    world.connect(DeliveryMode::Once);
    world.wait_for_end(&sent, DeployState::Succeeded, 1).await;
    assert_eq!(world.worker.starts(), 1);
    world.check_logs();
}
