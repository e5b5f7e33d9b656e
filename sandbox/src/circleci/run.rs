//! `pipeline/run`, the recommended way to start a pipeline, and what a project says of itself.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::model::{Model, Refusal};
use super::pipeline::repository;
use super::project::{Project, check, derived};
use super::view::Created;

/// Why nothing is started where the newest commit asks for that.
const CI_SKIP: &str = "Ignoring pipeline due to CI skip in the commit";

/// The body of `pipeline/run`. A key that it does not know makes it a bad request.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunRequest {
    /// The pipeline definition; the project's default one where it is missing.
    pub definition_id: Option<Uuid>,
    /// Where the configuration is read from.
    pub config: Reference,
    /// What is built.
    pub checkout: Reference,
    /// The pipeline parameters.
    pub parameters: BTreeMap<String, Value>,
}

/// A branch or a tag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reference {
    /// A branch.
    pub branch: Option<String>,
    /// A tag; this stand-in has none.
    pub tag: Option<String>,
}

impl Reference {
    /// The branch that is meant, if there is one.
    fn branch<'a>(&'a self, project: &'a Project) -> Result<&'a str, Refusal> {
        match (&self.branch, &self.tag) {
            (Some(_), Some(_)) => Err(bad_request()),
            (None, Some(_)) => Err(Refusal::new(400, "Tag not found")),
            (Some(branch), None) if project.has_branch(branch) => Ok(branch),
            (Some(_), None) => Err(Refusal::new(400, "Branch not found")),
            (None, None) => Ok(&project.default_branch),
        }
    }
}

/// What `pipeline/run` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ran {
    /// 201.
    Created(Created),
    /// 200 and the reason: understood, and nothing was started.
    NotTriggered(String),
}

pub(super) fn bad_request() -> Refusal {
    Refusal::new(400, "Unexpected request body provided.")
}

fn not_found() -> Refusal {
    Refusal::new(404, "Project does not exist.")
}

impl Model {
    /// The next `pipeline/run` is answered with 200 and this reason; several calls queue up.
    pub fn leave_next(&mut self, message: &str) {
        self.not_triggered.push_back(message.to_owned());
    }

    /// Starts a pipeline by `pipeline/run`. Two equal calls start two.
    pub fn run_pipeline(
        &mut self,
        now: DateTime<Utc>,
        token: Option<&str>,
        slug: &str,
        request: RunRequest,
    ) -> Result<Ran, Refusal> {
        let project = self.permitted(token, slug).ok_or_else(not_found)?;
        check(&request.parameters).map_err(|_| bad_request())?;
        request.config.branch(project)?;
        let branch = request.checkout.branch(project)?.to_owned();
        let definition = request
            .definition_id
            .unwrap_or_else(|| project.default_definition());
        if !definitions(project).any(|known| known == definition) {
            return Err(Refusal::new(404, "Pipeline definition does not exist."));
        }
        let is_skipped = project.ci_skip.contains(&branch);
        if let Some(message) = self.not_triggered.pop_front() {
            return Ok(Ran::NotTriggered(message));
        }
        if is_skipped {
            return Ok(Ran::NotTriggered(CI_SKIP.to_owned()));
        }
        self.create(
            now,
            slug,
            branch,
            request.parameters,
            Some(definition),
            not_found,
        )
        .map(Ran::Created)
    }

    /// `GET /project/{slug}`.
    pub fn project(&self, token: Option<&str>, slug: &str) -> Result<Value, Refusal> {
        let project = self
            .permitted(token, slug)
            .ok_or_else(|| Refusal::new(404, "Project not found"))?;
        let mut parts = project.slug.splitn(3, '/');
        let mut part = || parts.next().unwrap_or_default();
        let (vcs, org, repo) = (part(), part(), part());
        let provider = match vcs {
            "gh" => "GitHub",
            "bb" => "Bitbucket",
            _ => "CircleCI",
        };
        Ok(json!({
            "slug": project.slug,
            "name": repo,
            "id": project.id(),
            "organization_name": org,
            "organization_slug": format!("{vcs}/{org}"),
            "organization_id": derived(&format!("{vcs}/{org}")),
            "vcs_info": {
                "vcs_url": repository(&project.slug),
                "provider": provider,
                "default_branch": project.default_branch,
            },
        }))
    }

    /// `GET /projects/{id}/pipeline-definitions`.
    pub fn definitions(&self, token: Option<&str>, id: Uuid) -> Result<Value, Refusal> {
        let project = self
            .projects()
            .map(|known| &known.project)
            .find(|project| project.id() == id && token == Some(project.token.as_str()))
            .ok_or_else(not_found)?;
        let source = json!({
            "provider": "github_app",
            "repo": {"full_name": repository(&project.slug).trim_start_matches("https://github.com/")},
        });
        let items: Vec<Value> = definitions(project)
            .map(|definition| {
                json!({
                    "id": definition,
                    "name": if definition == project.default_definition() { "default" } else { "other" },
                    "created_at": "2026-01-02T03:04:05.678Z",
                    "config_source": source,
                    "checkout_source": source,
                })
            })
            .collect();
        Ok(json!({ "items": items }))
    }
}

fn definitions(project: &Project) -> impl Iterator<Item = Uuid> {
    std::iter::once(project.default_definition()).chain(project.definitions.iter().copied())
}
