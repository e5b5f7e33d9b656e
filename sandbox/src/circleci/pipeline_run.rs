//! `pipeline/run`, the recommended way to start a pipeline, projects and their definitions.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::model::pipeline::repository_url;
use super::model::project::{FakeProject, check_parameters, derived_uuid, org_and_repo};
use super::model::view::CreatedPipeline;
use super::model::{ApiError, ApiResult, CircleCiModel};
use crate::server::Time;

/// The reason of a run whose newest commit skips CI.
const CI_SKIP: &str = "Ignoring pipeline due to CI skip in the commit";

/// The body of `pipeline/run`. An unknown key makes it a bad request.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunRequest {
    /// The pipeline definition; by default the project's default one.
    pub definition_id: Option<Uuid>,
    /// Where the configuration is read from.
    pub config: GitReference,
    /// What is built.
    pub checkout: GitReference,
    /// The pipeline parameters.
    pub parameters: BTreeMap<String, Value>,
}

/// A branch or a tag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GitReference {
    /// A branch.
    pub branch: Option<String>,
    /// A tag.
    pub tag: Option<String>,
}

impl GitReference {
    /// What it names in a project; by default its default branch.
    pub(super) fn resolve(self, project: &FakeProject) -> ApiResult<KnownReference> {
        match (self.branch, self.tag) {
            (Some(_), Some(_)) => Err(bad_request()),
            (None, Some(tag)) if project.has_tag(&tag) => Ok(KnownReference::Tag(tag)),
            (None, Some(_)) => Err(ApiError::new(400, "Tag not found")),
            (Some(branch), None) if project.has_branch(&branch) => {
                Ok(KnownReference::Branch(branch))
            }
            (Some(_), None) => Err(ApiError::new(400, "Branch not found")),
            (None, None) => Ok(KnownReference::Branch(project.default_branch.clone())),
        }
    }
}

/// A branch or tag that exists.
#[derive(Debug, Clone)]
pub(super) enum KnownReference {
    Branch(String),
    Tag(String),
}

impl KnownReference {
    /// The branch, or the tag, each empty for the other.
    pub(super) fn into_names(self) -> (String, String) {
        match self {
            Self::Branch(branch) => (branch, String::new()),
            Self::Tag(tag) => (String::new(), tag),
        }
    }
}

/// The result of `pipeline/run`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunResponse {
    /// 201.
    Created(CreatedPipeline),
    /// 200 and the reason why nothing was started.
    NotTriggered(String),
}

pub(super) fn bad_request() -> ApiError {
    ApiError::new(400, "Unexpected request body provided.")
}

fn project_not_found() -> ApiError {
    ApiError::new(404, "Project does not exist.")
}

impl CircleCiModel {
    /// The next `pipeline/run` starts nothing for this reason; several calls queue up.
    pub fn skip_next_run(&mut self, message: &str) {
        self.not_triggered.push_back(message.to_owned());
    }

    /// Starts a pipeline by `pipeline/run`. Two equal calls start two.
    pub fn run_pipeline(
        &mut self,
        now: Time,
        token: Option<&str>,
        slug: &str,
        request: RunRequest,
    ) -> ApiResult<RunResponse> {
        let project = self
            .permitted_project(token, slug)
            .ok_or_else(project_not_found)?;
        check_parameters(&request.parameters).map_err(|_| bad_request())?;
        request.config.resolve(project)?;
        let reference = request.checkout.resolve(project)?;
        let definition = request.definition_id;
        let definition = definition.unwrap_or_else(|| project.default_definition());
        if !definition_ids(project).any(|known| known == definition) {
            return Err(ApiError::new(404, "Pipeline definition does not exist."));
        }
        let is_skipped = matches!(&reference, KnownReference::Branch(branch) if project.ci_skip_branches.contains(branch));
        if let Some(message) = self.not_triggered.pop_front() {
            return Ok(RunResponse::NotTriggered(message));
        }
        if is_skipped {
            return Ok(RunResponse::NotTriggered(CI_SKIP.to_owned()));
        }
        let (parameters, definition) = (request.parameters, Some(definition));
        self.create_pipeline(
            now,
            slug,
            reference,
            parameters,
            definition,
            project_not_found,
        )
        .map(RunResponse::Created)
    }

    /// `GET /project/{slug}`.
    pub fn get_project(&self, token: Option<&str>, slug: &str) -> ApiResult<Value> {
        let project = self
            .permitted_project(token, slug)
            .ok_or_else(|| ApiError::new(404, "Project not found"))?;
        let (org, repo) = org_and_repo(&project.slug);
        let (vcs, provider) = match project.slug.split_once('/') {
            Some(("gh", _)) => ("gh", "GitHub"),
            Some(("bb", _)) => ("bb", "Bitbucket"),
            slug => (slug.unwrap_or_default().0, "CircleCI"),
        };
        Ok(json!({
            "slug": project.slug,
            "name": repo,
            "id": project.id(),
            "organization_name": org,
            "organization_slug": format!("{vcs}/{org}"),
            "organization_id": derived_uuid(&format!("{vcs}/{org}")),
            "vcs_info": {
                "vcs_url": repository_url(&project.slug),
                "provider": provider,
                "default_branch": project.default_branch,
            },
        }))
    }

    /// `GET /projects/{id}/pipeline-definitions`.
    pub fn list_definitions(&self, token: Option<&str>, id: Uuid) -> ApiResult<Value> {
        let project = self
            .projects()
            .map(|known| &known.project)
            .find(|project| project.id() == id && token == Some(project.token.as_str()))
            .ok_or_else(project_not_found)?;
        let (org, repo) = org_and_repo(&project.slug);
        let full_name = format!("{org}/{repo}");
        let source = json!({"provider": "github_app", "repo": {"full_name": full_name}});
        let item = |id| {
            json!({
                "id": id,
                "name": if id == project.default_definition() { "default" } else { "other" },
                "created_at": "2026-01-02T03:04:05.678Z",
                "config_source": source,
                "checkout_source": source,
            })
        };
        let items: Vec<Value> = definition_ids(project).map(item).collect();
        Ok(json!({ "items": items }))
    }
}

fn definition_ids(project: &FakeProject) -> impl Iterator<Item = Uuid> {
    std::iter::once(project.default_definition()).chain(project.definitions.iter().copied())
}
