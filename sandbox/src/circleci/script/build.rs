//! What only a build of API v1.1 shows.

use std::time::Duration;

use super::{RunScript, WorkflowScript};

/// What a build of API v1.1 shows beside the timeline of its script's first workflow.
///
/// If that workflow takes the status `retried`, the script's second workflow is the build that
/// CircleCI starts in its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildScript {
    /// Why the build never runs, such as `no-followers`.
    pub dont_build: Option<String>,
    /// Shown as status and outcome of the finished build instead of the known words.
    pub outcome: Option<String>,
    /// The answer for the build alone has at least this many bytes more, in its steps.
    pub extra_bytes: usize,
    /// Every summary of the build has this many bytes more, in its commit's text.
    pub summary_bytes: usize,
    /// Whether the summary names the workflow that contains the build.
    pub in_workflow: bool,
}

impl RunScript {
    /// A build that CircleCI gives up at `retried_at` for trouble of its own. The build that
    /// replaces it starts then and takes `status` at `after`.
    pub fn retried_build(retried_at: Duration, after: Duration, status: &str) -> Self {
        let start = retried_at / 4;
        let first = [(start, "running"), (retried_at, "retried")];
        let again = [(retried_at, "running"), (after, status)];
        Self::created_at(
            start,
            vec![
                WorkflowScript::new("deploy", start, &first),
                WorkflowScript::new("deploy", retried_at, &again),
            ],
        )
    }

    /// A build that finishes at `after` with an outcome of CircleCI's choice, known or not.
    pub fn build_outcome(after: Duration, outcome: &str) -> Self {
        let mut script = Self::success(after);
        script.build.outcome = Some(outcome.to_owned());
        script
    }

    /// A build that never runs, with this reason in `dont_build`.
    pub fn never_built(reason: &str) -> Self {
        let mut script = Self::no_workflow();
        script.build.dont_build = Some(reason.to_owned());
        script
    }

    /// The same run; the answer for its build has at least so many bytes.
    #[must_use]
    pub fn large_build(mut self, bytes: usize) -> Self {
        self.build.extra_bytes = bytes;
        self
    }

    /// The same run; every summary of its build, in lists and triggers, too, has at least so
    /// many bytes.
    #[must_use]
    pub fn large_summary(mut self, bytes: usize) -> Self {
        self.build.summary_bytes = bytes;
        self
    }
}
