//! Scenarios of people without rights, of busy targets, and of confirmations that others gave.

use std::time::Duration;

use chatops_core::deploy::DeployState::{Rejected, Succeeded, TriggerFailed, Unresolved};
use chatops_sandbox::circleci::RunScript;

use super::{SOON, Scenario, main_deploy, run_deploy, script, script_success};
use crate::outside::{ReadFault, ScriptedRun, TriggerFault};
use crate::people::Person;
use crate::world::World;

/// Longer than the lock of an UNRESOLVED deploy lives.
const AFTER_LOCK: Duration = Duration::from_secs(1_000);

const STRANGER: Person = Person::at_home("U0666", "C0001");
const GUEST: Person = Person::at_home("U0777", "C0007");
const NAMESAKE: Person = Person::of("T0002", "U0001", "C0001");

/// A deploy whose pipeline runs, and is listed too late to be found.
fn run_unresolved_deploy(world: &mut World) {
    world.circleci.fail_trigger(TriggerFault::AnswerLost);
    let run = RunScript::success(SOON);
    script(world, run.listed_after(Duration::from_hours(24)));
    run_deploy(world);
    world.clock.advance(AFTER_LOCK);
}

/// A deploy whose trigger CircleCI refuses in a way that somebody can mend.
fn run_forbidden_deploy(world: &mut World) {
    let forbidden = TriggerFault::Rejected(403, "Forbidden");
    world.circleci.fail_trigger(forbidden);
    run_deploy(world);
}

/// Another deploy has the target for minutes.
fn take_target(world: &mut World) {
    script(world, RunScript::success(Duration::from_secs(200)));
    world.type_command("U0002", "C0001", "main deploy");
    world.run_now();
}

pub(super) const ALL: &[Scenario] = &[
    // The same bare ids in another workspace are other people.
    Scenario::new("a namesake of another workspace deploys", |world| {
        world.type_as(NAMESAKE, "main deploy");
        world.run_to_rest();
    })
    .ends(&[Rejected])
    .also(&[]),
    Scenario::new("a namesake of another workspace cancels", |world| {
        let for_long = ScriptedRun::late_workflow(SOON, Duration::from_mins(2));
        script(world, for_long);
        main_deploy(world);
        world.run_for(Duration::from_secs(30));
        world.act_as(NAMESAKE, "cancel", 0);
        world.act_as(STRANGER, "cancel", 0);
        world.run_to_rest();
        if world.deploys().iter().any(|record| record.cancel.is_some()) {
            world.note_violation(None, "the cancel of a user without the right counts");
        }
    })
    .ends(&[Succeeded]),
    Scenario::new("a stranger frees a lock", |world| {
        world.circleci.fail_trigger(TriggerFault::ErrorBefore);
        world.circleci.fail_read(ReadFault::Error);
        run_deploy(world);
        for person in [STRANGER, GUEST, NAMESAKE] {
            world.type_as(person, "unlock web/deploy confirm");
        }
        world.run_to_rest();
    })
    .ends(&[Unresolved])
    .also(&[]),
    Scenario::new("a stranger confirms, and somebody else retries", |world| {
        run_unresolved_deploy(world);
        world.act_as(STRANGER, "retry confirm", 0);
        world.run_to_rest();
        script_success(world);
        world.act_on_deploy("U0002", "retry", 0);
        world.run_to_rest();
    })
    .ends(&[Unresolved])
    .also(&[]),
    Scenario::new("a confirmed retry finds its target busy", |world| {
        run_unresolved_deploy(world);
        take_target(world);
        world.act_on_deploy("U0001", "retry confirm", 0);
        world.run_to_rest();
        script_success(world);
        world.act_on_deploy("U0001", "retry", 0);
        world.run_to_rest();
    })
    .ends(&[Unresolved, Succeeded])
    // A crash may give the target to the other of the two.
    .also(&[Unresolved, Rejected]),
    Scenario::new("a confirmed retry that could not be sent", |world| {
        run_unresolved_deploy(world);
        world
            .circleci
            .fail_trigger(TriggerFault::Rejected(403, "Forbidden"));
        world.act_on_deploy("U0001", "retry confirm", 0);
        world.run_to_rest();
        script_success(world);
        world.act_on_deploy("U0002", "retry", 0);
        world.run_to_rest();
    })
    .ends(&[Unresolved, TriggerFailed]),
    Scenario::new("a guest retries what did not start", |world| {
        run_forbidden_deploy(world);
        world.act_as(GUEST, "retry", 0);
        world.run_to_rest();
    })
    .ends(&[TriggerFailed]),
    Scenario::new("everything is retried while the target is busy", |world| {
        for _ in 0..3 {
            run_forbidden_deploy(world);
        }
        take_target(world);
        for nth in 0..3 {
            world.retry_as_operator(nth, false, false);
        }
        world.run_to_rest();
    })
    .ends(&[TriggerFailed, TriggerFailed, TriggerFailed, Succeeded])
    // An UNRESOLVED deploy keeps its target.
    .also(&[Unresolved, Rejected]),
    Scenario::new("a ticket is redriven while the target is busy", |world| {
        run_forbidden_deploy(world);
        take_target(world);
        world.redrive_all();
        world.run_to_rest();
    })
    .ends(&[TriggerFailed, Succeeded])
    // An UNRESOLVED deploy keeps its target.
    .also(&[Unresolved, Rejected]),
    Scenario::new("what no repetition can change", |world| {
        let hopeless = TriggerFault::Rejected(404, "Project not found");
        world.circleci.fail_trigger(hopeless);
        run_deploy(world);
    })
    .ends(&[TriggerFailed]),
    Scenario::new("a retry after the rights are gone", |world| {
        run_forbidden_deploy(world);
        world.restrict_users(&["T0001/U0009"]);
        world.act_on_deploy("U0001", "retry", 0);
        world.run_to_rest();
        world.redrive_all();
        world.run_to_rest();
    })
    .ends(&[TriggerFailed]),
];
