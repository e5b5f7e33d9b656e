//! Emoji and label of every state; never one without the other.

use super::Mrkdwn;
use crate::deploy::{DeployRecord, DeployState, EndReason};
use crate::ports::{PipelineError, PipelineErrorKind};
use crate::rejection::Rejection;

/// Not yet.
const WAITS: &str = ":hourglass_flowing_sand:";
/// Every no.
const NO: &str = ":no_entry:";
/// A person has to look.
const CHECK: &str = ":warning:";

const BLOCKED: (&str, &str) = (NO, "Blocked");
const EXPIRED: (&str, &str) = (NO, "Expired");

/// Emoji and label of the state of `record`.
pub(super) fn emoji_and_label(record: &DeployRecord) -> (&'static str, &'static str) {
    match (record.state, record.end.as_ref().map(|end| &end.reason)) {
        (_, Some(EndReason::Rejected(Rejection::Busy { .. }))) => BLOCKED,
        (_, Some(EndReason::Rejected(Rejection::Expired { .. }))) => EXPIRED,
        (DeployState::CiError, Some(EndReason::PipelineErrors { errors })) => {
            (":x:", error_label(errors))
        }
        (state, _) => label_of(state),
    }
}

/// The heading of a pipeline's errors, by the type of the first.
fn error_label(errors: &[PipelineError]) -> &'static str {
    match errors.first().map(|error| error.kind) {
        None | Some(PipelineErrorKind::Config) => "Config error",
        Some(PipelineErrorKind::ConfigFetch) => "Config not fetched",
        Some(PipelineErrorKind::InvalidTriggerSetup | PipelineErrorKind::TriggerRule) => {
            "Trigger error"
        }
        Some(PipelineErrorKind::Timeout) => "Timeout at CircleCI",
        Some(PipelineErrorKind::Permission) => "No permission at CircleCI",
        Some(PipelineErrorKind::Plan) => "Stopped by the plan",
        Some(PipelineErrorKind::Other) => "Error at CircleCI",
    }
}

/// Emoji and label of a state.
pub(super) fn label_of(state: DeployState) -> (&'static str, &'static str) {
    match state {
        DeployState::Requested => (WAITS, "Queued"),
        DeployState::Triggering => (WAITS, "Triggering"),
        DeployState::Triggered => (WAITS, "Waiting for a workflow"),
        DeployState::Running => (":arrow_forward:", "Running"),
        DeployState::Succeeded => (":white_check_mark:", "Succeeded"),
        DeployState::Failed => (":x:", "Failed"),
        DeployState::Canceled => (NO, "Canceled"),
        DeployState::NothingRan => (NO, "Nothing ran"),
        DeployState::CiError => (":x:", "Error at CircleCI"),
        DeployState::TriggerFailed => (":x:", "Trigger failed"),
        DeployState::Rejected => (NO, "Not allowed"),
        DeployState::Unresolved => (CHECK, "Unresolved"),
        DeployState::LostTrack => (CHECK, "Lost track"),
    }
}

/// What the headline about `record` begins with.
pub(super) fn state_banner(record: &DeployRecord) -> Mrkdwn {
    let (emoji, label) = emoji_and_label(record);
    Mrkdwn::new(emoji).and(" *").and(label).and(":* ")
}
