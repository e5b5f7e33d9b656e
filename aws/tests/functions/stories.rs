//! A deploy from the command to its end, without faults.

use std::time::Duration;

use chatops_core::deploy::DeployState;
use chatops_core::ports::QueueName;
use chatops_sandbox::circleci::RunScript;
use chatops_testkit::{deploy_id, wait_until};

use crate::gateway::PayloadFormat;
use crate::mapping::{DeliveryMode, failed_ids};
use crate::world::{LEFT, LambdaWorld, WEBHOOK_SECRET};

async fn from_command_to_end(payload: PayloadFormat) {
    let world = LambdaWorld::new().await;
    // Long enough to be seen running.
    world.builds_take(Duration::from_secs(3));
    let (sent, ack) = world.type_command(payload, "main deploy").await;
    assert_eq!(ack.status, Some(200));
    assert!(ack.shown.contains("*Accepted:*"), "{}", ack.shown);
    assert_eq!(world.queue_depth(QueueName::Work).await, 1);
    world.connect(DeliveryMode::Once);
    let record = world.wait_for_end(&sent, DeployState::Succeeded, 1).await;
    let shown = world.notified(&sent);
    // Who comes late skips the progress message.
    let (end, progress) = shown.split_last().unwrap();
    assert!(progress.len() <= 1, "{shown:#?}");
    for running in progress {
        assert!(running.contains("*Running:*"), "{running}");
        assert!(running.contains("View build"), "{running}");
    }
    assert!(end.contains("*Succeeded:*"), "{end}");
    assert_eq!(record.attempts, 1);
    assert_eq!(world.count_deploys().await, 1);
    // Slack repeats a request: the same deploy, and nothing twice.
    let again = world.sandbox.command_sender().resend(&sent).await;
    assert_eq!(again.status, Some(200));
    world.is_empty(QueueName::Work).await;
    assert_eq!(world.record(record.id).await, Some(record));
    assert_eq!(world.posts(), 1);
    assert_eq!(world.notified(&sent), shown);
    world.check_logs();
}

#[tokio::test]
async fn a_deploy_through_the_http_api() {
    from_command_to_end(PayloadFormat::V2).await;
}

#[tokio::test]
async fn a_deploy_through_the_rest_api() {
    from_command_to_end(PayloadFormat::V1).await;
}

/// Only the webhook can cause a poll: no wake-up is delivered.
#[tokio::test]
async fn an_event_of_circlecis_ends_the_wait() {
    for payload in PayloadFormat::ALL {
        let world = LambdaWorld::new().await;
        let endless = RunScript::endless();
        world
            .sandbox
            .circleci()
            .lock()
            .script_job("deploy", endless);
        let sent = world.request_deploy("main deploy").await;
        let first = world.take_messages(QueueName::Work).await;
        let answer = world
            .hand_batch(&world.worker, QueueName::Work, &first, LEFT)
            .await;
        assert_eq!(failed_ids(&answer), [""; 0]);
        let state = world.record(deploy_id(&sent)).await.unwrap().state;
        assert!(!state.is_terminal(), "{state}");
        world.lose_wake_ups().await;
        let url = world.url(payload, "/circleci/webhook");
        world.sandbox.set_webhook(&url, Some(WEBHOOK_SECRET));
        world.connect(DeliveryMode::Once);
        world.cancel_at_circleci().await;
        world.wait_for_end(&sent, DeployState::Canceled, 1).await;
        assert!(world.webhook_answers().contains(&200));
        world.check_logs();
    }
}

/// No wake-up and no notification is delivered: what is due is in the ledger.
#[tokio::test]
async fn the_schedule_finds_what_was_lost() {
    let world = LambdaWorld::new().await;
    let sent = world.request_deploy("main deploy").await;
    let first = world.take_messages(QueueName::Work).await;
    world
        .hand_batch(&world.worker, QueueName::Work, &first, LEFT)
        .await;
    world.lose_wake_ups().await;
    let polled = wait_until("the poll to be due", async || {
        world.sweep().await.into_answer();
        let wake_ups = world.take_messages(QueueName::Polls).await;
        world
            .hand_batch(&world.worker, QueueName::Polls, &wake_ups, LEFT)
            .await;
        let record = world.record(deploy_id(&sent)).await?;
        record.state.is_terminal().then_some(record)
    });
    assert_eq!(polled.await.state, DeployState::Succeeded);
    assert!(!world.take_messages(QueueName::Notify).await.is_empty());
    assert_eq!(world.notified(&sent), [""; 0]);
    // The notifications are lost, too; only the sweep sends messages.
    world.lose_wake_ups().await;
    world.connect(DeliveryMode::Once);
    wait_until("the final status", async || {
        world.sweep().await.into_answer();
        (!world.notified(&sent).is_empty()).then_some(())
    })
    .await;
    world.wait_for_end(&sent, DeployState::Succeeded, 1).await;
    world.check_logs();
}

#[tokio::test]
async fn a_build_that_fails_is_notified_as_failed() {
    let world = LambdaWorld::new().await;
    let script = RunScript::failure(Duration::from_millis(300));
    world.sandbox.circleci().lock().script_job("deploy", script);
    world.connect(DeliveryMode::Once);
    let sent = world.request_deploy("main deploy").await;
    world.wait_for_end(&sent, DeployState::Failed, 1).await;
    let shown = world.notified(&sent);
    assert!(shown.last().unwrap().contains("*Failed:*"), "{shown:#?}");
    world.check_logs();
}
