//! A project's settings, and what its parameters may hold.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::model::Refusal;

/// Limits on a trigger's parameters.
const MAX_PARAMETERS: usize = 100;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 512;

/// What a trigger with a parameter that the configuration does not declare meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Undeclared {
    /// 404 `Project not found`, and nothing is created.
    #[default]
    ProjectNotFound,
    /// A pipeline is created and is errored with `Unexpected argument(s): <name>`.
    Errored,
}

/// A project and its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Such as `gh/acme/web`.
    pub slug: String,
    /// The personal token that may use it.
    pub token: String,
    /// The branches that exist.
    pub branches: Vec<String>,
    /// Whether a branch outside `branches` exists, too.
    pub any_branch: bool,
    /// Built when a trigger names no branch.
    pub default_branch: String,
    /// The names of the pipeline parameters that the configuration declares.
    pub parameters: Vec<String>,
    /// What an undeclared parameter leads to.
    pub undeclared: Undeclared,
    /// The number of the first pipeline.
    pub first_number: u64,
    /// The number of the first build that API v1.1 starts.
    pub first_build: u64,
    /// The pipeline definitions besides the default one.
    pub definitions: Vec<Uuid>,
    /// The branches whose newest commit asks for no build: `pipeline/run` answers 200 and starts
    /// nothing, API v1.1 starts a build that never runs.
    pub ci_skip: Vec<String>,
    /// Whether a new pipeline on a branch other than the default one cancels what still runs there.
    pub auto_cancel: bool,
    /// Whether the listing of builds shows their parameters; the build itself always does.
    pub lists_build_parameters: bool,
}

impl Project {
    /// A project with the single branch `main` and no declared parameter.
    pub fn new(slug: &str, token: &str) -> Self {
        Self {
            slug: slug.to_owned(),
            token: token.to_owned(),
            branches: vec!["main".to_owned()],
            any_branch: false,
            default_branch: "main".to_owned(),
            parameters: Vec::new(),
            undeclared: Undeclared::default(),
            first_number: 1,
            first_build: 1,
            definitions: Vec::new(),
            ci_skip: Vec::new(),
            auto_cancel: false,
            lists_build_parameters: true,
        }
    }

    /// A project that has every branch that is asked for, and whose configuration declares these
    /// parameters.
    pub fn declaring(slug: &str, token: &str, parameters: &[&str]) -> Self {
        Self {
            any_branch: true,
            parameters: parameters.iter().map(|name| (*name).to_owned()).collect(),
            ..Self::new(slug, token)
        }
    }

    /// The project's id.
    pub fn id(&self) -> Uuid {
        derived(&self.slug)
    }

    /// The definition that a run without one uses.
    pub fn default_definition(&self) -> Uuid {
        derived(&format!("{} definition", self.slug))
    }

    pub(super) fn has_branch(&self, branch: &str) -> bool {
        self.any_branch || self.branches.iter().any(|known| known == branch)
    }

    /// Whether only `pipeline/run` starts its pipelines, as for GitHub App projects.
    pub(super) fn is_standalone(&self) -> bool {
        self.slug.starts_with("circleci/")
    }
}

/// An id that looks drawn and is not.
pub(super) fn derived(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
}

/// The host's long name, as version 1.1, webhooks and web addresses have it.
pub(super) fn long(slug: &str) -> String {
    match slug.split_once('/') {
        Some(("gh", rest)) => format!("github/{rest}"),
        Some(("bb", rest)) => format!("bitbucket/{rest}"),
        _ => slug.to_owned(),
    }
}

/// CircleCI accepts the host's long name in a slug and shows the short one.
pub(super) fn canonical(slug: &str) -> String {
    match slug.split_once('/') {
        Some(("github", rest)) => format!("gh/{rest}"),
        Some(("bitbucket", rest)) => format!("bb/{rest}"),
        _ => slug.to_owned(),
    }
}

/// Parameters are strings, integers and booleans of limited number and size.
pub(super) fn check(parameters: &BTreeMap<String, Value>) -> Result<(), Refusal> {
    let fits = |(key, value): (&String, &Value)| {
        key.chars().count() <= MAX_KEY
            && match value {
                Value::String(text) => text.chars().count() <= MAX_VALUE,
                Value::Number(number) => number.is_i64() || number.is_u64(),
                Value::Bool(_) => true,
                Value::Null | Value::Array(_) | Value::Object(_) => false,
            }
    };
    if parameters.len() <= MAX_PARAMETERS && parameters.iter().all(fits) {
        Ok(())
    } else {
        Err(Refusal::new(400, "Invalid pipeline parameters"))
    }
}
