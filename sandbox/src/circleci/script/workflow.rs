//! One workflow of a pipeline.

use std::time::Duration;

use super::job::only_job_status;
use super::{JobScript, Steps, last_reached, owned_steps};

/// The approval of a held workflow that has no jobs of its own.
const HOLD: &str = "hold";

/// Which automatic rerun a workflow is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutoRerun {
    /// Zero for the original run, which CircleCI does not number.
    pub number: u32,
    /// How many reruns the configuration allows.
    pub max: u32,
}

/// One workflow's timeline. Every duration counts from the pipeline's creation, or, for a
/// workflow added by a rerun, from that request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowScript {
    /// The workflow's name.
    pub name: String,
    /// When the workflow appears; before that it is not listed.
    pub starts_after: Duration,
    /// Statuses and their times, in order. Before the first one the status is `running`.
    pub steps: Steps,
    /// Its place among automatic reruns, where the configuration has them.
    pub auto_rerun: Option<AutoRerun>,
    /// Whether it is the setup workflow of a dynamic configuration.
    pub is_setup: bool,
    /// Its jobs. Without any it has one of its own name that ends as the workflow ends, and, if
    /// it is ever on hold, the approval that this one waits for.
    pub jobs: Vec<JobScript>,
}

impl WorkflowScript {
    /// A workflow that appears at `starts_after` and takes each status at its time.
    pub fn new(name: &str, starts_after: Duration, steps: &[(Duration, &str)]) -> Self {
        Self {
            name: name.to_owned(),
            starts_after,
            steps: owned_steps(steps),
            auto_rerun: None,
            is_setup: false,
            jobs: Vec::new(),
        }
    }

    /// The same workflow as the `number`th of at most `max` automatic reruns; zero is the
    /// original run.
    #[must_use]
    pub fn auto_rerun(mut self, number: u32, max: u32) -> Self {
        self.auto_rerun = Some(AutoRerun { number, max });
        self
    }

    /// The same workflow as the setup of a dynamic configuration.
    #[must_use]
    pub fn setup(mut self) -> Self {
        self.is_setup = true;
        self
    }

    /// The same workflow with these jobs.
    #[must_use]
    pub fn with_jobs(mut self, jobs: Vec<JobScript>) -> Self {
        self.jobs = jobs;
        self
    }

    /// The last step reached after `elapsed`.
    pub(in super::super) fn step_at(&self, elapsed: Duration) -> Option<&(Duration, String)> {
        last_reached(&self.steps, elapsed)
    }

    /// Shifts all of it.
    pub(super) fn delay(&mut self, by: Duration) {
        self.starts_after += by;
        let jobs = self.jobs.iter_mut().flat_map(|job| &mut job.steps);
        for (at, _) in self.steps.iter_mut().chain(jobs) {
            *at += by;
        }
    }

    /// The step after the one that is reached after `elapsed`.
    pub(in super::super) fn step_after(&self, elapsed: Duration) -> Option<&(Duration, String)> {
        self.steps.iter().find(|(at, _)| *at > elapsed)
    }

    /// When it is first on hold, and the step after that.
    fn first_hold(&self) -> Option<(Duration, Option<&(Duration, String)>)> {
        let is_hold = |step: &&(Duration, String)| step.1 == "on_hold";
        let (at, _) = self.steps.iter().find(is_hold)?;
        Some((*at, self.step_after(*at)))
    }

    /// Its jobs, or the ones that stand for it.
    pub(in super::super) fn resolved_jobs(&self) -> Vec<JobScript> {
        if !self.jobs.is_empty() {
            return self.jobs.clone();
        }
        let mut job = JobScript::new(&self.name, &[]);
        let Some((held_at, next)) = self.first_hold() else {
            if self
                .steps
                .first()
                .is_none_or(|(at, _)| *at > self.starts_after)
            {
                job.steps.push((self.starts_after, "running".to_owned()));
            }
            job.steps.extend(self.steps.iter().map(job_step));
            return vec![job];
        };
        let mut hold = JobScript::approval(HOLD, &[(held_at, "on_hold")]);
        if let Some((at, status)) = next {
            let given = match status.as_str() {
                "canceled" | "unauthorized" => status,
                _ => "success",
            };
            hold.steps.push((*at, given.to_owned()));
        }
        let after = self.steps.iter().filter(|(at, _)| *at > held_at);
        job.steps.extend(after.map(job_step));
        vec![hold, job.requires(&[HOLD])]
    }
}

fn job_step((at, status): &(Duration, String)) -> (Duration, String) {
    (*at, only_job_status(status).to_owned())
}

/// Whether a workflow with this status does not change.
pub(in super::super) fn has_workflow_ended(status: &str) -> bool {
    matches!(
        status,
        "success" | "failed" | "error" | "canceled" | "unauthorized" | "not_run"
    )
}
