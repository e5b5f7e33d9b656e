//! A retry: whether a deploy can be retried, by whom, and the one transaction that makes the new deploy, takes
//! its lock and begins its trigger.
//!
//! Who may not, or cannot now, changes nothing of the old deploy.

use serde::{Deserialize, Serialize};

use super::request::{first_commit, new_notification};
use super::{Context, Decision, begin_trigger, has_card};
use crate::Time;
use crate::audit::{AuditActor, AuditChange};
use crate::command::{DeployAction, StatusFilter};
use crate::config::{Config, ProjectConfig};
use crate::deploy::machine;
use crate::deploy::{DeployRecord, DeployRequest, DeployState, RetryOrigin};
use crate::id::{DeployId, DeployRef, ShortId};
use crate::message::{ActionMessage, ActionRequester, Requester};
use crate::name::ProjectName;
use crate::policy::{self, AllowedJob};
use crate::ports::{
    ActionOutcome, ActionRecord, Commit, DeployFilter, LedgerPosition, RetriedDeploy,
};
use crate::rejection::Rejection;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RetryDecision {
    /// It can.
    Yes,
    /// It has not ended.
    InProgress,
    /// It reached CircleCI and ended there, or it was canceled.
    HasRun,
    /// The one who acts may not run it, another deploy has its target, or the request has expired.
    NotAllowed {
        /// The rule.
        rejection: Rejection,
    },
    /// Whether it was started is unknown, or whether one before it in the chain was: a person has to check
    /// and `confirm`.
    NeedsConfirm,
    /// A newer deploy of the same target has succeeded: a person has to `confirm`.
    Superseded(NewerSuccess),
    /// It ended too long ago.
    TooOld,
    /// It was already retried.
    Retried,
    /// Somebody took it out of the list of what waits for a retry, so its ticket does nothing.
    Dismissed,
}

/// A newer deploy of the same target, which has succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewerSuccess {
    /// The deploy.
    pub short_id: ShortId,
    /// Its request.
    pub request: DeployRequest,
}

impl<'a> RetryCause<'a> {
    fn action(self) -> Option<&'a ActionMessage> {
        match self {
            RetryCause::Ticket => None,
            RetryCause::Action(action) => Some(action),
        }
    }

    /// The id of the deploy that retries `old`.
    #[must_use]
    pub fn retry_of(self, old: DeployId) -> DeployId {
        DeployId::of_retry(old, self.action().map(|action| action.id))
    }

    /// The actor.
    fn by(self, ctx: Context<'_>) -> AuditActor {
        match self {
            RetryCause::Ticket => ctx.worker(),
            RetryCause::Action(action) => action.requested_by.acted_by().into(),
        }
    }

    /// What the new deploy is asked for: the request of `old`, by the person whom the retry is for. `first`
    /// is the request of the first deploy of the chain.
    fn request(self, old: &DeployRecord, first: &DeployRequest, now: Time) -> DeployRequest {
        let requester = self.action().and_then(|action| match &action.requested_by {
            ActionRequester::User(requester) => Some(requester),
            ActionRequester::Operator { .. } => None,
        });
        DeployRequest {
            requested_at: self.action().map_or(now, |action| action.requested_at),
            refused: None,
            press: None,
            ..match requester {
                Some(requester) => request_from(requester, old),
                None => first_request(first, old),
            }
        }
    }

    /// Whether the one who acts may have this request carried out.
    fn authorize<'c>(
        self,
        request: &DeployRequest,
        ctx: Context<'c>,
    ) -> Result<AllowedJob<'c>, Rejection> {
        let operator = self
            .action()
            .is_some_and(|action| action.requested_by.is_operator());
        let allowed = if operator {
            policy::authorize_operator(ctx.config, request)?
        } else {
            policy::authorize_deploy(ctx.config, request)?
        };
        if ctx.now >= request.requested_at + ctx.config.timeouts.request_ttl {
            let requested_at = request.requested_at;
            return Err(Rejection::Expired { requested_at });
        }
        Ok(allowed)
    }
}

/// Decides whether `old`, the last deploy of its chain, can be retried, where `first` is the request of the
/// first one. Two answers are missing: whether its target is free, which the transaction finds out, and
/// whether a newer deploy has succeeded, which [`check_newer_success`] decides.
#[must_use]
pub fn decide_retry(
    old: &DeployRecord,
    first: &DeployRequest,
    cause: RetryCause<'_>,
    ctx: Context<'_>,
) -> RetryDecision {
    let Some(end) = &old.end else {
        return RetryDecision::InProgress;
    };
    let action = cause.action();
    let can = match old.state {
        DeployState::TriggerFailed => true,
        // Only a failed trigger leaves a ticket.
        DeployState::Rejected | DeployState::Unresolved => action.is_some(),
        _ => false,
    };
    if !can {
        return RetryDecision::HasRun;
    }
    if old.retried_by.is_some() {
        return RetryDecision::Retried;
    }
    if action.is_none() && old.dismissed_by.is_some() {
        return RetryDecision::Dismissed;
    }
    if ctx.now > end.at + ctx.config.timeouts.retry_window && !action.is_some_and(forces) {
        return RetryDecision::TooOld;
    }
    let request = cause.request(old, first, ctx.now);
    if let Err(rejection) = cause.authorize(&request, ctx) {
        return RetryDecision::NotAllowed { rejection };
    }
    if needs_confirm(old, cause) {
        RetryDecision::NeedsConfirm
    } else {
        RetryDecision::Yes
    }
}

/// Whether nobody has confirmed that a retry of `old` cannot be a second run.
#[must_use]
pub fn needs_confirm(old: &DeployRecord, cause: RetryCause<'_>) -> bool {
    let is_doubtful = old.state == DeployState::Unresolved || old.unresolved_before.is_some();
    is_doubtful && !cause.action().is_some_and(|action| confirms(action, old))
}

/// Whether the retry ticket of a deploy can never be carried out any more. A retry that has begun takes its
/// place: one that is not triggered leaves a ticket of its own.
#[must_use]
pub fn is_ticket_obsolete(record: &DeployRecord, now: Time, config: &Config) -> bool {
    let ended_at = record.end.as_ref().map(|end| end.at);
    let is_old = ended_at.is_some_and(|at| now > at + config.timeouts.retry_window);
    let waits = record.state == DeployState::TriggerFailed
        && record.retried_by.is_none()
        && record.dismissed_by.is_none();
    is_old || !waits
}

/// Decides whether `old` can be retried although `newest` is the newest success of its target.
#[must_use]
pub fn check_newer_success(
    old: &DeployRecord,
    newest: Option<&DeployRecord>,
    cause: RetryCause<'_>,
) -> RetryDecision {
    match newest.filter(|newest| LedgerPosition::of(newest) > LedgerPosition::of(old)) {
        Some(newest) if !cause.action().is_some_and(|action| confirms(action, old)) => {
            RetryDecision::Superseded(NewerSuccess {
                short_id: newest.short_id.clone(),
                request: newest.request.clone(),
            })
        }
        _ => RetryDecision::Yes,
    }
}

/// The lists whose first deploy may be the newest success of the target of `record`: one for each name of
/// its project.
#[must_use]
pub fn newest_success_filters(record: &DeployRecord, ctx: Context<'_>) -> Vec<DeployFilter> {
    let request = &record.request;
    let (Some(project), Some(environment)) = (&request.project, &request.environment) else {
        return vec![];
    };
    let slug = ctx.config.project(project).map(|(_, known)| &known.slug);
    let same =
        |(_, other): &(&ProjectName, &ProjectConfig)| slug.is_some_and(|slug| *slug == other.slug);
    let names = ctx.config.projects.iter().filter(same);
    let filter = |(name, _): (&ProjectName, _)| DeployFilter {
        project: Some(name.clone()),
        environment: Some(environment.clone()),
        status: Some(StatusFilter::State(DeployState::Succeeded)),
        since: Some(request.requested_at),
        ..DeployFilter::default()
    };
    names.map(filter).collect()
}

/// Whether a person has confirmed for this deploy, or for the one before it whose start is unknown. The
/// action has to be requested after the end, whenever its message arrives. (Slack's timestamps are whole
/// seconds.)
fn confirms(action: &ActionMessage, old: &DeployRecord) -> bool {
    let ended = old.end.as_ref().map(|end| end.at.timestamp());
    if ended.is_none_or(|ended| action.requested_at.timestamp() < ended) {
        return false;
    }
    let DeployAction::Retry {
        confirm: true,
        deploy,
        ..
    } = &action.action
    else {
        return false;
    };
    let is = |id: DeployId| match deploy {
        DeployRef::Short(short) => *short == id.short_id(short.as_str().len()),
        DeployRef::Full(named) => *named == id,
    };
    is(old.id) || (old.state != DeployState::Unresolved && old.unresolved_before.is_some_and(is))
}

/// Whether it forces the retry, which only an operator can, whatever a message says.
fn forces(action: &ActionMessage) -> bool {
    matches!(action.action, DeployAction::Retry { force: true, .. })
        && action.requested_by.is_operator()
}

/// The transaction of a retry that [`decide_retry`] allows: the new deploy, its lock and the intent to send
/// its POST; that `old` is retried; and what became of the action. A rejection if the policy does not allow
/// it after all.
pub fn begin_retry(
    old: &DeployRecord,
    first: &DeployRequest,
    cause: RetryCause<'_>,
    short_digits: usize,
    ctx: Context<'_>,
) -> Decision<Result<Commit, Rejection>> {
    let request = cause.request(old, first, ctx.now);
    let allowed = match cause.authorize(&request, ctx) {
        Ok(allowed) => allowed,
        Err(rejection) => return Ok(Err(rejection)),
    };
    let (id, by) = (cause.retry_of(old.id), cause.by(ctx));
    let requester = cause
        .action()
        .and_then(|action| match &action.requested_by {
            ActionRequester::User(requester) => Some(requester),
            ActionRequester::Operator { .. } => None,
        });
    let notification = new_notification(id, requester, request.requested_at, ctx);
    let action = cause.action().map(|action| ActionRecord {
        id: action.id,
        action: action.action.clone(),
        requested_by: action.requested_by.acted_by(),
        at: ctx.now,
        outcome: ActionOutcome::Retried { deploy: id },
    });
    let opened = first_commit(
        id,
        short_digits,
        request,
        Some(RetryOrigin {
            of: old.id,
            root: old.chain_root(),
            request: cause.action().map(|action| action.id),
            unresolved_before: match old.state {
                DeployState::Unresolved => Some(old.id),
                _ => old.unresolved_before,
            },
            action: action.as_ref().map(ActionRecord::digest),
        }),
        by.clone(),
        notification,
        ctx,
    );
    let record = opened.record;
    let mut commit = begin_trigger(&record, &allowed, ctx)?;
    // Both events are of its first version.
    commit.record.version = record.version;
    commit.events.splice(0..0, opened.events);
    commit.open_notifications = opened.open_notifications;
    let (mut record, event) =
        machine::apply_change(old, AuditChange::Retried { by: id }, by, ctx.now)?;
    // A ticket that was not written yet is obsolete.
    record.due_at = None;
    commit.retried = Some(Box::new(RetriedDeploy {
        redraw: has_card(&record, ctx).then_some(ctx.now),
        record,
        event,
    }));
    commit.action = action;
    Ok(Ok(commit))
}

/// The request of `old`, made by this person in their conversation.
pub(super) fn request_from(requester: &Requester, old: &DeployRecord) -> DeployRequest {
    DeployRequest {
        team: requester.team.clone(),
        channel: requester.channel.clone(),
        user: requester.user.clone(),
        user_name: requester.user_name.clone(),
        unsigned: requester.unsigned,
        ..old.request.clone()
    }
}

/// The request of `old`, made by the first requester of the chain.
fn first_request(first: &DeployRequest, old: &DeployRecord) -> DeployRequest {
    DeployRequest {
        project: old.request.project.clone(),
        git_ref: old.request.git_ref.clone(),
        job: old.request.job.clone(),
        parameters: old.request.parameters.clone(),
        environment: old.request.environment.clone(),
        ..first.clone()
    }
}
