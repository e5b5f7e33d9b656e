//! API v1.1: one job as a build outside workflows, the original form of this command. It is seen as
//! a pipeline with one workflow, so that what follows a run need not know the difference.

use chatops_core::config::Slug;
use chatops_core::deploy::{Pipeline, RunKind};
use chatops_core::id::PipelineId;
use chatops_core::ports::{
    CiError, Finding, Look, PipelineState, Search, Secrets, Trigger, Workflow, WorkflowStatus,
};
use serde_json::{Value, json};
use url::Url;

use super::{CircleCi, PAGES, SKEW, answer, wire};

/// How many builds one page of the listing has.
const PAGE: usize = 30;

impl<X: Secrets> CircleCi<X> {
    /// `POST /project/:vcs/:org/:repo/tree/:branch`, the branch as one segment.
    pub(super) fn job_call(&self, trigger: &Trigger) -> (Url, Value) {
        let url = self.build_url(&trigger.slug, &["tree", trigger.branch.as_str()]);
        (url, json!({ "build_parameters": trigger.parameters }))
    }

    /// An address below the project.
    pub(super) fn build_url(&self, slug: &Slug, segments: &[&str]) -> Url {
        let long = slug.long();
        let mut all = vec!["v1.1", "project"];
        all.extend(long.split('/'));
        all.extend(segments);
        self.url(&all)
    }

    pub(super) fn build(&self, slug: &Slug, seen: &wire::Build) -> Pipeline {
        Pipeline {
            kind: RunKind::Build,
            id: PipelineId::of_build(&slug.long(), seen.build_num),
            number: seen.build_num,
            url: self.at.build_url(slug, seen.build_num),
        }
    }

    pub(super) async fn search_builds(&self, search: &Search) -> Result<Finding, CiError> {
        let since = search.since - SKEW;
        let mut candidates = Vec::new();
        for page in 0..PAGES {
            let mut url = self.build_url(&search.slug, &["tree", search.branch.as_str()]);
            url.query_pairs_mut()
                .append_pair("limit", &PAGE.to_string())
                .append_pair("offset", &(page * PAGE).to_string());
            let builds: Vec<wire::Build> = self.read(url).await?;
            // Newest first: an older one means that everything since then has been read.
            let is_older = |build: &wire::Build| build.queued().is_some_and(|at| at < since);
            for build in builds.iter().filter(|build| !is_older(build)) {
                let Some((name, value)) = &search.proof else {
                    candidates.push(self.build(&search.slug, build));
                    continue;
                };
                let carried = match build.parameter(name) {
                    Some(carried) => Some(carried.to_owned()),
                    // The listing may leave the parameters out; the build itself has them.
                    None if build.build_parameters.is_none() => {
                        let number = build.build_num.to_string();
                        let url = self.build_url(&search.slug, &[&number]);
                        let whole: wire::Build = self.read(url).await?;
                        if whole.is_secretive() {
                            // It may be the one that is looked for: that nothing was started
                            // must not be concluded from it.
                            return Err(answer::unfinished(format!(
                                "build {number} does not show its parameters"
                            )));
                        }
                        whole.parameter(name).map(str::to_owned)
                    }
                    None => None,
                };
                if carried.as_ref() == Some(value) {
                    return Ok(Finding::Found(self.build(&search.slug, build)));
                }
            }
            if builds.len() < PAGE || builds.iter().any(is_older) {
                return Ok(Finding::Absent { candidates });
            }
        }
        Err(answer::unfinished(format!(
            "the branch has more than {PAGES} pages of recent builds"
        )))
    }

    pub(super) async fn look_at_build(&self, slug: &Slug, number: u64) -> Result<Look, CiError> {
        let build: wire::Build = self
            .read(self.build_url(slug, &[&number.to_string()]))
            .await?;
        let workflow = status(&build).map(|status| Workflow {
            id: number.to_string(),
            name: build.job().to_owned(),
            status,
            created_at: build.queued().unwrap_or_default(),
            rerun_coming: false,
        });
        Ok(Look {
            state: PipelineState::Created,
            errors: vec![],
            revision: build.vcs_revision,
            workflows: workflow.into_iter().collect(),
        })
    }
}

/// Where a build stands, in the words of workflows; `None` if nothing of it runs, yet or ever.
fn status(build: &wire::Build) -> Option<WorkflowStatus> {
    let word = build.outcome.as_deref().or(build.status.as_deref());
    match (build.lifecycle.as_deref(), word) {
        (Some("finished"), Some(word)) => Some(match word {
            // `fixed` is the first success after a failure.
            "success" | "fixed" => WorkflowStatus::Success,
            "canceled" => WorkflowStatus::Canceled,
            "failed" | "timedout" | "infrastructure_fail" | "no_tests" => WorkflowStatus::Failed,
            _ => WorkflowStatus::Unknown,
        }),
        (Some("running"), _) => Some(WorkflowStatus::Running),
        // A build that is skipped says why; one that only begins may say `not_run` as well.
        (Some("not_run"), _) => build.dont_build.is_some().then_some(WorkflowStatus::NotRun),
        _ => Some(WorkflowStatus::Queued),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(lifecycle: &str, outcome: &Value, status_word: &str) -> Option<WorkflowStatus> {
        let build = json!({
            "build_num": 1, "lifecycle": lifecycle, "outcome": outcome, "status": status_word,
        });
        status(&serde_json::from_value(build).unwrap())
    }

    #[test]
    fn every_word_of_a_build_has_its_meaning() {
        use WorkflowStatus::{Canceled, Failed, Queued, Running, Success, Unknown};
        for (outcome, meaning) in [
            ("success", Success),
            ("fixed", Success),
            ("failed", Failed),
            ("timedout", Failed),
            ("infrastructure_fail", Failed),
            ("no_tests", Failed),
            ("canceled", Canceled),
            ("something new", Unknown),
        ] {
            assert_eq!(seen("finished", &json!(outcome), outcome), Some(meaning));
            assert_eq!(seen("finished", &Value::Null, outcome), Some(meaning));
        }
        for (lifecycle, meaning) in [
            ("queued", Queued),
            ("not_running", Queued),
            ("scheduled", Queued),
            ("running", Running),
        ] {
            assert_eq!(seen(lifecycle, &Value::Null, lifecycle), Some(meaning));
        }
    }

    #[test]
    fn a_skipped_build_says_why_and_another_may_still_begin() {
        assert_eq!(seen("not_run", &Value::Null, "not_run"), None);
        let skipped = json!({"build_num": 1, "lifecycle": "not_run", "dont_build": "ci-skip"});
        let skipped = status(&serde_json::from_value(skipped).unwrap());
        assert_eq!(skipped, Some(WorkflowStatus::NotRun));
    }
}
