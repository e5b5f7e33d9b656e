//! Fault by state: which combinations can happen, and whether they did.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chatops_core::deploy::State;

use crate::dice::Fault;

/// How often each fault hit a deploy in each state.
pub type Matrix = BTreeMap<(Fault, Option<State>), u64>;

fn states() -> impl Iterator<Item = Option<State>> {
    [None].into_iter().chain(State::ALL.into_iter().map(Some))
}

/// The matrix as a table: one line a fault, one column a state, `.` where it cannot happen.
#[must_use]
pub fn table(matrix: &Matrix) -> String {
    let mut text = format!("{:<20}", "fault");
    for state in states() {
        let word = state.map_or("-", State::word);
        let _ = write!(text, " {:>9}", word.chars().take(9).collect::<String>());
    }
    text.push('\n');
    for fault in Fault::ALL {
        let _ = write!(text, "{:<20}", format!("{fault:?}"));
        for state in states() {
            let count = matrix.get(&(fault, state)).copied().unwrap_or_default();
            let cell = if count == 0 && !possible(fault, state) {
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
pub fn missed(matrix: &Matrix) -> Vec<(Fault, Option<State>)> {
    let cells = Fault::ALL
        .into_iter()
        .flat_map(|fault| states().map(move |state| (fault, state)));
    cells
        .filter(|(fault, state)| {
            possible(*fault, *state)
                && !too_rare(*fault, *state)
                && !matrix.contains_key(&(*fault, *state))
        })
        .collect()
}

/// Faults that never struck, whatever the state.
#[must_use]
pub fn never(matrix: &Matrix) -> Vec<Fault> {
    let strikes = |fault: &Fault| matrix.keys().any(|(struck, _)| struck == fault);
    let all = Fault::ALL.into_iter();
    all.filter(|fault| !strikes(fault)).collect()
}

/// Combinations that happened although they should not be able to.
#[must_use]
pub fn surprising(matrix: &Matrix) -> Vec<(Fault, Option<State>)> {
    matrix
        .keys()
        .copied()
        .filter(|(fault, state)| !possible(*fault, *state))
        .collect()
}

/// Whether a fault can hit a deploy in a state.
fn possible(fault: Fault, state: Option<State>) -> bool {
    use Fault::{
        BatchDies, CutShort, DueMissing, DueStale, HintLost, HintStorm, ListMissing, LookFails,
        LookLimited, PostAnswerLost, PostErrorBefore, PostLimited, PostNotSent, Redrive,
        TokenRotated, TriggerAnswerLost, TriggerErrorAfter, TriggerErrorBefore, TriggerLimited,
        TriggerNotSent, TriggerRefused,
    };
    match fault {
        // Of many deploys, or of none.
        BatchDies | CutShort | DueMissing | DueStale | ListMissing => state.is_none(),
        // There is no hint before there is a deploy, and strangers pick one that is on record.
        HintLost | HintStorm | TokenRotated => state.is_some(),
        // A POST is sent only while the intent is on record. Whoever fulfils a wish to try again
        // does all of it without a deploy that was known before.
        TriggerNotSent | TriggerLimited | TriggerRefused | TriggerErrorBefore
        | TriggerErrorAfter | TriggerAnswerLost => matches!(state, None | Some(State::Armed)),
        // CircleCI is looked at between the intent and the end. A look that stood still, or a
        // second one at the same time, may find that another has just written the end.
        LookFails | LookLimited => state != Some(State::Refused),
        // Nothing is told before a workflow is seen or the end has come; answers are about no
        // deploy.
        PostNotSent | PostLimited | PostErrorBefore | PostAnswerLost => {
            state.is_none_or(|state| state == State::Running || state.is_terminal())
        }
        // Orders, and commands that killed whoever handled them.
        Redrive => matches!(state, None | Some(State::TriggerFailed)),
        _ => true,
    }
}

fn too_rare(fault: Fault, state: Option<State>) -> bool {
    use Fault::{
        LookFails, LookLimited, Redrive, TriggerAnswerLost, TriggerErrorAfter, TriggerErrorBefore,
        TriggerLimited, TriggerNotSent, TriggerRefused,
    };
    match fault {
        _ if fault.is_of_the_cloud() => true,
        LookFails | LookLimited => matches!(state, None | Some(State::TriggerFailed)),
        Redrive | TriggerNotSent | TriggerLimited | TriggerRefused | TriggerErrorBefore
        | TriggerErrorAfter | TriggerAnswerLost => state.is_none(),
        _ => false,
    }
}
