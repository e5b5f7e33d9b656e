//! From the pipeline to its end: what a poll of a run means.
//!
//! Nothing is final while the pipeline is not `created` or an automatic rerun is coming; then the
//! latest run of each workflow name decides. A rerun that a person starts later changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::audit::AuditChange;
use crate::deploy::{DeployRecord, DeployState, EndReason};
use crate::ports::{CiWorkflow, Commit, PipelineState, PollResult, WorkflowStatus};

use super::{
    Context, Decision, commit_change, commit_timer, elapsed, end_deploy, poll_again_in, poll_pause,
};

/// What to write after a poll; `None` if the deploy is no longer followed.
pub fn after_poll(
    record: &DeployRecord,
    poll: &PollResult,
    ctx: Context<'_>,
) -> Decision<Option<Commit>> {
    let Some(run) = record.run.as_ref().filter(|_| is_followed(record)) else {
        return Ok(None);
    };
    // The event contains the revision, so the record is updated first.
    let mut record = record.clone();
    if let Some(run) = &mut record.run {
        if poll.revision.is_some() {
            run.revision.clone_from(&poll.revision);
        }
        if poll.state == PipelineState::Created {
            run.created_at.get_or_insert(ctx.now);
        }
    }
    let record = &record;
    let timeouts = &ctx.config.timeouts;
    let commit = if poll.state == PipelineState::Errored {
        let messages = poll.errors.clone();
        end_deploy(
            record,
            DeployState::CiError,
            EndReason::ConfigErrors { messages },
            ctx,
        )?
    } else if record.state == DeployState::Triggered && !poll.workflows.is_empty() {
        let names: BTreeSet<&str> = poll.workflows.iter().map(|w| w.name.as_str()).collect();
        let workflows = names.into_iter().map(str::to_owned).collect();
        // Due at once: the same poll may also show the end.
        commit_change(
            record,
            AuditChange::Started { workflows },
            Some(ctx.now),
            ctx,
        )?
    } else if record.state == DeployState::Triggered
        && poll.state == PipelineState::Created
        && poll.workflows.is_empty()
        && run
            .created_at
            .is_some_and(|created| ctx.now >= created + timeouts.workflow_start_timeout)
    {
        end_deploy(record, DeployState::NothingRan, EndReason::NoWorkflow, ctx)?
    } else if let Some(workflows) = held_workflows(poll).filter(|_| is_first_hold(record)) {
        // Due at once, for the same reason.
        commit_change(record, AuditChange::Held { workflows }, Some(ctx.now), ctx)?
    } else if let Some((state, decided_by)) =
        final_outcome(poll).filter(|_| record.state == DeployState::Running)
    {
        end_deploy(record, state, EndReason::Workflows { decided_by }, ctx)?
    } else {
        poll_later(record, None, ctx)?
    };
    Ok(Some(commit))
}

/// What to write after a failed poll.
pub fn after_failed_poll(
    record: &DeployRecord,
    after: Option<Duration>,
    ctx: Context<'_>,
) -> Decision<Option<Commit>> {
    if !is_followed(record) {
        return Ok(None);
    }
    poll_later(record, after, ctx).map(Some)
}

/// What to write to poll now, whatever the timer says; `None` if the deploy is not followed.
#[must_use]
pub fn poll_now(record: &DeployRecord, ctx: Context<'_>) -> Option<Commit> {
    is_followed(record).then(|| {
        let mut record = record.clone();
        record.version += 1;
        record.due_at = Some(ctx.now);
        commit_timer(record)
    })
}

fn is_first_hold(record: &DeployRecord) -> bool {
    record.state == DeployState::Running && !record.on_hold
}

/// The workflows that wait for an approval, if there are any.
fn held_workflows(poll: &PollResult) -> Option<Vec<String>> {
    let names: BTreeSet<&str> = poll
        .workflows
        .iter()
        .filter(|workflow| workflow.status == WorkflowStatus::OnHold)
        .map(|workflow| workflow.name.as_str())
        .collect();
    (!names.is_empty()).then(|| names.into_iter().map(str::to_owned).collect())
}

fn is_followed(record: &DeployRecord) -> bool {
    matches!(record.state, DeployState::Triggered | DeployState::Running)
}

fn poll_later(
    record: &DeployRecord,
    after: Option<Duration>,
    ctx: Context<'_>,
) -> Decision<Commit> {
    let timeouts = &ctx.config.timeouts;
    let since = record.run.as_ref().map_or(ctx.now, |run| run.triggered_at);
    let left = timeouts
        .follow_timeout
        .saturating_sub(elapsed(since, ctx.now));
    if left.is_zero() {
        return end_deploy(
            record,
            DeployState::LostTrack,
            EndReason::FollowTimeout,
            ctx,
        );
    }
    let usual = poll_pause(
        timeouts.poll_interval_min,
        timeouts.poll_interval_max,
        record.poll_count,
    );
    // However long CircleCI asks to wait, the pause ends at `follow_timeout`.
    let wait = after.map_or(usual, |asked| asked.max(usual)).min(left);
    Ok(poll_again_in(record, wait, ctx))
}

/// The end, with the workflows that decided it; `None` while the run is in progress.
fn final_outcome(poll: &PollResult) -> Option<(DeployState, Vec<(String, String)>)> {
    use WorkflowStatus::{Canceled, Error, Failed, NotRun, Success, Unauthorized};
    let mut latest: BTreeMap<&str, &CiWorkflow> = BTreeMap::new();
    for workflow in &poll.workflows {
        let newer = latest
            .get(workflow.name.as_str())
            .is_none_or(|known| workflow.created_at >= known.created_at);
        if newer {
            latest.insert(&workflow.name, workflow);
        }
    }
    let open = |w: &&CiWorkflow| !w.status.is_final() || w.rerun_coming;
    if poll.state != PipelineState::Created || latest.is_empty() || latest.values().any(open) {
        return None;
    }
    let ends: [(DeployState, &[WorkflowStatus]); 4] = [
        (DeployState::Failed, &[Failed, Error, Unauthorized]),
        (DeployState::Canceled, &[Canceled]),
        (DeployState::Succeeded, &[Success]),
        (DeployState::NothingRan, &[NotRun]),
    ];
    ends.into_iter().find_map(|(state, deciding)| {
        let decided_by: Vec<_> = latest
            .values()
            .filter(|w| deciding.contains(&w.status))
            .map(|w| (w.name.clone(), w.status.as_str().to_owned()))
            .collect();
        (!decided_by.is_empty()).then_some((state, decided_by))
    })
}
