//! One job of a workflow.

use std::time::Duration;

use serde::Serialize;

use super::{Steps, last_reached, owned_steps};

/// What a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobKind {
    /// It runs steps.
    Build,
    /// It waits for a person's approval.
    Approval,
}

/// One job's timeline. Its times count from the same moment as those of its workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobScript {
    /// The job's name.
    pub name: String,
    /// What it is.
    pub kind: JobKind,
    /// Statuses and their times, in order. Before the first one the status is `blocked`.
    pub steps: Steps,
    /// The names of the jobs that have to succeed before it starts.
    pub requires: Vec<String>,
}

impl JobScript {
    /// A job that takes each status at its time.
    pub fn new(name: &str, steps: &[(Duration, &str)]) -> Self {
        Self {
            name: name.to_owned(),
            kind: JobKind::Build,
            steps: owned_steps(steps),
            requires: Vec::new(),
        }
    }

    /// An approval that takes each status at its time; `success` means that it was given.
    pub fn approval(name: &str, steps: &[(Duration, &str)]) -> Self {
        Self {
            kind: JobKind::Approval,
            ..Self::new(name, steps)
        }
    }

    /// The same job after these.
    #[must_use]
    pub fn requires(mut self, jobs: &[&str]) -> Self {
        self.requires = jobs.iter().map(|&job| job.to_owned()).collect();
        self
    }

    /// The status after `elapsed`, and since when.
    pub(in super::super) fn step_at(&self, elapsed: Duration) -> (Option<Duration>, &str) {
        let step = last_reached(&self.steps, elapsed);
        step.map_or((None, "blocked"), |(at, status)| (Some(*at), status))
    }

    /// When it starts to run, if it does so within `elapsed`.
    pub(in super::super) fn start_within(&self, elapsed: Duration) -> Option<Duration> {
        let mut reached = self.steps.iter().take_while(|(at, _)| *at <= elapsed);
        reached
            .find(|(_, status)| has_job_started(status))
            .map(|(at, _)| *at)
    }
}

/// Whether a job with this status does not change.
pub(in super::super) fn has_job_ended(status: &str) -> bool {
    matches!(
        status,
        "success"
            | "failed"
            | "not_run"
            | "retried"
            | "infrastructure_fail"
            | "timedout"
            | "terminated-unknown"
            | "canceled"
            | "unauthorized"
    )
}

/// Whether only a job that ran can have this status.
fn has_job_started(status: &str) -> bool {
    matches!(
        status,
        "running"
            | "success"
            | "failed"
            | "retried"
            | "infrastructure_fail"
            | "timedout"
            | "terminated-unknown"
    )
}

/// The status of the only job of a workflow with this status.
pub(super) fn only_job_status(workflow: &str) -> &str {
    match workflow {
        "failing" => "failed",
        // CircleCI could not run the workflow.
        "error" => "not_run",
        "on_hold" => "blocked",
        "success" | "failed" | "canceled" | "unauthorized" | "not_run" | "queued" => workflow,
        _ => "running",
    }
}
