//! The first transaction of a deploy: of a command, or of the retry of another deploy.

use super::Context;
use crate::Time;
use crate::audit::{AuditActor, AuditChange};
use crate::command::DeployAction;
use crate::deploy::{DeployRecord, DeployRequest, DeployState};
use crate::id::{DeployId, DeployRef, ShortId};
use crate::machine::{self, IllegalTransition};
use crate::message::{ActionMessage, ActionRequester, DeployMessage, Requester};
use crate::notification::NotificationRecord;
use crate::ports::{Commit, RetriedDeploy};

/// The first transaction of a command: REQUESTED, with the reply item opened.
#[must_use]
pub fn open_deploy(message: &DeployMessage, short_digits: usize, here: Context<'_>) -> Commit {
    let ask = message.deploy_request(here.config);
    let by = AuditActor::User(ask.qualified_user());
    let reply = new_notification(
        message.id,
        Some(&message.requester),
        message.requested_at,
        here,
    );
    first_commit(message.id, short_digits, ask, None, by, reply, here)
}

/// What makes a deploy be tried again.
#[derive(Debug, Clone, Copy)]
pub enum RetryCause<'a> {
    /// An order out of the dead-letter queue. Nobody is known to have sent it back, so it is for
    /// the one who asked first.
    Ticket,
    /// Somebody's wish, for the one who wishes.
    Action(&'a ActionMessage),
}

/// Whether a deploy can be tried again, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryDecision {
    /// It can.
    Yes,
    /// It has not ended.
    InProgress,
    /// It reached CircleCI and ended there, or was canceled: there is nothing to try again.
    HasRun,
    /// Whether it was started is not known: somebody has to look and `confirm`.
    NeedsConfirm,
    /// It ended too long ago.
    TooOld,
    /// Another deploy repeats it already.
    Retried,
}

impl RetryCause<'_> {
    /// Who made it happen.
    fn by(self, here: Context<'_>) -> AuditActor {
        match self {
            RetryCause::Ticket => here.worker(),
            RetryCause::Action(wish) => wish.requested_by.acted_by().into(),
        }
    }
}

/// Decides whether `old` is tried again.
#[must_use]
pub fn decide_retry(old: &DeployRecord, cause: RetryCause<'_>, here: Context<'_>) -> RetryDecision {
    let Some(end) = &old.end else {
        return RetryDecision::InProgress;
    };
    let wish = match cause {
        RetryCause::Ticket => None,
        RetryCause::Action(wish) => Some(wish),
    };
    let can = match old.state {
        DeployState::TriggerFailed => true,
        // Only a trigger that failed leaves an order behind.
        DeployState::Rejected | DeployState::Unresolved => wish.is_some(),
        _ => false,
    };
    if !can {
        RetryDecision::HasRun
    } else if old.retried_by.is_some() {
        RetryDecision::Retried
    } else if here.now > end.at + here.config.timeouts.retry_window && !wish.is_some_and(forces) {
        RetryDecision::TooOld
    } else if old.state == DeployState::Unresolved && !wish.is_some_and(|wish| confirms(wish, old))
    {
        RetryDecision::NeedsConfirm
    } else {
        RetryDecision::Yes
    }
}

/// Whether somebody has looked for this very deploy. Who named an earlier one of its chain has not
/// looked for this one, and who confirmed before it ended has not looked in time, however late the
/// message or a copy of it comes. (Slack's timestamps are whole seconds.)
fn confirms(wish: &ActionMessage, old: &DeployRecord) -> bool {
    let ended = old.end.as_ref().map(|end| end.at.timestamp());
    if ended.is_none_or(|ended| wish.requested_at.timestamp() < ended) {
        return false;
    }
    match &wish.action {
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

/// Only the command line can: whatever else a message says, a person in Slack cannot.
fn forces(wish: &ActionMessage) -> bool {
    matches!(wish.action, DeployAction::Retry { force: true, .. })
        && matches!(wish.requested_by, ActionRequester::Operator { .. })
}

/// The first transaction of the retry of `old`: what `old` asked for, asked by whoever the cause
/// is for. `first` is what the first deploy of the chain asked for.
pub fn open_retry(
    old: &DeployRecord,
    first: &DeployRequest,
    cause: RetryCause<'_>,
    short_digits: usize,
    here: Context<'_>,
) -> Result<Commit, IllegalTransition> {
    let id = DeployId::of_retry(old.id);
    let (wish, requester) = match cause {
        RetryCause::Ticket => (None, None),
        RetryCause::Action(wish) => match &wish.requested_by {
            ActionRequester::User(requester) => (Some(wish), Some(requester)),
            ActionRequester::Operator { .. } => (Some(wish), None),
        },
    };
    let ask = DeployRequest {
        requested_at: wish.map_or(here.now, |wish| wish.requested_at),
        ..match requester {
            Some(requester) => request_from(requester, old),
            None => first_request(first, old),
        }
    };
    let reply = new_notification(id, requester, ask.requested_at, here);
    let by = cause.by(here);
    let mut commit = first_commit(id, short_digits, ask, Some(old.id), by.clone(), reply, here);
    commit.record.retry_request = wish.map(|wish| wish.id);
    if let AuditActor::Operator(name) = &by {
        commit.record.operator = Some(name.clone());
    }
    let (mut head, event) =
        machine::apply_change(old, AuditChange::Retried { by: id }, by, here.now)?;
    // If its order to try again was not placed yet, it is not owed any more.
    head.due_at = None;
    commit.retried = Some(Box::new(RetriedDeploy {
        record: head,
        event,
    }));
    Ok(commit)
}

/// What `old` asked for, if this person asked for it from where they are.
pub(super) fn request_from(requester: &Requester, old: &DeployRecord) -> DeployRequest {
    DeployRequest {
        team: requester.team.clone(),
        channel: requester.channel.clone(),
        user: requester.user.clone(),
        user_name: requester.user_name.clone(),
        ..old.request.clone()
    }
}

/// What `old` asked for, if the first requester of the chain asked for it again.
fn first_request(first: &DeployRequest, old: &DeployRecord) -> DeployRequest {
    DeployRequest {
        project: old.request.project.clone(),
        branch: old.request.branch.clone(),
        job: old.request.job.clone(),
        ..first.clone()
    }
}

/// The reply item. Without an address, the answer is in the ledger alone.
fn new_notification(
    id: DeployId,
    requester: Option<&Requester>,
    asked_at: Time,
    here: Context<'_>,
) -> NotificationRecord {
    let address = requester.and_then(|requester| requester.response_url.clone());
    NotificationRecord::open(
        id,
        address,
        asked_at + here.config.timeouts.response_url_ttl,
    )
}

fn first_commit(
    id: DeployId,
    short_digits: usize,
    ask: DeployRequest,
    retry_of: Option<DeployId>,
    by: AuditActor,
    reply: NotificationRecord,
    here: Context<'_>,
) -> Commit {
    let id: (DeployId, ShortId) = (id, id.short_id(short_digits));
    let valid_until = ask.requested_at + here.config.timeouts.request_ttl;
    let (head, event) = machine::begin_deploy(id, ask, retry_of, valid_until, by, here.now);
    Commit {
        record: head,
        event: Some(event),
        lock: None,
        claim: None,
        notifications: vec![],
        open_notifications: Some(reply),
        retried: None,
    }
}
