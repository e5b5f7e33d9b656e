//! Outages of three hours, longer than every budget of receives there was: nothing accepted is lost.

use std::time::Duration;

use chatops_core::deploy::DeployState::{self, Rejected, Succeeded};
use chatops_core::deploy::{DeployRecord, EndReason};
use chatops_core::ports::{MAX_RECEIVES, QueueName};
use chatops_core::rejection::Rejection;
use chatops_core::text::{MessageKind, MessageMark};
use chatops_sandbox::circleci::RunScript;
use chatops_simulation::crash_points::CrashPoints;
use chatops_simulation::crashes::{DELIVERY_PLANS, run_every};
use chatops_simulation::invariants;
use chatops_simulation::outside::Dependency;
use chatops_simulation::scenario;
use chatops_simulation::world::{DeliveryPlan, Redelivery, World};

const OUTAGE: Duration = Duration::from_hours(3);

/// More receives than any message had before it was dead, with room.
const MANY: u32 = 60;

/// A world whose messages come again with their pauses, and whose bot tells what ends late.
fn patient_world() -> World {
    let delivery = DeliveryPlan {
        redelivery: Redelivery::Late,
        twice: false,
        max_receives: MAX_RECEIVES,
    };
    let mut world = World::new(&CrashPoints::crash_at(&[]), delivery);
    world.has_bot = true;
    world.slack.install_bot("C0001");
    for _ in 0..2 {
        let script = RunScript::success(Duration::from_secs(8));
        world.circleci.script_next(script);
    }
    world
}

/// The most receives of a message that is still there.
fn most_receives(world: &World) -> u32 {
    let messages = QueueName::ALL.map(|queue| world.queue.messages(queue));
    let counts = messages.iter().flatten().map(|one| one.receive_count);
    counts.max().unwrap_or(0)
}

/// Works again, and everything comes to its end: these, in the order of the requests, all of them told.
fn ends_well(mut world: World, ends: &[DeployState]) -> Vec<DeployRecord> {
    world.stand_still(Duration::ZERO);
    world.run_to_rest();
    let deploys = world.deploys();
    let states: Vec<_> = deploys.iter().map(|record| record.state).collect();
    assert_eq!(states, ends, "{}", world.transcript());
    let violations = invariants::check(&world);
    assert!(
        violations.is_empty(),
        "{violations:?}\n{}",
        world.transcript()
    );
    let shown = world.slack.shown_messages();
    for record in &deploys {
        let told = shown.iter().any(|message| {
            let mark = MessageMark::parse(&message.block_id().unwrap_or_default());
            mark.is_some_and(|m| m.kind == MessageKind::Final && m.deploy == Some(record.id))
        });
        assert!(told, "{} is not told\n{}", record.id, world.transcript());
    }
    deploys
}

#[test]
fn commands_outlast_an_outage_of_the_store() {
    let mut world = patient_world();
    world.begin_outage(Dependency::Ledger, OUTAGE);
    world.type_command("U0001", "C0001", "main deploy");
    world.run_for(Duration::from_mins(175));
    world.type_command("U0002", "C0001", "main check");
    world.run_for(Duration::from_mins(5));
    assert!(world.deploys().is_empty());
    assert!(most_receives(&world) > MANY, "{}", most_receives(&world));
    let deploys = ends_well(world, &[Rejected, Succeeded]);
    let end = deploys[0].end.as_ref().unwrap();
    let expired = |rejection: &Rejection| matches!(rejection, Rejection::Expired { .. });
    let reason = &end.reason;
    assert!(
        matches!(reason, EndReason::Rejected(why) if expired(why)),
        "{reason:?}"
    );
}

#[test]
fn a_run_outlasts_an_outage_of_the_store() {
    let mut world = patient_world();
    world.type_command("U0001", "C0001", "main deploy");
    world.run_now();
    world.begin_outage(Dependency::Ledger, OUTAGE);
    world.run_for(OUTAGE);
    assert!(most_receives(&world) > MANY);
    ends_well(world, &[Succeeded]);
}

#[test]
fn a_run_outlasts_an_outage_of_the_queue() {
    let mut world = patient_world();
    world.type_command("U0001", "C0001", "main deploy");
    // Nothing can be received in the outage either, and a command expires.
    world.run_now();
    world.begin_outage(Dependency::Queue, OUTAGE);
    world.run_for(OUTAGE);
    ends_well(world, &[Succeeded]);
}

#[test]
fn a_run_outlasts_an_outage_of_circleci() {
    let mut world = patient_world();
    world.change_timeouts(|timeouts| timeouts.follow_timeout = Duration::from_hours(24));
    world.type_command("U0001", "C0001", "main deploy");
    world.run_now();
    world.refuse_reads(OUTAGE);
    world.run_for(OUTAGE);
    ends_well(world, &[Succeeded]);
}

#[test]
fn the_end_is_told_after_an_outage_of_slack() {
    let mut world = patient_world();
    world.type_command("U0001", "C0001", "main deploy");
    world.run_now();
    world.begin_outage(Dependency::Slack, OUTAGE);
    world.run_for(OUTAGE);
    ends_well(world, &[Succeeded]);
}

#[test]
fn an_outage_of_three_hours_loses_nothing() {
    let found = run_every(&scenario::outages(), &DELIVERY_PLANS, 0, &|_, _| {});
    assert!(
        found.violations.is_empty(),
        "{}",
        found.violations.join("\n\n")
    );
}
