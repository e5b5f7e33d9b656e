//! The scenarios that are run with every crash: what is typed, and how the outside world behaves.

mod actions;
mod cards;
mod clocks;
mod form;
mod long_runs;
mod outages;
mod people;
mod surprises;

use std::time::Duration;

use chatops_core::deploy::DeployState::{
    self, CiError, Failed, NothingRan, Rejected, Succeeded, TriggerFailed, Unresolved,
};
use chatops_sandbox::circleci::RunScript;

use crate::outside::{ChatFault, ReadFault, ScriptedRun, TriggerFault};
use crate::world::World;

/// A scenario, and where it has to end when nobody crashes.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// The end of each deploy, in the order of their requests.
    pub ends: &'static [DeployState],
    /// What happens.
    pub play: fn(&mut World),
    /// Ends that are true as well when somebody crashes on the way.
    pub also_allowed: &'static [DeployState],
    /// Whether it is one of the few that are run with triples, too: triples grow with the cube.
    pub golden: bool,
}

impl Scenario {
    /// After a crash between the POST and its answer a deploy may end UNRESOLVED.
    const fn new(name: &'static str, play: fn(&mut World)) -> Self {
        Self {
            name,
            ends: &[],
            play,
            also_allowed: &[Unresolved],
            golden: false,
        }
    }

    const fn ends(self, ends: &'static [DeployState]) -> Self {
        Self { ends, ..self }
    }

    const fn also(self, also_allowed: &'static [DeployState]) -> Self {
        Self {
            also_allowed,
            ..self
        }
    }

    const fn golden(self) -> Self {
        Self {
            golden: true,
            ..self
        }
    }
}

fn main_deploy(world: &mut World) {
    world.type_command("U0001", "C0001", "main deploy");
}

fn run_deploy(world: &mut World) {
    main_deploy(world);
    world.run_to_rest();
}

/// What the next pipeline does.
fn script(world: &World, script: impl Into<ScriptedRun>) {
    world.circleci.script_next(script);
}

/// The next pipeline succeeds soon.
fn script_success(world: &World) {
    script(world, RunScript::success(SOON));
}

pub(crate) use self::clocks::EPOCH_RETRY_AFTER;

const SOON: Duration = Duration::from_secs(8);

/// All scenarios.
#[must_use]
pub fn all() -> Vec<Scenario> {
    [
        DEPLOYS,
        actions::ALL,
        people::ALL,
        long_runs::ALL,
        surprises::ALL,
        clocks::ALL,
        cards::ALL,
        form::ALL,
    ]
    .concat()
}

/// The scenarios in which something is out for hours: too long to be run with every crash.
#[must_use]
pub fn outages() -> Vec<Scenario> {
    outages::ALL.to_vec()
}

/// One command, or two, and the end.
const DEPLOYS: &[Scenario] = &[
    Scenario::new("succeeds", |world| {
        script_success(world);
        run_deploy(world);
    })
    .ends(&[Succeeded])
    .golden(),
    Scenario::new("fails", |world| {
        script(world, RunScript::failure(Duration::from_secs(8)));
        run_deploy(world);
    })
    .ends(&[Failed]),
    Scenario::new("setup workflow first", |world| {
        script(
            world,
            RunScript::setup_then_success(Duration::from_secs(12)),
        );
        run_deploy(world);
    })
    .ends(&[Succeeded]),
    Scenario::new("automatic rerun", |world| {
        script(world, RunScript::auto_rerun(Duration::from_secs(12)));
        run_deploy(world);
    })
    .ends(&[Succeeded]),
    Scenario::new("rejected", |world| {
        world.type_command("U0001", "C0001", "hotfix deploy");
        world.run_to_rest();
    })
    .ends(&[Rejected])
    .also(&[])
    .golden(),
    // Whoever comes first has it.
    Scenario::new("two requests for the same target", |world| {
        script_success(world);
        main_deploy(world);
        world.type_command("U0002", "C0001", "main deploy");
        world.run_to_rest();
    })
    .ends(&[Succeeded, Rejected])
    .also(&[Unresolved, Succeeded, Rejected]),
    Scenario::new("answer lost, pipeline listed late", |world| {
        world.circleci.fail_trigger(TriggerFault::AnswerLost);
        let run = RunScript::success(Duration::from_secs(20));
        script(world, run.listed_after(Duration::from_secs(12)));
        run_deploy(world);
    })
    .ends(&[Succeeded])
    .golden(),
    Scenario::new("a tag: answer lost, pipeline listed late", |world| {
        world.circleci.fail_trigger(TriggerFault::AnswerLost);
        let run = RunScript::success(Duration::from_secs(20));
        script(world, run.listed_after(Duration::from_secs(12)));
        world.type_command("U0001", "C0001", "tag:v1 deploy");
        world.run_to_rest();
    })
    .ends(&[Succeeded]),
    Scenario::new("a tag that is not allowed", |world| {
        world.type_command("U0001", "C0001", "tag:main deploy");
        world.run_to_rest();
    })
    .ends(&[Rejected])
    .also(&[]),
    Scenario::new("server error, nothing created", |world| {
        world.circleci.fail_trigger(TriggerFault::ErrorBefore);
        world.circleci.fail_read(ReadFault::Error);
        run_deploy(world);
    })
    .ends(&[Unresolved])
    .also(&[]),
    Scenario::new("unreachable, then limited, then it works", |world| {
        world.circleci.fail_trigger(TriggerFault::NotSent);
        world
            .circleci
            .fail_trigger(TriggerFault::Limited(Some(Duration::from_secs(20))));
        script_success(world);
        run_deploy(world);
    })
    .ends(&[Succeeded])
    .golden(),
    Scenario::new("old token, read again", |world| {
        world.secrets.forget_token();
        script_success(world);
        run_deploy(world);
    })
    .ends(&[Succeeded]),
    Scenario::new("rejected by CircleCI, then redriven", |world| {
        world
            .circleci
            .fail_trigger(TriggerFault::Rejected(403, "<!channel> is forbidden"));
        run_deploy(world);
        script_success(world);
        world.redrive_all();
        world.run_to_rest();
    })
    .ends(&[TriggerFailed, Succeeded]),
    Scenario::new("nothing runs", |world| {
        surprises::follow_for_a_day(world);
        script(world, RunScript::no_workflow());
        run_deploy(world);
    })
    .ends(&[NothingRan]),
    Scenario::new("config error, Slack fails at first", |world| {
        script(
            world,
            RunScript::config_error("Unexpected argument(s): job"),
        );
        world.slack.fail_post(ChatFault::NotSent);
        world
            .slack
            .fail_post(ChatFault::Limited(Duration::from_secs(30)));
        world.slack.fail_post(ChatFault::ErrorBefore);
        run_deploy(world);
    })
    .ends(&[CiError]),
    Scenario::new("Slack's answers get lost", |world| {
        script_success(world);
        world.slack.fail_post(ChatFault::AnswerLost);
        world.slack.fail_post(ChatFault::AnswerLost);
        run_deploy(world);
    })
    .ends(&[Succeeded]),
    Scenario::new("longer than the response URL lives", |world| {
        world.change_timeouts(|timeouts| timeouts.response_url_ttl = Duration::from_mins(1));
        script(world, RunScript::success(Duration::from_secs(200)));
        run_deploy(world);
    })
    .ends(&[Succeeded]),
];
