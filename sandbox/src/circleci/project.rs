//! A project's settings, and what its parameters may hold.

use std::collections::BTreeMap;

use serde_json::Value;

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
        }
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
