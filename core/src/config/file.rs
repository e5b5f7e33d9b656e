//! `chatops.toml` as written: its keys with their positions. What is wrong with a file is found before, in
//! `shape`, so that what is read here has the right keys and types, and only those that are right.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use toml::Spanned;
use toml::de::DeTable;

use super::Timeouts;
use super::mistake::Finding;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    #[serde(rename = "version")]
    pub(super) _version: Option<u32>,
    pub(super) default_project: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) slack: RawSlack,
    #[serde(default)]
    pub(super) circleci: RawCircleCi,
    #[serde(default)]
    pub(super) timeouts: Timeouts,
    #[serde(default)]
    pub(super) channels: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    pub(super) users: BTreeMap<String, Spanned<OneOrMany>>,
    #[serde(default)]
    pub(super) projects: BTreeMap<Spanned<String>, RawProject>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSlack {
    #[serde(default = "default_command")]
    pub(super) command: Spanned<String>,
    pub(super) teams: Option<Vec<Spanned<String>>>,
    #[serde(default = "default_response_url_origins")]
    pub(super) response_url_origins: Vec<Spanned<String>>,
    pub(super) api: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) interactivity: bool,
    #[serde(default)]
    pub(super) live: bool,
    #[serde(default = "default_actions_per_minute")]
    pub(super) actions_per_minute: u32,
}

impl Default for RawSlack {
    fn default() -> Self {
        Self {
            command: default_command(),
            teams: None,
            response_url_origins: default_response_url_origins(),
            api: None,
            interactivity: false,
            live: false,
            actions_per_minute: default_actions_per_minute(),
        }
    }
}

/// Enough for a person, and too few to crowd anybody out.
fn default_actions_per_minute() -> u32 {
    20
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCircleCi {
    pub(super) api: Option<Spanned<String>>,
    pub(super) app: Option<Spanned<String>>,
}

/// One word, or a list of them: a user or a group of users, a workflow or several.
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<Spanned<String>>),
}

// By hand, since serde's untagged enums lose the position of what they hold.
impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrManyVisitor;

        impl<'de> Visitor<'de> for OneOrManyVisitor {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E>(self, one: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany::One(one.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany, A::Error> {
                let mut more = Vec::new();
                while let Some(one) = seq.next_element()? {
                    more.push(one);
                }
                Ok(OneOrMany::Many(more))
            }
        }

        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProject {
    pub(super) slug: Option<Spanned<String>>,
    pub(super) repository: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) aliases: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) read: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) announce: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) jobs: BTreeMap<Spanned<String>, RawJob>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawJob {
    #[serde(default)]
    pub(super) aliases: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) trigger: Option<Spanned<RawTrigger>>,
    pub(super) definition: Option<Spanned<String>>,
    pub(super) config_branch: Option<Spanned<String>>,
    pub(super) workflow: Option<Spanned<OneOrMany>>,
    #[serde(default)]
    pub(super) must_run: Vec<Spanned<String>>,
    #[serde(default = "job_parameter")]
    pub(super) job_parameter: Spanned<ParameterName>,
    #[serde(default = "deploy_id_parameter")]
    pub(super) deploy_id_parameter: Spanned<ParameterName>,
    #[serde(default)]
    pub(super) parameters: BTreeMap<Spanned<String>, Value>,
    pub(super) environment: Option<Spanned<String>>,
    #[serde(default = "default_exclusive")]
    pub(super) exclusive: bool,
    #[serde(default)]
    pub(super) branches: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) tags: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) channels: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) users: Vec<Spanned<String>>,
    pub(super) announce: Option<Vec<Spanned<String>>>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawTrigger {
    Pipeline,
    #[default]
    PipelineRun,
    Job,
}

/// A parameter's name, or `false` for none.
pub(super) enum ParameterName {
    Switch(bool),
    Named(String),
}

impl<'de> Deserialize<'de> for ParameterName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ParameterNameVisitor;

        impl Visitor<'_> for ParameterNameVisitor {
            type Value = ParameterName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a parameter's name, or false for none")
            }

            fn visit_bool<E>(self, on: bool) -> Result<ParameterName, E> {
                Ok(ParameterName::Switch(on))
            }

            fn visit_str<E>(self, name: &str) -> Result<ParameterName, E> {
                Ok(ParameterName::Named(name.to_owned()))
            }
        }

        deserializer.deserialize_any(ParameterNameVisitor)
    }
}

pub(super) fn unspanned(text: &str) -> Spanned<String> {
    Spanned::new(0..0, text.to_owned())
}
fn default_command() -> Spanned<String> {
    unspanned("/chatops")
}
fn default_response_url_origins() -> Vec<Spanned<String>> {
    vec![unspanned("https://hooks.slack.com")]
}
fn job_parameter() -> Spanned<ParameterName> {
    Spanned::new(0..0, ParameterName::Named("job".to_owned()))
}
fn deploy_id_parameter() -> Spanned<ParameterName> {
    Spanned::new(0..0, ParameterName::Named("deploy_id".to_owned()))
}
fn default_exclusive() -> bool {
    true
}

/// Reads the keys of a file whose shape is right.
pub(super) fn read_keys(table: Spanned<DeTable<'_>>) -> Result<RawConfig, Finding> {
    let keys = RawConfig::deserialize(toml::Deserializer::from(table));
    keys.map_err(|error| Finding::new(error.span().unwrap_or(0..0), error.message()))
}
