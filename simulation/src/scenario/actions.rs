//! Stories of what people wish and ask: retries, redrives, cancels, questions.

use std::time::Duration;

use chatops_core::deploy::DeployState;
use chatops_sandbox::circleci::RunScript;

use super::{Scenario, UNRESOLVED, main_deploy};
use crate::outside::{ChatFault, ReadFault, TriggerFault};
use crate::world::World;

const SOON: Duration = Duration::from_secs(8);
const DAY: Duration = Duration::from_hours(24);

/// A deploy whose trigger CircleCI refuses, to its end.
fn run_failed_deploy(world: &mut World) {
    reject_trigger(world);
    main_deploy(world);
    world.run_to_rest();
}

fn reject_trigger(world: &World) {
    world
        .circleci
        .fail_trigger(TriggerFault::Rejected(404, "Project not found"));
}

fn script_success(world: &World) {
    world.circleci.script_next(RunScript::success(SOON));
}

const DEFAULTS: Scenario = Scenario {
    name: "",
    play: |_| {},
    ends: &[],
    also_allowed: UNRESOLVED,
    golden: false,
};

/// All of them.
pub(super) const ALL: &[Scenario] = &[
    Scenario {
        name: "tried again by a person",
        play: |world| {
            run_failed_deploy(world);
            script_success(world);
            world.act_on_deploy("U0001", "retry", 0);
            world.run_to_rest();
        },
        ends: &[DeployState::TriggerFailed, DeployState::Succeeded],
        ..DEFAULTS
    },
    Scenario {
        name: "two people try again at once",
        play: |world| {
            run_failed_deploy(world);
            script_success(world);
            world.act_on_deploy("U0001", "retry", 0);
            world.act_on_deploy("U0002", "retry", 0);
            world.run_to_rest();
        },
        ends: &[DeployState::TriggerFailed, DeployState::Succeeded],
        ..DEFAULTS
    },
    Scenario {
        name: "the same press once more, after its retry has failed",
        play: |world| {
            run_failed_deploy(world);
            reject_trigger(world);
            world.act_on_deploy("U0001", "retry", 0);
            let copy = world.last_work_message();
            world.run_to_rest();
            script_success(world);
            world.send_copy(copy.as_ref());
            world.run_to_rest();
        },
        ends: &[DeployState::TriggerFailed, DeployState::TriggerFailed],
        ..DEFAULTS
    },
    Scenario {
        name: "tried again by its first id, twice",
        play: |world| {
            run_failed_deploy(world);
            reject_trigger(world);
            world.act_on_deploy("U0001", "retry", 0);
            world.run_to_rest();
            script_success(world);
            world.act_on_deploy("U0002", "retry", 0);
            world.run_to_rest();
        },
        ends: &[
            DeployState::TriggerFailed,
            DeployState::TriggerFailed,
            DeployState::Succeeded,
        ],
        ..DEFAULTS
    },
    Scenario {
        name: "confirmed before it ended, and the copy comes after",
        play: |world| {
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
        ends: &[DeployState::Unresolved],
        ..DEFAULTS
    },
    Scenario {
        name: "pressed and sent back as well",
        play: |world| {
            run_failed_deploy(world);
            script_success(world);
            world.act_on_deploy("U0001", "retry", 0);
            world.redrive_all();
            world.run_to_rest();
        },
        ends: &[DeployState::TriggerFailed, DeployState::Succeeded],
        ..DEFAULTS
    },
    Scenario {
        name: "an order that is sent back twice",
        play: |world| {
            run_failed_deploy(world);
            script_success(world);
            world.redrive_all();
            let copy = world.last_work_message();
            world.run_to_rest();
            world.send_copy(copy.as_ref());
            world.run_to_rest();
        },
        ends: &[DeployState::TriggerFailed, DeployState::Succeeded],
        ..DEFAULTS
    },
    Scenario {
        name: "unresolved, then confirmed",
        play: |world| {
            world.circleci.fail_trigger(TriggerFault::ErrorBefore);
            world.circleci.fail_read(ReadFault::Error);
            main_deploy(world);
            world.run_to_rest();
            // Its target stays locked for a while.
            world.clock.advance(Duration::from_secs(1_000));
            script_success(world);
            world.act_on_deploy("U0001", "retry", 0);
            world.run_to_rest();
            world.act_on_deploy("U0001", "retry confirm", 0);
            world.run_to_rest();
        },
        ends: &[DeployState::Unresolved, DeployState::Succeeded],
        ..DEFAULTS
    },
    Scenario {
        name: "too old, but an operator insists",
        play: |world| {
            run_failed_deploy(world);
            world.clock.advance(DAY + SOON);
            script_success(world);
            world.act_on_deploy("U0001", "retry", 0);
            world.retry_as_operator(0, false, false);
            world.run_to_rest();
            if world.deploys().len() > 1 {
                let why = "a retry after more than a day that nobody insisted on";
                world.violations.push(why.to_owned());
            }
            world.retry_as_operator(0, false, true);
            world.run_to_rest();
        },
        ends: &[DeployState::TriggerFailed, DeployState::Succeeded],
        ..DEFAULTS
    },
    Scenario {
        name: "an order that is sent back after more than a day",
        play: |world| {
            run_failed_deploy(world);
            world.clock.advance(DAY + SOON);
            world.redrive_all();
            world.run_to_rest();
            script_success(world);
            world.retry_as_operator(0, false, true);
            world.run_to_rest();
        },
        ends: &[DeployState::TriggerFailed, DeployState::Succeeded],
        ..DEFAULTS
    },
    Scenario {
        name: "rights withdrawn meanwhile",
        play: |world| {
            run_failed_deploy(world);
            world.restrict_users("users = [\"U0009\"]");
            world.act_on_deploy("U0001", "retry", 0);
            world.run_to_rest();
            world.redrive_all();
            world.run_to_rest();
        },
        ends: &[DeployState::TriggerFailed, DeployState::Rejected],
        ..DEFAULTS
    },
    Scenario {
        name: "the target taken meanwhile",
        play: |world| {
            run_failed_deploy(world);
            world
                .circleci
                .script_next(RunScript::success(Duration::from_secs(200)));
            world.type_command("U0002", "C0001", "main deploy");
            world.run_now();
            world.act_on_deploy("U0001", "retry", 0);
            world.run_to_rest();
        },
        ends: &[
            DeployState::TriggerFailed,
            DeployState::Succeeded,
            DeployState::Rejected,
        ],
        ..DEFAULTS
    },
    Scenario {
        name: "canceled before it is sent",
        play: |world| {
            world
                .circleci
                .fail_trigger(TriggerFault::Limited(Some(Duration::from_secs(20))));
            main_deploy(world);
            world.run_now();
            world.act_on_deploy("U0002", "cancel", 0);
            world.run_to_rest();
        },
        ends: &[DeployState::Canceled],
        // A crash may take the command or the wish out of sight until it is too late.
        also_allowed: &[DeployState::Unresolved, DeployState::Succeeded],
        golden: false,
    },
    Scenario {
        name: "canceled while it runs",
        play: |world| {
            world.circleci.script_next(RunScript::endless());
            main_deploy(world);
            world.run_for(Duration::from_secs(30));
            world.act_on_deploy("U0001", "cancel", 0);
            world.act_on_deploy("U0002", "cancel", 0);
            world.run_to_rest();
        },
        ends: &[DeployState::Canceled],
        also_allowed: &[DeployState::Unresolved, DeployState::LostTrack],
        ..DEFAULTS
    },
    Scenario {
        name: "canceled by somebody who may not",
        play: |world| {
            world.restrict_users("users = [\"U0001\"]");
            script_success(world);
            main_deploy(world);
            world.run_now();
            world.act_on_deploy("U0002", "cancel", 0);
            world.run_to_rest();
            if world.deploys().iter().any(|record| record.cancel.is_some()) {
                world
                    .violations
                    .push("a stranger's cancel counts".to_owned());
            }
        },
        ends: &[DeployState::Succeeded],
        ..DEFAULTS
    },
    Scenario {
        name: "a message that kills its handler, sent back later",
        play: |world| {
            world.poisoned = true;
            main_deploy(world);
            world.run_to_rest();
            world.poisoned = false;
            world.clock.advance(Duration::from_mins(11));
            world.redrive_all();
            world.run_to_rest();
            // Too late for the command itself, and not for somebody who still wants it.
            script_success(world);
            world.act_on_deploy("U0001", "retry", 0);
            world.run_to_rest();
        },
        ends: &[DeployState::Rejected, DeployState::Succeeded],
        ..DEFAULTS
    },
    Scenario {
        name: "asked, and Slack's answers get lost",
        play: |world| {
            for _ in 0..8 {
                world.slack.fail_post(ChatFault::AnswerLost);
            }
            world.type_command("U0001", "C0001", "status");
            world.run_to_rest();
            let posts = world.slack.post_attempts().len();
            let undisturbed = world.points.crash_count() == 0 && !world.delivers_twice();
            if undisturbed && posts != 4 {
                let why = format!("the answer was posted {posts} times");
                world.violations.push(why);
            }
        },
        ends: &[],
        ..DEFAULTS
    },
    Scenario {
        name: "asked while it runs",
        play: |world| {
            script_success(world);
            main_deploy(world);
            world.run_now();
            world.act_on_deploy("U0002", "status", 0);
            for query in ["status", "history user:me", "failed", "plan main deploy"] {
                world.type_command("U0002", "C0001", query);
            }
            world.run_to_rest();
        },
        ends: &[DeployState::Succeeded],
        ..DEFAULTS
    },
];
