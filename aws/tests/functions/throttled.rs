//! AWS throttles.

use chatops_core::deploy::DeployState;
use chatops_core::ports::QueueName;
use chatops_testkit::emulator::endpoint;
use chatops_testkit::proxy::{NetFault, Proxy, cancelled, refusal};
use chatops_testkit::{deploy_id, wait_until};

use crate::gateway::PayloadFormat;
use crate::mapping::DeliveryMode;
use crate::world::LambdaWorld;

/// More than the client's own tries, and at most as many as a message is received.
const FAULT_COUNT: usize = 8;

/// What is throttled is tried again, by the same invocation or the next.
async fn table_refuses(action: &'static str, fault: NetFault) {
    let world = LambdaWorld::with_proxies().await;
    let sent = world.request_deploy("main deploy").await;
    world.worker.warm_up().await;
    let way = world.to_aws.as_ref().unwrap();
    way.inject(action, vec![fault; FAULT_COUNT]);
    let [work, ..] = world.connect(DeliveryMode::Once);
    wait_until("the message to come again", async || {
        let runs = work.runs.lock().unwrap();
        runs.iter().any(|run| !run.failed.is_empty()).then_some(())
    })
    .await;
    assert_eq!(world.posts(), 0);
    world.start_sweeping();
    world.wait_for_end(&sent, DeployState::Succeeded, 1).await;
    world.check_logs();
}

#[tokio::test]
async fn a_table_that_is_throttled() {
    let fault = refusal("ProvisionedThroughputExceededException", "");
    table_refuses("TransactWriteItems", fault).await;
}

#[tokio::test]
async fn a_table_whose_transactions_are_throttled() {
    let fault = cancelled(&["ThrottlingError", "None", "None", "None"]);
    table_refuses("TransactWriteItems", fault).await;
}

#[tokio::test]
async fn a_table_that_cannot_be_read() {
    let fault = refusal("ProvisionedThroughputExceededException", "");
    table_refuses("GetItem", fault).await;
}

/// What the queue does not take is not acknowledged; the user sees that, and types again.
#[tokio::test]
async fn a_queue_that_is_throttled() {
    let way = Proxy::to(&endpoint().url).await;
    let world = LambdaWorld::with_endpoint(&way.url).await;
    for payload in PayloadFormat::ALL {
        world.ingest.warm_up().await;
        let faults = vec![refusal("ThrottlingException", ""); FAULT_COUNT];
        way.inject("SendMessage", faults);
        let (sent, ack) = world.type_command(payload, "main deploy").await;
        assert_eq!(ack.status, Some(200), "{}", ack.shown);
        assert!(!ack.shown.contains("*Accepted:*"), "{}", ack.shown);
        assert_eq!(ack.body.unwrap().response_type, "ephemeral");
        assert_eq!(world.queue_depth(QueueName::Work).await, 0);
        assert_eq!(world.record(deploy_id(&sent)).await, None);
        way.inject("SendMessage", vec![]);
    }
    world.connect(DeliveryMode::Once);
    let sent = world.request_deploy("main deploy").await;
    world.wait_for_end(&sent, DeployState::Succeeded, 1).await;
    world.check_logs();
}
