//! From the intent to the pipeline: what the answer to the POST, or its loss, means.
//!
//! The rule: a deploy sends another POST only after a definite "nothing was created". If the outcome
//! is unknown, the worker looks the pipeline up and never sends.

use std::time::Duration;

use crate::audit::AuditChange;
use crate::backoff::Backoff;
use crate::deploy::{CiPipeline, DeployRecord, DeployState, EndReason, MatchedBy, Notice};
use crate::ports::{Commit, LookupRequest, LookupResult, MAX_ASKED_PAUSE, TriggerOutcome};

use super::reads::{after_failure, shorten_pause, take_step};
use super::{Context, Decision, commit_change, elapsed, end_deploy, given_up_reason};

/// What to write after the POST of this invocation's attempt; `None` for nothing.
///
/// `record` was read again after the POST, since other invocations may have changed it; `attempt` is
/// the one of the POST.
pub fn after_post(
    record: &DeployRecord,
    attempt: u32,
    outcome: &TriggerOutcome,
    ctx: Context<'_>,
) -> Decision<Option<Commit>> {
    let still_mine = record.state == DeployState::Triggering
        && record.attempts == attempt
        && record
            .trigger_intent
            .as_ref()
            .is_some_and(|intent| intent.by == *ctx.invocation);
    if !still_mine {
        return after_late_response(record, outcome, ctx);
    }
    let timeouts = &ctx.config.timeouts;
    let commit = match outcome {
        TriggerOutcome::Created(pipeline) => {
            record_triggered(record, pipeline, MatchedBy::Response, ctx)?
        }
        TriggerOutcome::NotNow {
            error,
            retry_after: after,
        } => {
            let backoff = Backoff {
                first: timeouts.retry_backoff,
                growth: 1.5,
                longest: timeouts.poll_interval_max,
            };
            let usual = backoff.pause(attempt.saturating_sub(1));
            // CircleCI may ask for 0 seconds, or for a year.
            let wait = after.map_or(usual, |asked| {
                asked.min(MAX_ASKED_PAUSE).max(timeouts.retry_backoff)
            });
            if record.cancel.is_some() {
                // Nothing was created and it is to be canceled: no further attempt.
                roll_back_trigger(record, error, false, ctx.now, ctx)?
            } else if wait >= elapsed(ctx.now, record.valid_until) {
                end_deploy(
                    record,
                    DeployState::TriggerFailed,
                    given_up_reason(record, error),
                    ctx,
                )?
            } else {
                roll_back_trigger(record, error, false, ctx.now + wait, ctx)?
            }
        }
        TriggerOutcome::Unauthorized { message } if !record.token_refused => {
            roll_back_trigger(record, message, true, ctx.now, ctx)?
        }
        TriggerOutcome::Unauthorized { message } => trigger_failed(record, 401, message, ctx)?,
        TriggerOutcome::Refused { status, message } => {
            trigger_failed(record, *status, message, ctx)?
        }
        TriggerOutcome::Unknown { because } => {
            let poll_at = ctx.now + timeouts.poll_interval_min;
            commit_change(
                record,
                AuditChange::OutcomeUnknown {
                    because: because.clone(),
                },
                Some(poll_at),
                ctx,
            )?
        }
    };
    Ok(Some(commit))
}

/// Another invocation has decided without this answer. An unknown pipeline is noted; every other
/// outcome agrees with the decision.
fn after_late_response(
    record: &DeployRecord,
    outcome: &TriggerOutcome,
    ctx: Context<'_>,
) -> Decision<Option<Commit>> {
    let TriggerOutcome::Created(pipeline) = outcome else {
        return Ok(None);
    };
    if record
        .run
        .as_ref()
        .is_some_and(|run| run.pipeline.id == pipeline.id)
    {
        return Ok(None);
    }
    let note = format!(
        "CircleCI answered late: pipeline {} at {}",
        pipeline.id, pipeline.url
    );
    commit_change(record, AuditChange::Noted { note }, record.due_at, ctx).map(Some)
}

fn record_triggered(
    record: &DeployRecord,
    pipeline: &CiPipeline,
    matched_by: MatchedBy,
    ctx: Context<'_>,
) -> Decision<Commit> {
    let due = ctx.now + ctx.config.timeouts.poll_interval_min;
    commit_change(
        record,
        AuditChange::Triggered {
            pipeline: pipeline.clone(),
            matched_by,
        },
        Some(due),
        ctx,
    )
}

pub(super) fn roll_back_trigger(
    record: &DeployRecord,
    error: &str,
    token_refused: bool,
    again_at: crate::Time,
    ctx: Context<'_>,
) -> Decision<Commit> {
    // Between the attempts nothing wakes up to tell it.
    let late = again_at >= record.request.requested_at + ctx.config.timeouts.trouble_after;
    let told = matches!(record.notice, Some(Notice::TriggerDelayed { .. }));
    let change = AuditChange::TriggerRolledBack {
        error: error.to_owned(),
        token_refused,
        again_at,
        told: late && !told && record.cancel.is_none(),
    };
    commit_change(record, change, Some(again_at), ctx)
}

fn trigger_failed(
    record: &DeployRecord,
    status: u16,
    message: &str,
    ctx: Context<'_>,
) -> Decision<Commit> {
    let reason = EndReason::TriggerRefused {
        status,
        message: message.to_owned(),
    };
    end_deploy(record, DeployState::TriggerFailed, reason, ctx)
}

/// What to look up when the outcome of the POST is unknown.
pub(super) fn lookup_request(record: &DeployRecord) -> Option<LookupRequest> {
    let intent = record.trigger_intent.as_ref()?;
    Some(LookupRequest {
        call: intent.call.clone(),
        slug: intent.slug.clone(),
        git_ref: record.request.git_ref.clone(),
        since: intent.at,
        deploy_id: intent
            .deploy_id_parameter
            .clone()
            .map(|name| (name, record.id.to_string())),
    })
}

/// What to write after a completed lookup.
///
/// An empty result counts only once lookups were repeated for `lookup_timeout`: CircleCI may list a new
/// pipeline late.
pub fn after_lookup(
    record: &DeployRecord,
    result: &LookupResult,
    ctx: Context<'_>,
) -> Decision<Option<Commit>> {
    if open_intent(record).is_none() {
        return Ok(None);
    }
    let candidates = match result {
        LookupResult::Found(pipeline) => {
            return record_triggered(record, pipeline, MatchedBy::DeployId, ctx).map(Some);
        }
        LookupResult::Absent { candidates } => candidates,
    };
    let timeout = ctx.config.timeouts.lookup_timeout;
    let mut seen = record.clone();
    seen.reads.failed = None;
    let step = take_step(&mut seen);
    seen.reads.waited = seen.reads.waited.saturating_add(step);
    if seen.reads.waited >= timeout {
        return unresolved(&seen, candidates.clone(), ctx).map(Some);
    }
    let left = timeout.saturating_sub(seen.reads.waited);
    shorten_pause(&mut seen, left);
    seen.version += 1;
    Ok(Some(Commit::of(seen)))
}

/// What to write after a failed lookup, which proves nothing.
pub fn after_failed_lookup(
    record: &DeployRecord,
    error: &str,
    after: Option<Duration>,
    ctx: Context<'_>,
) -> Decision<Option<Commit>> {
    if open_intent(record).is_none() {
        return Ok(None);
    }
    let mut seen = record.clone();
    let failed = after_failure(&mut seen, error, after, ctx);
    if failed.gives_up(ctx.config.timeouts.lookup_give_up) {
        return unresolved(&seen, vec![], ctx).map(Some);
    }
    seen.version += 1;
    Ok(Some(Commit::of(seen)))
}

fn open_intent(record: &DeployRecord) -> Option<&crate::deploy::TriggerIntent> {
    record
        .trigger_intent
        .as_ref()
        .filter(|_| record.state == DeployState::Triggering)
}

fn unresolved(
    record: &DeployRecord,
    candidates: Vec<CiPipeline>,
    ctx: Context<'_>,
) -> Decision<Commit> {
    let because = record
        .trigger_intent
        .as_ref()
        .and_then(|intent| intent.unknown_because.clone());
    let reason = EndReason::OutcomeUnknown {
        because: because.unwrap_or_else(|| "the sender stopped before it could say".to_owned()),
        candidates,
    };
    end_deploy(record, DeployState::Unresolved, reason, ctx)
}
