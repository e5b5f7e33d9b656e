//! From the pipeline to its end: what CircleCI's view of a run means.
//!
//! Nothing is final while the pipeline is not `created` or an automatic rerun is coming; then the
//! latest run of each workflow name decides. A rerun somebody starts later changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::audit::Change;
use crate::deploy::{Head, Reason, State};
use crate::machine::Illegal;
use crate::ports::{Commit, Look, PipelineState, Workflow, WorkflowStatus};

use super::{Here, end, later, passed, pause, write};

/// What to write after a look; `None` if the deploy is no longer followed.
pub fn after_look(head: &Head, look: &Look, here: Here<'_>) -> Result<Option<Commit>, Illegal> {
    let Some(run) = head.run.as_ref().filter(|_| is_followed(head)) else {
        return Ok(None);
    };
    let times = &here.config.times;
    let mut commit = if look.state == PipelineState::Errored {
        let messages = look.errors.clone();
        end(
            head,
            State::CiErrored,
            Reason::ConfigErrors { messages },
            here,
        )?
    } else if head.state == State::Triggered && !look.workflows.is_empty() {
        let names: BTreeSet<&str> = look.workflows.iter().map(|w| w.name.as_str()).collect();
        let workflows = names.into_iter().map(str::to_owned).collect();
        // Due at once: the very same look may also show the end.
        write(head, Change::Started { workflows }, Some(here.now), here)?
    } else if head.state == State::Triggered
        && look.state == PipelineState::Created
        && look.workflows.is_empty()
        && run
            .created
            .is_some_and(|created| here.now >= created + times.grace)
    {
        end(head, State::NothingRan, Reason::NoWorkflow, here)?
    } else if let Some(workflows) = waiting(look).filter(|_| is_first_hold(head)) {
        // Due at once, for the same reason.
        write(head, Change::Held { workflows }, Some(here.now), here)?
    } else if let Some((state, decided_by)) =
        conclusion(look).filter(|_| head.state == State::Running)
    {
        end(head, state, Reason::Workflows { decided_by }, here)?
    } else {
        look_later(head, None, here)?
    };
    if let Some(run) = &mut commit.head.run {
        if look.revision.is_some() {
            run.revision.clone_from(&look.revision);
        }
        if look.state == PipelineState::Created {
            run.created.get_or_insert(here.now);
        }
    }
    Ok(Some(commit))
}

/// What to write after a look that failed: nothing was learned.
pub fn after_failed_look(
    head: &Head,
    after: Option<Duration>,
    here: Here<'_>,
) -> Result<Option<Commit>, Illegal> {
    if !is_followed(head) {
        return Ok(None);
    }
    look_later(head, after, here).map(Some)
}

/// What to write when there is a reason to look at CircleCI now, whatever the timer says; `None` if
/// the deploy is not followed.
#[must_use]
pub fn look_now(head: &Head, here: Here<'_>) -> Option<Commit> {
    is_followed(head).then(|| {
        let mut head = head.clone();
        head.version += 1;
        head.due_at = Some(here.now);
        super::timer_only(head)
    })
}

fn is_first_hold(head: &Head) -> bool {
    head.state == State::Running && !head.held
}

/// The workflows that wait for an approval, if there are any.
fn waiting(look: &Look) -> Option<Vec<String>> {
    let names: BTreeSet<&str> = look
        .workflows
        .iter()
        .filter(|workflow| workflow.status == WorkflowStatus::OnHold)
        .map(|workflow| workflow.name.as_str())
        .collect();
    (!names.is_empty()).then(|| names.into_iter().map(str::to_owned).collect())
}

fn is_followed(head: &Head) -> bool {
    matches!(head.state, State::Triggered | State::Running)
}

fn look_later(head: &Head, after: Option<Duration>, here: Here<'_>) -> Result<Commit, Illegal> {
    let times = &here.config.times;
    let since = head.run.as_ref().map_or(here.now, |run| run.since);
    let left = times.track_for.saturating_sub(passed(since, here.now));
    if left.is_zero() {
        return end(head, State::LostTrack, Reason::TrackedTooLong, here);
    }
    let usual = pause(times.poll_first, times.poll_longest, head.looks);
    // However long CircleCI asks to wait, the limit is not slept through.
    let wait = after.map_or(usual, |asked| asked.max(usual)).min(left);
    Ok(later(head, wait, here))
}

/// The end that the workflows agree on, with those that decided; `None` while it is open.
fn conclusion(look: &Look) -> Option<(State, Vec<(String, String)>)> {
    use WorkflowStatus::{Canceled, Error, Failed, NotRun, Success, Unauthorized};
    let mut latest: BTreeMap<&str, &Workflow> = BTreeMap::new();
    for workflow in &look.workflows {
        let newer = latest
            .get(workflow.name.as_str())
            .is_none_or(|known| workflow.created_at >= known.created_at);
        if newer {
            latest.insert(&workflow.name, workflow);
        }
    }
    let open = |w: &&Workflow| !w.status.is_final() || w.rerun_coming;
    if look.state != PipelineState::Created || latest.is_empty() || latest.values().any(open) {
        return None;
    }
    let ends: [(State, &[WorkflowStatus]); 4] = [
        (State::Failed, &[Failed, Error, Unauthorized]),
        (State::Canceled, &[Canceled]),
        (State::Succeeded, &[Success]),
        (State::NothingRan, &[NotRun]),
    ];
    ends.into_iter().find_map(|(state, deciding)| {
        let decided_by: Vec<_> = latest
            .values()
            .filter(|w| deciding.contains(&w.status))
            .map(|w| (w.name.clone(), w.status.word().to_owned()))
            .collect();
        (!decided_by.is_empty()).then_some((state, decided_by))
    })
}
