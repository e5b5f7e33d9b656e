//! Pipelines that surprise: what CircleCI knows of a pipeline beyond the sandbox's timeline.

use std::time::Duration;

use chatops_sandbox::circleci::{PipelineErrorView, PipelineStateView, RunScript, WorkflowScript};

/// The name of the workflow that a timeline has for the job that is asked for.
const ASKED: &str = "deploy";

/// How long a pipeline takes to be processed.
const PROCESSING: Duration = Duration::from_secs(1);

/// A pipeline as it will go, and what of it the API does not say in a workflow's status.
#[derive(Debug, Clone)]
pub struct ScriptedRun {
    /// States and workflows.
    pub timeline: RunScript,
    /// The place of the setup workflow in the timeline.
    pub setup: Option<usize>,
    /// Whether the deploy job runs in a workflow that succeeds.
    pub deploy_job_runs: bool,
    /// When the pipeline's errors are shown although it is not errored.
    pub errors_after: Option<Duration>,
    /// How long the job runs on after its workflow was canceled; then it succeeds.
    pub job_outlasts: Duration,
}

impl From<RunScript> for ScriptedRun {
    fn from(timeline: RunScript) -> Self {
        Self {
            setup: timeline.workflows.iter().position(|w| w.name == "setup"),
            timeline,
            deploy_job_runs: true,
            errors_after: None,
            job_outlasts: Duration::ZERO,
        }
    }
}

impl Default for ScriptedRun {
    fn default() -> Self {
        RunScript::default().into()
    }
}

impl ScriptedRun {
    /// The same pipeline, asked for another job: its workflow has the job's name.
    #[must_use]
    pub(super) fn for_job(mut self, job: &str) -> Self {
        let workflows = self.timeline.workflows.iter_mut();
        for workflow in workflows.filter(|workflow| workflow.name == ASKED) {
            job.clone_into(&mut workflow.name);
        }
        self
    }

    /// The same pipeline, missing from the project's listing for `after`.
    #[must_use]
    pub fn listed_after(mut self, after: Duration) -> Self {
        self.timeline.listed_after = after;
        self
    }

    /// A setup workflow takes `status` at `after` and nothing is continued; the pipeline stays in
    /// its setup.
    #[must_use]
    pub fn setup_stays(after: Duration, status: &str) -> Self {
        let setup = WorkflowScript::new("setup", PROCESSING, &[(after, status)]);
        Self::of(&[(PROCESSING, PipelineStateView::Setup)], vec![setup])
    }

    /// A setup workflow succeeds and continues with an empty configuration.
    #[must_use]
    pub fn setup_only(after: Duration) -> Self {
        let mut run = Self::setup_stays(after, "success");
        run.timeline.states.extend([
            (after, PipelineStateView::Pending),
            (after + PROCESSING, PipelineStateView::Created),
        ]);
        run
    }

    /// A setup workflow succeeds, and its continuation is rejected: the pipeline is `created` and
    /// has errors.
    #[must_use]
    pub fn continuation_rejected(after: Duration) -> Self {
        let mut run = Self::setup_only(after);
        run.errors_after = Some(after + PROCESSING);
        run.timeline.errors.push(PipelineErrorView {
            kind: "config".to_owned(),
            message: "Conflicting pipeline parameters.".to_owned(),
        });
        run
    }

    /// The workflow that is asked for is filtered out; another one takes `status` at `after`.
    #[must_use]
    pub fn only_another(after: Duration, status: &str) -> Self {
        Self::created(vec![WorkflowScript::new(
            "lint",
            PROCESSING,
            &[(after, status)],
        )])
    }

    /// Another workflow takes `other` at `after`, and the one that is asked for `asked`.
    #[must_use]
    pub fn beside_another(after: Duration, other: &str, asked: &str) -> Self {
        Self::created(vec![
            WorkflowScript::new(ASKED, PROCESSING, &[(after, asked)]),
            WorkflowScript::new("lint", PROCESSING, &[(after, other)]),
        ])
    }

    /// The workflow succeeds at `after`, and its deploy job was skipped.
    #[must_use]
    pub fn green_without_its_job(after: Duration) -> Self {
        Self {
            deploy_job_runs: false,
            ..RunScript::success(after).into()
        }
    }

    /// The workflow is canceled at `after`, and its job runs on for `job_outlasts`.
    #[must_use]
    pub fn canceled_while_its_job_runs(after: Duration, job_outlasts: Duration) -> Self {
        let canceled = WorkflowScript::new(ASKED, PROCESSING, &[(after, "canceled")]);
        Self {
            job_outlasts,
            ..Self::created(vec![canceled])
        }
    }

    /// The workflow runs twice; the older run takes a status at a time, and so does the newer.
    #[must_use]
    pub fn two_runs(older: (Duration, &str), newer: (Duration, &str)) -> Self {
        Self::created(vec![
            WorkflowScript::new(ASKED, PROCESSING, &[older]),
            WorkflowScript::new(ASKED, 4 * PROCESSING, &[newer]),
        ])
    }

    /// The workflow runs twice from the same second on.
    #[must_use]
    pub fn two_runs_at_once(after: Duration, older: &str, newer: &str) -> Self {
        Self::created(vec![
            WorkflowScript::new(ASKED, PROCESSING, &[(after, older)]),
            WorkflowScript::new(ASKED, PROCESSING, &[(after, newer)]),
        ])
    }

    /// The workflow fails at `after`; its automatic rerun never comes.
    #[must_use]
    pub fn rerun_never_comes(after: Duration) -> Self {
        let failed = WorkflowScript::new(ASKED, PROCESSING, &[(after, "failed")]);
        Self::created(vec![failed.auto_rerun(0, 3)])
    }

    /// The pipeline is `created` at once, and its only workflow appears at `starts` and succeeds at
    /// `ends`.
    #[must_use]
    pub fn late_workflow(starts: Duration, ends: Duration) -> Self {
        Self::created(vec![WorkflowScript::new(
            ASKED,
            starts,
            &[(ends, "success")],
        )])
    }

    /// As [`late_workflow`](Self::late_workflow), beside another workflow that ends at once.
    #[must_use]
    pub fn late_beside_another(starts: Duration, ends: Duration) -> Self {
        let mut run = Self::late_workflow(starts, ends);
        let lint = WorkflowScript::new("lint", PROCESSING, &[(4 * PROCESSING, "success")]);
        run.timeline.workflows.push(lint);
        run
    }

    /// The workflow waits for an approval from `held` to `approved`, and succeeds at `ends`.
    #[must_use]
    pub fn approved_at(held: Duration, approved: Duration, ends: Duration) -> Self {
        let steps = [(held, "on_hold"), (approved, "running"), (ends, "success")];
        Self::created(vec![WorkflowScript::new(ASKED, PROCESSING, &steps)])
    }

    fn created(workflows: Vec<WorkflowScript>) -> Self {
        Self::of(&[(PROCESSING, PipelineStateView::Created)], workflows)
    }

    fn of(states: &[(Duration, PipelineStateView)], workflows: Vec<WorkflowScript>) -> Self {
        RunScript::new(states.to_vec(), workflows).into()
    }
}
