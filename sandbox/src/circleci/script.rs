//! How a pipeline behaves: timelines relative to its creation.
//!
//! Nothing ticks: the state at any moment is derived from the script.

use std::time::Duration;

use crate::server::Time;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

/// How long a pipeline that runs nothing takes to reach its final state.
const PROCESSING_TIME: Duration = Duration::from_millis(200);

/// A pipeline's state; `Created` means that its workflows exist, not that they finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum PipelineStateView {
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

/// One entry of a pipeline's `errors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PipelineErrorView {
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
    /// Statuses and their times, in order. Before the first one the status is `running`.
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

    /// The last step reached after `elapsed`.
    pub(super) fn step_at(&self, elapsed: Duration) -> Option<&(Duration, String)> {
        last_reached(&self.steps, elapsed)
    }
}

/// A pipeline's timeline from its creation on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunScript {
    /// How long the project's listing does not show the pipeline.
    pub listed_after: Duration,
    /// States and their times, in order. Before the first one the state is pending.
    pub states: Vec<(Duration, PipelineStateView)>,
    /// Shown while the state is errored.
    pub errors: Vec<PipelineErrorView>,
    /// The workflows, in the order of their creation.
    pub workflows: Vec<WorkflowScript>,
}

impl Default for RunScript {
    /// A success after two seconds.
    fn default() -> Self {
        Self::success(Duration::from_secs(2))
    }
}

impl RunScript {
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
        Self::deploy(after / 4, "running", &[(after, status)])
    }

    /// One workflow `deploy` that runs until it is canceled.
    pub fn endless() -> Self {
        Self::deploy(PROCESSING_TIME, "running", &[])
    }

    /// The pipeline is created and runs nothing: filters or conditions excluded every workflow.
    pub fn no_workflow() -> Self {
        Self::created_at(PROCESSING_TIME, Vec::new())
    }

    /// The configuration is rejected with `message`.
    pub fn config_error(message: &str) -> Self {
        let mut script = Self::no_workflow();
        script.states[1].1 = PipelineStateView::Errored;
        script.errors.push(PipelineErrorView {
            kind: "config".to_owned(),
            message: message.to_owned(),
        });
        script
    }

    /// One workflow that waits for an approval from half of `after` and takes `status` at `after`.
    pub fn on_hold_then(after: Duration, status: &str) -> Self {
        let steps = [(after / 2, "on_hold"), (after, status)];
        Self::deploy(after / 4, "running", &steps)
    }

    /// One workflow that is queued until `runs_after` and succeeds at `after`.
    pub fn queued(runs_after: Duration, after: Duration) -> Self {
        let steps = [(runs_after, "running"), (after, "success")];
        Self::deploy(runs_after / 4, "queued", &steps)
    }

    /// One workflow `deploy` that takes the status `first` when it is created, and then `steps`.
    fn deploy(start: Duration, first: &str, steps: &[(Duration, &str)]) -> Self {
        let steps = [&[(start, first)], steps].concat();
        Self::created_at(start, vec![WorkflowScript::new("deploy", start, &steps)])
    }

    /// Dynamic configuration: a workflow `setup` succeeds at a quarter of `after`; the workflow
    /// `deploy` appears at half of it and succeeds at `after`.
    pub fn setup_then_success(after: Duration) -> Self {
        let (begun, decided, start) = (after / 8, after / 4, after / 2);
        let setup = [(begun, "running"), (decided, "success")];
        let deploy = [(start, "running"), (after, "success")];
        Self {
            listed_after: Duration::ZERO,
            states: vec![
                (Duration::ZERO, PipelineStateView::SetupPending),
                (begun, PipelineStateView::Setup),
                (decided, PipelineStateView::Pending),
                (start, PipelineStateView::Created),
            ],
            errors: Vec::new(),
            workflows: vec![
                WorkflowScript::new("setup", begun, &setup),
                WorkflowScript::new("deploy", start, &deploy),
            ],
        }
    }

    /// The workflow fails at half of `after`; its automatic rerun, a second workflow of the
    /// same name, succeeds at `after`.
    pub fn auto_rerun(after: Duration) -> Self {
        let (start, again) = (after / 4, after / 2);
        let part = |number, from, end| {
            WorkflowScript::new("deploy", from, &[(from, "running"), end]).auto_rerun(number, 1)
        };
        let first = part(0, start, (again, "failed"));
        Self::created_at(start, vec![first, part(1, again, (after, "success"))])
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
                (Duration::ZERO, PipelineStateView::Pending),
                (after, PipelineStateView::Created),
            ],
            errors: Vec::new(),
            workflows,
        }
    }

    /// The last state reached after `elapsed`, and since when.
    pub(super) fn state_at(&self, elapsed: Duration) -> (Duration, PipelineStateView) {
        last_reached(&self.states, elapsed)
            .copied()
            .unwrap_or((Duration::ZERO, PipelineStateView::Pending))
    }
}

/// The last entry that is reached after `elapsed`.
fn last_reached<T>(timeline: &[(Duration, T)], elapsed: Duration) -> Option<&(Duration, T)> {
    timeline.iter().take_while(|(at, _)| *at <= elapsed).last()
}

/// The moment `after` a start, or the last one that can be represented.
pub(super) fn time_after(start: Time, after: Duration) -> Time {
    TimeDelta::from_std(after)
        .ok()
        .and_then(|after| start.checked_add_signed(after))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The time from `start` to `now`; `None` if `now` is earlier.
pub(super) fn elapsed_since(start: Time, now: Time) -> Option<Duration> {
    (now - start).to_std().ok()
}
