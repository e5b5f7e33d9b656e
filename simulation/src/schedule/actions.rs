//! What people, operators and CircleCI do in a schedule, and when.

use std::time::Duration;

use chatops_core::Time;
use chatops_core::ports::Clock;
use chatops_sandbox::circleci::RunScript;

use crate::fault_injector::FaultInjector;
use crate::outside::{ScriptedRun, TriggerFault};
use crate::world::World;

/// A day: what ended before is too old to be retried.
const AFTER_RETRY_WINDOW: usize = 86_400;

/// Something that somebody does.
#[derive(Debug, Clone, Copy)]
pub(super) enum UserAction {
    /// A person types a command.
    TypeCommand {
        /// Who.
        user: &'static str,
        /// What.
        text: &'static str,
    },
    /// A person types a command about a deploy that is on record by then.
    ActOnDeploy {
        /// Who.
        user: &'static str,
        /// The verb, and what follows the deploy's id.
        command: &'static str,
    },
    /// An operator acts at the command line.
    OperatorAction(&'static str),
    /// From now on only one person may deploy.
    WithdrawRights,
}

/// When somebody does what, in no order. The builds that follow are set as well.
pub(super) fn plan_actions(rng: &FaultInjector, world: &mut World) -> Vec<(Time, UserAction)> {
    let start = world.clock.now();
    let mut actions = vec![];
    if rng.below(2) == 0 {
        // The product's own limit; otherwise a short one, which unreadable runs reach.
        world.change_timeouts(|timeouts| timeouts.follow_timeout = Duration::from_hours(24));
    }
    for user in ["U0001", "U0002"]
        .into_iter()
        .take(1 + usize::from(rng.below(10) < 4))
    {
        let text = match rng.below(10) {
            0 => "hotfix deploy",
            1 => "feature/x check",
            _ => "main deploy",
        };
        let later = if actions.is_empty() { 0 } else { rng.below(90) };
        actions.push((
            start + seconds(later),
            UserAction::TypeCommand { user, text },
        ));
        world.circleci.script_next(random_script(rng));
    }
    for _ in 0..[0, 0, 1, 1, 2, 3][rng.below(6)] {
        let later = match rng.below(12) {
            0 => AFTER_RETRY_WINDOW + rng.below(600),
            1..=4 => rng.below(30),
            _ => rng.below(700),
        };
        actions.push((start + seconds(later), later_action(rng)));
        world.circleci.script_next(random_script(rng));
    }
    // More often than by chance there is something to retry.
    if rng.below(4) == 0 {
        for _ in 0..=rng.below(3) {
            world.circleci.fail_trigger(match rng.below(4) {
                0 => TriggerFault::ErrorBefore,
                _ => TriggerFault::Rejected(404, "Project not found"),
            });
        }
    }
    if rng.below(3) == 0 {
        world.has_bot = true;
        let invited = if rng.below(6) == 0 { "C0009" } else { "C0001" };
        world.slack.install_bot(invited);
    }
    actions
}

/// What somebody does about a deploy on record.
fn later_action(rng: &FaultInjector) -> UserAction {
    let user = ["U0001", "U0002", "U0003"][rng.below(3)];
    let acts = |command| UserAction::ActOnDeploy { user, command };
    match rng.below(24) {
        0..=7 => acts("retry"),
        8..=10 => acts("retry confirm"),
        11..=15 => acts("cancel"),
        16 => acts("status"),
        17 => UserAction::OperatorAction("retry"),
        18 => UserAction::OperatorAction("retry confirm"),
        19 => UserAction::OperatorAction("retry force"),
        20 => UserAction::OperatorAction("cancel"),
        21 => UserAction::WithdrawRights,
        _ => {
            let queries = ["status", "history user:me", "failed", "plan main deploy"];
            let text = queries[rng.below(queries.len())];
            UserAction::TypeCommand { user, text }
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
