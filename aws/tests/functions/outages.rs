//! The store is out for longer than every old budget of receives: the messages are released, not
//! buried, and what was accepted runs or is told.

use std::time::Duration;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use chatops_aws::clock::LambdaClock;
use chatops_core::deploy::DeployState;
use chatops_core::ports::{Clock, MAX_RECEIVES, QueueName};
use chatops_sandbox::slack::CommandRequest;
use chatops_testkit::proxy::{NetFault, refusal};
use chatops_testkit::{deploy_id, wait_until};

use crate::mapping::{DeliveryMode, assert_all_failed};
use crate::world::{LEFT, LambdaWorld};

/// More tries than the client makes in all invocations.
const FAULT_COUNT: usize = 60;

/// The message after almost as many receives as SQS allows.
fn received_often(message: &Message, times: u32) -> Message {
    let mut message = message.clone();
    let attributes = message.attributes.get_or_insert_default();
    let count = MessageSystemAttributeName::ApproximateReceiveCount;
    attributes.insert(count, times.to_string());
    message
}

/// Hands the command to a worker whose store is out, again and again; returns the world and the
/// command, which lies in the queue.
async fn store_is_out() -> (LambdaWorld, CommandRequest) {
    let world = LambdaWorld::with_proxies().await;
    let sent = world.request_deploy("main deploy").await;
    world.worker.warm_up().await;
    let way = world.to_aws.as_ref().unwrap();
    way.inject("GetItem", vec![denied(); FAULT_COUNT]);
    let messages = world.take_messages(QueueName::Work).await;
    for times in [6, 50, MAX_RECEIVES] {
        let often = received_often(&messages[0], times);
        let event = world.batch_event(QueueName::Work, [&often]);
        let outcome = world.worker.invoke(&event, LEFT).await;
        assert_all_failed(&outcome, 1);
    }
    assert_eq!(world.queue_depth(QueueName::WorkDlq).await, 0);
    assert_eq!(world.queue_depth(QueueName::Work).await, 1);
    assert_eq!(world.record(deploy_id(&sent)).await, None);
    way.inject("GetItem", vec![]);
    // The pause is over.
    let change = world.aws.sqs().change_message_visibility();
    let change = change.queue_url(&world.queues[&QueueName::Work]);
    let receipt = messages[0].receipt_handle.clone();
    let change = change.visibility_timeout(0).set_receipt_handle(receipt);
    change.send().await.unwrap();
    (world, sent)
}

/// What is not tried again within one run, so that the runs are short.
fn denied() -> NetFault {
    refusal("AccessDeniedException", "")
}

#[tokio::test]
async fn what_is_young_runs() {
    let (world, sent) = store_is_out().await;
    world.connect(DeliveryMode::Once);
    world.wait_for_end(&sent, DeployState::Succeeded, 1).await;
    assert_eq!(world.posts(), 1);
    world.check_logs();
}

#[tokio::test]
async fn what_is_too_old_ends_expired_and_is_told() {
    let (world, sent) = store_is_out().await;
    let short = Duration::from_secs(2);
    let config = std::fs::read_to_string(world.config()).unwrap();
    let config = config.replacen("[timeouts]", "[timeouts]\nrequest_ttl = \"2s\"", 1);
    std::fs::write(world.config(), config).unwrap();
    world.worker.kill();
    let over = LambdaClock.now() + short;
    wait_until("the command to be too old", async || {
        (LambdaClock.now() > over).then_some(())
    })
    .await;
    world.connect(DeliveryMode::Once);
    world.wait_for_end(&sent, DeployState::Rejected, 0).await;
    let told = world.notified(&sent);
    assert!(
        told.iter().any(|text| text.contains("*Expired:*")),
        "{told:#?}"
    );
    world.check_logs();
}
