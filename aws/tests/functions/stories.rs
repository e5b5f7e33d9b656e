//! A deploy from the command to its end, as nothing goes wrong.

use std::time::Duration;

use chatops_core::deploy::State;
use chatops_core::ports::Lane;
use chatops_sandbox::circleci::Script;
use chatops_sandbox::{Entry, Seen};
use chatops_testbed::{deploy_id, until};

use crate::gateway::Payload;
use crate::mapping::{Manner, failures};
use crate::world::{LEFT, WEBHOOK_SECRET, World};

async fn from_command_to_end(payload: Payload) {
    let world = World::new().await;
    // It is seen running before it has ended.
    world.builds_take(Duration::from_secs(3));
    let (sent, ack) = world.types(payload, "main deploy").await;
    assert_eq!(ack.status, Some(200));
    assert!(ack.shown.contains("*Accepted:*"), "{}", ack.shown);
    assert_eq!(world.depth(Lane::Work).await, 1);
    world.connect(Manner::Plainly);
    let head = world.ends(&sent, State::Succeeded, 1).await;
    let told = world.told(&sent);
    let [running, end] = &told[..] else {
        panic!("{told:#?}")
    };
    assert!(running.contains("*Running:*"), "{running}");
    assert!(running.contains("View build"), "{running}");
    assert!(end.contains("*Succeeded:*"), "{end}");
    assert_eq!(head.attempts, 1);
    assert_eq!(world.deploys().await, 1);
    // Slack repeats a request: the same deploy, and nothing twice.
    let again = world.sandbox.client().resend(&sent).await;
    assert_eq!(again.status, Some(200));
    world.is_empty(Lane::Work).await;
    assert_eq!(world.head(head.id).await, Some(head));
    assert_eq!((world.posts(), world.told(&sent).len()), (1, 2));
    world.check_logs();
}

#[tokio::test]
async fn a_deploy_through_the_http_api() {
    from_command_to_end(Payload::Two).await;
}

#[tokio::test]
async fn a_deploy_through_the_rest_api() {
    from_command_to_end(Payload::One).await;
}

/// Nothing but the event can be a reason to look: no hint is delivered.
#[tokio::test]
async fn an_event_of_circlecis_ends_the_wait() {
    for payload in Payload::ALL {
        let world = World::new().await;
        let sent = world.asks("main deploy").await;
        let first = world.takes(Lane::Work).await;
        let answer = world.hands(&world.worker, &first, LEFT).await;
        assert_eq!(failures(&answer), [""; 0]);
        assert_eq!(
            world.head(deploy_id(&sent)).await.unwrap().state,
            State::Triggered
        );
        world.loses_hints().await;
        let url = world.url(payload, "/circleci/webhook");
        world.sandbox.hear_circleci(&url, Some(WEBHOOK_SECRET));
        world.connect(Manner::Plainly);
        world.ends(&sent, State::Succeeded, 1).await;
        let taken = |entry: &Entry| {
            matches!(
                entry.what,
                Seen::Webhook {
                    status: Some(200),
                    ..
                }
            )
        };
        assert!(world.sandbox.journal().entries().iter().any(taken));
        world.check_logs();
    }
}

/// No hint and no notice is delivered: what is due stands in the ledger.
#[tokio::test]
async fn the_schedule_finds_what_was_lost() {
    let world = World::new().await;
    let sent = world.asks("main deploy").await;
    let first = world.takes(Lane::Work).await;
    world.hands(&world.worker, &first, LEFT).await;
    world.loses_hints().await;
    let looked = until("the look to be due", async || {
        world.sweep().await.answer();
        let hints = world.takes(Lane::Work).await;
        world.hands(&world.worker, &hints, LEFT).await;
        let head = world.head(deploy_id(&sent)).await?;
        head.state.is_terminal().then_some(head)
    });
    assert_eq!(looked.await.state, State::Succeeded);
    assert!(!world.takes(Lane::Notice).await.is_empty());
    assert_eq!(world.told(&sent), [""; 0]);
    // The notices are lost, too; the mappings have nothing to work on but what is swept.
    world.loses_hints().await;
    world.connect(Manner::Plainly);
    until("the end to be told", async || {
        world.sweep().await.answer();
        (!world.told(&sent).is_empty()).then_some(())
    })
    .await;
    world.ends(&sent, State::Succeeded, 1).await;
    world.check_logs();
}

/// A job that has more to say than yes or no: the build fails.
#[tokio::test]
async fn a_build_that_fails_is_told_as_that() {
    let world = World::new().await;
    let script = Script::failure(Duration::from_millis(300));
    world.sandbox.circleci().lock().script("deploy", script);
    world.connect(Manner::Plainly);
    let sent = world.asks("main deploy").await;
    world.ends(&sent, State::Failed, 1).await;
    let told = world.told(&sent);
    assert!(told.last().unwrap().contains("*Failed:*"), "{told:#?}");
    world.check_logs();
}
