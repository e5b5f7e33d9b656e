//! A project's settings, and the limits of its parameters.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::{ApiError, ApiResult};

/// Limits on a trigger's parameters.
const MAX_PARAMETERS: usize = 100;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 512;

/// The response to a parameter that the configuration does not declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UndeclaredParameter {
    /// 404 `Project not found`, and nothing is created.
    #[default]
    ProjectNotFound,
    /// A pipeline is created, with the error `Unexpected argument(s): <name>`.
    Errored,
}

/// A declared type that a text is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterType {
    /// `type: boolean`
    Boolean,
    /// `type: integer`
    Integer,
}

/// A project and its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeProject {
    /// Such as `gh/acme/web`.
    pub slug: String,
    /// The personal token that may use it.
    pub token: String,
    /// The branches that exist.
    pub branches: Vec<String>,
    /// The tags that exist.
    pub tags: Vec<String>,
    /// Whether every other branch and tag exists, too.
    pub any_ref: bool,
    /// Built when a trigger names no branch.
    pub default_branch: String,
    /// The names of the pipeline parameters that the configuration declares.
    pub parameters: Vec<String>,
    /// Those of them that are declared as `boolean` or `integer`; all others take anything.
    pub typed: BTreeMap<String, ParameterType>,
    /// The response to an undeclared parameter.
    pub undeclared: UndeclaredParameter,
    /// The number of the first pipeline.
    pub first_number: u64,
    /// The number of the first build that API v1.1 starts.
    pub first_build: u64,
    /// The pipeline definitions besides the default one.
    pub definitions: Vec<Uuid>,
    /// The branches whose newest commit skips CI: `pipeline/run` starts nothing and responds with
    /// 200, API v1.1 starts a build that never runs.
    pub ci_skip_branches: Vec<String>,
    /// Whether a new pipeline on a branch other than the default one cancels those before it.
    pub auto_cancel: bool,
    /// Whether the listing of builds shows their parameters; the build itself always does.
    pub lists_build_parameters: bool,
}

impl FakeProject {
    /// A project with the single branch `main` and no declared parameter.
    pub fn new(slug: &str, token: &str) -> Self {
        Self {
            slug: slug.to_owned(),
            token: token.to_owned(),
            branches: vec!["main".to_owned()],
            tags: Vec::new(),
            any_ref: false,
            default_branch: "main".to_owned(),
            parameters: Vec::new(),
            typed: BTreeMap::new(),
            undeclared: UndeclaredParameter::default(),
            first_number: 1,
            first_build: 1,
            definitions: Vec::new(),
            ci_skip_branches: Vec::new(),
            auto_cancel: false,
            lists_build_parameters: true,
        }
    }

    /// A project with every branch, every tag and these declared parameters.
    pub fn declaring(slug: &str, token: &str, parameters: &[&str]) -> Self {
        Self {
            any_ref: true,
            parameters: parameters.iter().map(|name| (*name).to_owned()).collect(),
            ..Self::new(slug, token)
        }
    }

    /// The project's id.
    pub fn id(&self) -> Uuid {
        derived_uuid(&self.slug)
    }

    /// The definition that a run without one uses.
    pub fn default_definition(&self) -> Uuid {
        derived_uuid(&format!("{} definition", self.slug))
    }

    pub(crate) fn has_branch(&self, branch: &str) -> bool {
        self.any_ref || self.branches.iter().any(|known| known == branch)
    }

    pub(crate) fn has_tag(&self, tag: &str) -> bool {
        self.any_ref || self.tags.iter().any(|known| known == tag)
    }

    /// The error of the first parameter whose value is not of its declared type.
    pub(crate) fn type_error(&self, parameters: &BTreeMap<String, Value>) -> Option<String> {
        self.typed.iter().find_map(|(name, declared)| {
            let value = parameters.get(name)?;
            let (expected, fits) = match declared {
                ParameterType::Boolean => ("boolean", value.is_boolean()),
                ParameterType::Integer => ("integer", value.is_i64() || value.is_u64()),
            };
            let actual = if value.is_string() { "string" } else { "other" };
            (!fits).then(|| {
                format!("Type error for argument {name}: expected type: {expected}, actual value: {value} (type {actual})")
            })
        })
    }

    /// Whether only `pipeline/run` starts its pipelines, as for GitHub App projects.
    pub(crate) fn is_standalone(&self) -> bool {
        self.slug.starts_with("circleci/")
    }
}

/// The organisation and the repository of a slug.
pub(crate) fn org_and_repo(slug: &str) -> (&str, &str) {
    let mut parts = slug.splitn(3, '/').skip(1);
    let mut part = || parts.next().unwrap_or_default();
    (part(), part())
}

/// An id derived from a name.
pub(crate) fn derived_uuid(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
}

/// The host's long name, as version 1.1, webhooks and web addresses have it.
pub(crate) fn long_slug(slug: &str) -> String {
    match slug.split_once('/') {
        Some(("gh", rest)) => format!("github/{rest}"),
        Some(("bb", rest)) => format!("bitbucket/{rest}"),
        _ => slug.to_owned(),
    }
}

/// CircleCI accepts the host's long name in a slug and shows the short one.
pub(crate) fn short_slug(slug: &str) -> String {
    match slug.split_once('/') {
        Some(("github", rest)) => format!("gh/{rest}"),
        Some(("bitbucket", rest)) => format!("bb/{rest}"),
        _ => slug.to_owned(),
    }
}

/// Parameters are strings, integers and booleans of limited number and size.
pub(crate) fn check_parameters(parameters: &BTreeMap<String, Value>) -> ApiResult<()> {
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
        Err(ApiError::new(400, "Invalid pipeline parameters"))
    }
}
