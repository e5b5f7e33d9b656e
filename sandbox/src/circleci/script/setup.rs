//! Runs of a dynamic configuration: a setup workflow decides what the pipeline continues with.

use std::time::Duration;

use super::{PipelineStateView, RunScript, WorkflowScript};

impl RunScript {
    /// Dynamic configuration: a workflow `setup` succeeds at a quarter of `after`; the workflow
    /// `deploy` appears at half of it and succeeds at `after`.
    pub fn setup_then_success(after: Duration) -> Self {
        let (decided, start) = (after / 4, after / 2);
        let deploy = [(start, "running"), (after, "success")];
        let mut script = Self::setup_ending(decided, "success");
        script.states.extend([
            (decided, PipelineStateView::Pending),
            (start, PipelineStateView::Created),
        ]);
        let deploy = WorkflowScript::new("deploy", start, &deploy);
        script.workflows.push(deploy);
        script
    }

    /// The workflow `setup` takes `status` at `after`, nothing is continued, and the state stays
    /// `setup`.
    pub fn setup_ending(after: Duration, status: &str) -> Self {
        let begun = after / 2;
        let phases = vec![
            (Duration::ZERO, PipelineStateView::SetupPending),
            (begun, PipelineStateView::Setup),
        ];
        let steps = [(begun, "running"), (after, status)];
        Self::new(
            phases,
            vec![WorkflowScript::new("setup", begun, &steps).setup()],
        )
    }

    /// The workflow `setup` succeeds at `after`, and the pipeline is created without any other
    /// workflow.
    pub fn setup_alone(after: Duration) -> Self {
        let mut script = Self::setup_ending(after, "success");
        script.states.push((after, PipelineStateView::Created));
        script
    }

    /// The workflow `setup` takes `status` at `after`, and the pipeline is errored.
    pub fn setup_errored(after: Duration, status: &str) -> Self {
        let mut script = Self::setup_ending(after, status);
        script.states.push((after, PipelineStateView::Errored));
        script
    }

    /// The workflow `setup` succeeds at half of `after`. From `after` on the pipeline is created
    /// and shows the error of a continuation that was rejected.
    pub fn setup_rejected(after: Duration, message: &str) -> Self {
        let mut script = Self::setup_ending(after / 2, "success");
        script.states.extend([
            (after / 2, PipelineStateView::Pending),
            (after, PipelineStateView::Created),
        ]);
        script.with_error(after, "config", message)
    }
}
