//! Processes are frozen between two events, as Lambda freezes them.

use std::time::Duration;

use chatops_core::deploy::State;
use chatops_testbed::emulator::endpoint;

use crate::gateway::Payload;
use crate::mapping::Manner;
use crate::relay::Relay;
use crate::world::World;

/// All three functions work, are frozen, and work again.
async fn frozen(world: &World, meanwhile: impl Future<Output = ()>) {
    let first = world.asks("main deploy").await;
    let mappings = world.connect(Manner::Plainly);
    world.ends(&first, State::Succeeded, 1).await;
    world.disconnect(&mappings).await;
    let functions = [&world.ingest, &world.worker, &world.notifier];
    for function in functions {
        function.idle().await;
        function.freeze();
    }
    meanwhile.await;
    for function in functions {
        function.thaw();
    }
    let (second, ack) = world.types(Payload::One, "main deploy").await;
    assert!(ack.shown.contains("*Accepted:*"), "{}", ack.shown);
    world.connect(Manner::Plainly);
    world.ends(&second, State::Succeeded, 1).await;
    for function in functions {
        assert_eq!(function.starts(), 1);
    }
    assert_eq!(world.posts(), 2);
    world.check_logs();
}

/// Longer than any connection is kept.
#[tokio::test]
async fn thawed_after_a_long_time_they_go_on() {
    let world = World::new().await;
    frozen(&world, tokio::time::sleep(Duration::from_secs(16))).await;
}

/// The other side has hung up meanwhile, and nobody has noticed.
#[tokio::test]
async fn thawed_with_dead_connections_they_go_on() {
    let relay = Relay::start(&endpoint().url).await;
    let world = World::by_way_of(&relay.url).await;
    frozen(&world, async {
        relay.hang_up().await;
        world.sandbox.take_circleci_away().await.unwrap();
        world.sandbox.bring_circleci_back().await.unwrap();
    })
    .await;
}
