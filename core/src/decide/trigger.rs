//! Between the intent and the proof: what the POST's answer, or its loss, means.
//!
//! The rule under all of this: a deploy POSTs again only after a definite "nothing was created";
//! in doubt it looks, and never sends.

use std::time::Duration;

use crate::audit::AuditChange;
use crate::deploy::{CiPipeline, DeployRecord, DeployState, EndReason, MatchedBy};
use crate::machine::IllegalTransition;
use crate::ports::{Commit, LookupRequest, LookupResult, TriggerOutcome};

use super::{
    Context, commit_change, elapsed, end_deploy, given_up_reason, poll_again_in, poll_pause,
};

/// What to write after the POST of this run's attempt; `None` if there is nothing left to say.
///
/// `head` is read afresh, since others may have moved on in the meantime; `attempt` is the one the
/// POST was for.
pub fn after_post(
    head: &DeployRecord,
    attempt: u32,
    outcome: &TriggerOutcome,
    here: Context<'_>,
) -> Result<Option<Commit>, IllegalTransition> {
    let still_mine = head.state == DeployState::Triggering
        && head.attempts == attempt
        && head
            .trigger_intent
            .as_ref()
            .is_some_and(|armed| armed.by == *here.invocation);
    if !still_mine {
        return after_late_response(head, outcome, here);
    }
    let times = &here.config.timeouts;
    let commit = match outcome {
        TriggerOutcome::Created(pipeline) => {
            record_triggered(head, pipeline, MatchedBy::Response, here)?
        }
        TriggerOutcome::NotNow {
            error: obstacle,
            retry_after: after,
        } => {
            let usual = poll_pause(times.retry_backoff, times.poll_interval_max, attempt - 1);
            // "Wait for 0 seconds" is no licence to hammer.
            let wait = after.map_or(usual, |asked| asked.max(times.retry_backoff));
            if head.cancel.is_some() {
                // Nothing was created and nobody wants it any more: it is not tried again.
                roll_back_trigger(head, obstacle, false, here.now, here)?
            } else if wait >= elapsed(here.now, head.valid_until) {
                end_deploy(
                    head,
                    DeployState::TriggerFailed,
                    given_up_reason(head, obstacle),
                    here,
                )?
            } else {
                roll_back_trigger(head, obstacle, false, here.now + wait, here)?
            }
        }
        TriggerOutcome::Unauthorized { message } if !head.token_refused => {
            roll_back_trigger(head, message, true, here.now, here)?
        }
        TriggerOutcome::Unauthorized { message } => trigger_failed(head, 401, message, here)?,
        TriggerOutcome::Rejected { status, message } => {
            trigger_failed(head, *status, message, here)?
        }
        TriggerOutcome::Unknown { because: doubt } => {
            let look_at =
                here.now + poll_pause(times.poll_interval_min, times.poll_interval_max, 0);
            commit_change(
                head,
                AuditChange::OutcomeUnknown {
                    because: doubt.clone(),
                },
                Some(look_at),
                here,
            )?
        }
    };
    Ok(Some(commit))
}

/// Another run has concluded without this answer. A pipeline it does not know is worth a note; the
/// rest agrees with whatever was concluded.
fn after_late_response(
    head: &DeployRecord,
    outcome: &TriggerOutcome,
    here: Context<'_>,
) -> Result<Option<Commit>, IllegalTransition> {
    let TriggerOutcome::Created(pipeline) = outcome else {
        return Ok(None);
    };
    if head
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
    commit_change(head, AuditChange::Noted { note }, head.due_at, here).map(Some)
}

fn record_triggered(
    head: &DeployRecord,
    pipeline: &CiPipeline,
    proof: MatchedBy,
    here: Context<'_>,
) -> Result<Commit, IllegalTransition> {
    let due = here.now + here.config.timeouts.poll_interval_min;
    commit_change(
        head,
        AuditChange::Triggered {
            pipeline: pipeline.clone(),
            matched_by: proof,
        },
        Some(due),
        here,
    )
}

pub(super) fn roll_back_trigger(
    head: &DeployRecord,
    obstacle: &str,
    token_refused: bool,
    again_at: crate::Time,
    here: Context<'_>,
) -> Result<Commit, IllegalTransition> {
    let change = AuditChange::TriggerRolledBack {
        error: obstacle.to_owned(),
        token_refused,
        again_at,
    };
    commit_change(head, change, Some(again_at), here)
}

fn trigger_failed(
    head: &DeployRecord,
    status: u16,
    message: &str,
    here: Context<'_>,
) -> Result<Commit, IllegalTransition> {
    let reason = EndReason::TriggerRefused {
        status,
        message: message.to_owned(),
    };
    end_deploy(head, DeployState::TriggerFailed, reason, here)
}

/// What to look for when a POST's outcome is unknown.
pub(super) fn lookup_request(head: &DeployRecord) -> Option<LookupRequest> {
    let armed = head.trigger_intent.as_ref()?;
    Some(LookupRequest {
        call: armed.call.clone(),
        slug: armed.slug.clone(),
        branch: head.request.branch.clone(),
        since: armed.at,
        deploy_id: armed
            .deploy_id_parameter
            .clone()
            .map(|name| (name, head.id.to_string())),
    })
}

/// What to write after a search that was read to its end.
///
/// An empty listing is believed only after the horizon: CircleCI may show a new pipeline late.
pub fn after_lookup(
    head: &DeployRecord,
    finding: &LookupResult,
    here: Context<'_>,
) -> Result<Option<Commit>, IllegalTransition> {
    let Some(armed) = open_intent(head) else {
        return Ok(None);
    };
    let times = &here.config.timeouts;
    match finding {
        LookupResult::Found(pipeline) => {
            record_triggered(head, pipeline, MatchedBy::DeployId, here).map(Some)
        }
        LookupResult::Absent { candidates } if here.now >= armed.send_by + times.lookup_timeout => {
            unresolved(head, candidates.clone(), here).map(Some)
        }
        LookupResult::Absent { .. } => Ok(Some(look_up_later(head, None, here))),
    }
}

/// What to write after a search that could not be finished: it proves nothing.
pub fn after_failed_lookup(
    head: &DeployRecord,
    after: Option<Duration>,
    here: Context<'_>,
) -> Result<Option<Commit>, IllegalTransition> {
    let Some(armed) = open_intent(head) else {
        return Ok(None);
    };
    if here.now >= armed.send_by + here.config.timeouts.lookup_give_up {
        return unresolved(head, vec![], here).map(Some);
    }
    Ok(Some(look_up_later(head, after, here)))
}

fn open_intent(head: &DeployRecord) -> Option<&crate::deploy::TriggerIntent> {
    head.trigger_intent
        .as_ref()
        .filter(|_| head.state == DeployState::Triggering)
}

fn look_up_later(head: &DeployRecord, after: Option<Duration>, here: Context<'_>) -> Commit {
    let times = &here.config.timeouts;
    let usual = poll_pause(
        times.poll_interval_min,
        times.poll_interval_max,
        head.poll_count,
    );
    // However long CircleCI asks to wait, a person hears of it when the search is given up.
    let asked = after.unwrap_or_default().min(times.lookup_give_up);
    poll_again_in(head, usual.max(asked), here)
}

fn unresolved(
    head: &DeployRecord,
    candidates: Vec<CiPipeline>,
    here: Context<'_>,
) -> Result<Commit, IllegalTransition> {
    let doubt = head
        .trigger_intent
        .as_ref()
        .and_then(|armed| armed.unknown_because.clone());
    let reason = EndReason::OutcomeUnknown {
        because: doubt.unwrap_or_else(|| "the sender stopped before it could say".to_owned()),
        candidates,
    };
    end_deploy(head, DeployState::Unresolved, reason, here)
}
