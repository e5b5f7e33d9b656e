//! Emoji and word of every state; never one without the other.

use super::Line;
use crate::deploy::State;

/// Emoji and word.
pub(super) fn sign(state: State) -> (&'static str, &'static str) {
    match state {
        State::Requested => (":inbox_tray:", "Queued"),
        State::Armed => (":outbox_tray:", "Triggering"),
        State::Triggered => (":hourglass_flowing_sand:", "Waiting for a workflow"),
        State::Running => (":arrow_forward:", "Running"),
        State::Succeeded => (":white_check_mark:", "Succeeded"),
        State::Failed => (":x:", "Failed"),
        State::Canceled => (":no_entry_sign:", "Canceled"),
        State::NothingRan => (":ghost:", "Nothing ran"),
        State::CiErrored => (":warning:", "Config error"),
        State::TriggerFailed => (":rotating_light:", "Not started"),
        State::Refused => (":no_entry:", "Refused"),
        State::Unresolved => (":grey_question:", "Unresolved"),
        State::LostTrack => (":grey_question:", "Lost track"),
    }
}

/// What a headline begins with.
pub(super) fn banner(state: State) -> Line {
    let (emoji, word) = sign(state);
    Line::new(emoji).and(" *").and(word).and(":* ")
}

/// Whether a headline is that of an end: then nothing more follows about that deploy.
#[must_use]
pub fn is_last(headline: &str) -> bool {
    let mut ends = State::ALL.into_iter().filter(|state| state.is_terminal());
    ends.any(|end| headline.starts_with(&banner(end).to_string()))
}
