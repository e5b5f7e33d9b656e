//! The runs that everybody expects.

use std::time::Duration;

use super::{JobScript, PipelineErrorView, PipelineStateView, RunScript, WorkflowScript};

/// How long a pipeline that runs nothing takes to reach its final state.
const PROCESSING_TIME: Duration = Duration::from_millis(200);

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

    /// One workflow `deploy` that runs from a quarter of `after` and takes `status` at `after`:
    /// `success`, `failed`, `error`, `canceled`, `unauthorized` or `not_run`.
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

    /// The pipeline stays pending, and no workflow ever appears.
    pub fn never_created() -> Self {
        let states = vec![(Duration::ZERO, PipelineStateView::Pending)];
        Self::new(states, Vec::new())
    }

    /// The configuration is rejected with `message`.
    pub fn config_error(message: &str) -> Self {
        Self::pipeline_error("config", message)
    }

    /// The pipeline is errored, with an error of this type, such as `plan`.
    pub fn pipeline_error(kind: &str, message: &str) -> Self {
        let mut script = Self::no_workflow();
        script.states[1].1 = PipelineStateView::Errored;
        script.errors.push(PipelineErrorView::new(kind, message));
        script
    }

    /// One workflow that waits for an approval from half of `after` and takes `status` at `after`.
    pub fn on_hold_then(after: Duration, status: &str) -> Self {
        let steps = [(after / 2, "on_hold"), (after, status)];
        Self::deploy(after / 4, "running", &steps)
    }

    /// One workflow that waits for an approval from `held_at` to `approved_at`, runs, and takes
    /// `status` at `after`.
    pub fn held(held_at: Duration, approved_at: Duration, after: Duration, status: &str) -> Self {
        let steps = [
            (held_at, "on_hold"),
            (approved_at, "running"),
            (after, status),
        ];
        Self::deploy(held_at / 2, "running", &steps)
    }

    /// One workflow that is queued until `runs_after` and succeeds at `after`.
    pub fn queued(runs_after: Duration, after: Duration) -> Self {
        let steps = [(runs_after, "running"), (after, "success")];
        Self::deploy(runs_after / 4, "queued", &steps)
    }

    /// One workflow `deploy` that takes the status `first` when it is created, and then `steps`.
    pub(super) fn deploy(start: Duration, first: &str, steps: &[(Duration, &str)]) -> Self {
        let steps = [&[(start, first)], steps].concat();
        Self::created_at(start, vec![WorkflowScript::new("deploy", start, &steps)])
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

    /// One workflow `deploy` of jobs that run one after the other for equal times; the last one takes
    /// `status` at `after`.
    pub fn staged(jobs: &[&str], after: Duration, status: &str) -> Self {
        let start = after / 10;
        let parts = u32::try_from(jobs.len()).unwrap_or(u32::MAX).max(1);
        let each = after.saturating_sub(start) / parts;
        let mut script = Self::deploy(start, "running", &[(after, status)]);
        let (mut from, mut before) = (start, None);
        let mut staged = Vec::new();
        for (n, &name) in jobs.iter().enumerate() {
            let is_last = n + 1 == jobs.len();
            let (until, end) = if is_last {
                (after, status)
            } else {
                (from + each, "success")
            };
            let job = JobScript::new(name, &[(from, "running"), (until, end)]);
            staged.push(job.requires(before.as_slice()));
            (from, before) = (until, Some(name));
        }
        script.workflows[0].jobs = staged;
        script
    }

    /// Two workflows, `build` and `deploy`, each with the time and status of its end. Both
    /// start at a quarter of the earlier end.
    pub fn two_workflows(build: (Duration, &str), deploy: (Duration, &str)) -> Self {
        let start = build.0.min(deploy.0) / 4;
        let part = |name, end| WorkflowScript::new(name, start, &[(start, "running"), end]);
        Self::created_at(start, vec![part("build", build), part("deploy", deploy)])
    }
}
