//! API v2: pipelines and their workflows.

use chatops_core::config::Slug;
use chatops_core::deploy::{Pipeline, RunKind};
use chatops_core::id::PipelineId;
use chatops_core::ports::{CiError, Finding, Look, Search, Secrets, Trigger, Workflow};
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::{CircleCi, PAGES, SKEW, answer, wire};

impl<X: Secrets> CircleCi<X> {
    /// `POST /project/{slug}/pipeline`.
    pub(super) fn pipeline_call(&self, trigger: &Trigger) -> (Url, Value) {
        let Slug { vcs, org, repo } = &trigger.slug;
        let body = json!({
            "branch": trigger.branch.as_str(),
            "parameters": trigger.parameters,
        });
        (
            self.url(&["v2", "project", vcs, org, repo, "pipeline"]),
            body,
        )
    }

    /// `POST /project/{provider}/{organization}/{project}/pipeline/run`. It takes no key that it
    /// does not know.
    pub(super) fn run_call(&self, trigger: &Trigger, definition: Option<Uuid>) -> (Url, Value) {
        let Slug { vcs, org, repo } = &trigger.slug;
        let branch = trigger.branch.as_str();
        let mut body = Map::new();
        if let Some(definition) = definition {
            body.insert("definition_id".to_owned(), json!(definition));
        }
        // The configuration is read from the branch that is built.
        body.insert("config".to_owned(), json!({ "branch": branch }));
        body.insert("checkout".to_owned(), json!({ "branch": branch }));
        body.insert("parameters".to_owned(), json!(trigger.parameters));
        let url = self.url(&["v2", "project", vcs, org, repo, "pipeline", "run"]);
        (url, Value::Object(body))
    }

    pub(super) fn pipeline(&self, slug: &Slug, seen: &wire::Pipeline) -> Pipeline {
        Pipeline {
            kind: RunKind::Pipeline,
            id: PipelineId(seen.id),
            number: seen.number,
            url: self.at.pipeline_url(slug, seen.number),
        }
    }

    /// Whether a pipeline's values carry the proof.
    async fn carries(
        &self,
        pipeline: PipelineId,
        (name, value): &(String, String),
    ) -> Result<bool, CiError> {
        let url = self.url(&["v2", "pipeline", &pipeline.to_string(), "values"]);
        let values: Map<String, Value> = self.read(url).await?;
        let carried = [format!("pipeline.parameters.{name}"), name.clone()]
            .iter()
            .find_map(|key| values.get(key))
            .and_then(Value::as_str);
        Ok(carried == Some(value))
    }

    pub(super) async fn search_pipelines(&self, search: &Search) -> Result<Finding, CiError> {
        let Slug { vcs, org, repo } = &search.slug;
        let since = search.since - SKEW;
        let mut candidates = Vec::new();
        let mut page_token = None::<String>;
        for _ in 0..PAGES {
            let mut url = self.url(&["v2", "project", vcs, org, repo, "pipeline"]);
            url.query_pairs_mut()
                .append_pair("branch", search.branch.as_str());
            if let Some(token) = &page_token {
                url.query_pairs_mut().append_pair("page-token", token);
            }
            let page: wire::Page<wire::Pipeline> = self.read(url).await?;
            // Newest first: an older one means that everything since then has been read.
            let reached_older = page.items.iter().any(|seen| seen.created_at < since);
            for seen in page.items.iter().filter(|seen| seen.created_at >= since) {
                let pipeline = self.pipeline(&search.slug, seen);
                match &search.proof {
                    Some(proof) => {
                        if self.carries(pipeline.id, proof).await? {
                            return Ok(Finding::Found(pipeline));
                        }
                    }
                    None => candidates.push(pipeline),
                }
            }
            match page.next_page_token {
                Some(token) if !reached_older => page_token = Some(token),
                _ => return Ok(Finding::Absent { candidates }),
            }
        }
        Err(CiError::met(format!(
            "the branch has more than {PAGES} pages of recent pipelines"
        )))
    }

    pub(super) async fn look_at_pipeline(&self, pipeline: PipelineId) -> Result<Look, CiError> {
        let id = pipeline.to_string();
        // The state first: workflows read after a `created` are all there are.
        let seen: wire::Details = self.read(self.url(&["v2", "pipeline", &id])).await?;
        let mut workflows: Vec<Workflow> = Vec::new();
        let mut page_token = None::<String>;
        for _ in 0..PAGES {
            let mut url = self.url(&["v2", "pipeline", &id, "workflow"]);
            if let Some(token) = &page_token {
                url.query_pairs_mut().append_pair("page-token", token);
            }
            let page: wire::Page<wire::Workflow> = self.read(url).await?;
            workflows.extend(page.items.into_iter().map(Workflow::from));
            page_token = page.next_page_token;
            if page_token.is_none() {
                return Ok(Look {
                    state: seen.state,
                    errors: seen
                        .errors
                        .into_iter()
                        .map(|error| answer::cut(&error.message))
                        .collect(),
                    revision: seen.vcs.and_then(|vcs| vcs.revision),
                    workflows,
                });
            }
        }
        // The workflow that decides may be among those that were not read.
        Err(CiError::met(format!(
            "the pipeline has more than {PAGES} pages of workflows"
        )))
    }
}
