//! From the pipeline to its end: what CircleCI's view of a run means.
//!
//! Nothing is final while the pipeline is not `created` or an automatic rerun is coming; then the
//! latest run of each workflow name decides. A rerun somebody starts later changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::audit::AuditChange;
use crate::deploy::{DeployRecord, DeployState, EndReason};
use crate::machine::IllegalTransition;
use crate::ports::{CiWorkflow, Commit, PipelineState, PollResult, WorkflowStatus};

use super::{Context, commit_change, elapsed, end_deploy, poll_again_in, poll_pause};

/// What to write after a look; `None` if the deploy is no longer followed.
pub fn after_poll(
    head: &DeployRecord,
    look: &PollResult,
    here: Context<'_>,
) -> Result<Option<Commit>, IllegalTransition> {
    let Some(run) = head.run.as_ref().filter(|_| is_followed(head)) else {
        return Ok(None);
    };
    // What the poll learned of the run is in the record before the event is sealed.
    let mut head = head.clone();
    if let Some(run) = &mut head.run {
        if look.revision.is_some() {
            run.revision.clone_from(&look.revision);
        }
        if look.state == PipelineState::Created {
            run.created_at.get_or_insert(here.now);
        }
    }
    let head = &head;
    let times = &here.config.timeouts;
    let commit = if look.state == PipelineState::Errored {
        let messages = look.errors.clone();
        end_deploy(
            head,
            DeployState::CiError,
            EndReason::ConfigErrors { messages },
            here,
        )?
    } else if head.state == DeployState::Triggered && !look.workflows.is_empty() {
        let names: BTreeSet<&str> = look.workflows.iter().map(|w| w.name.as_str()).collect();
        let workflows = names.into_iter().map(str::to_owned).collect();
        // Due at once: the very same look may also show the end.
        commit_change(
            head,
            AuditChange::Started { workflows },
            Some(here.now),
            here,
        )?
    } else if head.state == DeployState::Triggered
        && look.state == PipelineState::Created
        && look.workflows.is_empty()
        && run
            .created_at
            .is_some_and(|created| here.now >= created + times.workflow_start_timeout)
    {
        end_deploy(head, DeployState::NothingRan, EndReason::NoWorkflow, here)?
    } else if let Some(workflows) = held_workflows(look).filter(|_| is_first_hold(head)) {
        // Due at once, for the same reason.
        commit_change(head, AuditChange::Held { workflows }, Some(here.now), here)?
    } else if let Some((state, decided_by)) =
        final_outcome(look).filter(|_| head.state == DeployState::Running)
    {
        end_deploy(head, state, EndReason::Workflows { decided_by }, here)?
    } else {
        poll_later(head, None, here)?
    };
    Ok(Some(commit))
}

/// What to write after a look that failed: nothing was learned.
pub fn after_failed_poll(
    head: &DeployRecord,
    after: Option<Duration>,
    here: Context<'_>,
) -> Result<Option<Commit>, IllegalTransition> {
    if !is_followed(head) {
        return Ok(None);
    }
    poll_later(head, after, here).map(Some)
}

/// What to write when there is a reason to look at CircleCI now, whatever the timer says; `None` if
/// the deploy is not followed.
#[must_use]
pub fn poll_now(head: &DeployRecord, here: Context<'_>) -> Option<Commit> {
    is_followed(head).then(|| {
        let mut head = head.clone();
        head.version += 1;
        head.due_at = Some(here.now);
        super::commit_timer(head)
    })
}

fn is_first_hold(head: &DeployRecord) -> bool {
    head.state == DeployState::Running && !head.on_hold
}

/// The workflows that wait for an approval, if there are any.
fn held_workflows(look: &PollResult) -> Option<Vec<String>> {
    let names: BTreeSet<&str> = look
        .workflows
        .iter()
        .filter(|workflow| workflow.status == WorkflowStatus::OnHold)
        .map(|workflow| workflow.name.as_str())
        .collect();
    (!names.is_empty()).then(|| names.into_iter().map(str::to_owned).collect())
}

fn is_followed(head: &DeployRecord) -> bool {
    matches!(head.state, DeployState::Triggered | DeployState::Running)
}

fn poll_later(
    head: &DeployRecord,
    after: Option<Duration>,
    here: Context<'_>,
) -> Result<Commit, IllegalTransition> {
    let times = &here.config.timeouts;
    let since = head.run.as_ref().map_or(here.now, |run| run.triggered_at);
    let left = times
        .follow_timeout
        .saturating_sub(elapsed(since, here.now));
    if left.is_zero() {
        return end_deploy(head, DeployState::LostTrack, EndReason::FollowTimeout, here);
    }
    let usual = poll_pause(
        times.poll_interval_min,
        times.poll_interval_max,
        head.poll_count,
    );
    // However long CircleCI asks to wait, the limit is not slept through.
    let wait = after.map_or(usual, |asked| asked.max(usual)).min(left);
    Ok(poll_again_in(head, wait, here))
}

/// The end that the workflows agree on, with those that decided; `None` while it is open.
fn final_outcome(look: &PollResult) -> Option<(DeployState, Vec<(String, String)>)> {
    use WorkflowStatus::{Canceled, Error, Failed, NotRun, Success, Unauthorized};
    let mut latest: BTreeMap<&str, &CiWorkflow> = BTreeMap::new();
    for workflow in &look.workflows {
        let newer = latest
            .get(workflow.name.as_str())
            .is_none_or(|known| workflow.created_at >= known.created_at);
        if newer {
            latest.insert(&workflow.name, workflow);
        }
    }
    let open = |w: &&CiWorkflow| !w.status.is_final() || w.rerun_coming;
    if look.state != PipelineState::Created || latest.is_empty() || latest.values().any(open) {
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
