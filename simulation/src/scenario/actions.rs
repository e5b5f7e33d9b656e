//! Scenarios of what people request: retries, redrives, cancels, queries.

use std::time::Duration;

use chatops_core::deploy::DeployState::{Canceled, Rejected, Succeeded, TriggerFailed, Unresolved};
use chatops_sandbox::circleci::RunScript;

use super::{SOON, Scenario, main_deploy, run_deploy, script, script_success};
use crate::outside::{ChatFault, ReadFault, ScriptedRun, TriggerFault};
use crate::world::World;

const DAY: Duration = Duration::from_hours(24);

/// A deploy whose trigger CircleCI rejects, to its end.
fn run_failed_deploy(world: &mut World) {
    reject_trigger(world);
    run_deploy(world);
}

fn reject_trigger(world: &World) {
    world
        .circleci
        .fail_trigger(TriggerFault::Rejected(403, "Forbidden"));
}

/// All of them.
pub(super) const ALL: &[Scenario] = &[
    Scenario::new("tried again by a person", |world| {
        run_failed_deploy(world);
        script_success(world);
        world.act_on_deploy("U0001", "retry", 0);
        world.run_to_rest();
    })
    .ends(&[TriggerFailed, Succeeded]),
    Scenario::new("two people try again at once", |world| {
        run_failed_deploy(world);
        script_success(world);
        world.act_on_deploy("U0001", "retry", 0);
        world.act_on_deploy("U0002", "retry", 0);
        world.run_to_rest();
    })
    .ends(&[TriggerFailed, Succeeded]),
    Scenario::new(
        "the same retry sent twice, after the new deploy has failed",
        |world| {
            run_failed_deploy(world);
            reject_trigger(world);
            world.act_on_deploy("U0001", "retry", 0);
            let copy = world.last_work_message();
            world.run_to_rest();
            script_success(world);
            world.send_copy(copy.as_ref());
            world.run_to_rest();
        },
    )
    .ends(&[TriggerFailed, TriggerFailed]),
    Scenario::new("tried again by its first id, twice", |world| {
        run_failed_deploy(world);
        reject_trigger(world);
        world.act_on_deploy("U0001", "retry", 0);
        world.run_to_rest();
        script_success(world);
        world.act_on_deploy("U0002", "retry", 0);
        world.run_to_rest();
    })
    .ends(&[TriggerFailed, TriggerFailed, Succeeded]),
    Scenario::new(
        "confirmed before it ended, and a copy comes after",
        |world| {
            world.circleci.fail_trigger(TriggerFault::ErrorBefore);
            world.circleci.fail_read(ReadFault::Error);
            main_deploy(world);
            world.run_now();
            world.act_on_deploy("U0001", "retry confirm", 0);
            let copy = world.last_work_message();
            world.run_to_rest();
            world.clock.advance(Duration::from_secs(1_000));
            world.send_copy(copy.as_ref());
            world.run_to_rest();
        },
    )
    .ends(&[Unresolved]),
    Scenario::new("retried and redriven as well", |world| {
        run_failed_deploy(world);
        script_success(world);
        world.act_on_deploy("U0001", "retry", 0);
        world.redrive_all();
        world.run_to_rest();
    })
    .ends(&[TriggerFailed, Succeeded]),
    Scenario::new("a ticket that is redriven twice", |world| {
        run_failed_deploy(world);
        script_success(world);
        world.redrive_all();
        let copy = world.last_work_message();
        world.run_to_rest();
        world.send_copy(copy.as_ref());
        world.run_to_rest();
    })
    .ends(&[TriggerFailed, Succeeded]),
    Scenario::new("unresolved, then confirmed", |world| {
        world.circleci.fail_trigger(TriggerFault::ErrorBefore);
        world.circleci.fail_read(ReadFault::Error);
        run_deploy(world);
        // Its target stays locked for a while.
        world.clock.advance(Duration::from_secs(1_000));
        script_success(world);
        world.act_on_deploy("U0001", "retry", 0);
        world.run_to_rest();
        world.act_on_deploy("U0001", "retry confirm", 0);
        world.run_to_rest();
    })
    .ends(&[Unresolved, Succeeded]),
    Scenario::new("too old, but an operator insists", |world| {
        run_failed_deploy(world);
        world.clock.advance(DAY + SOON);
        script_success(world);
        world.act_on_deploy("U0001", "retry", 0);
        world.retry_as_operator(0, false, false);
        world.run_to_rest();
        if world.deploys().len() > 1 {
            world.note_violation(None, "a retry after more than a day without `force`");
        }
        world.retry_as_operator(0, false, true);
        world.run_to_rest();
    })
    .ends(&[TriggerFailed, Succeeded]),
    Scenario::new("a ticket that is redriven after more than a day", |world| {
        run_failed_deploy(world);
        world.clock.advance(DAY + SOON);
        world.redrive_all();
        world.run_to_rest();
        script_success(world);
        world.retry_as_operator(0, false, true);
        world.run_to_rest();
    })
    .ends(&[TriggerFailed, Succeeded]),
    Scenario::new("rights withdrawn before the retry", |world| {
        run_failed_deploy(world);
        world.restrict_users(&["T0001/U0009"]);
        world.act_on_deploy("U0001", "retry", 0);
        world.run_to_rest();
        world.redrive_all();
        world.run_to_rest();
    })
    .ends(&[TriggerFailed]),
    Scenario::new("target taken before the retry", |world| {
        run_failed_deploy(world);
        script(world, RunScript::success(Duration::from_secs(200)));
        world.type_command("U0002", "C0001", "main deploy");
        world.run_now();
        world.act_on_deploy("U0001", "retry", 0);
        world.run_to_rest();
    })
    .ends(&[TriggerFailed, Succeeded])
    // An UNRESOLVED deploy keeps its target.
    .also(&[Unresolved, Rejected]),
    // A crash may hide the command or the cancel until it is too late.
    Scenario::new("canceled before it is sent", |world| {
        world
            .circleci
            .fail_trigger(TriggerFault::Limited(Some(Duration::from_secs(20))));
        main_deploy(world);
        world.run_now();
        world.act_on_deploy("U0002", "cancel", 0);
        world.run_to_rest();
    })
    .ends(&[Canceled])
    .also(&[Unresolved, Succeeded]),
    Scenario::new("canceled while it runs", |world| {
        let for_long = ScriptedRun::late_workflow(SOON, Duration::from_mins(20));
        script(world, for_long);
        main_deploy(world);
        world.run_for(Duration::from_secs(30));
        world.act_on_deploy("U0001", "cancel", 0);
        world.act_on_deploy("U0002", "cancel", 0);
        world.run_to_rest();
    })
    .ends(&[Canceled])
    .also(&[Unresolved, Succeeded]),
    Scenario::new("canceled by somebody who may not", |world| {
        world.restrict_users(&["T0001/U0001"]);
        script_success(world);
        main_deploy(world);
        world.run_now();
        world.act_on_deploy("U0002", "cancel", 0);
        world.run_to_rest();
        if world.deploys().iter().any(|record| record.cancel.is_some()) {
            world.note_violation(None, "the cancel of a user without the right counts");
        }
    })
    .ends(&[Succeeded]),
    Scenario::new(
        "a message that kills its handler is put on record",
        |world| {
            world.poisoned = true;
            run_deploy(world);
            world.poisoned = false;
            // Too late for the command itself, and not for somebody who still wants it.
            script_success(world);
            world.act_on_deploy("U0001", "retry", 0);
            world.run_to_rest();
        },
    )
    .ends(&[Rejected, Succeeded]),
    Scenario::new("a query, and Slack's answers get lost", |world| {
        for _ in 0..8 {
            world.slack.fail_post(ChatFault::AnswerLost);
        }
        world.type_command("U0001", "C0001", "status");
        world.run_to_rest();
        let posts = world.slack.post_attempts().len();
        let bounded = posts == 4 || world.delivers_twice();
        world.expect_undisturbed(bounded, &format!("the reply was posted {posts} times"));
    })
    .ends(&[]),
    Scenario::new("queries while it runs", |world| {
        script_success(world);
        main_deploy(world);
        world.run_now();
        world.act_on_deploy("U0002", "status", 0);
        for query in ["status", "history user:me", "failed", "plan main deploy"] {
            world.type_command("U0002", "C0001", query);
        }
        world.run_to_rest();
    })
    .ends(&[Succeeded]),
];
