//! A request to cancel: who may, and what is written.

use super::retry::request_from;
use super::{Context, Decision, commit_change_by};
use crate::audit::AuditChange;
use crate::deploy::{CancelRequest, DeployRecord, DeployState};
use crate::message::{ActionMessage, ActionRequester, Requester};
use crate::policy;
use crate::ports::Commit;
use crate::rejection::Rejection;

/// The decision about a request to cancel.
#[derive(Debug, Clone)]
pub enum CancelDecision {
    /// Write this.
    Write(Box<Commit>),
    /// It has ended.
    Ended,
    /// It was requested before.
    AlreadyRequested(CancelRequest),
    /// The person neither requested the deploy nor may run it from there.
    Denied(Rejection),
}

/// Slack's user ids are unique only within a workspace.
fn is_requester(requester: &Requester, record: &DeployRecord) -> bool {
    (&requester.team, &requester.user) == (&record.request.team, &record.request.user)
}

/// Decides about a cancel. Before anything was sent, the request ends the deploy. Later, each poll asks
/// CircleCI to cancel, and CircleCI decides the end.
pub fn decide_cancel(
    record: &DeployRecord,
    action: &ActionMessage,
    ctx: Context<'_>,
) -> Decision<CancelDecision> {
    if record.state.is_terminal() {
        return Ok(CancelDecision::Ended);
    }
    if let Some(earlier) = &record.cancel {
        return Ok(CancelDecision::AlreadyRequested(earlier.clone()));
    }
    if let ActionRequester::User(requester) = &action.requested_by
        && !is_requester(requester, record)
        && let Err(rejection) =
            policy::authorize_deploy(ctx.config, &request_from(requester, record))
    {
        return Ok(CancelDecision::Denied(rejection));
    }
    let due = match record.state {
        // The POST may be under way: its outcome comes first.
        DeployState::Triggering => record.due_at,
        _ => Some(ctx.now),
    };
    let by = action.requested_by.acted_by();
    let change = AuditChange::CancelRequested { by: by.clone() };
    commit_change_by(by.into(), record, change, due, ctx)
        .map(|commit| CancelDecision::Write(Box::new(commit)))
}
