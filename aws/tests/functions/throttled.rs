//! AWS says "too much at a time".

use chatops_core::deploy::State;
use chatops_core::ports::Lane;
use chatops_testbed::emulator::endpoint;
use chatops_testbed::proxy::{Fault, Proxy, cancelled, refusal};
use chatops_testbed::{deploy_id, until};

use crate::gateway::Payload;
use crate::mapping::Manner;
use crate::world::World;

/// More often than the client itself tries, and no more often than a message is received.
const LONG: usize = 8;

/// Whatever is refused for now is tried again, by the same run or the next.
async fn the_table_refuses(action: &'static str, fault: Fault) {
    let world = World::with_proxies().await;
    let sent = world.asks("main deploy").await;
    world.worker.warm_up().await;
    let way = world.to_aws.as_ref().unwrap();
    way.fail(action, vec![fault; LONG]);
    let [work, _] = world.connect(Manner::Plainly);
    until("the message to come again", async || {
        let runs = work.runs.lock().unwrap();
        runs.iter().any(|run| !run.failed.is_empty()).then_some(())
    })
    .await;
    assert_eq!(world.posts(), 0);
    world.sweeps();
    world.ends(&sent, State::Succeeded, 1).await;
    world.check_logs();
}

#[tokio::test]
async fn a_table_that_is_throttled() {
    let fault = refusal("ProvisionedThroughputExceededException", "");
    the_table_refuses("TransactWriteItems", fault).await;
}

#[tokio::test]
async fn a_table_whose_transactions_are_throttled() {
    let fault = cancelled(&["ThrottlingError", "None", "None", "None"]);
    the_table_refuses("TransactWriteItems", fault).await;
}

#[tokio::test]
async fn a_table_that_cannot_be_read() {
    the_table_refuses(
        "GetItem",
        refusal("ProvisionedThroughputExceededException", ""),
    )
    .await;
}

/// What the queue does not take is not acknowledged; the person is told so, and tries again.
#[tokio::test]
async fn a_queue_that_is_throttled() {
    let way = Proxy::to(&endpoint().url).await;
    let world = World::by_way_of(&way.url).await;
    for payload in Payload::ALL {
        world.ingest.warm_up().await;
        way.fail(
            "SendMessage",
            vec![refusal("ThrottlingException", ""); LONG],
        );
        let (sent, ack) = world.types(payload, "main deploy").await;
        assert_eq!(ack.status, Some(200), "{}", ack.shown);
        assert!(!ack.shown.contains("*Accepted:*"), "{}", ack.shown);
        assert_eq!(ack.body.unwrap().response_type, "ephemeral");
        assert_eq!(world.depth(Lane::Work).await, 0);
        assert_eq!(world.head(deploy_id(&sent)).await, None);
        way.fail("SendMessage", vec![]);
    }
    world.connect(Manner::Plainly);
    let sent = world.asks("main deploy").await;
    world.ends(&sent, State::Succeeded, 1).await;
    world.check_logs();
}
