//! A wish to cancel: who may, and what is written.

use super::request::request_from;
use super::{Context, commit_change_by};
use crate::audit::AuditChange;
use crate::deploy::{CancelRequest, DeployRecord, DeployState};
use crate::machine::IllegalTransition;
use crate::message::{ActionMessage, ActionRequester, Requester};
use crate::policy::{self, Rejection};
use crate::ports::Commit;

/// What becomes of a wish to cancel.
#[derive(Debug, Clone)]
pub enum CancelDecision {
    /// Write this.
    Write(Box<Commit>),
    /// It has ended.
    Ended,
    /// Somebody wished so before.
    AlreadyRequested(CancelRequest),
    /// The one who wishes neither asked for the deploy nor may run it here.
    Denied(Rejection),
}

/// Slack's user ids are a workspace's own.
fn is_requester(asker: &Requester, head: &DeployRecord) -> bool {
    (&asker.team, &asker.user) == (&head.request.team, &head.request.user)
}

/// Decides. Before anything was sent, the wish ends the deploy; later it is put to CircleCI at
/// every look, and the end is what CircleCI says.
pub fn decide_cancel(
    head: &DeployRecord,
    wish: &ActionMessage,
    here: Context<'_>,
) -> Result<CancelDecision, IllegalTransition> {
    if head.state.is_terminal() {
        return Ok(CancelDecision::Ended);
    }
    if let Some(earlier) = &head.cancel {
        return Ok(CancelDecision::AlreadyRequested(earlier.clone()));
    }
    if let ActionRequester::User(asker) = &wish.requested_by
        && !is_requester(asker, head)
        && let Err(refusal) = policy::authorize_deploy(here.config, &request_from(asker, head))
    {
        return Ok(CancelDecision::Denied(refusal));
    }
    let due = match head.state {
        // Whoever armed may be sending: that comes to its own end first.
        DeployState::Triggering => head.due_at,
        _ => Some(here.now),
    };
    let by = wish.requested_by.acted_by();
    let change = AuditChange::CancelRequested { by: by.clone() };
    commit_change_by(by.into(), head, change, due, here)
        .map(|commit| CancelDecision::Write(Box::new(commit)))
}
