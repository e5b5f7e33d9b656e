//! One run of a workflow at a given time.

use std::time::Duration;

use uuid::Uuid;

use super::super::script::{
    JobKind, JobScript, WorkflowScript, elapsed_since, has_job_ended, has_workflow_ended,
    time_after,
};
use super::project::derived_uuid;
use crate::server::Time;

/// Job numbers that are kept for one pipeline, and for one of its workflows.
const JOBS_PER_PIPELINE: u64 = 1_000;
const JOBS_PER_WORKFLOW: u64 = 20;

/// One workflow of a pipeline; reruns come after the scripted ones.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WorkflowRun {
    pub(crate) id: Uuid,
    /// Its place in the pipeline.
    pub(crate) index: usize,
    /// The moment from which its script counts.
    origin: Time,
    pub(crate) script: WorkflowScript,
    pub(crate) canceled_at: Option<Time>,
    /// Whoever canceled it by a request.
    pub(crate) canceled_by: Option<Uuid>,
    /// The holds that requests approved before the script does, in order.
    approvals: Vec<Approval>,
    /// Whether somebody asked for it again.
    pub(crate) is_rerun: bool,
}

/// A hold that a request approved before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Approval {
    /// The script's time then.
    at: Duration,
    /// How much of the script's time it leaves out.
    skipped: Duration,
}

/// A job at a given time.
#[derive(Debug)]
pub(crate) struct JobSnapshot {
    pub(crate) id: Uuid,
    pub(crate) script: JobScript,
    pub(crate) status: String,
    pub(crate) started_at: Option<Time>,
    pub(crate) stopped_at: Option<Time>,
    /// Its place among the workflow's jobs.
    pub(crate) index: usize,
}

impl WorkflowRun {
    pub(crate) fn new(pipeline: Uuid, index: usize, origin: Time, script: WorkflowScript) -> Self {
        Self {
            id: Uuid::new_v5(&pipeline, &index.to_be_bytes()),
            index,
            origin,
            script,
            canceled_at: None,
            canceled_by: None,
            approvals: Vec::new(),
            is_rerun: false,
        }
    }

    /// The status at `now` and, if it is final, since when; `None` before the start.
    pub(crate) fn status_at(&self, now: Time) -> Option<(&str, Option<Time>)> {
        let elapsed = self.elapsed(now)?;
        if let Some(at) = self.canceled_at.filter(|at| *at <= now) {
            return Some(("canceled", Some(at.max(self.starts_at()))));
        }
        let Some((since, status)) = self.script.step_at(elapsed) else {
            return Some(("running", None));
        };
        let stopped_at = has_workflow_ended(status).then(|| self.real_time(*since));
        Some((status, stopped_at))
    }

    /// When it appears.
    pub(crate) fn starts_at(&self) -> Time {
        time_after(self.origin, self.script.starts_after)
    }

    /// When and how it ends, if that is decided.
    pub(crate) fn end_status(&self) -> Option<(Time, &str)> {
        if let Some(at) = self.canceled_at {
            return Some((at.max(self.starts_at()), "canceled"));
        }
        let mut steps = self.script.steps.iter();
        let (at, status) = steps.find(|(_, status)| has_workflow_ended(status))?;
        Some((self.real_time(*at), status))
    }

    pub(crate) fn name(&self) -> &str {
        &self.script.name
    }

    pub(crate) fn has_ended(&self, now: Time) -> bool {
        matches!(self.status_at(now), Some((_, Some(_))))
    }

    /// Cancels it, unless it ended.
    pub(crate) fn cancel(&mut self, now: Time, by: Option<Uuid>) {
        if !self.has_ended(now) && self.canceled_at.is_none() {
            self.canceled_at = Some(now);
            self.canceled_by = by;
        }
    }

    /// Approves its hold now. Tells whether it is on hold.
    pub(crate) fn approve(&mut self, now: Time) -> bool {
        let on_hold = matches!(self.status_at(now), Some(("on_hold", _)));
        let Some(at) = self.script_time(now).filter(|_| on_hold) else {
            return false;
        };
        // A hold without an end in the script cannot go on; the approval is taken all the same.
        if let Some((next, _)) = self.script.step_after(at) {
            let skipped = next.saturating_sub(at);
            self.approvals.push(Approval { at, skipped });
        }
        true
    }

    /// The jobs at `now`, in the order of the script; none before the start.
    pub(crate) fn jobs_at(&self, now: Time) -> Vec<JobSnapshot> {
        let Some(elapsed) = self.elapsed(now) else {
            return Vec::new();
        };
        let canceled = self.canceled_at.filter(|at| *at <= now);
        let until = canceled.and_then(|at| self.script_time(at));
        let reached = until.unwrap_or(elapsed);
        let jobs = self.script.resolved_jobs().into_iter().enumerate();
        jobs.map(|(index, script)| {
            let (since, status) = script.step_at(reached);
            let (since, mut status) = (since, status.to_owned());
            let started = match script.kind {
                JobKind::Build => script.start_within(reached),
                JobKind::Approval => since.filter(|_| status != "blocked"),
            };
            let mut stopped_at = since
                .filter(|_| has_job_ended(&status))
                .map(|at| self.real_time(at));
            if let Some(at) = canceled.filter(|_| !has_job_ended(&status)) {
                // A job that waits for others never gets its turn.
                let is_under_way = started.is_some() || script.requires.is_empty();
                let ended = if is_under_way { "canceled" } else { "not_run" };
                ended.clone_into(&mut status);
                stopped_at = Some(at.max(self.starts_at()));
            }
            JobSnapshot {
                id: derived_uuid(&format!("job {index} of {}", self.id)),
                status,
                started_at: started.map(|at| self.real_time(at)),
                stopped_at,
                index,
                script,
            }
        })
        .collect()
    }

    /// The number of a job in its project.
    pub(crate) fn job_number(&self, pipeline: u64, job: usize) -> u64 {
        let workflow = self.index as u64 * JOBS_PER_WORKFLOW;
        pipeline * JOBS_PER_PIPELINE + workflow + job as u64
    }

    /// The script's time, from the start on.
    fn elapsed(&self, now: Time) -> Option<Duration> {
        self.script_time(now)
            .filter(|elapsed| *elapsed >= self.script.starts_after)
    }

    /// The script's time at `now`.
    fn script_time(&self, now: Time) -> Option<Duration> {
        let mut elapsed = elapsed_since(self.origin, now)?;
        for approval in &self.approvals {
            if elapsed >= approval.at {
                elapsed += approval.skipped;
            }
        }
        Some(elapsed)
    }

    /// When the script reaches this time.
    fn real_time(&self, at: Duration) -> Time {
        let skips = |approval: &&Approval| at >= approval.at + approval.skipped;
        let skipped = self.approvals.iter().filter(skips);
        let skipped: Duration = skipped.map(|approval| approval.skipped).sum();
        time_after(self.origin, at.saturating_sub(skipped))
    }
}
