//! What to do next about a deploy: pure functions from what is known to what is written.
//!
//! The worker reads the head, asks [`next`], does the one thing it says, and asks again. Whatever
//! the outside world answers comes back through [`trigger`] and [`follow`], which turn it into the
//! next [`Commit`]. Nothing here waits, sends or reads a clock.

mod cancel;
pub mod follow;
mod plan;
mod request;
pub mod trigger;

use std::time::Duration;

use serde_json::Value;

use crate::Time;
use crate::audit::{AuditActor, AuditChange};
use crate::config::{self, Config};
use crate::deploy::{self, DeployRecord, DeployState, EndReason, TriggerIntent};
use crate::id::{InvocationId, PipelineId};
use crate::machine::{self, IllegalTransition};
use crate::name::BranchName;
use crate::notification::NotificationKind;
use crate::policy::{self, Rejection};
use crate::ports::{Commit, LockChange, LookupRequest, TargetLock, TriggerRequest};

pub use self::cancel::{CancelDecision, decide_cancel};
pub use self::plan::{DeployPlan, plan_deploy};
pub use self::request::{RetryCause, RetryDecision, decide_retry, open_deploy, open_retry};

/// Who asks, when, and under which configuration.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The moment.
    pub now: Time,
    /// This run of the worker.
    pub invocation: &'a InvocationId,
    /// The attempt this very run has already sent its POST for; 0 for none.
    pub posted_attempt: u32,
    /// When this run is cut off, if somebody cuts it off: what it begins has to be finished by then.
    pub deadline: Option<Time>,
    /// The configuration.
    pub config: &'a Config,
}

impl Context<'_> {
    fn worker(&self) -> AuditActor {
        AuditActor::Worker(self.invocation.clone())
    }

    /// Whether a request that is sent now could be answered after this run is cut off.
    fn is_cut_off_while_sending(&self) -> bool {
        self.deadline
            .is_some_and(|ends| self.now + self.config.timeouts.request_timeout > ends)
    }
}

/// The one thing to do next.
#[derive(Debug, Clone)]
pub enum NextStep {
    /// Nothing now: it is over, or its timer has not run out.
    Wait,
    /// Write this, then ask again.
    Write(Box<Commit>),
    /// Send this POST, once, and take the outcome to [`trigger::after_post`].
    Post(TriggerRequest),
    /// Look for the proof and take what was found to [`trigger::after_search`].
    LookUp(LookupRequest),
    /// Look at the run and take what was seen to [`follow::after_look`].
    Poll {
        /// The project.
        slug: config::ProjectSlug,
        /// The pipeline or build.
        run: deploy::CiPipeline,
        /// Whether open workflows are to be canceled on the way.
        cancel: bool,
    },
    /// Nothing by this run, which ends before an answer could come; another has to go on at once.
    OutOfTime,
    /// Put the order to try again into the dead-letter queue, then write [`order_placed`].
    WriteTicket,
}

/// Decides the next step.
pub fn next_step(head: &DeployRecord, here: Context<'_>) -> Result<NextStep, IllegalTransition> {
    // The one who armed sends, whatever the timer says: the timer is for the others.
    if may_send(head, here) {
        // It certainly was not sent, so there is nothing to doubt and nothing to search for.
        let not_sent = |why| {
            trigger::roll_back_trigger(head, why, false, here.now, here)
                .map(|commit| NextStep::Write(Box::new(commit)))
        };
        return match trigger_request(head, here) {
            _ if head.cancel.is_some() => not_sent("it was canceled before it was sent"),
            Some(order) => Ok(NextStep::Post(order)),
            None => not_sent("there was no time left to send it"),
        };
    }
    if !head.is_due(here.now) {
        return Ok(NextStep::Wait);
    }
    match head.state {
        DeployState::Requested => decide_requested(head, here),
        DeployState::Triggering => {
            Ok(trigger::lookup_request(head).map_or(NextStep::Wait, NextStep::LookUp))
        }
        DeployState::Triggered | DeployState::Running => {
            Ok(match (&head.trigger_intent, &head.run) {
                (Some(armed), Some(run)) => NextStep::Poll {
                    slug: armed.slug.clone(),
                    run: run.pipeline.clone(),
                    cancel: head.cancel.is_some(),
                },
                _ => NextStep::Wait,
            })
        }
        _ if head.owes_ticket => Ok(NextStep::WriteTicket),
        _ => Ok(NextStep::Wait),
    }
}

/// REQUESTED and due: refuse, give up or arm.
fn decide_requested(head: &DeployRecord, here: Context<'_>) -> Result<NextStep, IllegalTransition> {
    let commit = if let Some(wish) = &head.cancel {
        let reason = EndReason::CanceledBeforeTrigger {
            by: wish.by.clone(),
        };
        end_deploy(head, DeployState::Canceled, reason, here)?
    } else if here.now >= head.valid_until {
        match &head.last_error {
            Some(last) => end_deploy(
                head,
                DeployState::TriggerFailed,
                given_up_reason(head, last),
                here,
            )?,
            None => reject(
                head,
                Rejection::Expired {
                    requested_at: head.request.requested_at,
                },
                here,
            )?,
        }
    } else {
        match policy::authorize_deploy(here.config, &head.request) {
            Err(refusal) => reject(head, refusal, here)?,
            // Whoever armed it now would only have to disarm it, if they still could.
            Ok(_) if here.is_cut_off_while_sending() => return Ok(NextStep::OutOfTime),
            Ok(allowed) => begin_trigger(head, &allowed, here)?,
        }
    };
    Ok(NextStep::Write(Box::new(commit)))
}

fn begin_trigger(
    head: &DeployRecord,
    allowed: &policy::AllowedJob<'_>,
    here: Context<'_>,
) -> Result<Commit, IllegalTransition> {
    let trigger = &allowed.job.trigger;
    let times = &here.config.timeouts;
    // The last moment to send is `send_by - request_timeout`, which is never past `valid_until`.
    let send_by = (here.now + times.trigger_window).min(head.valid_until + times.request_timeout);
    let change = AuditChange::TriggerBegun {
        attempt: head.attempts + 1,
        intent: TriggerIntent {
            by: here.invocation.clone(),
            at: here.now,
            send_by,
            unknown_because: None,
            slug: allowed.project.slug.clone(),
            call: trigger.call.clone(),
            deploy_id_parameter: trigger.deploy_id_parameter.clone(),
        },
        // The lock of an earlier attempt is kept, even if the configuration names another target
        // by now: one deploy has one lock, and frees that one.
        target: head.locked_target.clone().or_else(|| allowed.target()),
        config: here.config.revision.clone(),
    };
    commit_change(head, change, Some(send_by), here)
}

/// Whether this run armed the deploy and has not sent the POST, so that certainly nobody has.
fn may_send(head: &DeployRecord, here: Context<'_>) -> bool {
    head.state == DeployState::Triggering
        && here.posted_attempt != head.attempts
        && head
            .trigger_intent
            .as_ref()
            .is_some_and(|armed| armed.by == *here.invocation && armed.unknown_because.is_none())
}

/// The POST, while there is time to hear the answer.
fn trigger_request(head: &DeployRecord, here: Context<'_>) -> Option<TriggerRequest> {
    let armed = head
        .trigger_intent
        .as_ref()
        .filter(|armed| here.now + here.config.timeouts.request_timeout <= armed.send_by)
        .filter(|_| !here.is_cut_off_while_sending())?;
    // Policy has just allowed exactly this, under this configuration.
    let allowed = policy::authorize_deploy(here.config, &head.request).ok()?;
    let id = head.id.to_string();
    let slug = armed.slug.clone();
    Some(request_to_send(slug, &allowed, &head.request.branch, &id))
}

/// What is sent to CircleCI for a job. The job goes by its name in the configuration: what was
/// asked for under another one (before the job was renamed, say) means that one as well.
fn request_to_send(
    slug: config::ProjectSlug,
    allowed: &policy::AllowedJob<'_>,
    branch: &BranchName,
    id: &str,
) -> TriggerRequest {
    let config::TriggerConfig {
        call,
        job_parameter,
        deploy_id_parameter,
        parameters,
    } = &allowed.job.trigger;
    let mut parameters = parameters.clone();
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
        branch: branch.clone(),
        parameters,
    }
}

/// The refusal of a deploy whose target is another's.
pub fn reject_busy(
    head: &DeployRecord,
    lock: &TargetLock,
    holder: &DeployRecord,
    here: Context<'_>,
) -> Result<Commit, IllegalTransition> {
    let target = policy::authorize_deploy(here.config, &head.request)
        .ok()
        .and_then(|allowed| allowed.target());
    let refusal = match target {
        Some(target) => Rejection::Busy {
            target,
            holder: lock.deploy,
            short_id: holder.short_id.clone(),
            user: holder.request.user.clone(),
            since: lock.since,
            until: lock.until,
        },
        None => Rejection::Expired {
            requested_at: head.request.requested_at,
        },
    };
    reject(head, refusal, here)
}

/// The write after the order lies in the dead-letter queue: nothing is left to do.
#[must_use]
pub fn ticket_written(head: &DeployRecord) -> Commit {
    let mut head = head.clone();
    head.version += 1;
    head.owes_ticket = false;
    head.due_at = None;
    commit_timer(head)
}

fn reject(
    head: &DeployRecord,
    refusal: Rejection,
    here: Context<'_>,
) -> Result<Commit, IllegalTransition> {
    end_deploy(
        head,
        DeployState::Rejected,
        EndReason::Rejected(refusal),
        here,
    )
}

fn end_deploy(
    head: &DeployRecord,
    state: DeployState,
    reason: EndReason,
    here: Context<'_>,
) -> Result<Commit, IllegalTransition> {
    // A failed trigger still owes its order to the dead-letter queue.
    let due = (state == DeployState::TriggerFailed).then_some(here.now);
    commit_change(head, AuditChange::Ended { state, reason }, due, here)
}

fn given_up_reason(head: &DeployRecord, last: &str) -> EndReason {
    EndReason::TriggerGivenUp {
        attempts: head.attempts,
        last_error: last.to_owned(),
    }
}

/// The commit for `change`: lock, claim and what is owed follow from what happened.
fn commit_change(
    head: &DeployRecord,
    change: AuditChange,
    due_at: Option<Time>,
    here: Context<'_>,
) -> Result<Commit, IllegalTransition> {
    commit_change_by(here.worker(), head, change, due_at, here)
}

/// The commit for a `change` that somebody else than the worker made happen.
fn commit_change_by(
    by: AuditActor,
    head: &DeployRecord,
    change: AuditChange,
    due_at: Option<Time>,
    here: Context<'_>,
) -> Result<Commit, IllegalTransition> {
    let (lock, claim, owe) = side_effects(head, &change, here);
    let (mut head, event) = machine::apply_change(head, change, by, here.now)?;
    head.due_at = due_at;
    Ok(Commit {
        record: head,
        event: Some(event),
        lock,
        claim,
        notifications: owe,
        open_notifications: None,
        retried: None,
    })
}

fn side_effects(
    head: &DeployRecord,
    change: &AuditChange,
    here: Context<'_>,
) -> (
    Option<LockChange>,
    Option<PipelineId>,
    Vec<NotificationKind>,
) {
    let target = || head.locked_target.clone();
    match change {
        AuditChange::TriggerBegun { target, .. } => {
            let take = |target| LockChange::Take {
                target,
                now: here.now,
            };
            (target.clone().map(take), None, vec![])
        }
        AuditChange::Triggered { pipeline, .. } => (None, Some(pipeline.id), vec![]),
        AuditChange::Started { .. } => (None, None, vec![NotificationKind::Progress]),
        AuditChange::Held { .. } => (None, None, vec![NotificationKind::Hold]),
        AuditChange::Ended {
            state: DeployState::Unresolved,
            ..
        } => {
            let until = here.now + here.config.timeouts.unresolved_lock_ttl;
            let expire = |target| LockChange::Expire { target, until };
            (target().map(expire), None, vec![NotificationKind::Final])
        }
        AuditChange::Ended { .. } => (
            target().map(|target| LockChange::Free { target }),
            None,
            vec![NotificationKind::Final],
        ),
        _ => (None, None, vec![]),
    }
}

fn commit_timer(head: DeployRecord) -> Commit {
    Commit {
        record: head,
        event: None,
        lock: None,
        claim: None,
        notifications: vec![],
        open_notifications: None,
        retried: None,
    }
}

/// The next version of a head that was looked at in vain: one more look, later.
fn poll_again_in(head: &DeployRecord, wait: Duration, here: Context<'_>) -> Commit {
    let mut head = head.clone();
    head.version += 1;
    head.poll_count = head.poll_count.saturating_add(1);
    head.due_at = Some(here.now + wait);
    commit_timer(head)
}

/// The time from `since` to `until`; nothing if they are the other way round.
fn elapsed(since: Time, until: Time) -> Duration {
    (until - since).to_std().unwrap_or_default()
}

/// The pause after `tries` fruitless ones: `first`, growing by half each time, up to `longest`.
fn poll_pause(first: Duration, longest: Duration, tries: u32) -> Duration {
    let grown = first.as_secs_f64() * 1.5_f64.powi(tries.min(40).cast_signed());
    Duration::from_secs_f64(grown.min(longest.as_secs_f64()))
}

#[cfg(test)]
mod tests;
