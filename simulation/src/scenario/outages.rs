//! Outages of three hours, longer than a message is received again and again.

use std::time::Duration;

use chatops_core::deploy::DeployState::{Rejected, Succeeded, TriggerFailed};
use chatops_sandbox::circleci::RunScript;

use super::{SOON, Scenario, main_deploy, script, script_success};
use crate::outside::Dependency::{self, CircleCi, Ledger, Queue, Secrets};
use crate::world::World;

const THREE_HOURS: Duration = Duration::from_mins(185);

/// A command is accepted, and something is out before it is handled.
fn out_at_once(world: &mut World, of: Dependency) {
    script_success(world);
    main_deploy(world);
    world.begin_outage(of, THREE_HOURS);
    world.run_to_rest();
}

/// Something is out while a deploy runs.
fn out_while_it_runs(world: &mut World, of: Dependency) {
    world.change_timeouts(|timeouts| timeouts.follow_timeout = Duration::from_hours(24));
    script(world, RunScript::success(Duration::from_mins(30)));
    main_deploy(world);
    world.run_for(SOON);
    world.begin_outage(of, THREE_HOURS);
    world.run_to_rest();
}

pub(super) const ALL: &[Scenario] = &[
    Scenario::new("the queues are out", |world| out_at_once(world, Queue)).ends(&[Rejected]),
    Scenario::new("the secrets are out", |world| out_at_once(world, Secrets))
        .ends(&[TriggerFailed]),
    Scenario::new("CircleCI is out", |world| out_at_once(world, CircleCi)).ends(&[TriggerFailed]),
    Scenario::new("the queues are out while it runs", |world| {
        out_while_it_runs(world, Queue);
    })
    .ends(&[Succeeded]),
    Scenario::new("the secrets are out while it runs", |world| {
        out_while_it_runs(world, Secrets);
    })
    .ends(&[Succeeded]),
    Scenario::new("CircleCI is out while it runs", |world| {
        out_while_it_runs(world, CircleCi);
    })
    .ends(&[Succeeded]),
    Scenario::new("the ledger is out", |world| out_at_once(world, Ledger)).ends(&[Rejected]),
    Scenario::new("the ledger is out while it runs", |world| {
        out_while_it_runs(world, Ledger);
    })
    .ends(&[Succeeded]),
];
