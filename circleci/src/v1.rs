//! API v1.1: one job as a build outside workflows. It is shown as a pipeline with one workflow, so
//! that polling makes no difference.

use chatops_core::config::ProjectSlug;
use chatops_core::deploy::{CiPipeline, CiRunKind};
use chatops_core::id::PipelineId;
use chatops_core::ports::{
    CiReadError, CiWorkflow, LookupRequest, LookupResult, PipelineDetails, PipelineState,
    PollResult, SecretReader, TriggerRequest, WorkflowStatus,
};
use serde_json::{Value, json};
use url::Url;

use super::{CircleCiClient, MAX_PAGES, MAX_SKEW, build_status, wire};

/// How many builds one page of the listing has.
const PAGE_SIZE: usize = 30;

/// How often CircleCI's own retry of a build is followed within one poll. Its infrastructure does not
/// fail that often in a row.
const MAX_RETRIES: usize = 10;

impl<Secrets: SecretReader> CircleCiClient<Secrets> {
    /// `POST /project/:vcs/:org/:repo/tree/:branch`, the branch as one segment.
    pub(super) fn job_call(&self, trigger: &TriggerRequest) -> (Url, Value) {
        let url = self.build_url(&trigger.slug, &["tree", trigger.git_ref.name()]);
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

    pub(super) fn build(&self, slug: &ProjectSlug, seen: &wire::V1Build) -> Option<CiPipeline> {
        let number = seen.number()?;
        Some(CiPipeline {
            kind: CiRunKind::Build,
            id: PipelineId::of_build(&slug.web_path(), number),
            number,
            url: self.config.build_url(slug, number),
        })
    }

    async fn get_build(
        &self,
        slug: &ProjectSlug,
        number: u64,
    ) -> Result<wire::V1Build, CiReadError> {
        let url = self.build_url(slug, &[&number.to_string()]);
        self.get_object(url).await
    }

    pub(super) async fn look_up_build(
        &self,
        lookup: &LookupRequest,
    ) -> Result<LookupResult, CiReadError> {
        let since = lookup.since - MAX_SKEW;
        let mut candidates = Vec::new();
        let mut is_unreadable = false;
        for page in 0..MAX_PAGES {
            let mut url = self.build_url(&lookup.slug, &["tree", lookup.git_ref.name()]);
            url.query_pairs_mut()
                .append_pair("limit", &PAGE_SIZE.to_string())
                .append_pair("offset", &(page * PAGE_SIZE).to_string());
            let builds: Vec<wire::Item<wire::V1Build>> = self.get(url).await?;
            let is_last = builds.len() < PAGE_SIZE;
            let mut reached_older = false;
            for item in builds {
                let (build, run) = match item {
                    wire::Item::Null => continue,
                    wire::Item::Known(build) => {
                        // Newest first: after an older one everything since then has been read.
                        if build.first_seen_at().is_some_and(|time| time < since) {
                            reached_older = true;
                            continue;
                        }
                        let run = self.build(&lookup.slug, &build);
                        (build, run)
                    }
                    wire::Item::Unreadable => (wire::V1Build::default(), None),
                };
                // It may be the one.
                let Some(run) = run else {
                    is_unreadable = true;
                    continue;
                };
                match &lookup.deploy_id {
                    None => candidates.push(run),
                    Some(deploy_id) => {
                        if self
                            .build_carries(&lookup.slug, &build, &run, deploy_id)
                            .await?
                        {
                            return Ok(LookupResult::Found(run));
                        }
                    }
                }
            }
            if is_last || reached_older {
                if is_unreadable {
                    let error = "the list has a build that cannot be read";
                    return Err(CiReadError::from_message(error));
                }
                return Ok(LookupResult::Absent { candidates });
            }
        }
        Err(CiReadError::from_message(format!(
            "the branch has more than {MAX_PAGES} pages of recent builds"
        )))
    }

    /// Whether a listed build has the deploy id parameter.
    async fn build_carries(
        &self,
        slug: &ProjectSlug,
        listed: &wire::V1Build,
        run: &CiPipeline,
        (name, value): &(String, String),
    ) -> Result<bool, CiReadError> {
        if listed.shows_parameters() {
            return Ok(listed.parameter(name) == Some(value));
        }
        // The listing may omit the parameters; the build itself has them.
        let whole = self.get_build(slug, run.number).await?;
        if whole.hides_parameters() {
            // It may be the one: it does not prove that nothing was started.
            let error = format!("build {} does not show its parameters", run.number);
            return Err(CiReadError::from_message(error));
        }
        Ok(whole.parameter(name) == Some(value))
    }

    /// A build, or what CircleCI has repeated it as: one workflow, whose id is the newest build's number.
    pub(super) async fn poll_build(
        &self,
        slug: &ProjectSlug,
        first: u64,
    ) -> Result<PollResult, CiReadError> {
        let (mut number, mut build) = (first, self.get_build(slug, first).await?);
        let mut name = build.job_name();
        for _ in 0..MAX_RETRIES {
            let Some(retry) = build_status::retried_as(&build, number) else {
                break;
            };
            (number, build) = (retry, self.get_build(slug, retry).await?);
            name = name.or_else(|| build.job_name());
        }
        let status = build_status::build_status(&build);
        if status == Some(WorkflowStatus::Error) {
            build_status::warn_of_unknown_end(&build, number);
        }
        let workflow = status.map(|status| CiWorkflow {
            id: number.to_string(),
            name: name.unwrap_or_else(|| "build".to_owned()),
            status,
            created_at: build.first_seen_at().unwrap_or_default(),
            is_setup: false,
            auto_rerun_number: None,
            // Its retry is not listed yet, and is waited for like a workflow's.
            max_auto_reruns: build_status::is_retried(&build).then_some(1),
        });
        Ok(PollResult {
            pipeline: Some(PipelineDetails {
                state: PipelineState::Created,
                errors: vec![],
                revision: build.revision(),
                subject: build.subject(),
                // It names who committed, which for a merge may be the host.
                author: None,
            }),
            workflows: workflow.into_iter().collect(),
        })
    }
}
