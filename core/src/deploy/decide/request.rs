//! The first transaction of a deploy, for a command or for a retry.

use super::{Context, Decision, commit_timer};
use crate::Time;
use crate::audit::{AuditActor, AuditChange};
use crate::command::DeployAction;
use crate::deploy::machine;
use crate::deploy::{DeployRecord, DeployRequest, DeployState};
use crate::id::{DeployId, DeployRef, ShortId};
use crate::message::{ActionMessage, ActionRequester, DeployMessage, Requester};
use crate::notification::NotificationRecord;
use crate::ports::{Commit, RetriedDeploy};

/// The first transaction of a command: REQUESTED, with its notification record.
#[must_use]
pub fn open_deploy(message: &DeployMessage, short_digits: usize, ctx: Context<'_>) -> Commit {
    let request = message.deploy_request(ctx.config);
    let by = AuditActor::User(request.qualified_user());
    let notification = new_notification(
        message.id,
        Some(&message.requester),
        message.requested_at,
        ctx,
    );
    first_commit(
        message.id,
        short_digits,
        request,
        None,
        by,
        notification,
        ctx,
    )
}

/// The cause of a retry.
#[derive(Debug, Clone, Copy)]
pub enum RetryCause<'a> {
    /// A retry ticket from the dead-letter queue. Who sent it back is unknown, so the retry is for
    /// the first requester.
    Ticket,
    /// A person's action; the retry is for that person.
    Action(&'a ActionMessage),
}

/// Whether a deploy can be retried, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryDecision {
    /// It can.
    Yes,
    /// It has not ended.
    InProgress,
    /// It reached CircleCI and ended there, or it was canceled.
    HasRun,
    /// Whether it was started is unknown: a person has to check and `confirm`.
    NeedsConfirm,
    /// It ended too long ago.
    TooOld,
    /// It was already retried.
    Retried,
}

impl RetryCause<'_> {
    /// The actor.
    fn by(self, ctx: Context<'_>) -> AuditActor {
        match self {
            RetryCause::Ticket => ctx.worker(),
            RetryCause::Action(action) => action.requested_by.acted_by().into(),
        }
    }
}

/// Decides whether `old` can be retried.
#[must_use]
pub fn decide_retry(old: &DeployRecord, cause: RetryCause<'_>, ctx: Context<'_>) -> RetryDecision {
    let Some(end) = &old.end else {
        return RetryDecision::InProgress;
    };
    let action = match cause {
        RetryCause::Ticket => None,
        RetryCause::Action(action) => Some(action),
    };
    let can = match old.state {
        DeployState::TriggerFailed => true,
        // Only a failed trigger leaves a ticket.
        DeployState::Rejected | DeployState::Unresolved => action.is_some(),
        _ => false,
    };
    if !can {
        RetryDecision::HasRun
    } else if old.retried_by.is_some() {
        RetryDecision::Retried
    } else if ctx.now > end.at + ctx.config.timeouts.retry_window && !action.is_some_and(forces) {
        RetryDecision::TooOld
    } else if old.state == DeployState::Unresolved
        && !action.is_some_and(|action| confirms(action, old))
    {
        RetryDecision::NeedsConfirm
    } else {
        RetryDecision::Yes
    }
}

/// Whether a person has confirmed for this deploy. The action has to name this deploy, not an earlier
/// one of its chain, and it has to be requested after the end, whenever its message arrives. (Slack's
/// timestamps are whole seconds.)
fn confirms(action: &ActionMessage, old: &DeployRecord) -> bool {
    let ended = old.end.as_ref().map(|end| end.at.timestamp());
    if ended.is_none_or(|ended| action.requested_at.timestamp() < ended) {
        return false;
    }
    match &action.action {
        DeployAction::Retry {
            confirm: true,
            deploy,
            ..
        } => match deploy {
            DeployRef::Short(short) => *short == old.short_id,
            DeployRef::Full(id) => *id == old.id,
        },
        _ => false,
    }
}

/// Whether it forces the retry, which only an operator can, whatever a message says.
fn forces(action: &ActionMessage) -> bool {
    matches!(action.action, DeployAction::Retry { force: true, .. })
        && matches!(action.requested_by, ActionRequester::Operator { .. })
}

/// The first transaction of the retry of `old`: the request of `old`, by the person whom the cause is
/// for. `first` is the request of the first deploy of the chain.
pub fn open_retry(
    old: &DeployRecord,
    first: &DeployRequest,
    cause: RetryCause<'_>,
    short_digits: usize,
    ctx: Context<'_>,
) -> Decision<Commit> {
    let id = DeployId::of_retry(old.id);
    let (action, requester) = match cause {
        RetryCause::Ticket => (None, None),
        RetryCause::Action(action) => match &action.requested_by {
            ActionRequester::User(requester) => (Some(action), Some(requester)),
            ActionRequester::Operator { .. } => (Some(action), None),
        },
    };
    let request = DeployRequest {
        requested_at: action.map_or(ctx.now, |action| action.requested_at),
        ..match requester {
            Some(requester) => request_from(requester, old),
            None => first_request(first, old),
        }
    };
    let notification = new_notification(id, requester, request.requested_at, ctx);
    let by = cause.by(ctx);
    let mut commit = first_commit(
        id,
        short_digits,
        request,
        Some(old.id),
        by.clone(),
        notification,
        ctx,
    );
    commit.record.retry_request = action.map(|action| action.id);
    if let AuditActor::Operator(name) = &by {
        commit.record.operator = Some(name.clone());
    }
    let (mut record, event) =
        machine::apply_change(old, AuditChange::Retried { by: id }, by, ctx.now)?;
    // A ticket that was not written yet is obsolete.
    record.due_at = None;
    commit.retried = Some(Box::new(RetriedDeploy { record, event }));
    Ok(commit)
}

/// The request of `old`, made by this person in their conversation.
pub(super) fn request_from(requester: &Requester, old: &DeployRecord) -> DeployRequest {
    DeployRequest {
        team: requester.team.clone(),
        channel: requester.channel.clone(),
        user: requester.user.clone(),
        user_name: requester.user_name.clone(),
        ..old.request.clone()
    }
}

/// The request of `old`, made by the first requester of the chain.
fn first_request(first: &DeployRequest, old: &DeployRecord) -> DeployRequest {
    DeployRequest {
        project: old.request.project.clone(),
        branch: old.request.branch.clone(),
        job: old.request.job.clone(),
        ..first.clone()
    }
}

/// The notification record. Without a response URL, the answer is in the ledger alone.
fn new_notification(
    id: DeployId,
    requester: Option<&Requester>,
    requested_at: Time,
    ctx: Context<'_>,
) -> NotificationRecord {
    let response_url = requester.and_then(|requester| requester.response_url.clone());
    NotificationRecord::open(
        id,
        response_url,
        requested_at + ctx.config.timeouts.response_url_ttl,
    )
}

fn first_commit(
    id: DeployId,
    short_digits: usize,
    request: DeployRequest,
    retry_of: Option<DeployId>,
    by: AuditActor,
    notification: NotificationRecord,
    ctx: Context<'_>,
) -> Commit {
    let id: (DeployId, ShortId) = (id, id.short_id(short_digits));
    let valid_until = request.requested_at + ctx.config.timeouts.request_ttl;
    let (record, event) = machine::begin_deploy(id, request, retry_of, valid_until, by, ctx.now);
    Commit {
        event: Some(event),
        open_notifications: Some(notification),
        ..commit_timer(record)
    }
}
