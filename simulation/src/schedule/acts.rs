//! What people, operators and CircleCI do in a schedule, and when.

use std::time::Duration;

use chatops_core::Time;
use chatops_core::ports::Clock;
use chatops_sandbox::circleci::Script;

use crate::dice::Dice;
use crate::outside::TriggerFault;
use crate::world::World;

/// A day and a little: what ended before is too old to be tried again.
const TOO_LATE: usize = 86_400;

/// Something that somebody does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// A person types a command.
    Types {
        /// Who.
        user: &'static str,
        /// What.
        text: &'static str,
    },
    /// A person types a command about a deploy that is on record by then.
    Presses {
        /// Who.
        user: &'static str,
        /// The verb, and what follows the deploy's id.
        words: &'static str,
    },
    /// An operator does so at the command line.
    Operates(&'static str),
    /// From now on only one person may deploy.
    Withdraws,
}

/// When somebody does what, in no order. The builds that come of it are set as well.
pub(super) fn all(dice: &Dice, world: &mut World) -> Vec<(Time, Act)> {
    let start = world.clock.now();
    let mut acts = vec![];
    for user in ["U0001", "U0002"]
        .into_iter()
        .take(1 + usize::from(dice.below(10) < 4))
    {
        let text = match dice.below(10) {
            0 => "hotfix deploy",
            1 => "feature/x check",
            _ => "main deploy",
        };
        let later = if acts.is_empty() { 0 } else { dice.below(90) };
        acts.push((start + seconds(later), Act::Types { user, text }));
        world.circleci.script(build(dice));
    }
    for _ in 0..[0, 0, 1, 1, 2, 3][dice.below(6)] {
        let later = match dice.below(12) {
            0 => TOO_LATE + dice.below(600),
            1..=4 => dice.below(30),
            _ => dice.below(700),
        };
        acts.push((start + seconds(later), further(dice)));
        world.circleci.script(build(dice));
    }
    // There is something to try again more often than the weather would have it.
    if dice.below(4) == 0 {
        for _ in 0..=dice.below(3) {
            world.circleci.fail_trigger(match dice.below(4) {
                0 => TriggerFault::ErrorBefore,
                _ => TriggerFault::Refused(404, "Project not found"),
            });
        }
    }
    if dice.below(3) == 0 {
        world.bot = true;
        let invited = if dice.below(6) == 0 { "C0009" } else { "C0001" };
        world.slack.install_bot(invited);
    }
    acts
}

/// What somebody does about a deploy on record.
fn further(dice: &Dice) -> Act {
    let user = ["U0001", "U0002", "U0003"][dice.below(3)];
    let presses = |words| Act::Presses { user, words };
    match dice.below(24) {
        0..=7 => presses("retry"),
        8..=10 => presses("retry confirm"),
        11..=15 => presses("cancel"),
        16 => presses("status"),
        17 => Act::Operates("retry"),
        18 => Act::Operates("retry confirm"),
        19 => Act::Operates("retry force"),
        20 => Act::Operates("cancel"),
        21 => Act::Withdraws,
        _ => {
            let questions = ["status", "history user:me", "failed", "plan main deploy"];
            let text = questions[dice.below(questions.len())];
            Act::Types { user, text }
        }
    }
}

fn build(dice: &Dice) -> Script {
    let takes = seconds(3 + dice.below(40));
    let script = match dice.below(12) {
        0..=3 => Script::success(takes),
        4 => Script::failure(takes),
        5 => Script::ending(takes, "canceled"),
        6 => Script::no_workflow(),
        7 => Script::config_error("Unexpected argument(s): job"),
        8 => Script::on_hold_then(takes, "success"),
        9 => Script::setup_then_success(takes),
        10 => Script::auto_rerun(takes),
        _ if dice.below(3) == 0 => Script::endless(),
        _ => Script::success(Duration::from_secs(200)),
    };
    if dice.below(4) == 0 {
        script.listed_after(seconds(dice.below(100)))
    } else {
        script
    }
}

fn seconds(count: usize) -> Duration {
    Duration::from_secs(count as u64)
}
