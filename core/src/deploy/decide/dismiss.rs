//! A request to take a deploy out of the list of what waits for a retry: who may, and what is written.

use super::retry::request_from;
use super::{Context, Decision, commit_change_by};
use crate::audit::AuditChange;
use crate::deploy::{ActedBy, DeployRecord};
use crate::message::{ActionMessage, ActionRequester};
use crate::policy;
use crate::ports::Commit;
use crate::rejection::Rejection;

/// The decision about a request to dismiss.
#[derive(Debug, Clone)]
pub enum DismissDecision {
    /// Write this.
    Write(Box<Commit>),
    /// It does not wait for a retry.
    NotWaiting,
    /// It was dismissed before.
    AlreadyDismissed(ActedBy),
    /// The person may not run it from there.
    Denied(Rejection),
}

/// Decides about a request to dismiss a deploy. It can still be retried by name.
pub fn decide_dismiss(
    record: &DeployRecord,
    action: &ActionMessage,
    ctx: Context<'_>,
) -> Decision<DismissDecision> {
    if let ActionRequester::User(requester) = &action.requested_by
        && let Err(rejection) =
            policy::authorize_deploy(ctx.config, &request_from(requester, record))
    {
        return Ok(DismissDecision::Denied(rejection));
    }
    if let Some(by) = &record.dismissed_by {
        return Ok(DismissDecision::AlreadyDismissed(by.clone()));
    }
    if !record.awaits_retry() {
        return Ok(DismissDecision::NotWaiting);
    }
    let by = action.requested_by.acted_by();
    let change = AuditChange::Dismissed { by: by.clone() };
    // A ticket that was not written yet is not needed any more.
    let commit = commit_change_by(by.into(), record, change, None, ctx)?;
    Ok(DismissDecision::Write(Box::new(commit)))
}
