//! What people, operators and CircleCI do in a schedule, and when.

use std::time::Duration;

use chatops_core::Time;
use chatops_core::ports::Clock;
use chatops_sandbox::circleci::RunScript;

use crate::fault_injector::FaultInjector;
use crate::outside::{ScriptedRun, TriggerFault};
use crate::people::Person;
use crate::world::World;

/// A day: what ended before is too old to be retried.
const AFTER_RETRY_WINDOW: usize = 86_400;

/// The target of the job that takes a lock.
const UNLOCK: &str = "unlock web/deploy confirm";

/// What makes a trigger fail for good in a way that somebody can mend, and in one that nobody can.
const FORBIDDEN: TriggerFault = TriggerFault::Rejected(403, "Forbidden");
const NOT_FOUND: TriggerFault = TriggerFault::Rejected(404, "Project not found");

/// Something that somebody does.
#[derive(Debug, Clone, Copy)]
pub(super) enum UserAction {
    /// A person types a command.
    TypeCommand {
        /// Who.
        person: Person,
        /// What.
        text: &'static str,
    },
    /// People type commands about the same deploy, one that is on record by then, at the same moment.
    ActOnDeploy {
        /// Who.
        people: [Option<Person>; 2],
        /// The verb of each, and what follows the deploy's id.
        commands: [&'static str; 2],
    },
    /// An operator acts at the command line.
    OperatorAction(&'static str),
    /// An operator retries everything that is on record.
    RetryAll,
    /// Somebody redrives the ticket of a deploy on record, so often.
    RedriveTicket(usize),
    /// Somebody who can write to the work queue acts as an operator.
    ForgeOperator,
    /// From now on only one person may deploy.
    WithdrawRights,
    /// Everybody may again.
    RestoreRights,
    /// A person presses a button of a deploy on record, if there is one in Slack.
    Press {
        /// Who.
        person: Person,
        /// Which.
        button: &'static str,
    },
    /// A person presses a button of the first card that stands, so often.
    PressFirstCard(Person, usize),
    /// A person asks in the form for the plan of a branch.
    PressPlan(Person, &'static str),
    /// A person presses the button that starts the latest plan, so often.
    PressPlanned(Person, usize),
    /// A person deletes the card of a deploy on record.
    DeleteCard,
    /// Somebody removes the bot from the channel of the deploys.
    RemoveBot,
}

/// When somebody does what, in no order. The builds that follow are set as well.
pub(super) fn plan_actions(rng: &FaultInjector, world: &mut World) -> Vec<(Time, UserAction)> {
    let start = world.clock.now();
    let mut actions = vec![];
    if rng.below(2) == 0 {
        // The product's own limit; otherwise a short one, which unreadable runs reach.
        world.change_timeouts(|timeouts| timeouts.follow_timeout = Duration::from_hours(24));
    }
    for entitled in Person::ENTITLED
        .into_iter()
        .take(1 + usize::from(rng.below(10) < 4))
    {
        let text = match rng.below(10) {
            0 => "hotfix deploy",
            1 => "feature/x check",
            _ => "main deploy",
        };
        let person = if rng.below(8) == 0 {
            other_person(rng)
        } else {
            entitled
        };
        let later = if actions.is_empty() { 0 } else { rng.below(90) };
        let typed = UserAction::TypeCommand { person, text };
        actions.push((start + seconds(later), typed));
        world.circleci.script_next(random_script(rng));
    }
    // Some schedules are one long chain of retries.
    let is_chain = rng.below(8) == 0;
    let count = if is_chain {
        3 + rng.below(6)
    } else {
        [0, 0, 1, 1, 2, 3][rng.below(6)]
    };
    for _ in 0..count {
        let later = match rng.below(12) {
            0 => AFTER_RETRY_WINDOW + rng.below(600),
            1..=4 => rng.below(30),
            _ => rng.below(700),
        };
        let action = match rng.below(3) {
            0 | 1 if is_chain => act_on_deploy(rng, ["retry", "retry confirm"][rng.below(2)]),
            _ => later_action(rng),
        };
        actions.push((start + seconds(later), action));
        world.circleci.script_next(random_script(rng));
    }
    // More often than by chance there is something to retry.
    if is_chain || rng.below(4) == 0 {
        for _ in 0..=rng.below(if is_chain { count } else { 3 }) {
            world.circleci.fail_trigger(match rng.below(6) {
                0 => TriggerFault::ErrorBefore,
                1 => NOT_FOUND,
                _ => FORBIDDEN,
            });
        }
    }
    if rng.below(4) == 0 {
        plan_cards(rng, world, start, &mut actions);
    } else if rng.below(3) == 0 {
        world.has_bot = true;
        let invited = if rng.below(6) == 0 { "C0009" } else { "C0001" };
        world.slack.install_bot(invited);
    }
    if rng.below(4) == 0 {
        world.announce_in(&["C0FEED", "C0001"]);
        if rng.below(6) > 0 {
            world.slack.invite_bot("C0FEED");
        }
    }
    actions
}

/// Each deploy has a card, and people press its buttons.
fn plan_cards(
    rng: &FaultInjector,
    world: &mut World,
    start: Time,
    actions: &mut Vec<(Time, UserAction)>,
) {
    world.go_live();
    for _ in 0..rng.below(4) {
        let action = match rng.below(12) {
            0 => UserAction::DeleteCard,
            1 => UserAction::RemoveBot,
            2..=4 => UserAction::PressFirstCard(any_person(rng), 1 + rng.below(2)),
            _ => UserAction::Press {
                person: any_person(rng),
                button: ["cancel", "retry", "retry_confirm", "dismiss"][rng.below(4)],
            },
        };
        let later = [rng.below(30), rng.below(200)][rng.below(2)];
        actions.push((start + seconds(later), action));
        world.circleci.script_next(random_script(rng));
    }
    if rng.below(3) == 0 {
        plan_form(rng, start, actions);
    }
}

/// Somebody asks in the form, and deploys what is planned.
fn plan_form(rng: &FaultInjector, start: Time, actions: &mut Vec<(Time, UserAction)>) {
    let person = any_person(rng);
    let asked = rng.below(60);
    let branch = ["main", "main", "hotfix"][rng.below(3)];
    actions.push((
        start + seconds(asked),
        UserAction::PressPlan(person, branch),
    ));
    for _ in 0..=rng.below(2) {
        let presser = if rng.below(4) == 0 {
            any_person(rng)
        } else {
            person
        };
        let later = start + seconds(asked + 1 + rng.below(40));
        let times = 1 + rng.below(2);
        actions.push((later, UserAction::PressPlanned(presser, times)));
    }
}

/// Somebody who may not deploy from where they are.
fn other_person(rng: &FaultInjector) -> Person {
    Person::OTHERS[rng.below(Person::OTHERS.len())]
}

/// Anybody.
fn any_person(rng: &FaultInjector) -> Person {
    if rng.below(3) == 0 {
        other_person(rng)
    } else {
        Person::ENTITLED[rng.below(Person::ENTITLED.len())]
    }
}

/// Somebody acts on a deploy, and at times somebody else at the same moment.
fn act_on_deploy(rng: &FaultInjector, command: &'static str) -> UserAction {
    let other = ["retry", "retry confirm", "cancel"][rng.below(3)];
    let second = (rng.below(5) == 0).then(|| any_person(rng));
    UserAction::ActOnDeploy {
        people: [Some(any_person(rng)), second],
        commands: [command, other],
    }
}

/// What somebody does about a deploy on record.
fn later_action(rng: &FaultInjector) -> UserAction {
    match rng.below(32) {
        0..=7 => act_on_deploy(rng, "retry"),
        8..=10 => act_on_deploy(rng, "retry confirm"),
        11..=15 => act_on_deploy(rng, "cancel"),
        16 => act_on_deploy(rng, "status"),
        17 => UserAction::OperatorAction("retry"),
        18 => UserAction::OperatorAction("retry confirm"),
        19 => UserAction::OperatorAction("retry force"),
        20 => UserAction::OperatorAction("cancel"),
        21 => UserAction::WithdrawRights,
        22 => UserAction::RestoreRights,
        23 => UserAction::RetryAll,
        24 | 25 => UserAction::RedriveTicket(1 + rng.below(2)),
        26 => UserAction::TypeCommand {
            person: any_person(rng),
            text: UNLOCK,
        },
        27 => act_on_deploy(rng, "dismiss"),
        28 => UserAction::ForgeOperator,
        _ => {
            let queries = ["status", "history user:me", "failed", "plan main deploy"];
            UserAction::TypeCommand {
                person: any_person(rng),
                text: queries[rng.below(queries.len())],
            }
        }
    }
}

fn random_script(rng: &FaultInjector) -> ScriptedRun {
    let takes = seconds(3 + rng.below(40));
    let script = match rng.below(20) {
        0..=4 => RunScript::success(takes).into(),
        5 => RunScript::failure(takes).into(),
        6 => RunScript::ending(takes, "canceled").into(),
        7 => RunScript::no_workflow().into(),
        8 => RunScript::config_error("Unexpected argument(s): job").into(),
        9 => RunScript::on_hold_then(takes, "success").into(),
        10 => RunScript::setup_then_success(takes).into(),
        11 => RunScript::auto_rerun(takes).into(),
        12 if rng.below(3) == 0 => RunScript::success(seconds(600 + rng.below(9_000))).into(),
        12 => RunScript::success(seconds(200)).into(),
        _ => random_surprise(rng, takes),
    };
    if rng.below(4) == 0 {
        script.listed_after(seconds(rng.below(100)))
    } else {
        script
    }
}

/// A pipeline that is not what it seems.
fn random_surprise(rng: &FaultInjector, takes: Duration) -> ScriptedRun {
    let ends = ["success", "failed", "canceled", "not_run", "unauthorized"];
    let (one, other) = (ends[rng.below(ends.len())], ends[rng.below(ends.len())]);
    let later = takes + seconds(10 + rng.below(900));
    match rng.below(16) {
        0 => ScriptedRun::setup_only(takes),
        1 => ScriptedRun::setup_stays(takes, ["success", "failed", "canceled"][rng.below(3)]),
        2 => ScriptedRun::continuation_rejected(takes),
        3 => ScriptedRun::only_another(takes, one),
        4 => ScriptedRun::only_another(later, one),
        5 | 6 => ScriptedRun::beside_another(takes, one, other),
        7 => ScriptedRun::green_without_its_job(takes),
        8 => ScriptedRun::two_runs((later, one), (takes, other)),
        9 => ScriptedRun::two_runs_at_once(takes, one, other),
        10 => ScriptedRun::rerun_never_comes(takes),
        11 if rng.below(3) == 0 => ScriptedRun::late_workflow(seconds(5_820), seconds(5_900)),
        11 => ScriptedRun::late_workflow(later, later + 20 * takes),
        12 => ScriptedRun::late_beside_another(later, later + takes),
        // Longer than the lock lives after "nothing ran".
        13 => ScriptedRun::late_beside_another(later, later + 40 * takes),
        14 => ScriptedRun::canceled_while_its_job_runs(takes, seconds(5 + rng.below(600))),
        _ => ScriptedRun::approved_at(takes, later, later + takes),
    }
}

fn seconds(count: usize) -> Duration {
    Duration::from_secs(count as u64)
}
