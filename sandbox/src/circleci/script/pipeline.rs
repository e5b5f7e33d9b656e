//! One pipeline: its states, its errors and its workflows.

use std::time::Duration;

use serde::Serialize;

use super::{BuildScript, WorkflowScript, last_reached};

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
    /// The kind: `config`, `config-fetch`, `timeout`, `permission`, `other`, `trigger-rule`,
    /// `invalid-trigger-setup` or `plan`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text for people.
    pub message: String,
}

impl PipelineErrorView {
    /// An error of this kind.
    pub fn new(kind: &str, message: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            message: message.to_owned(),
        }
    }
}

/// A pipeline's timeline from its creation on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunScript {
    /// How long the project's listing does not show the pipeline.
    pub listed_after: Duration,
    /// States and their times, in order. Before the first one the state is pending.
    pub states: Vec<(Duration, PipelineStateView)>,
    /// Shown while the state is errored, and from `errors_after` on.
    pub errors: Vec<PipelineErrorView>,
    /// When the errors show whatever the state is.
    pub errors_after: Option<Duration>,
    /// Whether `errors` is null where it would be empty.
    pub null_errors: bool,
    /// The workflows, in the order of their creation.
    pub workflows: Vec<WorkflowScript>,
    /// The names of workflows that the configuration has and a condition excludes.
    pub filtered: Vec<String>,
    /// How many null items precede the workflows in their list.
    pub null_workflows: usize,
    /// The state once its setup workflow is canceled on request; by default it does not change.
    pub canceled_setup_state: Option<PipelineStateView>,
    /// What a build of API v1.1 shows besides.
    pub build: BuildScript,
}

impl RunScript {
    /// Pending at first, created at `after`.
    pub(super) fn created_at(after: Duration, workflows: Vec<WorkflowScript>) -> Self {
        let states = vec![
            (Duration::ZERO, PipelineStateView::Pending),
            (after, PipelineStateView::Created),
        ];
        Self::new(states, workflows)
    }

    /// These states and workflows, without a surprise.
    pub fn new(states: Vec<(Duration, PipelineStateView)>, workflows: Vec<WorkflowScript>) -> Self {
        Self {
            listed_after: Duration::ZERO,
            states,
            errors: Vec::new(),
            errors_after: None,
            null_errors: false,
            workflows,
            filtered: Vec::new(),
            null_workflows: 0,
            canceled_setup_state: None,
            build: BuildScript::default(),
        }
    }

    /// The same pipeline, missing from the project's listing for `after`.
    #[must_use]
    pub fn listed_after(mut self, after: Duration) -> Self {
        self.listed_after = after;
        self
    }

    /// The same pipeline; all its workflows come later by this much, its states do not.
    #[must_use]
    pub fn delayed(mut self, by: Duration) -> Self {
        for workflow in &mut self.workflows {
            workflow.delay(by);
        }
        self
    }

    /// The same pipeline with one more error, shown from `after` on whatever the state is.
    #[must_use]
    pub fn with_error(mut self, after: Duration, kind: &str, message: &str) -> Self {
        self.errors.push(PipelineErrorView::new(kind, message));
        self.errors_after = Some(after);
        self
    }

    /// The same pipeline; its `errors` is null instead of an empty list.
    #[must_use]
    pub fn with_null_errors(mut self) -> Self {
        self.null_errors = true;
        self
    }

    /// The same pipeline; so many null items precede its workflows in their list.
    #[must_use]
    pub fn with_null_workflows(mut self, count: usize) -> Self {
        self.null_workflows = count;
        self
    }

    /// Whether the configuration is a dynamic one.
    pub(in super::super) fn is_dynamic(&self) -> bool {
        self.workflows.iter().any(|workflow| workflow.is_setup)
    }

    /// The last state reached after `elapsed`, and since when.
    pub(in super::super) fn state_at(&self, elapsed: Duration) -> (Duration, PipelineStateView) {
        last_reached(&self.states, elapsed)
            .copied()
            .unwrap_or((Duration::ZERO, PipelineStateView::Pending))
    }
}
