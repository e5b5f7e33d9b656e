//! Fault by state: which combinations can happen, and whether they did.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chatops_core::deploy::DeployState;

use crate::fault_injector::FaultKind;

/// How often each fault hit a deploy in each state.
pub type FaultMatrix = BTreeMap<(FaultKind, Option<DeployState>), u64>;

fn all_states() -> impl Iterator<Item = Option<DeployState>> {
    [None]
        .into_iter()
        .chain(DeployState::ALL.into_iter().map(Some))
}

/// The matrix as a table: one line a fault, one column a state, `.` where it cannot happen.
#[must_use]
pub fn render_table(matrix: &FaultMatrix) -> String {
    let mut text = format!("{:<20}", "fault");
    for state in all_states() {
        let word = state.map_or("-", DeployState::as_str);
        let _ = write!(text, " {:>9}", word.chars().take(9).collect::<String>());
    }
    text.push('\n');
    for fault in FaultKind::ALL {
        let _ = write!(text, "{:<20}", format!("{fault:?}"));
        for state in all_states() {
            let count = matrix.get(&(fault, state)).copied().unwrap_or_default();
            let cell = if count == 0 && !is_possible(fault, state) {
                ".".to_owned()
            } else {
                count.to_string()
            };
            let _ = write!(text, " {cell:>9}");
        }
        text.push('\n');
    }
    text
}

/// Combinations that can happen and did not.
///
/// Some are not demanded. What happens to a command that nobody knows yet, or on the way of a wish,
/// is demanded of the deploys that it makes. A look that fails in `TRIGGER_FAILED` takes a sender that stands still past
/// its time and is then refused while another, who searches for its pipeline, stands still, too:
/// even a million schedules have it only once or twice. What only AWS does has to [strike](never()),
/// wherever.
#[must_use]
pub fn missed_cells(matrix: &FaultMatrix) -> Vec<(FaultKind, Option<DeployState>)> {
    let cells = FaultKind::ALL
        .into_iter()
        .flat_map(|fault| all_states().map(move |state| (fault, state)));
    cells
        .filter(|(fault, state)| {
            is_possible(*fault, *state)
                && !is_too_rare(*fault, *state)
                && !matrix.contains_key(&(*fault, *state))
        })
        .collect()
}

/// Faults that never struck, whatever the state.
#[must_use]
pub fn never_injected(matrix: &FaultMatrix) -> Vec<FaultKind> {
    let strikes = |fault: &FaultKind| matrix.keys().any(|(struck, _)| struck == fault);
    let all = FaultKind::ALL.into_iter();
    all.filter(|fault| !strikes(fault)).collect()
}

/// Combinations that happened although they should not be able to.
#[must_use]
pub fn unexpected_cells(matrix: &FaultMatrix) -> Vec<(FaultKind, Option<DeployState>)> {
    matrix
        .keys()
        .copied()
        .filter(|(fault, state)| !is_possible(*fault, *state))
        .collect()
}

/// Whether a fault can hit a deploy in a state.
fn is_possible(fault: FaultKind, state: Option<DeployState>) -> bool {
    use FaultKind::{
        BatchDies, CutShort, DueMissing, DueStale, ListMissing, PollFails, PollLimited,
        PostAnswerLost, PostErrorBefore, PostLimited, PostNotSent, Redrive, TokenRotated,
        TriggerAnswerLost, TriggerErrorAfter, TriggerErrorBefore, TriggerLimited, TriggerNotSent,
        TriggerRejected, WakeUpFlood, WakeUpLost,
    };
    match fault {
        // Of many deploys, or of none.
        BatchDies | CutShort | DueMissing | DueStale | ListMissing => state.is_none(),
        // There is no hint before there is a deploy, and strangers pick one that is on record.
        WakeUpLost | WakeUpFlood | TokenRotated => state.is_some(),
        // A POST is sent only while the intent is on record. Whoever fulfils a wish to try again
        // does all of it without a deploy that was known before.
        TriggerNotSent | TriggerLimited | TriggerRejected | TriggerErrorBefore
        | TriggerErrorAfter | TriggerAnswerLost => {
            matches!(state, None | Some(DeployState::Triggering))
        }
        // CircleCI is looked at between the intent and the end. A look that stood still, or a
        // second one at the same time, may find that another has just written the end.
        PollFails | PollLimited => state != Some(DeployState::Rejected),
        // Nothing is told before a workflow is seen or the end has come; answers are about no
        // deploy.
        PostNotSent | PostLimited | PostErrorBefore | PostAnswerLost => {
            state.is_none_or(|state| state == DeployState::Running || state.is_terminal())
        }
        // Orders, and commands that killed whoever handled them.
        Redrive => matches!(state, None | Some(DeployState::TriggerFailed)),
        _ => true,
    }
}

fn is_too_rare(fault: FaultKind, state: Option<DeployState>) -> bool {
    use FaultKind::{
        PollFails, PollLimited, Redrive, TriggerAnswerLost, TriggerErrorAfter, TriggerErrorBefore,
        TriggerLimited, TriggerNotSent, TriggerRejected,
    };
    match fault {
        _ if fault.is_aws_only() => true,
        PollFails | PollLimited => matches!(state, None | Some(DeployState::TriggerFailed)),
        Redrive | TriggerNotSent | TriggerLimited | TriggerRejected | TriggerErrorBefore
        | TriggerErrorAfter | TriggerAnswerLost => state.is_none(),
        _ => false,
    }
}
