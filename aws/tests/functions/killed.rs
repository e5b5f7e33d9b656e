//! The worker's process ends in the middle: whatever was under way, there is one pipeline at most,
//! and it is found by its proof.

use std::time::Duration;

use chatops_core::deploy::State;
use chatops_core::ports::Lane;
use chatops_testbed::proxy::{Fault, Proxy};
use chatops_testbed::{deploy_id, until};

use crate::function::Outcome;
use crate::mapping::Manner;
use crate::world::{LEFT, World};

/// Kills the worker once the `nth` request of that action is done and its answer under way. The end
/// has to be this one, with so many pipelines.
async fn killed_at(
    way: fn(&World) -> Option<&Proxy>,
    action: &'static str,
    nth: usize,
    (state, pipelines): (State, usize),
) {
    let world = World::with_proxies().await;
    let way = way(&world).unwrap();
    let mut faults = vec![Fault::Nothing; nth - 1];
    faults.push(Fault::Held);
    way.fail(action, faults);
    let sent = world.asks("main deploy").await;
    world.worker.warm_up().await;
    let [work, _] = world.connect(Manner::Plainly);
    until(&format!("{action} to be held"), async || {
        (way.held() == 1).then_some(())
    })
    .await;
    world.worker.kill();
    until("the end of the process", async || {
        let runs = work.runs.lock().unwrap();
        let died = runs
            .iter()
            .any(|run| matches!(run.outcome, Outcome::Died(_)));
        died.then_some(())
    })
    .await;
    world.sweeps();
    world.ends(&sent, state, pipelines).await;
    assert_eq!(world.posts(), pipelines);
    assert_eq!(world.worker.starts(), 2);
    world.check_logs();
}

fn to_aws(world: &World) -> Option<&Proxy> {
    world.to_aws.as_ref()
}

fn to_circleci(world: &World) -> Option<&Proxy> {
    world.to_circleci.as_ref()
}

const WRITE: &str = "TransactWriteItems";
const ONE: (State, usize) = (State::Succeeded, 1);

#[tokio::test]
async fn killed_as_it_puts_the_command_on_record() {
    killed_at(to_aws, WRITE, 1, ONE).await;
}

/// The intent is on record and nobody can know whether it was sent: it is not sent again.
#[tokio::test]
async fn killed_as_it_arms() {
    killed_at(to_aws, WRITE, 2, (State::Unresolved, 0)).await;
}

#[tokio::test]
async fn killed_as_circleci_answers_the_trigger() {
    killed_at(to_circleci, "pipeline", 1, ONE).await;
}

#[tokio::test]
async fn killed_as_it_records_the_pipeline() {
    killed_at(to_aws, WRITE, 3, ONE).await;
}

#[tokio::test]
async fn killed_as_it_looks() {
    killed_at(to_circleci, "workflow", 1, ONE).await;
}

#[tokio::test]
async fn killed_as_it_sets_the_hint() {
    killed_at(to_aws, "SendMessage", 1, ONE).await;
}

/// One of a batch hangs at CircleCI, the others are done: all come again, and nothing is made
/// twice.
#[tokio::test]
async fn killed_in_the_middle_of_a_batch() {
    let world = World::with_proxies().await;
    let way = to_circleci(&world).unwrap();
    way.fail(
        "pipeline",
        vec![Fault::Nothing, Fault::Held, Fault::Nothing],
    );
    let mut all = Vec::new();
    for branch in ["one", "two", "three"] {
        all.push(world.asks(&format!("{branch} test")).await);
    }
    let work = world.mapping(Lane::Work, Manner::Plainly);
    let mut batch = Box::pin(work.once(1));
    let in_hand = until("a trigger to be held", async || {
        (way.held() == 1).then_some(())
    });
    tokio::select! {
        run = &mut batch => panic!("the batch is done: {run:?}"),
        () = in_hand => world.worker.kill(),
    }
    let run = batch.await.unwrap();
    assert_eq!((run.bodies.len(), run.failed.len()), (3, 3));
    world.connect(Manner::Plainly);
    world.sweeps();
    for sent in &all {
        let (head, pipelines) = world.settles(sent).await;
        // It may have died between an intent and its POST: then nobody else sends it.
        let expected = if pipelines == 0 {
            State::Unresolved
        } else {
            State::Succeeded
        };
        assert!(
            pipelines <= 1 && head.state == expected,
            "{pipelines} {head:#?}"
        );
    }
    assert!(!world.pipelines().is_empty());
    world.check_logs();
}

/// A process that does not answer in time is killed; what it had in hand comes again.
#[tokio::test]
async fn frozen_in_the_middle_past_its_deadline() {
    let world = World::with_proxies().await;
    let way = to_circleci(&world).unwrap();
    way.fail("pipeline", vec![Fault::Held]);
    let sent = world.asks("main deploy").await;
    let messages = world.takes(Lane::Work).await;
    let event = serde_json::json!({
        "Records": messages.iter().map(crate::mapping::record).collect::<Vec<_>>(),
    });
    world.worker.warm_up().await;
    let (outcome, ()) = tokio::join!(
        world.worker.invoke(&event, Duration::from_secs(10)),
        async {
            until("the trigger", async || (way.held() == 1).then_some(())).await;
            world.worker.freeze();
        }
    );
    assert_eq!(outcome, Outcome::TimedOut);
    world.hands(&world.worker, &messages, LEFT).await;
    world.connect(Manner::Plainly);
    world.sweeps();
    world.ends(&sent, State::Succeeded, 1).await;
    assert_eq!((world.posts(), world.worker.starts()), (1, 2));
    world.check_logs();
}

/// So near its end that an answer could come too late, the run arms nothing.
#[tokio::test]
async fn with_too_little_time_nothing_is_armed() {
    let world = World::new().await;
    let sent = world.asks("main deploy").await;
    let messages = world.takes(Lane::Work).await;
    world.worker.warm_up().await;
    // The guard at the end is four seconds, a request to CircleCI may take four more.
    for left in [1, 7] {
        let left = Duration::from_secs(left);
        let answer = world.hands(&world.worker, &messages, left).await;
        let id = messages[0].message_id.clone().unwrap();
        assert_eq!(crate::mapping::failures(&answer), [id]);
    }
    let head = world.head(deploy_id(&sent)).await.unwrap();
    assert_eq!((head.state, head.attempts), (State::Requested, 0));
    assert!(!world.circleci_was_called());
    let answer = world.hands(&world.worker, &messages, LEFT).await;
    assert_eq!(crate::mapping::failures(&answer), [""; 0]);
    world.connect(Manner::Plainly);
    world.ends(&sent, State::Succeeded, 1).await;
    assert_eq!(world.worker.starts(), 1);
    world.check_logs();
}
