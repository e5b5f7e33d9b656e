//! API v1.1: one job as a build outside workflows. It is shown as a pipeline with one workflow, so
//! that polling makes no difference.

use chatops_core::config::ProjectSlug;
use chatops_core::deploy::{CiPipeline, CiRunKind};
use chatops_core::id::PipelineId;
use chatops_core::ports::{
    CiReadError, CiWorkflow, LookupRequest, LookupResult, PipelineState, PollResult, SecretReader,
    TriggerRequest, WorkflowStatus,
};
use serde_json::{Value, json};
use url::Url;

use super::{CircleCiClient, MAX_PAGES, MAX_SKEW, wire};

/// How many builds one page of the listing has.
const PAGE_SIZE: usize = 30;

impl<X: SecretReader> CircleCiClient<X> {
    /// `POST /project/:vcs/:org/:repo/tree/:branch`, the branch as one segment.
    pub(super) fn job_call(&self, trigger: &TriggerRequest) -> (Url, Value) {
        let url = self.build_url(&trigger.slug, &["tree", trigger.branch.as_str()]);
        (url, json!({ "build_parameters": trigger.parameters }))
    }

    /// An address below the project.
    pub(super) fn build_url(&self, slug: &ProjectSlug, segments: &[&str]) -> Url {
        let long = slug.web_path();
        let mut all = vec!["v1.1", "project"];
        all.extend(long.split('/'));
        all.extend(segments);
        self.api_url(&all)
    }

    pub(super) fn build(&self, slug: &ProjectSlug, seen: &wire::V1Build) -> CiPipeline {
        CiPipeline {
            kind: CiRunKind::Build,
            id: PipelineId::of_build(&slug.web_path(), seen.build_num),
            number: seen.build_num,
            url: self.config.build_url(slug, seen.build_num),
        }
    }

    pub(super) async fn look_up_build(
        &self,
        lookup: &LookupRequest,
    ) -> Result<LookupResult, CiReadError> {
        let since = lookup.since - MAX_SKEW;
        let mut candidates = Vec::new();
        for page in 0..MAX_PAGES {
            let mut url = self.build_url(&lookup.slug, &["tree", lookup.branch.as_str()]);
            url.query_pairs_mut()
                .append_pair("limit", &PAGE_SIZE.to_string())
                .append_pair("offset", &(page * PAGE_SIZE).to_string());
            let builds: Vec<wire::V1Build> = self.get(url).await?;
            // Newest first: after an older one everything since then has been read.
            let is_older = |build: &wire::V1Build| build.first_seen_at().is_some_and(|t| t < since);
            for build in builds.iter().filter(|build| !is_older(build)) {
                let Some((name, value)) = &lookup.deploy_id else {
                    candidates.push(self.build(&lookup.slug, build));
                    continue;
                };
                let carried = match build.parameter(name) {
                    Some(carried) => Some(carried.to_owned()),
                    // The listing may omit the parameters; the build itself has them.
                    None if build.build_parameters.is_none() => {
                        let number = build.build_num.to_string();
                        let url = self.build_url(&lookup.slug, &[&number]);
                        let whole: wire::V1Build = self.get(url).await?;
                        if whole.hides_parameters() {
                            // It may be the one: it does not prove that nothing was started.
                            let error = format!("build {number} does not show its parameters");
                            return Err(CiReadError::from_message(error));
                        }
                        whole.parameter(name).map(str::to_owned)
                    }
                    None => None,
                };
                if carried.as_ref() == Some(value) {
                    return Ok(LookupResult::Found(self.build(&lookup.slug, build)));
                }
            }
            if builds.len() < PAGE_SIZE || builds.iter().any(is_older) {
                return Ok(LookupResult::Absent { candidates });
            }
        }
        Err(CiReadError::from_message(format!(
            "the branch has more than {MAX_PAGES} pages of recent builds"
        )))
    }

    pub(super) async fn poll_build(
        &self,
        slug: &ProjectSlug,
        number: u64,
    ) -> Result<PollResult, CiReadError> {
        let url = self.build_url(slug, &[&number.to_string()]);
        let build: wire::V1Build = self.get(url).await?;
        let workflow = build_status(&build).map(|status| CiWorkflow {
            id: number.to_string(),
            name: build.job_name().to_owned(),
            status,
            created_at: build.first_seen_at().unwrap_or_default(),
            rerun_coming: false,
        });
        Ok(PollResult {
            state: PipelineState::Created,
            errors: vec![],
            revision: build.vcs_revision,
            workflows: workflow.into_iter().collect(),
        })
    }
}

/// A build's status as a workflow's; `None` if it does not run, yet or ever.
fn build_status(build: &wire::V1Build) -> Option<WorkflowStatus> {
    let status = build.outcome.as_deref().or(build.status.as_deref());
    match (build.lifecycle.as_deref(), status) {
        (Some("finished"), Some(status)) => Some(match status {
            // `fixed` is the first success after a failure.
            "success" | "fixed" => WorkflowStatus::Success,
            "canceled" => WorkflowStatus::Canceled,
            "failed" | "timedout" | "infrastructure_fail" | "no_tests" => WorkflowStatus::Failed,
            _ => WorkflowStatus::Unknown,
        }),
        (Some("running"), _) => Some(WorkflowStatus::Running),
        // A skipped build says why; one that is about to begin may be `not_run`, too.
        (Some("not_run"), _) => build.dont_build.is_some().then_some(WorkflowStatus::NotRun),
        _ => Some(WorkflowStatus::Queued),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of(lifecycle: &str, outcome: &Value, status_word: &str) -> Option<WorkflowStatus> {
        let build = json!({
            "build_num": 1, "lifecycle": lifecycle, "outcome": outcome, "status": status_word,
        });
        build_status(&serde_json::from_value(build).unwrap())
    }

    #[test]
    fn every_status_of_a_build_has_its_meaning() {
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
            for shown in [json!(outcome), Value::Null] {
                assert_eq!(status_of("finished", &shown, outcome), Some(meaning));
            }
        }
        for (lifecycle, meaning) in [
            ("queued", Queued),
            ("not_running", Queued),
            ("scheduled", Queued),
            ("running", Running),
        ] {
            assert_eq!(status_of(lifecycle, &Value::Null, lifecycle), Some(meaning));
        }
    }

    #[test]
    fn a_skipped_build_says_why_and_another_may_still_begin() {
        assert_eq!(status_of("not_run", &Value::Null, "not_run"), None);
        let skipped = json!({"build_num": 1, "lifecycle": "not_run", "dont_build": "ci-skip"});
        let skipped = build_status(&serde_json::from_value(skipped).unwrap());
        assert_eq!(skipped, Some(WorkflowStatus::NotRun));
    }
}
