//! What to do next about a deploy: pure functions from what is known to what is written.
//!
//! The worker reads the record, calls [`next_step`], does that step, and repeats. The functions in
//! [`trigger`] and [`follow`] turn CircleCI's answers into the next [`Commit`]. Nothing here waits,
//! sends or reads a clock.

mod cancel;
mod commit;
mod dismiss;
pub mod follow;
mod hold;
pub mod outcome;
mod plan;
mod progress;
mod reads;
mod request;
mod retry;
pub mod trigger;
mod unlock;

use std::time::Duration;

use serde_json::Value;

use crate::Time;
use crate::audit::{AuditActor, AuditChange};
use crate::config::{self, Config};
use crate::deploy::machine::IllegalTransition;
use crate::deploy::{self, DeployRecord, DeployState, EndReason, Target, TriggerIntent};
use crate::id::InvocationId;
use crate::policy;
use crate::ports::{Commit, LookupRequest, TargetLock, TriggerRequest};
use crate::rejection::{Rejection, TargetHolder};
use crate::request::DeployRequest;

use self::commit::{
    commit_change, commit_change_by, end_deploy, has_card, is_drawn_differently, reject,
};
use self::outcome::RunRule;

pub use self::cancel::{CancelDecision, decide_cancel};
pub use self::commit::ticket_written;
pub use self::dismiss::{DismissDecision, decide_dismiss};
pub use self::plan::{DeployPlan, plan_deploy};
pub use self::reads::{ReadPlan, reserve_read};
pub use self::request::open_deploy;
pub use self::retry::{
    NewerSuccess, RetryCause, RetryDecision, begin_retry, check_newer_success, decide_retry,
    is_ticket_obsolete, needs_confirm, newest_success_filters,
};
pub use self::unlock::{UnlockCause, UnlockDecision, decide_unlock, unlock_cause, unlockable_from};

/// Which invocation decides, when, and under which configuration.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The time.
    pub now: Time,
    /// This invocation of the worker.
    pub invocation: &'a InvocationId,
    /// The attempt whose POST this invocation has sent; 0 for none.
    pub posted_attempt: u32,
    /// When this invocation is cut off, if ever; what it begins has to be finished by then.
    pub deadline: Option<Time>,
    /// The configuration.
    pub config: &'a Config,
}

impl Context<'_> {
    fn worker(&self) -> AuditActor {
        AuditActor::Worker(self.invocation.clone())
    }

    /// Whether a request that is sent now could be answered after the cut-off.
    pub(super) fn is_cut_off_while_sending(&self) -> bool {
        self.deadline
            .is_some_and(|ends| self.now + self.config.timeouts.request_timeout > ends)
    }
}

/// A decision; an error if the state machine does not allow the change.
pub type Decision<T> = Result<T, IllegalTransition>;

/// The one thing to do next.
#[derive(Debug, Clone)]
pub enum NextStep {
    /// Nothing now: it has ended, or its timer has not expired.
    Wait,
    /// Write this, then decide again.
    Write(Box<Commit>),
    /// Send this POST, once, and pass the outcome to [`trigger::after_post`].
    Post(TriggerRequest),
    /// Reserve the read with [`reserve_read`], then read CircleCI.
    Read(CiRead),
    /// Nothing in this invocation, which ends too early for an answer; another continues at once.
    OutOfTime,
    /// Put the retry ticket into the dead-letter queue, then write [`ticket_written`].
    WriteTicket,
}

/// What to read at CircleCI.
#[derive(Debug, Clone)]
pub enum CiRead {
    /// Look the pipeline up and pass the result to [`trigger::after_lookup`].
    LookUp(LookupRequest),
    /// Poll the run and pass the report to [`follow::after_poll`].
    Poll(RunPoll),
}

/// A poll of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPoll {
    /// The project.
    pub slug: config::ProjectSlug,
    /// The pipeline or build.
    pub run: deploy::CiPipeline,
    /// Whether to cancel its open workflows.
    pub cancel: bool,
    /// What decides how it has ended.
    pub rule: RunRule,
    /// The target, if its release history was not read yet.
    pub unread_target: Option<Target>,
    /// Whether the jobs of what runs are read, too, for their progress.
    pub reads_progress: bool,
}

/// Decides the next step.
pub fn next_step(record: &DeployRecord, ctx: Context<'_>) -> Decision<NextStep> {
    // The invocation that stored the intent sends, whatever the timer says.
    if may_send(record, ctx) {
        // It certainly was not sent, so the outcome is known.
        let not_sent = |why| {
            trigger::roll_back_trigger(record, why, false, ctx.now, ctx)
                .map(|commit| NextStep::Write(Box::new(commit)))
        };
        return match trigger_request(record, ctx) {
            _ if record.cancel.is_some() => not_sent("it was canceled before it was sent"),
            Some(request) => Ok(NextStep::Post(request)),
            None => not_sent("there was no time left to send it"),
        };
    }
    if !record.is_due(ctx.now) {
        return Ok(NextStep::Wait);
    }
    match record.state {
        DeployState::Requested => decide_requested(record, ctx),
        DeployState::Triggering => {
            let lookup = trigger::lookup_request(record).map(CiRead::LookUp);
            Ok(lookup.map_or(NextStep::Wait, NextStep::Read))
        }
        _ if record.owes_ticket => Ok(NextStep::WriteTicket),
        _ => Ok(poll_of(record, ctx).map_or(NextStep::Wait, NextStep::Read)),
    }
}

/// The poll of a run that is followed, or that something may still come of.
fn poll_of(record: &DeployRecord, ctx: Context<'_>) -> Option<CiRead> {
    let (intent, run) = (record.trigger_intent.as_ref()?, record.run.as_ref()?);
    let cancel = match &record.watch {
        Some(watch) => watch.cancels,
        None => record.cancel.is_some() && !record.state.is_terminal(),
    };
    Some(CiRead::Poll(RunPoll {
        slug: intent.slug.clone(),
        run: run.pipeline.clone(),
        cancel,
        rule: follow::run_rule(record)?,
        unread_target: record.target().filter(|_| needs_releases(record)),
        reads_progress: progress::is_due(record, ctx),
    }))
}

/// Whether what the target had before is still to be read. After the end it is too late: the deploy itself
/// may be in the history.
fn needs_releases(record: &DeployRecord) -> bool {
    record.before.is_none() && !record.state.is_terminal()
}

/// REQUESTED and due: reject, give up or begin the trigger.
fn decide_requested(record: &DeployRecord, ctx: Context<'_>) -> Decision<NextStep> {
    let commit = if let Some(refused) = &record.request.refused {
        reject(record, refused.as_ref().clone(), ctx)?
    } else if let Some(cancel) = &record.cancel {
        let reason = EndReason::CanceledBeforeTrigger {
            by: cancel.by.clone(),
        };
        end_deploy(record, DeployState::Canceled, reason, ctx)?
    } else if ctx.now >= record.valid_until {
        match &record.last_error {
            Some(last) => end_deploy(
                record,
                DeployState::TriggerFailed,
                given_up_reason(record, last),
                ctx,
            )?,
            None => reject(
                record,
                Rejection::Expired {
                    requested_at: record.request.requested_at,
                },
                ctx,
            )?,
        }
    } else {
        match policy::authorize_record(ctx.config, record) {
            Err(rejection) => reject(record, rejection, ctx)?,
            // The intent would have to be rolled back.
            Ok(_) if ctx.is_cut_off_while_sending() => return Ok(NextStep::OutOfTime),
            Ok(allowed) => begin_trigger(record, &allowed, ctx)?,
        }
    };
    Ok(NextStep::Write(Box::new(commit)))
}

fn given_up_reason(record: &DeployRecord, last: &str) -> EndReason {
    EndReason::TriggerGivenUp {
        attempts: record.attempts,
        last_error: last.to_owned(),
    }
}

fn begin_trigger(
    record: &DeployRecord,
    allowed: &policy::AllowedJob<'_>,
    ctx: Context<'_>,
) -> Decision<Commit> {
    let trigger = &allowed.job.trigger;
    let timeouts = &ctx.config.timeouts;
    // The last moment to send is `send_by - request_timeout`, which is never past `valid_until`.
    let send_by =
        (ctx.now + timeouts.trigger_window).min(record.valid_until + timeouts.request_timeout);
    let change = AuditChange::TriggerBegun {
        attempt: record.attempts + 1,
        intent: TriggerIntent {
            by: ctx.invocation.clone(),
            at: ctx.now,
            send_by,
            unknown_because: None,
            slug: allowed.project.slug.clone(),
            call: trigger.call.clone(),
            deploy_id_parameter: trigger.deploy_id_parameter.clone(),
            workflow: allowed.job.workflow.clone(),
            must_run: allowed.job.must_run.clone(),
        },
        // A deploy keeps the lock of its first attempt, even if the configuration names another
        // target now.
        target: record.locked_target.clone().or_else(|| allowed.target()),
        config: ctx.config.revision.clone(),
    };
    commit_change(record, change, Some(send_by), ctx)
}

/// Whether this invocation stored the intent and has not sent the POST, so that nobody has.
fn may_send(record: &DeployRecord, ctx: Context<'_>) -> bool {
    record.state == DeployState::Triggering
        && ctx.posted_attempt != record.attempts
        && record
            .trigger_intent
            .as_ref()
            .is_some_and(|intent| intent.by == *ctx.invocation && intent.unknown_because.is_none())
}

/// The POST, while there is time for the answer.
fn trigger_request(record: &DeployRecord, ctx: Context<'_>) -> Option<TriggerRequest> {
    let intent = record
        .trigger_intent
        .as_ref()
        .filter(|intent| ctx.now + ctx.config.timeouts.request_timeout <= intent.send_by)
        .filter(|_| !ctx.is_cut_off_while_sending())?;
    // Policy has just allowed exactly this, under this configuration.
    let allowed = policy::authorize_record(ctx.config, record).ok()?;
    let id = record.id.to_string();
    let slug = intent.slug.clone();
    Some(request_to_send(slug, &allowed, &record.request, &id))
}

/// The request to CircleCI for a job, by the job's name in the configuration. A request under another
/// name (for example from before a rename) means the same job.
fn request_to_send(
    slug: config::ProjectSlug,
    allowed: &policy::AllowedJob<'_>,
    request: &DeployRequest,
    id: &str,
) -> TriggerRequest {
    let config::TriggerConfig {
        call,
        config_branch,
        job_parameter,
        deploy_id_parameter,
        parameters,
        settable,
    } = &allowed.job.trigger;
    let mut parameters = parameters.clone();
    for (name, rule) in settable {
        let typed = request.parameters.get(name);
        let value = typed.map_or_else(|| rule.default.clone(), |typed| rule.accept(typed));
        parameters.extend(value.map(|value| (name.clone(), value)));
    }
    let mut set = |name: &Option<String>, value: String| {
        if let Some(name) = name {
            parameters.insert(name.clone(), Value::String(value));
        }
    };
    set(job_parameter, allowed.job_name.to_string());
    set(deploy_id_parameter, id.to_owned());
    TriggerRequest {
        call: call.clone(),
        slug,
        git_ref: request.git_ref.clone(),
        config_branch: config_branch.clone(),
        parameters,
    }
}

/// Rejects a deploy whose target another deploy holds.
pub fn reject_busy(
    record: &DeployRecord,
    lock: &TargetLock,
    holder: &DeployRecord,
    ctx: Context<'_>,
) -> Decision<Commit> {
    let target = policy::authorize_record(ctx.config, record)
        .ok()
        .and_then(|allowed| allowed.target());
    let rejection = match target {
        Some(target) => busy(target, lock, holder, ctx.now),
        None => Rejection::Expired {
            requested_at: record.request.requested_at,
        },
    };
    reject(record, rejection, ctx)
}

/// Another deploy holds the target.
#[must_use]
pub fn busy(target: Target, lock: &TargetLock, holder: &DeployRecord, now: Time) -> Rejection {
    Rejection::Busy {
        target,
        holder: lock.deploy,
        short_id: holder.short_id.clone(),
        user: holder.request.user.clone(),
        held_by: Some(Box::new(TargetHolder {
            requester: holder.request.slack_user(),
            git_ref: holder.request.git_ref.clone(),
            build: holder.run.as_ref().map(|run| run.pipeline.url.clone()),
        })),
        since: lock.since,
        until: lock.until,
        unlockable: unlock_cause(holder, now).is_some(),
    }
}

/// The time from `since` to `until`; zero if it is negative.
fn elapsed(since: Time, until: Time) -> Duration {
    (until - since).to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests;
