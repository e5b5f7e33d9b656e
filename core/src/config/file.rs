//! `chatops.toml` as written: its keys, and every complaint about them with line and column.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use sha2::{Digest, Sha256};
use toml::Spanned;
use url::Url;

use super::{Allow, BranchPattern, CircleCi, Config, Job, Project, Slack, Slug, Times, Trigger};
use crate::id::{ChannelId, TeamId, UserId};
use crate::name::{JobName, ProjectName};

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
struct File {
    version: Spanned<u32>,
    default_project: Option<Spanned<String>>,
    slack: RawSlack,
    #[serde(default)]
    circleci: RawCircleCi,
    times: Option<Times>,
    #[serde(default)]
    channels: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    people: BTreeMap<String, Spanned<OneOrMore>>,
    #[serde(default)]
    projects: BTreeMap<Spanned<String>, RawProject>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSlack {
    #[serde(default = "slash_chatops")]
    command: Spanned<String>,
    teams: Vec<Spanned<String>>,
    #[serde(default = "slacks_hooks")]
    reply_origins: Vec<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawCircleCi {
    api: Option<Spanned<String>>,
    app: Option<Spanned<String>>,
}

/// One id, or a list of them: a person, or a group of people.
enum OneOrMore {
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
struct RawProject {
    slug: Spanned<String>,
    #[serde(default)]
    jobs: BTreeMap<Spanned<String>, RawJob>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawJob {
    #[serde(default)]
    trigger: RawTrigger,
    #[serde(default = "job_parameter")]
    job_parameter: Spanned<ParameterName>,
    #[serde(default = "deploy_id_parameter")]
    deploy_id_parameter: Spanned<ParameterName>,
    #[serde(default)]
    parameters: BTreeMap<Spanned<String>, Value>,
    environment: Option<Spanned<String>>,
    #[serde(default = "yes")]
    exclusive: bool,
    #[serde(default)]
    branches: Vec<Spanned<String>>,
    #[serde(default)]
    channels: Vec<Spanned<String>>,
    #[serde(default)]
    people: Vec<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
enum RawTrigger {
    #[default]
    Pipeline,
}

/// A parameter's name, or `false` for none.
enum ParameterName {
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

fn unspanned(text: &str) -> Spanned<String> {
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
type Complaint = (Range<usize>, String);

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

fn resolve(raw: File, text: &str) -> Result<Config, Complaint> {
    if *raw.version.get_ref() != 1 {
        return Err((
            raw.version.span(),
            "this program reads version = 1".to_owned(),
        ));
    }
    let times = raw.times.unwrap_or_default();
    times
        .check()
        .map_err(|(keys, why)| (time_at(text, keys), why))?;
    let names = Names {
        channels: resolve_channels(raw.channels)?,
        people: resolve_people(raw.people)?,
    };
    let mut projects = BTreeMap::new();
    for (name, project) in raw.projects {
        let checked = ProjectName::parse(name.get_ref())
            .map_err(|why| (name.span(), format!("project name: {why}")))?;
        projects.insert(checked, names.project(project)?);
    }
    let default_project = raw.default_project.map(|name| {
        ProjectName::parse(name.get_ref())
            .ok()
            .filter(|known| projects.contains_key(known))
            .ok_or_else(|| {
                (
                    name.span(),
                    format!(
                        "there is no [projects.{}] to be the default",
                        name.get_ref()
                    ),
                )
            })
    });
    Ok(Config {
        revision: Sha256::digest(text)[..6]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .concat(),
        slack: slack(raw.slack)?,
        circleci: CircleCi {
            api: origin(
                raw.circleci
                    .api
                    .unwrap_or_else(|| unspanned("https://circleci.com")),
            )?,
            app: origin(
                raw.circleci
                    .app
                    .unwrap_or_else(|| unspanned("https://app.circleci.com")),
            )?,
        },
        times,
        default_project: default_project.transpose()?,
        projects,
    })
}

/// Where the first of these keys stands that was written down.
fn time_at(text: &str, keys: [&str; 2]) -> Range<usize> {
    let place = || {
        let file = toml::de::DeTable::parse(text).ok()?;
        let times = file.get_ref().get("times")?.get_ref().as_table()?;
        keys.iter()
            .find_map(|key| times.get(*key))
            .map(Spanned::span)
    };
    place().unwrap_or(0..0)
}

fn slack(raw: RawSlack) -> Result<Slack, Complaint> {
    let command = raw.command.get_ref();
    if !command.starts_with('/') || command.len() > 32 || command.contains(char::is_whitespace) {
        let why = "a slash command starts with `/`, has no spaces and at most 32 characters";
        return Err((raw.command.span(), why.to_owned()));
    }
    Ok(Slack {
        command: command.clone(),
        teams: allow(raw.teams, "workspace", |word| {
            TeamId::parse(word).map(|id| vec![id]).ok_or_else(|| {
                format!("'{word}' is not a workspace id; Slack's look like T012ABCDEF")
            })
        })?,
        reply_origins: raw
            .reply_origins
            .into_iter()
            .map(origin)
            .collect::<Result<_, _>>()?,
    })
}

fn resolve_channels(
    raw: BTreeMap<String, Spanned<String>>,
) -> Result<BTreeMap<String, ChannelId>, Complaint> {
    raw.into_iter()
        .map(|(name, id)| Ok((name, channel(&id)?)))
        .collect()
}

fn resolve_people(
    raw: BTreeMap<String, Spanned<OneOrMore>>,
) -> Result<BTreeMap<String, Vec<UserId>>, Complaint> {
    let ids = |value: Spanned<OneOrMore>| {
        let span = value.span();
        match value.into_inner() {
            OneOrMore::One(id) => Ok(vec![user(&Spanned::new(span, id))?]),
            OneOrMore::More(ids) => {
                unique(&ids)?;
                ids.iter().map(user).collect()
            }
        }
    };
    raw.into_iter()
        .map(|(name, value)| Ok((name, ids(value)?)))
        .collect()
}

fn channel(id: &Spanned<String>) -> Result<ChannelId, Complaint> {
    ChannelId::parse(id.get_ref()).ok_or_else(|| {
        let why = format!(
            "'{}' is not a channel id; Slack shows it at the foot of a channel's details, \
             like C012ABCDEF",
            id.get_ref()
        );
        (id.span(), why)
    })
}

fn user(id: &Spanned<String>) -> Result<UserId, Complaint> {
    UserId::parse(id.get_ref()).ok_or_else(|| {
        let why = format!(
            "'{}' is not a user id; Slack's profile menu copies it (\"Copy member ID\"), \
             like U012ABCDEF",
            id.get_ref()
        );
        (id.span(), why)
    })
}

/// The names that `[channels]` and `[people]` give to ids.
struct Names {
    channels: BTreeMap<String, ChannelId>,
    people: BTreeMap<String, Vec<UserId>>,
}

impl Names {
    fn project(&self, raw: RawProject) -> Result<Project, Complaint> {
        let mut jobs = BTreeMap::new();
        for (name, job) in raw.jobs {
            let checked = JobName::parse(name.get_ref())
                .map_err(|why| (name.span(), format!("job name: {why}")))?;
            let job = self.job(&checked, job)?;
            jobs.insert(checked, job);
        }
        Ok(Project {
            slug: slug(&raw.slug)?,
            jobs,
        })
    }

    fn job(&self, name: &JobName, raw: RawJob) -> Result<Job, Complaint> {
        let environment = match raw.environment {
            None => name.to_string(),
            Some(environment) => {
                ProjectName::parse(environment.get_ref())
                    .map_err(|why| (environment.span(), format!("environment: {why}")))?;
                environment.into_inner()
            }
        };
        unique(&raw.branches)?;
        let branches = raw
            .branches
            .iter()
            .map(|p| BranchPattern::parse(p.get_ref()).map_err(|why| (p.span(), why.to_string())))
            .collect::<Result<_, _>>()?;
        let RawTrigger::Pipeline = raw.trigger;
        Ok(Job {
            trigger: pipeline_trigger(raw.job_parameter, raw.deploy_id_parameter, raw.parameters)?,
            environment,
            exclusive: raw.exclusive,
            branches,
            channels: allow(raw.channels, "channel", |word| {
                ChannelId::parse(word)
                    .or_else(|| self.channels.get(word).cloned())
                    .map(|id| vec![id])
                    .ok_or_else(|| {
                        format!("'{word}' is neither a channel id nor a name from [channels]")
                    })
            })?,
            people: allow(raw.people, "person", |word| {
                UserId::parse(word)
                    .map(|id| vec![id])
                    .or_else(|| self.people.get(word).cloned())
                    .ok_or_else(|| {
                        format!("'{word}' is neither a user id nor a name from [people]")
                    })
            })?,
        })
    }
}

/// CircleCI takes at most 100 parameters, names up to 128 characters and values up to 512.
fn pipeline_trigger(
    job: Spanned<ParameterName>,
    deploy_id: Spanned<ParameterName>,
    raw: BTreeMap<Spanned<String>, Value>,
) -> Result<Trigger, Complaint> {
    // Of two that clash, the one that was written down is to blame; the other has no place.
    let clash = if deploy_id.span().is_empty() {
        job.span()
    } else {
        deploy_id.span()
    };
    let job_parameter = parameter_name(job)?;
    let deploy_id_parameter = parameter_name(deploy_id)?;
    if job_parameter.is_some() && job_parameter == deploy_id_parameter {
        let why = "job_parameter and deploy_id_parameter name the same parameter";
        return Err((clash, why.to_owned()));
    }
    let ours = usize::from(job_parameter.is_some()) + usize::from(deploy_id_parameter.is_some());
    let mut parameters = BTreeMap::new();
    for (name, value) in raw {
        let complain = |why: &str| Err((name.span(), format!("parameter: {why}")));
        let taken = |other: &Option<String>| other.as_ref() == Some(name.get_ref());
        if !is_parameter_name(name.get_ref()) {
            return complain(PARAMETER_NAME);
        }
        if taken(&job_parameter) || taken(&deploy_id_parameter) {
            return complain("it is set by job_parameter or deploy_id_parameter already");
        }
        match &value {
            Value::String(text) if text.chars().count() > 512 => {
                return complain("CircleCI takes values of at most 512 characters");
            }
            Value::String(_) | Value::Bool(_) => {}
            Value::Number(number) if number.is_i64() => {}
            _ => return complain("CircleCI takes a string, a whole number, true or false"),
        }
        if parameters.len() + ours >= 100 {
            return complain("CircleCI takes at most 100 of them");
        }
        parameters.insert(name.get_ref().clone(), value);
    }
    Ok(Trigger::Pipeline {
        job_parameter,
        deploy_id_parameter,
        parameters,
    })
}

const PARAMETER_NAME: &str = "a parameter's name holds letters, digits, `_` and `-`, at most 128";

fn is_parameter_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn parameter_name(raw: Spanned<ParameterName>) -> Result<Option<String>, Complaint> {
    let span = raw.span();
    match raw.into_inner() {
        ParameterName::Switch(false) => Ok(None),
        ParameterName::Switch(true) => Err((
            span,
            "give the parameter's name, or false for none".to_owned(),
        )),
        ParameterName::Named(name) if is_parameter_name(&name) => Ok(Some(name)),
        ParameterName::Named(_) => Err((span, PARAMETER_NAME.to_owned())),
    }
}

/// Resolves a list in which `"*"` stands for everything and must then stand alone.
fn allow<T: PartialEq>(
    raw: Vec<Spanned<String>>,
    kind: &str,
    resolve: impl Fn(&str) -> Result<Vec<T>, String>,
) -> Result<Allow<T>, Complaint> {
    unique(&raw)?;
    let star = raw.iter().find(|word| word.get_ref() == "*");
    match star {
        Some(star) if raw.len() > 1 => Err((
            star.span(),
            format!("\"*\" already allows every {kind}; let it stand alone"),
        )),
        Some(_) => Ok(Allow::Any),
        None => {
            let mut list: Vec<T> = Vec::new();
            for word in raw {
                for one in resolve(word.get_ref()).map_err(|why| (word.span(), why))? {
                    if !list.contains(&one) {
                        list.push(one);
                    }
                }
            }
            Ok(Allow::Listed(list))
        }
    }
}

fn unique(list: &[Spanned<String>]) -> Result<(), Complaint> {
    let mut seen = BTreeSet::new();
    match list.iter().find(|word| !seen.insert(word.get_ref())) {
        Some(twice) => Err((
            twice.span(),
            format!("'{}' is listed twice", twice.get_ref()),
        )),
        None => Ok(()),
    }
}

fn slug(raw: &Spanned<String>) -> Result<Slug, Complaint> {
    let parts: Vec<&str> = raw.get_ref().split('/').collect();
    let plain = |part: &&str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    match parts.as_slice() {
        [vcs, org, repo]
            if parts.iter().all(plain)
                && ["gh", "github", "bb", "bitbucket", "circleci"].contains(vcs) =>
        {
            let vcs = match *vcs {
                "github" => "gh",
                "bitbucket" => "bb",
                other => other,
            };
            Ok(Slug {
                vcs: vcs.into(),
                org: (*org).into(),
                repo: (*repo).into(),
            })
        }
        _ => Err((
            raw.span(),
            format!(
                "'{}' is not a project slug such as gh/acme/web, bb/acme/web or \
                 circleci/<org id>/<project id>",
                raw.get_ref()
            ),
        )),
    }
}

fn origin(raw: Spanned<String>) -> Result<Url, Complaint> {
    let span = raw.span();
    let text = raw.into_inner();
    let wrong = || {
        (
            span.clone(),
            format!("'{text}' is not an origin such as https://example.com"),
        )
    };
    let url = Url::parse(&text).map_err(|_| wrong())?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    let loopback = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match url.scheme() {
        _ if !nobody => Err((span, "an address here holds no user or password".to_owned())),
        _ if !bare => Err(wrong()),
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        "http" => Err((
            span,
            "plain http is for loopback addresses only; use https".to_owned(),
        )),
        _ => Err(wrong()),
    }
}
