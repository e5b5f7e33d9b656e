//! Stories of what people wish and ask: retries, redrives, cancels, questions.

use std::time::Duration;

use chatops_core::deploy::State;
use chatops_sandbox::circleci::Script;

use super::{IN_DOUBT, Scenario, main_deploy};
use crate::outside::{ChatFault, ReadFault, TriggerFault};
use crate::world::World;

const SOON: Duration = Duration::from_secs(8);
const DAY: Duration = Duration::from_hours(24);

/// A deploy whose trigger CircleCI refuses, to its end.
fn failed_deploy(world: &mut World) {
    refuse(world);
    main_deploy(world);
    world.settle();
}

fn refuse(world: &World) {
    world
        .circleci
        .fail_trigger(TriggerFault::Refused(404, "Project not found"));
}

fn succeeds(world: &World) {
    world.circleci.script(Script::success(SOON));
}

const PLAIN: Scenario = Scenario {
    name: "",
    play: |_| {},
    ends: &[],
    also: IN_DOUBT,
    golden: false,
};

/// All of them.
pub(super) const ALL: &[Scenario] = &[
    Scenario {
        name: "tried again by a person",
        play: |world| {
            failed_deploy(world);
            succeeds(world);
            world.presses("U0001", "retry", 0);
            world.settle();
        },
        ends: &[State::TriggerFailed, State::Succeeded],
        ..PLAIN
    },
    Scenario {
        name: "two people try again at once",
        play: |world| {
            failed_deploy(world);
            succeeds(world);
            world.presses("U0001", "retry", 0);
            world.presses("U0002", "retry", 0);
            world.settle();
        },
        ends: &[State::TriggerFailed, State::Succeeded],
        ..PLAIN
    },
    Scenario {
        name: "the same press once more, after its retry has failed",
        play: |world| {
            failed_deploy(world);
            refuse(world);
            world.presses("U0001", "retry", 0);
            let copy = world.last_work();
            world.settle();
            succeeds(world);
            world.repeats(copy.as_ref());
            world.settle();
        },
        ends: &[State::TriggerFailed, State::TriggerFailed],
        ..PLAIN
    },
    Scenario {
        name: "tried again by its first id, twice",
        play: |world| {
            failed_deploy(world);
            refuse(world);
            world.presses("U0001", "retry", 0);
            world.settle();
            succeeds(world);
            world.presses("U0002", "retry", 0);
            world.settle();
        },
        ends: &[State::TriggerFailed, State::TriggerFailed, State::Succeeded],
        ..PLAIN
    },
    Scenario {
        name: "confirmed before it ended, and the copy comes after",
        play: |world| {
            world.circleci.fail_trigger(TriggerFault::ErrorBefore);
            world.circleci.fail_read(ReadFault::Error);
            main_deploy(world);
            world.settle_now();
            world.presses("U0001", "retry confirm", 0);
            let copy = world.last_work();
            world.settle();
            world.clock.advance(Duration::from_secs(1_000));
            world.repeats(copy.as_ref());
            world.settle();
        },
        ends: &[State::Unresolved],
        ..PLAIN
    },
    Scenario {
        name: "pressed and sent back as well",
        play: |world| {
            failed_deploy(world);
            succeeds(world);
            world.presses("U0001", "retry", 0);
            world.redrive_all();
            world.settle();
        },
        ends: &[State::TriggerFailed, State::Succeeded],
        ..PLAIN
    },
    Scenario {
        name: "an order that is sent back twice",
        play: |world| {
            failed_deploy(world);
            succeeds(world);
            world.redrive_all();
            let copy = world.last_work();
            world.settle();
            world.repeats(copy.as_ref());
            world.settle();
        },
        ends: &[State::TriggerFailed, State::Succeeded],
        ..PLAIN
    },
    Scenario {
        name: "unresolved, then confirmed",
        play: |world| {
            world.circleci.fail_trigger(TriggerFault::ErrorBefore);
            world.circleci.fail_read(ReadFault::Error);
            main_deploy(world);
            world.settle();
            // Its target stays locked for a while.
            world.clock.advance(Duration::from_secs(1_000));
            succeeds(world);
            world.presses("U0001", "retry", 0);
            world.settle();
            world.presses("U0001", "retry confirm", 0);
            world.settle();
        },
        ends: &[State::Unresolved, State::Succeeded],
        ..PLAIN
    },
    Scenario {
        name: "too old, but an operator insists",
        play: |world| {
            failed_deploy(world);
            world.clock.advance(DAY + SOON);
            succeeds(world);
            world.presses("U0001", "retry", 0);
            world.operator_retries(0, false, false);
            world.settle();
            if world.deploys().len() > 1 {
                let why = "a retry after more than a day that nobody insisted on";
                world.broken.push(why.to_owned());
            }
            world.operator_retries(0, false, true);
            world.settle();
        },
        ends: &[State::TriggerFailed, State::Succeeded],
        ..PLAIN
    },
    Scenario {
        name: "an order that is sent back after more than a day",
        play: |world| {
            failed_deploy(world);
            world.clock.advance(DAY + SOON);
            world.redrive_all();
            world.settle();
            succeeds(world);
            world.operator_retries(0, false, true);
            world.settle();
        },
        ends: &[State::TriggerFailed, State::Succeeded],
        ..PLAIN
    },
    Scenario {
        name: "rights withdrawn meanwhile",
        play: |world| {
            failed_deploy(world);
            world.only("people = [\"U0009\"]");
            world.presses("U0001", "retry", 0);
            world.settle();
            world.redrive_all();
            world.settle();
        },
        ends: &[State::TriggerFailed, State::Refused],
        ..PLAIN
    },
    Scenario {
        name: "the target taken meanwhile",
        play: |world| {
            failed_deploy(world);
            world
                .circleci
                .script(Script::success(Duration::from_secs(200)));
            world.types("U0002", "C0001", "main deploy");
            world.settle_now();
            world.presses("U0001", "retry", 0);
            world.settle();
        },
        ends: &[State::TriggerFailed, State::Succeeded, State::Refused],
        ..PLAIN
    },
    Scenario {
        name: "canceled before it is sent",
        play: |world| {
            world
                .circleci
                .fail_trigger(TriggerFault::Limited(Some(Duration::from_secs(20))));
            main_deploy(world);
            world.settle_now();
            world.presses("U0002", "cancel", 0);
            world.settle();
        },
        ends: &[State::Canceled],
        // A crash may take the command or the wish out of sight until it is too late.
        also: &[State::Unresolved, State::Succeeded],
        golden: false,
    },
    Scenario {
        name: "canceled while it runs",
        play: |world| {
            world.circleci.script(Script::endless());
            main_deploy(world);
            world.settle_for(Duration::from_secs(30));
            world.presses("U0001", "cancel", 0);
            world.presses("U0002", "cancel", 0);
            world.settle();
        },
        ends: &[State::Canceled],
        also: &[State::Unresolved, State::LostTrack],
        ..PLAIN
    },
    Scenario {
        name: "canceled by somebody who may not",
        play: |world| {
            world.only("people = [\"U0001\"]");
            succeeds(world);
            main_deploy(world);
            world.settle_now();
            world.presses("U0002", "cancel", 0);
            world.settle();
            if world.deploys().iter().any(|head| head.cancel.is_some()) {
                world.broken.push("a stranger's cancel counts".to_owned());
            }
        },
        ends: &[State::Succeeded],
        ..PLAIN
    },
    Scenario {
        name: "a message that kills its handler, sent back later",
        play: |world| {
            world.poisoned = true;
            main_deploy(world);
            world.settle();
            world.poisoned = false;
            world.clock.advance(Duration::from_mins(11));
            world.redrive_all();
            world.settle();
            // Too late for the command itself, and not for somebody who still wants it.
            succeeds(world);
            world.presses("U0001", "retry", 0);
            world.settle();
        },
        ends: &[State::Refused, State::Succeeded],
        ..PLAIN
    },
    Scenario {
        name: "asked, and Slack's answers get lost",
        play: |world| {
            for _ in 0..8 {
                world.slack.fail_post(ChatFault::AnswerLost);
            }
            world.types("U0001", "C0001", "status");
            world.settle();
            let posts = world.slack.attempts().len();
            let undisturbed = world.points.crashes() == 0 && !world.is_doubling();
            if undisturbed && posts != 4 {
                let why = format!("the answer was posted {posts} times");
                world.broken.push(why);
            }
        },
        ends: &[],
        ..PLAIN
    },
    Scenario {
        name: "asked while it runs",
        play: |world| {
            succeeds(world);
            main_deploy(world);
            world.settle_now();
            world.presses("U0002", "status", 0);
            for question in ["status", "history user:me", "failed", "plan main deploy"] {
                world.types("U0002", "C0001", question);
            }
            world.settle();
        },
        ends: &[State::Succeeded],
        ..PLAIN
    },
];
