//! A request to free the lock of a target: who may, of which deploy, and what is written.

use std::time::Duration;

use super::{Context, Decision, commit_change_by};
use crate::Time;
use crate::audit::AuditChange;
use crate::command::DeployAction;
use crate::deploy::{DeployRecord, DeployState, Target};
use crate::message::{ActionMessage, ActionRequester};
use crate::policy;
use crate::ports::{Commit, LockChange, TargetLock};
use crate::rejection::Rejection;

/// How long CircleCI has to carry out a cancel.
const CANCEL_TIME: Duration = Duration::from_mins(10);

/// The decision about a request to free a lock.
#[derive(Debug, Clone)]
pub enum UnlockDecision {
    /// Write this.
    Write(UnlockCause, Box<Commit>),
    /// It can be freed, once somebody confirms that.
    NeedsConfirm(UnlockCause),
    /// Nobody holds it.
    NotHeld,
    /// The deploy that holds it is seen running, or is being sent: that one has to be canceled.
    InProgress,
    /// The person may not deploy there.
    Denied(Rejection),
}

/// Why the lock of a deploy can be freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnlockCause {
    /// It has ended.
    Ended,
    /// CircleCI cannot be read, and people know that.
    Unreadable,
    /// CircleCI has not carried out its cancel.
    NotCanceled,
}

/// Why the lock that `record` holds can be freed at `now`, and since when; `None` if it cannot.
#[must_use]
pub fn unlock_cause(record: &DeployRecord, now: Time) -> Option<(UnlockCause, Time)> {
    if let Some(end) = &record.end {
        return Some((UnlockCause::Ended, end.at));
    }
    // Before that nothing runs, and the deploy ends by itself or by its cancel.
    if !matches!(record.state, DeployState::Triggered | DeployState::Running) {
        return None;
    }
    let unread = record.reads.failed.as_ref().filter(|failed| failed.told);
    if let Some(failed) = unread {
        return Some((UnlockCause::Unreadable, failed.since));
    }
    let since = unlockable_from(record).filter(|since| *since <= now)?;
    Some((UnlockCause::NotCanceled, since))
}

/// When CircleCI has had its time to carry out the cancel of a deploy.
#[must_use]
pub fn unlockable_from(record: &DeployRecord) -> Option<Time> {
    record.cancel.as_ref().map(|cancel| cancel.at + CANCEL_TIME)
}

/// Decides about a request to free the lock of `target`. A running deploy whose lock is freed is
/// followed on; its end frees nothing.
pub fn decide_unlock(
    target: &Target,
    holder: Option<(&TargetLock, &DeployRecord)>,
    action: &ActionMessage,
    ctx: Context<'_>,
) -> Decision<UnlockDecision> {
    if let ActionRequester::User(requester) = &action.requested_by {
        let (user, channel) = (requester.qualified_user(), requester.qualified_channel());
        if let Err(rejection) = policy::authorize_target(ctx.config, &user, &channel, target) {
            return Ok(UnlockDecision::Denied(rejection));
        }
    }
    let Some((_, record)) = holder.filter(|(lock, _)| lock.is_held(ctx.now)) else {
        return Ok(UnlockDecision::NotHeld);
    };
    let Some((cause, since)) = unlock_cause(record, ctx.now) else {
        return Ok(UnlockDecision::InProgress);
    };
    if !confirms(action, since) {
        return Ok(UnlockDecision::NeedsConfirm(cause));
    }
    let by = action.requested_by.acted_by();
    let change = AuditChange::Unlocked {
        by: Some(by.clone()),
    };
    let mut commit = commit_change_by(by.into(), record, change, record.due_at, ctx)?;
    // An UNRESOLVED or LOST_TRACK deploy names no target any more; the lock names the deploy.
    let target = target.clone();
    commit.lock = Some(LockChange::Free { target });
    Ok(UnlockDecision::Write(cause, Box::new(commit)))
}

/// Whether a person has confirmed what is so since that moment, whenever the message arrives. (Slack's
/// timestamps are whole seconds.)
fn confirms(action: &ActionMessage, since: Time) -> bool {
    matches!(action.action, DeployAction::Unlock { confirm: true, .. })
        && action.requested_at.timestamp() >= since.timestamp()
}

#[cfg(test)]
mod tests;
