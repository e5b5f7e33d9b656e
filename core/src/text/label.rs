//! Emoji and label of every state; never one without the other.

use super::Mrkdwn;
use crate::deploy::{ActedBy, DeployRecord, DeployRequest, DeployState, EndReason};
use crate::policy::Rejection;

const BLOCKED: (&str, &str) = (":no_entry:", "Blocked");
const EXPIRED: (&str, &str) = (":no_entry:", "Expired");

/// Emoji and label of the state of `record`.
pub(super) fn emoji_and_label(record: &DeployRecord) -> (&'static str, &'static str) {
    match (record.state, record.end.as_ref().map(|end| &end.reason)) {
        (_, Some(EndReason::Rejected(Rejection::Busy { .. }))) => BLOCKED,
        (_, Some(EndReason::Rejected(Rejection::Expired { .. }))) => EXPIRED,
        (state, _) => label_of(state),
    }
}

fn label_of(state: DeployState) -> (&'static str, &'static str) {
    match state {
        DeployState::Requested => (":inbox_tray:", "Queued"),
        DeployState::Triggering => (":outbox_tray:", "Triggering"),
        DeployState::Triggered => (":hourglass_flowing_sand:", "Waiting for a workflow"),
        DeployState::Running => (":arrow_forward:", "Running"),
        DeployState::Succeeded => (":white_check_mark:", "Succeeded"),
        DeployState::Failed => (":x:", "Failed"),
        DeployState::Canceled => (":no_entry_sign:", "Canceled"),
        DeployState::NothingRan => (":ghost:", "Nothing ran"),
        DeployState::CiError => (":warning:", "Config error"),
        DeployState::TriggerFailed => (":rotating_light:", "Not started"),
        DeployState::Rejected => (":no_entry:", "Not allowed"),
        DeployState::Unresolved => (":grey_question:", "Unresolved"),
        DeployState::LostTrack => (":grey_question:", "Lost track"),
    }
}

/// What the headline about `record` begins with.
pub(super) fn state_banner(record: &DeployRecord) -> Mrkdwn {
    let (emoji, label) = emoji_and_label(record);
    Mrkdwn::new(emoji).and(" *").and(label).and(":* ")
}

/// Who acted; the requester is not mentioned again.
pub(super) fn append_actor(line: Mrkdwn, by: &ActedBy, request: &DeployRequest) -> Mrkdwn {
    if *by == ActedBy::User(request.qualified_user()) {
        line.and("the requester")
    } else {
        line.actor(by)
    }
}
