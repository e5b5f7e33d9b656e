//! The stories that are run with every crash: what is typed, and how the outside world behaves.

mod actions;
mod long_runs;

use std::time::Duration;

use chatops_core::deploy::DeployState;
use chatops_core::ports::QueueName;
use chatops_sandbox::circleci::RunScript;

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
    pub ends: &'static [DeployState],
    /// Ends that are truthful too when somebody crashes on the way.
    pub also_allowed: &'static [DeployState],
    /// Whether it is one of the few that are run with triples, too: triples grow with the cube.
    pub golden: bool,
}

const MAIN_COMMAND: (&str, &str, &str) = ("U0001", "C0001", "main deploy");

fn main_deploy(world: &mut World) {
    world.type_command(MAIN_COMMAND.0, MAIN_COMMAND.1, MAIN_COMMAND.2);
}

/// A crash between intent and proof may end so: a person has to look.
const UNRESOLVED: &[DeployState] = &[DeployState::Unresolved];

/// All stories.
#[must_use]
pub fn all() -> Vec<Scenario> {
    [DEPLOYS, actions::ALL, long_runs::ALL].concat()
}

/// One command, or two, and the end.
const DEPLOYS: &[Scenario] = &[
    Scenario {
        name: "succeeds",
        play: |world| {
            world
                .circleci
                .script_next(RunScript::success(Duration::from_secs(8)));
            main_deploy(world);
            world.run_to_rest();
        },
        ends: &[DeployState::Succeeded],
        also_allowed: UNRESOLVED,
        golden: true,
    },
    Scenario {
        name: "fails",
        play: |world| {
            world
                .circleci
                .script_next(RunScript::failure(Duration::from_secs(8)));
            main_deploy(world);
            world.run_to_rest();
        },
        ends: &[DeployState::Failed],
        also_allowed: UNRESOLVED,
        golden: false,
    },
    Scenario {
        name: "setup workflow first",
        play: |world| {
            world
                .circleci
                .script_next(RunScript::setup_then_success(Duration::from_secs(12)));
            main_deploy(world);
            world.run_to_rest();
        },
        ends: &[DeployState::Succeeded],
        also_allowed: UNRESOLVED,
        golden: false,
    },
    Scenario {
        name: "automatic rerun",
        play: |world| {
            world
                .circleci
                .script_next(RunScript::auto_rerun(Duration::from_secs(12)));
            main_deploy(world);
            world.run_to_rest();
        },
        ends: &[DeployState::Succeeded],
        also_allowed: UNRESOLVED,
        golden: false,
    },
    Scenario {
        name: "refused",
        play: |world| {
            world.type_command("U0001", "C0001", "hotfix deploy");
            world.run_to_rest();
        },
        ends: &[DeployState::Rejected],
        also_allowed: &[],
        golden: true,
    },
    Scenario {
        name: "two want the same target",
        play: |world| {
            world
                .circleci
                .script_next(RunScript::success(Duration::from_secs(8)));
            main_deploy(world);
            world.type_command("U0002", "C0001", "main deploy");
            world.run_to_rest();
        },
        ends: &[DeployState::Succeeded, DeployState::Rejected],
        // Whoever comes first has it.
        also_allowed: &[
            DeployState::Unresolved,
            DeployState::Succeeded,
            DeployState::Rejected,
        ],
        golden: false,
    },
    Scenario {
        name: "answer lost, pipeline listed late",
        play: |world| {
            world.circleci.fail_trigger(TriggerFault::AnswerLost);
            let script = RunScript::success(Duration::from_secs(20));
            world
                .circleci
                .script_next(script.listed_after(Duration::from_secs(12)));
            main_deploy(world);
            world.run_to_rest();
        },
        ends: &[DeployState::Succeeded],
        also_allowed: UNRESOLVED,
        golden: true,
    },
    Scenario {
        name: "server error, nothing created",
        play: |world| {
            world.circleci.fail_trigger(TriggerFault::ErrorBefore);
            world.circleci.fail_read(ReadFault::Error);
            main_deploy(world);
            world.run_to_rest();
        },
        ends: &[DeployState::Unresolved],
        also_allowed: &[],
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
                .script_next(RunScript::success(Duration::from_secs(8)));
            main_deploy(world);
            world.run_to_rest();
        },
        ends: &[DeployState::Succeeded],
        also_allowed: UNRESOLVED,
        golden: true,
    },
    Scenario {
        name: "old token, read afresh",
        play: |world| {
            world.secrets.forget_token();
            world
                .circleci
                .script_next(RunScript::success(Duration::from_secs(8)));
            main_deploy(world);
            world.run_to_rest();
        },
        ends: &[DeployState::Succeeded],
        also_allowed: UNRESOLVED,
        golden: false,
    },
    Scenario {
        name: "refused by CircleCI, then redriven",
        play: |world| {
            world
                .circleci
                .fail_trigger(TriggerFault::Rejected(404, "<!channel> not found"));
            main_deploy(world);
            world.run_to_rest();
            world
                .circleci
                .script_next(RunScript::success(Duration::from_secs(8)));
            for _ in 0..world.queue.messages(QueueName::WorkDlq).len() {
                world.redrive_one();
            }
            world.run_to_rest();
        },
        ends: &[DeployState::TriggerFailed, DeployState::Succeeded],
        also_allowed: UNRESOLVED,
        golden: false,
    },
    Scenario {
        name: "nothing runs",
        play: |world| {
            world.circleci.script_next(RunScript::no_workflow());
            main_deploy(world);
            world.run_to_rest();
        },
        ends: &[DeployState::NothingRan],
        also_allowed: UNRESOLVED,
        golden: false,
    },
    Scenario {
        name: "config error, Slack slow to take it",
        play: |world| {
            world
                .circleci
                .script_next(RunScript::config_error("Unexpected argument(s): job"));
            world.slack.fail_post(ChatFault::NotSent);
            world
                .slack
                .fail_post(ChatFault::Limited(Duration::from_secs(30)));
            world.slack.fail_post(ChatFault::ErrorBefore);
            main_deploy(world);
            world.run_to_rest();
        },
        ends: &[DeployState::CiError],
        also_allowed: UNRESOLVED,
        golden: false,
    },
    Scenario {
        name: "Slack's answers get lost",
        play: |world| {
            world
                .circleci
                .script_next(RunScript::success(Duration::from_secs(8)));
            world.slack.fail_post(ChatFault::AnswerLost);
            world.slack.fail_post(ChatFault::AnswerLost);
            main_deploy(world);
            world.run_to_rest();
        },
        ends: &[DeployState::Succeeded],
        also_allowed: UNRESOLVED,
        golden: false,
    },
    Scenario {
        name: "longer than the reply address lives",
        play: |world| {
            world.change_timeouts(|timeouts| timeouts.response_url_ttl = Duration::from_mins(1));
            world
                .circleci
                .script_next(RunScript::success(Duration::from_secs(200)));
            main_deploy(world);
            world.run_to_rest();
        },
        ends: &[DeployState::Succeeded],
        also_allowed: UNRESOLVED,
        golden: false,
    },
];
