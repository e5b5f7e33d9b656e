//! Processes are frozen between two events, as Lambda freezes them.

use std::time::Duration;

use chatops_core::deploy::DeployState;
use chatops_testkit::emulator::endpoint;

use crate::gateway::PayloadFormat;
use crate::mapping::DeliveryMode;
use crate::relay::TcpRelay;
use crate::world::LambdaWorld;

/// All three functions work, are frozen, and work again.
async fn freeze_and_thaw(world: &LambdaWorld, meanwhile: impl Future<Output = ()>) {
    let first = world.request_deploy("main deploy").await;
    let mappings = world.connect(DeliveryMode::Once);
    world.wait_for_end(&first, DeployState::Succeeded, 1).await;
    world.disconnect(&mappings).await;
    let functions = [&world.ingest, &world.worker, &world.notifier];
    for function in functions {
        function.wait_until_idle().await;
        function.freeze();
    }
    meanwhile.await;
    for function in functions {
        function.thaw();
    }
    let (second, ack) = world.type_command(PayloadFormat::V1, "main deploy").await;
    assert!(ack.shown.contains("*Accepted:*"), "{}", ack.shown);
    world.connect(DeliveryMode::Once);
    world.wait_for_end(&second, DeployState::Succeeded, 1).await;
    for function in functions {
        assert_eq!(function.starts(), 1);
    }
    assert_eq!(world.posts(), 2);
    world.check_logs();
}

/// Longer than any connection is kept.
#[tokio::test]
async fn thawed_after_a_long_time_they_go_on() {
    let world = LambdaWorld::new().await;
    freeze_and_thaw(&world, tokio::time::sleep(Duration::from_secs(16))).await;
}

/// The other side has hung up meanwhile, and nobody has noticed.
#[tokio::test]
async fn thawed_with_dead_connections_they_go_on() {
    let relay = TcpRelay::start(&endpoint().url).await;
    let world = LambdaWorld::with_endpoint(&relay.url).await;
    freeze_and_thaw(&world, async {
        relay.close_connections().await;
        world.sandbox.take_circleci_offline().await.unwrap();
        world.sandbox.bring_circleci_online().await.unwrap();
    })
    .await;
}
