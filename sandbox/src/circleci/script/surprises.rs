//! Runs whose end is not what it seems.

use std::time::Duration;

use super::{JobScript, RunScript, WorkflowScript};

/// A little later than `at`, within the same second for the short runs of tests.
fn soon_after(start: Duration, end: Duration) -> Duration {
    start + (end.saturating_sub(start)) / 2
}

impl RunScript {
    /// A workflow of another name takes `status` at `after`; a condition excludes `deploy`.
    pub fn other_workflow_only(name: &str, after: Duration, status: &str) -> Self {
        let start = after / 4;
        let steps = [(start, "running"), (after, status)];
        let other = WorkflowScript::new(name, start, &steps);
        let mut script = Self::created_at(start, vec![other]);
        script.filtered.push("deploy".to_owned());
        script
    }

    /// The workflow `build` succeeds at `after`; the workflow `deploy` beside it is not run.
    pub fn green_beside_not_run(after: Duration) -> Self {
        let start = after / 4;
        let build = [(start, "running"), (after, "success")];
        let deploy = [(start, "not_run")];
        Self::created_at(
            start,
            vec![
                WorkflowScript::new("build", start, &build),
                WorkflowScript::new("deploy", start, &deploy),
            ],
        )
    }

    /// The workflow `deploy` succeeds at `after`, although its job `deploy-prod` is not run; its
    /// job `build` succeeds.
    pub fn green_without_job(after: Duration) -> Self {
        let start = after / 4;
        let decided = soon_after(start, after);
        let jobs = vec![
            JobScript::new("build", &[(start, "running"), (after, "success")]),
            JobScript::new("deploy-prod", &[(decided, "not_run")]).requires(&["build"]),
        ];
        let mut script = Self::success(after);
        script.workflows[0].jobs = jobs;
        script
    }

    /// The pipeline is created at once; its workflow `deploy` appears at `appears_at`, such as 97
    /// minutes later, and takes `status` at `after`.
    pub fn late_workflow(appears_at: Duration, after: Duration, status: &str) -> Self {
        let steps = [(appears_at, "running"), (after, status)];
        let mut script = Self::no_workflow();
        let late = WorkflowScript::new("deploy", appears_at, &steps);
        script.workflows.push(late);
        script
    }

    /// The workflow fails at `after`. The configuration allows `max` automatic reruns, and none
    /// comes.
    pub fn announced_rerun(after: Duration, max: u32) -> Self {
        let mut script = Self::failure(after);
        script.workflows[0] = script.workflows[0].clone().auto_rerun(0, max);
        script
    }

    /// Two runs of the workflow `deploy`, each with the time and status of its end. The newer one
    /// appears while the older one runs.
    pub fn overlapping_runs(older: (Duration, &str), newer: (Duration, &str)) -> Self {
        let earlier = older.0.min(newer.0);
        Self::two_runs((earlier / 4, older), (earlier / 2, newer))
    }

    /// Two runs of the workflow `deploy` with one time of creation, each with the time and status
    /// of its end. The list shows the newer one first.
    pub fn simultaneous_runs(older: (Duration, &str), newer: (Duration, &str)) -> Self {
        let start = older.0.min(newer.0) / 4;
        Self::two_runs((start, older), (start, newer))
    }

    fn two_runs(
        (older_start, older): (Duration, (Duration, &str)),
        (newer_start, newer): (Duration, (Duration, &str)),
    ) -> Self {
        let run = |start, end| WorkflowScript::new("deploy", start, &[(start, "running"), end]);
        Self::created_at(
            older_start,
            vec![run(older_start, older), run(newer_start, newer)],
        )
    }

    /// A job of the workflow needs a context that the user may not use: nothing of it runs.
    pub fn unauthorized(after: Duration) -> Self {
        let jobs = vec![JobScript::new("deploy", &[(after, "unauthorized")])];
        let mut script = Self::ending(after, "unauthorized");
        script.workflows[0].jobs = jobs;
        script
    }

    /// CircleCI cannot run the workflow.
    pub fn workflow_error(after: Duration) -> Self {
        Self::ending(after, "error")
    }

    /// CircleCI cancels the running workflow at `after` by itself; it does not say why.
    pub fn auto_canceled(after: Duration) -> Self {
        Self::ending(after, "canceled")
    }
}
