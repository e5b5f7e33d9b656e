//! API v2: pipelines and their workflows.

use chatops_core::config::ProjectSlug;
use chatops_core::deploy::{CiPipeline, CiRunKind};
use chatops_core::id::PipelineId;
use chatops_core::ports::{
    CiReadError, CiWorkflow, LookupRequest, LookupResult, PollResult, SecretReader, TriggerRequest,
};
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::{CircleCiClient, MAX_PAGES, MAX_SKEW, wire};

impl<X: SecretReader> CircleCiClient<X> {
    /// `POST /project/{slug}/pipeline`.
    pub(super) fn pipeline_call(&self, trigger: &TriggerRequest) -> (Url, Value) {
        let ProjectSlug { vcs, org, repo } = &trigger.slug;
        let branch = trigger.branch.as_str();
        let url = self.api_url(&["v2", "project", vcs, org, repo, "pipeline"]);
        (
            url,
            json!({ "branch": branch, "parameters": trigger.parameters }),
        )
    }

    /// `POST /project/{provider}/{organization}/{project}/pipeline/run`. It rejects unknown keys.
    pub(super) fn run_call(
        &self,
        trigger: &TriggerRequest,
        definition: Option<Uuid>,
    ) -> (Url, Value) {
        let ProjectSlug { vcs, org, repo } = &trigger.slug;
        let branch = trigger.branch.as_str();
        let mut body = Map::new();
        if let Some(definition) = definition {
            body.insert("definition_id".to_owned(), json!(definition));
        }
        // CircleCI reads its configuration from the branch that it builds.
        body.insert("config".to_owned(), json!({ "branch": branch }));
        body.insert("checkout".to_owned(), json!({ "branch": branch }));
        body.insert("parameters".to_owned(), json!(trigger.parameters));
        let url = self.api_url(&["v2", "project", vcs, org, repo, "pipeline", "run"]);
        (url, Value::Object(body))
    }

    pub(super) fn pipeline(&self, slug: &ProjectSlug, listed: &wire::V2Pipeline) -> CiPipeline {
        CiPipeline {
            kind: CiRunKind::Pipeline,
            id: PipelineId(listed.id),
            number: listed.number,
            url: self.config.pipeline_url(slug, listed.number),
        }
    }

    /// Whether a pipeline has the deploy id parameter.
    async fn carries_deploy_id(
        &self,
        pipeline: PipelineId,
        (name, value): &(String, String),
    ) -> Result<bool, CiReadError> {
        let url = self.api_url(&["v2", "pipeline", &pipeline.to_string(), "values"]);
        let values: Map<String, Value> = self.get(url).await?;
        let carried = [format!("pipeline.parameters.{name}"), name.clone()]
            .iter()
            .find_map(|key| values.get(key))
            .and_then(Value::as_str);
        Ok(carried == Some(value))
    }

    pub(super) async fn look_up_pipeline(
        &self,
        lookup: &LookupRequest,
    ) -> Result<LookupResult, CiReadError> {
        let ProjectSlug { vcs, org, repo } = &lookup.slug;
        let since = lookup.since - MAX_SKEW;
        let mut candidates = Vec::new();
        let mut page_token = None::<String>;
        for _ in 0..MAX_PAGES {
            let mut url = self.api_url(&["v2", "project", vcs, org, repo, "pipeline"]);
            let branch = lookup.branch.as_str();
            url.query_pairs_mut().append_pair("branch", branch);
            if let Some(token) = &page_token {
                url.query_pairs_mut().append_pair("page-token", token);
            }
            let page: wire::V2Page<wire::V2Pipeline> = self.get(url).await?;
            // Newest first: after an older one everything since then has been read.
            let is_recent = |listed: &&wire::V2Pipeline| listed.created_at >= since;
            let reached_older = !page.items.iter().all(|listed| is_recent(&listed));
            for listed in page.items.iter().filter(is_recent) {
                let pipeline = self.pipeline(&lookup.slug, listed);
                match &lookup.deploy_id {
                    Some(deploy_id) => {
                        if self.carries_deploy_id(pipeline.id, deploy_id).await? {
                            return Ok(LookupResult::Found(pipeline));
                        }
                    }
                    None => candidates.push(pipeline),
                }
            }
            match page.next_page_token {
                Some(token) if !reached_older => page_token = Some(token),
                _ => return Ok(LookupResult::Absent { candidates }),
            }
        }
        Err(CiReadError::from_message(format!(
            "the branch has more than {MAX_PAGES} pages of recent pipelines"
        )))
    }

    pub(super) async fn poll_pipeline(
        &self,
        pipeline: PipelineId,
    ) -> Result<PollResult, CiReadError> {
        let id = pipeline.to_string();
        // The state first: after `created` no more workflows are added.
        let url = self.api_url(&["v2", "pipeline", &id]);
        let listed: wire::V2PipelineDetails = self.get(url).await?;
        let mut workflows: Vec<CiWorkflow> = Vec::new();
        let mut page_token = None::<String>;
        for _ in 0..MAX_PAGES {
            let mut url = self.api_url(&["v2", "pipeline", &id, "workflow"]);
            if let Some(token) = &page_token {
                url.query_pairs_mut().append_pair("page-token", token);
            }
            let page: wire::V2Page<wire::V2Workflow> = self.get(url).await?;
            workflows.extend(page.items.into_iter().map(CiWorkflow::from));
            page_token = page.next_page_token;
            if page_token.is_none() {
                let errors = listed.errors.iter();
                let errors = errors.map(|error| chatops_http::truncate(&error.message));
                return Ok(PollResult {
                    state: listed.state,
                    errors: errors.collect(),
                    revision: listed.vcs.and_then(|vcs| vcs.revision),
                    workflows,
                });
            }
        }
        // The deciding workflow may be among those that were not read.
        Err(CiReadError::from_message(format!(
            "the pipeline has more than {MAX_PAGES} pages of workflows"
        )))
    }
}
