//! How a pipeline behaves: timelines relative to its creation.
//!
//! Nothing ticks. The state at any moment is derived from the script and the time asked about,
//! so one question costs the same however much time has passed.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

/// How long a pipeline that runs nothing takes to reach its state.
const PROCESSING: Duration = Duration::from_millis(200);

/// Where a pipeline stands; `Created` means that its workflows exist, not that they finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PipelineState {
    /// The setup workflow has not started.
    SetupPending,
    /// The setup workflow runs.
    Setup,
    /// The configuration is being processed.
    Pending,
    /// The workflows were created.
    Created,
    /// No workflow will run; the pipeline's `errors` say why.
    Errored,
}

impl PipelineState {
    /// The name used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SetupPending => "setup-pending",
            Self::Setup => "setup",
            Self::Pending => "pending",
            Self::Created => "created",
            Self::Errored => "errored",
        }
    }
}

/// One entry of a pipeline's `errors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PipelineError {
    /// The kind, such as `config` or `permission`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text for people.
    pub message: String,
}

/// Which automatic rerun a workflow is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutoRerun {
    /// Zero for the first run.
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
    /// Statuses in order of time; the last one reached holds. Before the first one the status
    /// is `running`.
    pub steps: Vec<(Duration, String)>,
    /// Its place among automatic reruns, where the configuration has them.
    pub auto_rerun: Option<AutoRerun>,
}

impl WorkflowScript {
    /// A workflow that appears at `starts_after` and takes each status at its time.
    pub fn new(name: &str, starts_after: Duration, steps: &[(Duration, &str)]) -> Self {
        Self {
            name: name.to_owned(),
            starts_after,
            steps: steps
                .iter()
                .map(|&(at, status)| (at, status.to_owned()))
                .collect(),
            auto_rerun: None,
        }
    }

    /// The same workflow as the `number`th of at most `max` automatic reruns.
    #[must_use]
    pub fn auto_rerun(mut self, number: u32, max: u32) -> Self {
        self.auto_rerun = Some(AutoRerun { number, max });
        self
    }

    /// The step that holds after `elapsed`, if one was reached.
    pub(super) fn step(&self, elapsed: Duration) -> Option<&(Duration, String)> {
        reached(&self.steps, elapsed)
    }
}

/// A pipeline's timeline from its creation on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// How long the project's listing does not show the pipeline.
    pub listed_after: Duration,
    /// States in order of time; the last one reached holds. Before the first one the state is
    /// pending.
    pub states: Vec<(Duration, PipelineState)>,
    /// Shown while the state is errored.
    pub errors: Vec<PipelineError>,
    /// The workflows, in the order of their creation.
    pub workflows: Vec<WorkflowScript>,
}

impl Default for Script {
    /// A success after two seconds.
    fn default() -> Self {
        Self::success(Duration::from_secs(2))
    }
}

impl Script {
    /// One workflow `deploy` that succeeds at `after`.
    pub fn success(after: Duration) -> Self {
        Self::ending(after, "success")
    }

    /// One workflow `deploy` that fails at `after`.
    pub fn failure(after: Duration) -> Self {
        Self::ending(after, "failed")
    }

    /// One workflow `deploy` that runs from a quarter of `after` and takes `status` at `after`.
    pub fn ending(after: Duration, status: &str) -> Self {
        let start = after / 4;
        Self::created_at(
            start,
            vec![WorkflowScript::new(
                "deploy",
                start,
                &[(start, "running"), (after, status)],
            )],
        )
    }

    /// One workflow `deploy` that runs until it is cancelled.
    pub fn endless() -> Self {
        Self::created_at(
            PROCESSING,
            vec![WorkflowScript::new(
                "deploy",
                PROCESSING,
                &[(PROCESSING, "running")],
            )],
        )
    }

    /// The pipeline is created and runs nothing: filters or conditions excluded every workflow.
    pub fn no_workflow() -> Self {
        Self::created_at(PROCESSING, Vec::new())
    }

    /// The configuration is refused with `message`.
    pub fn config_error(message: &str) -> Self {
        Self {
            listed_after: Duration::ZERO,
            states: vec![
                (Duration::ZERO, PipelineState::Pending),
                (PROCESSING, PipelineState::Errored),
            ],
            errors: vec![PipelineError {
                kind: "config".to_owned(),
                message: message.to_owned(),
            }],
            workflows: Vec::new(),
        }
    }

    /// One workflow that waits for an approval from half of `after` on and takes `status` at
    /// `after`.
    pub fn on_hold_then(after: Duration, status: &str) -> Self {
        let start = after / 4;
        Self::created_at(
            start,
            vec![WorkflowScript::new(
                "deploy",
                start,
                &[(start, "running"), (after / 2, "on_hold"), (after, status)],
            )],
        )
    }

    /// One workflow that stands in a queue until `runs_after` and succeeds at `after`.
    pub fn queued(runs_after: Duration, after: Duration) -> Self {
        let start = runs_after / 4;
        Self::created_at(
            start,
            vec![WorkflowScript::new(
                "deploy",
                start,
                &[
                    (start, "queued"),
                    (runs_after, "running"),
                    (after, "success"),
                ],
            )],
        )
    }

    /// Dynamic configuration: a workflow `setup` succeeds at a quarter of `after`; the workflow
    /// `deploy` appears at half of it and succeeds at `after`.
    pub fn setup_then_success(after: Duration) -> Self {
        let (begun, decided, start) = (after / 8, after / 4, after / 2);
        Self {
            listed_after: Duration::ZERO,
            states: vec![
                (Duration::ZERO, PipelineState::SetupPending),
                (begun, PipelineState::Setup),
                (decided, PipelineState::Pending),
                (start, PipelineState::Created),
            ],
            errors: Vec::new(),
            workflows: vec![
                WorkflowScript::new("setup", begun, &[(begun, "running"), (decided, "success")]),
                WorkflowScript::new("deploy", start, &[(start, "running"), (after, "success")]),
            ],
        }
    }

    /// The workflow fails at half of `after`; its automatic rerun, a second workflow of the
    /// same name, succeeds at `after`.
    pub fn auto_rerun(after: Duration) -> Self {
        let (start, again) = (after / 4, after / 2);
        Self::created_at(
            start,
            vec![
                WorkflowScript::new("deploy", start, &[(start, "running"), (again, "failed")])
                    .auto_rerun(0, 1),
                WorkflowScript::new("deploy", again, &[(again, "running"), (after, "success")])
                    .auto_rerun(1, 1),
            ],
        )
    }

    /// Two workflows, `build` and `deploy`, each with the time and status of its end. Both
    /// start at a quarter of the earlier end.
    pub fn two_workflows(build: (Duration, &str), deploy: (Duration, &str)) -> Self {
        let start = build.0.min(deploy.0) / 4;
        let part = |name, end| WorkflowScript::new(name, start, &[(start, "running"), end]);
        Self::created_at(start, vec![part("build", build), part("deploy", deploy)])
    }

    /// The same pipeline, missing from the project's listing for `after`.
    #[must_use]
    pub fn listed_after(mut self, after: Duration) -> Self {
        self.listed_after = after;
        self
    }

    /// Pending at first, created at `after`.
    fn created_at(after: Duration, workflows: Vec<WorkflowScript>) -> Self {
        Self {
            listed_after: Duration::ZERO,
            states: vec![
                (Duration::ZERO, PipelineState::Pending),
                (after, PipelineState::Created),
            ],
            errors: Vec::new(),
            workflows,
        }
    }

    /// The state that holds after `elapsed`.
    pub(super) fn state(&self, elapsed: Duration) -> (Duration, PipelineState) {
        reached(&self.states, elapsed)
            .copied()
            .unwrap_or((Duration::ZERO, PipelineState::Pending))
    }
}

/// The last entry whose time has come.
fn reached<T>(timeline: &[(Duration, T)], elapsed: Duration) -> Option<&(Duration, T)> {
    timeline.iter().take_while(|(at, _)| *at <= elapsed).last()
}

/// The moment `after` a start; the end of time if that cannot be represented.
pub(super) fn moment(start: DateTime<Utc>, after: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(after)
        .ok()
        .and_then(|after| start.checked_add_signed(after))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The time from `start` to `now`; nothing if `now` is earlier.
pub(super) fn elapsed(start: DateTime<Utc>, now: DateTime<Utc>) -> Option<Duration> {
    (now - start).to_std().ok()
}
