//! API v2: pipelines and their workflows.

use chatops_core::config::ProjectSlug;
use chatops_core::deploy::{CiPipeline, CiRunKind};
use chatops_core::id::PipelineId;
use chatops_core::name::GitRef;
use chatops_core::ports::{
    CiJob, CiReadError, LookupRequest, LookupResult, PollResult, SecretReader, TriggerRequest,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::{CircleCiClient, MAX_PAGES, MAX_SKEW, wire};

/// `{"branch": …}` or `{"tag": …}`, as both calls take it.
fn ref_object(git_ref: &GitRef) -> Map<String, Value> {
    let key = match git_ref {
        GitRef::Branch(_) => "branch",
        GitRef::Tag(_) => "tag",
    };
    [(key.to_owned(), json!(git_ref.name()))]
        .into_iter()
        .collect()
}

impl<Secrets: SecretReader> CircleCiClient<Secrets> {
    /// `POST /project/{slug}/pipeline`.
    pub(super) fn pipeline_call(&self, trigger: &TriggerRequest) -> (Url, Value) {
        let ProjectSlug { vcs, org, repo } = &trigger.slug;
        let url = self.api_url(&["v2", "project", vcs, org, repo, "pipeline"]);
        let mut body = ref_object(&trigger.git_ref);
        body.insert("parameters".to_owned(), json!(trigger.parameters));
        (url, Value::Object(body))
    }

    /// `POST /project/{provider}/{organization}/{project}/pipeline/run`. It rejects unknown keys.
    pub(super) fn run_call(
        &self,
        trigger: &TriggerRequest,
        definition: Option<Uuid>,
    ) -> (Url, Value) {
        let ProjectSlug { vcs, org, repo } = &trigger.slug;
        let mut body = Map::new();
        if let Some(definition) = definition {
            body.insert("definition_id".to_owned(), json!(definition));
        }
        // A configuration in another repository has branches of its own.
        let config = trigger.config_branch.clone().map(GitRef::Branch);
        let config = config.as_ref().unwrap_or(&trigger.git_ref);
        body.insert("config".to_owned(), ref_object(config).into());
        body.insert("checkout".to_owned(), ref_object(&trigger.git_ref).into());
        body.insert("parameters".to_owned(), json!(trigger.parameters));
        let url = self.api_url(&["v2", "project", vcs, org, repo, "pipeline", "run"]);
        (url, Value::Object(body))
    }

    pub(super) fn pipeline(
        &self,
        slug: &ProjectSlug,
        seen: &wire::V2Pipeline,
    ) -> Option<CiPipeline> {
        let (id, number) = seen.key()?;
        Some(CiPipeline {
            kind: CiRunKind::Pipeline,
            id: PipelineId(id),
            number,
            url: self.config.pipeline_url(slug, number),
        })
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
        let mut is_unreadable = false;
        let mut page_token = None::<String>;
        for _ in 0..MAX_PAGES {
            let mut url = self.api_url(&["v2", "project", vcs, org, repo, "pipeline"]);
            // CircleCI filters by branch alone, and a tag's pipeline is on none.
            if let Some(branch) = lookup.git_ref.branch() {
                url.query_pairs_mut().append_pair("branch", branch.as_str());
            }
            if let Some(token) = &page_token {
                url.query_pairs_mut().append_pair("page-token", token);
            }
            let page: wire::V2Page<wire::V2Pipeline> = self.get_object(url).await?;
            let next = page.next();
            let mut reached_older = false;
            for item in page.items {
                let is_of_another = |seen: &wire::V2Pipeline| {
                    let mut tag = lookup.git_ref.tag().into_iter();
                    lookup.deploy_id.is_none() && tag.any(|tag| !seen.may_be_of(tag))
                };
                let pipeline = match item {
                    wire::Item::Null => continue,
                    // Newest first: after an older one everything since then has been read.
                    wire::Item::Known(seen) if seen.created_at().is_some_and(|at| at < since) => {
                        reached_older = true;
                        continue;
                    }
                    wire::Item::Known(seen) if is_of_another(&seen) => continue,
                    wire::Item::Known(seen) => self.pipeline(&lookup.slug, &seen),
                    wire::Item::Unreadable => None,
                };
                // It may be the one.
                let Some(pipeline) = pipeline else {
                    is_unreadable = true;
                    continue;
                };
                match &lookup.deploy_id {
                    None => candidates.push(pipeline),
                    Some(deploy_id) => {
                        if self.carries_deploy_id(pipeline.id, deploy_id).await? {
                            return Ok(LookupResult::Found(pipeline));
                        }
                    }
                }
            }
            match next {
                Some(token) if !reached_older => page_token = Some(token),
                _ if is_unreadable => {
                    let error = "the list has a pipeline that cannot be read";
                    return Err(CiReadError::from_message(error));
                }
                _ => return Ok(LookupResult::Absent { candidates }),
            }
        }
        Err(CiReadError::from_message(format!(
            "there are more than {MAX_PAGES} pages of recent pipelines"
        )))
    }

    pub(super) async fn poll_pipeline(
        &self,
        pipeline: PipelineId,
        details: bool,
    ) -> Result<PollResult, CiReadError> {
        let id = pipeline.to_string();
        // The state first: after `created` no more workflows are added.
        let seen = if details {
            let url = self.api_url(&["v2", "pipeline", &id]);
            Some(self.get_object::<wire::V2PipelineDetails>(url).await?)
        } else {
            None
        };
        let path = ["v2", "pipeline", &id, "workflow"];
        let items = self.list(&path, "the pipeline", "workflows").await?;
        Ok(PollResult {
            pipeline: seen.map(Into::into),
            workflows: wire::workflows(items),
        })
    }

    pub(super) async fn list_workflow_jobs(
        &self,
        workflow: &str,
    ) -> Result<Vec<CiJob>, CiReadError> {
        let path = ["v2", "workflow", workflow, "job"];
        let items = self.list(&path, "the workflow", "jobs").await?;
        Ok(wire::jobs(items).collect())
    }

    /// Every item of a list, in its order. What is behind the last page that is read may decide, so a
    /// longer list is an error.
    async fn list<T>(
        &self,
        path: &[&str],
        owner: &str,
        items: &str,
    ) -> Result<Vec<wire::Item<T>>, CiReadError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let mut all = Vec::new();
        let mut page_token = None::<String>;
        for _ in 0..MAX_PAGES {
            let mut url = self.api_url(path);
            if let Some(token) = &page_token {
                url.query_pairs_mut().append_pair("page-token", token);
            }
            let page: wire::V2Page<T> = self.get_object(url).await?;
            page_token = page.next();
            all.extend(page.items);
            if page_token.is_none() {
                return Ok(all);
            }
        }
        Err(CiReadError::from_message(format!(
            "{owner} has more than {MAX_PAGES} pages of {items}"
        )))
    }
}
