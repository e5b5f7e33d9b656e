//! `chatops.toml` as written: its keys, and the position of an error.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use toml::Spanned;

use super::Timeouts;

/// An error in a configuration file, and its position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file's name as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            message,
        } = self;
        write!(f, "{file}:{line}:{column}: {message}")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) version: Spanned<u32>,
    pub(super) default_project: Option<Spanned<String>>,
    pub(super) slack: RawSlack,
    #[serde(default)]
    pub(super) circleci: RawCircleCi,
    pub(super) timeouts: Option<Timeouts>,
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
    pub(super) teams: Vec<Spanned<String>>,
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
    pub(super) slug: Spanned<String>,
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

/// An error with its position in the text.
pub(super) type SpannedError = (Range<usize>, String);

/// Reads the keys.
pub(super) fn parse(text: &str) -> Result<RawConfig, SpannedError> {
    toml::from_str(text).map_err(|error| {
        let message = renamed_key(error.message());
        let message = message.unwrap_or_else(|| error.message().replace('\n', " "));
        (error.span().unwrap_or(0..0), message)
    })
}

impl ConfigError {
    /// An error at its line and column.
    pub(super) fn at((span, message): SpannedError, text: &str, file: &str) -> Self {
        let (line, column) = line_and_column(text, span.start);
        Self {
            file: file.to_owned(),
            line,
            column,
            message,
        }
    }
}

/// Keys of earlier drafts of the format, and their names now.
pub(super) const RENAMED_KEYS: [(&str, &str); 17] = [
    ("people", "users"),
    ("times", "timeouts"),
    ("reply_origins", "response_url_origins"),
    ("stale_after", "request_ttl"),
    ("send_window", "trigger_window"),
    ("horizon", "lookup_timeout"),
    ("search_for", "lookup_give_up"),
    ("grace", "workflow_start_timeout"),
    ("poll_first", "poll_interval_min"),
    ("poll_longest", "poll_interval_max"),
    ("retry_first", "retry_backoff"),
    ("track_for", "follow_timeout"),
    ("unresolved_lock", "lock_ttl"),
    ("unresolved_lock_ttl", "lock_ttl"),
    ("reply_for", "response_url_ttl"),
    ("reply_lease", "delivery_lease"),
    ("sweep_every", "sweep_interval"),
];

/// The error about a key that has a new name in its table.
fn renamed_key(message: &str) -> Option<String> {
    let (key, expected) = message.strip_prefix("unknown field `")?.split_once('`')?;
    let (_, new) = RENAMED_KEYS.iter().find(|(old, _)| *old == key)?;
    let known = expected.contains(&format!("`{new}`"));
    known.then(|| format!("unknown field `{key}`: it is called `{new}` now"))
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}
