//! Fault by state: which combinations can happen, and whether they did.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chatops_core::deploy::DeployState;
use strum::VariantArray;

use crate::fault_injector::FaultKind;

/// How often each fault hit a deploy in each state.
pub type FaultMatrix = BTreeMap<(FaultKind, Option<DeployState>), u64>;

fn all_states() -> impl Iterator<Item = Option<DeployState>> {
    [None]
        .into_iter()
        .chain(DeployState::ALL.into_iter().map(Some))
}

/// The matrix as a table: a line per fault, a column per state, `.` where it cannot happen.
#[must_use]
pub fn render_table(matrix: &FaultMatrix) -> String {
    let mut text = format!("{:<20}", "fault");
    for state in all_states() {
        let word = state.map_or("-", DeployState::as_str);
        let _ = write!(text, " {:>9}", word.chars().take(9).collect::<String>());
    }
    text.push('\n');
    for &fault in FaultKind::VARIANTS {
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
/// Some are not required. What happens to a command that is not on record yet, or to an action, is
/// required of the deploys that it makes. A poll that fails in `TRIGGER_FAILED` takes a sender that
/// stands still past its time and is then rejected while another, who looks up its pipeline, stands
/// still, too; one in `UNRESOLVED` takes two that look it up at once, one of which gives up while the
/// other stands still: even a million schedules have them only once or twice, if at all. What only AWS
/// does has to [strike](never_injected) in any state.
#[must_use]
pub fn missed_cells(matrix: &FaultMatrix) -> Vec<(FaultKind, Option<DeployState>)> {
    let faults = FaultKind::VARIANTS.iter();
    let cells = faults.flat_map(|fault| all_states().map(move |state| (*fault, state)));
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
    let all = FaultKind::VARIANTS.iter().copied();
    all.filter(|fault| !strikes(fault)).collect()
}

/// Combinations that happened although they should not be able to.
#[must_use]
pub fn unexpected_cells(matrix: &FaultMatrix) -> Vec<(FaultKind, Option<DeployState>)> {
    let cells = matrix.keys().copied();
    cells
        .filter(|(fault, state)| !is_possible(*fault, *state))
        .collect()
}

/// Whether a fault can hit a deploy in a state.
fn is_possible(fault: FaultKind, state: Option<DeployState>) -> bool {
    use FaultKind as F;
    match fault {
        // Of many deploys, or of none.
        F::BatchDies | F::CutShort | F::DueMissing | F::DueStale | F::ListMissing => {
            state.is_none()
        }
        F::ReadsRefused
        | F::LongStop
        | F::LedgerOutage
        | F::QueueOutage
        | F::SecretsOutage
        | F::CircleCiOutage => state.is_none(),
        F::ClockStep => matches!(state, Some(DeployState::Triggered | DeployState::Running)),
        // There is no wake-up before there is a deploy, and forged ones name a deploy on record.
        F::WakeUpLost | F::WakeUpFlood | F::TokenRotated => state.is_some(),
        // A POST is sent only while the intent is on record. A retry does all of it without a
        // deploy that was known before.
        _ if is_of_trigger(fault) => matches!(state, None | Some(DeployState::Triggering)),
        // CircleCI is polled between the intent and the end. A poll that stood still, or a second
        // one at the same time, may find that another has just written the end.
        F::PollFails | F::PollLimited => state != Some(DeployState::Rejected),
        // Tickets, and commands that killed their handlers.
        F::Redrive => matches!(state, None | Some(DeployState::TriggerFailed)),
        _ => true,
    }
}

fn is_of_trigger(fault: FaultKind) -> bool {
    (FaultKind::TriggerNotSent..=FaultKind::TriggerAnswerLost).contains(&fault)
}

fn is_too_rare(fault: FaultKind, state: Option<DeployState>) -> bool {
    match fault {
        _ if fault.is_aws_only() => true,
        FaultKind::PollFails | FaultKind::PollLimited => {
            matches!(
                state,
                None | Some(
                    DeployState::Requested | DeployState::TriggerFailed | DeployState::Unresolved
                )
            )
        }
        _ => state.is_none() && (fault == FaultKind::Redrive || is_of_trigger(fault)),
    }
}
