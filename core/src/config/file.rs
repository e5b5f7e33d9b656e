//! `chatops.toml` as written: its keys, and where a complaint about one points.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use toml::Spanned;

use super::resolve::resolve;
use super::{Config, Times};

/// A configuration file that cannot be used, and where.
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
pub(super) struct File {
    pub(super) version: Spanned<u32>,
    pub(super) default_project: Option<Spanned<String>>,
    pub(super) slack: RawSlack,
    #[serde(default)]
    pub(super) circleci: RawCircleCi,
    pub(super) times: Option<Times>,
    #[serde(default)]
    pub(super) channels: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    pub(super) people: BTreeMap<String, Spanned<OneOrMore>>,
    #[serde(default)]
    pub(super) projects: BTreeMap<Spanned<String>, RawProject>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSlack {
    #[serde(default = "slash_chatops")]
    pub(super) command: Spanned<String>,
    pub(super) teams: Vec<Spanned<String>>,
    #[serde(default = "slacks_hooks")]
    pub(super) reply_origins: Vec<Spanned<String>>,
    pub(super) api: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCircleCi {
    pub(super) api: Option<Spanned<String>>,
    pub(super) app: Option<Spanned<String>>,
}

/// One id, or a list of them: a person, or a group of people.
pub(super) enum OneOrMore {
    One(String),
    More(Vec<Spanned<String>>),
}

// By hand, since serde's untagged enums lose the place of what they hold.
impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a user id or a list of user ids")
            }

            fn visit_str<E>(self, one: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore::One(one.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMore, A::Error> {
                let mut more = Vec::new();
                while let Some(one) = seq.next_element()? {
                    more.push(one);
                }
                Ok(OneOrMore::More(more))
            }
        }

        deserializer.deserialize_any(Read)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProject {
    pub(super) slug: Spanned<String>,
    #[serde(default)]
    pub(super) aliases: Vec<Spanned<String>>,
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
    #[serde(default = "job_parameter")]
    pub(super) job_parameter: Spanned<ParameterName>,
    #[serde(default = "deploy_id_parameter")]
    pub(super) deploy_id_parameter: Spanned<ParameterName>,
    #[serde(default)]
    pub(super) parameters: BTreeMap<Spanned<String>, Value>,
    pub(super) environment: Option<Spanned<String>>,
    #[serde(default = "yes")]
    pub(super) exclusive: bool,
    #[serde(default)]
    pub(super) branches: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) channels: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) people: Vec<Spanned<String>>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawTrigger {
    #[default]
    Pipeline,
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
        struct Read;

        impl Visitor<'_> for Read {
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

        deserializer.deserialize_any(Read)
    }
}

pub(super) fn unspanned(text: &str) -> Spanned<String> {
    Spanned::new(0..0, text.to_owned())
}
fn slash_chatops() -> Spanned<String> {
    unspanned("/chatops")
}
fn slacks_hooks() -> Vec<Spanned<String>> {
    vec![unspanned("https://hooks.slack.com")]
}
fn job_parameter() -> Spanned<ParameterName> {
    Spanned::new(0..0, ParameterName::Named("job".to_owned()))
}
fn deploy_id_parameter() -> Spanned<ParameterName> {
    Spanned::new(0..0, ParameterName::Named("deploy_id".to_owned()))
}
fn yes() -> bool {
    true
}

/// A complaint with its place in the text.
pub(super) type Complaint = (Range<usize>, String);

pub(super) fn parse(text: &str, file: &str) -> Result<Config, ConfigError> {
    let complain = |(span, message): Complaint| {
        let (line, column) = place(text, span.start);
        ConfigError {
            file: file.to_owned(),
            line,
            column,
            message,
        }
    };
    let raw: File = toml::from_str(text).map_err(|error| {
        complain((
            error.span().unwrap_or(0..0),
            error.message().replace('\n', " "),
        ))
    })?;
    resolve(raw, text).map_err(complain)
}

fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}
