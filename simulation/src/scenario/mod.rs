//! The stories that are run with every crash: what is typed, and how the outside world behaves.

mod long;
mod wishes;

use std::time::Duration;

use chatops_core::deploy::State;
use chatops_core::ports::Lane;
use chatops_sandbox::circleci::Script;

use crate::outside::{ChatFault, ReadFault, TriggerFault};
use crate::world::World;

/// A story, and where it has to end when nobody crashes.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What happens.
    pub play: fn(&mut World),
    /// The end of each deploy, in the order of their requests.
    pub ends: &'static [State],
    /// Ends that are truthful too when somebody crashes on the way.
    pub also: &'static [State],
    /// Whether it is one of the few that are run with triples, too: triples grow with the cube.
    pub golden: bool,
}

const MAIN: (&str, &str, &str) = ("U0001", "C0001", "main deploy");

fn main_deploy(world: &mut World) {
    world.types(MAIN.0, MAIN.1, MAIN.2);
}

/// A crash between intent and proof may end so: a person has to look.
const IN_DOUBT: &[State] = &[State::Unresolved];

/// All stories.
#[must_use]
pub fn all() -> Vec<Scenario> {
    [DEPLOYS, wishes::ALL, long::ALL].concat()
}

/// One command, or two, and the end.
const DEPLOYS: &[Scenario] = &[
    Scenario {
        name: "succeeds",
        play: |world| {
            world
                .circleci
                .script(Script::success(Duration::from_secs(8)));
            main_deploy(world);
            world.settle();
        },
        ends: &[State::Succeeded],
        also: IN_DOUBT,
        golden: true,
    },
    Scenario {
        name: "fails",
        play: |world| {
            world
                .circleci
                .script(Script::failure(Duration::from_secs(8)));
            main_deploy(world);
            world.settle();
        },
        ends: &[State::Failed],
        also: IN_DOUBT,
        golden: false,
    },
    Scenario {
        name: "setup workflow first",
        play: |world| {
            world
                .circleci
                .script(Script::setup_then_success(Duration::from_secs(12)));
            main_deploy(world);
            world.settle();
        },
        ends: &[State::Succeeded],
        also: IN_DOUBT,
        golden: false,
    },
    Scenario {
        name: "automatic rerun",
        play: |world| {
            world
                .circleci
                .script(Script::auto_rerun(Duration::from_secs(12)));
            main_deploy(world);
            world.settle();
        },
        ends: &[State::Succeeded],
        also: IN_DOUBT,
        golden: false,
    },
    Scenario {
        name: "refused",
        play: |world| {
            world.types("U0001", "C0001", "hotfix deploy");
            world.settle();
        },
        ends: &[State::Refused],
        also: &[],
        golden: true,
    },
    Scenario {
        name: "two want the same target",
        play: |world| {
            world
                .circleci
                .script(Script::success(Duration::from_secs(8)));
            main_deploy(world);
            world.types("U0002", "C0001", "main deploy");
            world.settle();
        },
        ends: &[State::Succeeded, State::Refused],
        // Whoever comes first has it.
        also: &[State::Unresolved, State::Succeeded, State::Refused],
        golden: false,
    },
    Scenario {
        name: "answer lost, pipeline listed late",
        play: |world| {
            world.circleci.fail_trigger(TriggerFault::AnswerLost);
            let script = Script::success(Duration::from_secs(20));
            world
                .circleci
                .script(script.listed_after(Duration::from_secs(12)));
            main_deploy(world);
            world.settle();
        },
        ends: &[State::Succeeded],
        also: IN_DOUBT,
        golden: true,
    },
    Scenario {
        name: "server error, nothing created",
        play: |world| {
            world.circleci.fail_trigger(TriggerFault::ErrorBefore);
            world.circleci.fail_read(ReadFault::Error);
            main_deploy(world);
            world.settle();
        },
        ends: &[State::Unresolved],
        also: &[],
        golden: false,
    },
    Scenario {
        name: "unreachable, then limited, then it works",
        play: |world| {
            world.circleci.fail_trigger(TriggerFault::NotSent);
            world
                .circleci
                .fail_trigger(TriggerFault::Limited(Some(Duration::from_secs(20))));
            world
                .circleci
                .script(Script::success(Duration::from_secs(8)));
            main_deploy(world);
            world.settle();
        },
        ends: &[State::Succeeded],
        also: IN_DOUBT,
        golden: true,
    },
    Scenario {
        name: "old token, read afresh",
        play: |world| {
            world.secrets.forget_token();
            world
                .circleci
                .script(Script::success(Duration::from_secs(8)));
            main_deploy(world);
            world.settle();
        },
        ends: &[State::Succeeded],
        also: IN_DOUBT,
        golden: false,
    },
    Scenario {
        name: "refused by CircleCI, then redriven",
        play: |world| {
            world
                .circleci
                .fail_trigger(TriggerFault::Refused(404, "<!channel> not found"));
            main_deploy(world);
            world.settle();
            world
                .circleci
                .script(Script::success(Duration::from_secs(8)));
            for _ in 0..world.queue.messages(Lane::WorkDead).len() {
                world.redrive();
            }
            world.settle();
        },
        ends: &[State::TriggerFailed, State::Succeeded],
        also: IN_DOUBT,
        golden: false,
    },
    Scenario {
        name: "nothing runs",
        play: |world| {
            world.circleci.script(Script::no_workflow());
            main_deploy(world);
            world.settle();
        },
        ends: &[State::NothingRan],
        also: IN_DOUBT,
        golden: false,
    },
    Scenario {
        name: "config error, Slack slow to take it",
        play: |world| {
            world
                .circleci
                .script(Script::config_error("Unexpected argument(s): job"));
            world.slack.fail_post(ChatFault::NotSent);
            world
                .slack
                .fail_post(ChatFault::Limited(Duration::from_secs(30)));
            world.slack.fail_post(ChatFault::ErrorBefore);
            main_deploy(world);
            world.settle();
        },
        ends: &[State::CiErrored],
        also: IN_DOUBT,
        golden: false,
    },
    Scenario {
        name: "Slack's answers get lost",
        play: |world| {
            world
                .circleci
                .script(Script::success(Duration::from_secs(8)));
            world.slack.fail_post(ChatFault::AnswerLost);
            world.slack.fail_post(ChatFault::AnswerLost);
            main_deploy(world);
            world.settle();
        },
        ends: &[State::Succeeded],
        also: IN_DOUBT,
        golden: false,
    },
    Scenario {
        name: "longer than the reply address lives",
        play: |world| {
            world.change_times(|times| times.reply_for = Duration::from_mins(1));
            world
                .circleci
                .script(Script::success(Duration::from_secs(200)));
            main_deploy(world);
            world.settle();
        },
        ends: &[State::Succeeded],
        also: IN_DOUBT,
        golden: false,
    },
];
