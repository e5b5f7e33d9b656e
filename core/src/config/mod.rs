//! `chatops.toml` as the rest of the code sees it: checked, resolved and immutable.
//!
//! A text is read as TOML (`syntax`), compared with the shape of the file (`shape`), and resolved (`resolve`);
//! each step notes all that is wrong (`mistake`). Then follow the warnings (`warning`). Secrets are never in it.

mod file;
mod mistake;
mod names;
mod parameter;
mod pattern;
mod places;
mod read;
mod repository;
mod resolve;
mod shape;
mod syntax;
mod target;
mod timeouts;
mod trigger;
mod value;
mod warning;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

pub use self::mistake::{ConfigError, Mistake};
pub(crate) use self::parameter::is_parameter_name;
pub use self::parameter::{AcceptedValues, MAX_PARAMETER_VALUE, ParameterRule, value_text};
pub use self::pattern::{Pattern, PatternError, PatternKind};
pub use self::read::CheckedConfig;
pub use self::repository::Repository;
pub use self::shape::json_schema;
pub use self::target::TargetJob;
pub use self::timeouts::Timeouts;
use crate::id::{Qualified, QualifiedChannel, QualifiedUser, TeamId};
use crate::name::{BranchName, GitRef, JobName, ProjectName};

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The revision of the file: the first 12 digits of its SHA-256. The audit has it with each
    /// decision.
    pub revision: String,
    /// Slack.
    pub slack: SlackConfig,
    /// CircleCI.
    pub circleci: CircleCiConfig,
    /// The times of the state machine.
    pub timeouts: Timeouts,
    /// The project of the short form `<branch> <job>`.
    pub default_project: Option<ProjectName>,
    /// The projects.
    pub projects: BTreeMap<ProjectName, ProjectConfig>,
    /// Other names of projects.
    pub project_aliases: BTreeMap<ProjectName, ProjectName>,
    /// The users that the file names, in lower case: for finding what they did, never for rights.
    pub users: BTreeMap<String, Vec<QualifiedUser>>,
    /// How the file calls people: the name, as it is written, that stands for one id alone.
    pub user_names: BTreeMap<QualifiedUser, String>,
    /// The channels that the file names, as it writes the names.
    pub channels: BTreeMap<String, QualifiedChannel>,
}

impl Config {
    /// The channels of every `announce`.
    #[must_use]
    pub fn feeds(&self) -> BTreeSet<&QualifiedChannel> {
        let jobs = self.projects.values().flat_map(|p| p.jobs.values());
        jobs.flat_map(|job| &job.announce).collect()
    }

    /// An id as the file has to write it: with its workspace, unless only one is listed.
    #[must_use]
    pub fn written_id<I: fmt::Display>(&self, id: &Qualified<I>) -> String {
        match self.slack.teams.listed() {
            [_] => id.id.to_string(),
            _ => id.to_string(),
        }
    }

    /// A project by its name or an alias, with its name; in any case, if only one is written so.
    #[must_use]
    pub fn project(&self, name: &ProjectName) -> Option<(&ProjectName, &ProjectConfig)> {
        let known = self.project_aliases.get(name).unwrap_or(name);
        let exact = self.projects.get_key_value(known);
        exact.or_else(|| {
            let names = self.projects.keys().map(|name| (name, name));
            let names = names.chain(&self.project_aliases);
            let alike = |word: &ProjectName| word.as_str().eq_ignore_ascii_case(name.as_str());
            self.projects.get_key_value(only_one(names, alike)?)
        })
    }

    /// An environment as the configuration writes it; one that it does not have, as it is typed.
    #[must_use]
    pub fn environment(&self, typed: &str) -> String {
        let jobs = self.projects.values().flat_map(|p| p.jobs.values());
        let names = jobs.map(|job| (job.environment.as_str(), job.environment.as_str()));
        if names.clone().any(|(_, name)| name == typed) {
            return typed.to_owned();
        }
        let found = only_one(names, |name| name.eq_ignore_ascii_case(typed));
        found.unwrap_or(typed).to_owned()
    }
}

/// What the words that fit stand for, unless they stand for different things.
fn only_one<'a, N: PartialEq + ?Sized>(
    words: impl Iterator<Item = (&'a N, &'a N)>,
    fits: impl Fn(&N) -> bool,
) -> Option<&'a N> {
    let mut fitting = words.filter(|(word, _)| fits(word)).map(|(_, name)| name);
    let first = fitting.next()?;
    fitting.all(|other| other == first).then_some(first)
}

/// What is allowed: everything (`"*"`), or what is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowList<T> {
    /// `"*"`
    Any,
    /// The listed ones; an empty list allows none.
    Listed(Vec<T>),
}

impl<T: PartialEq> AllowList<T> {
    /// Whether `one` is allowed.
    pub fn allows(&self, one: &T) -> bool {
        match self {
            AllowList::Any => true,
            AllowList::Listed(list) => list.contains(one),
        }
    }

    /// The list; empty for `"*"`.
    pub fn listed(&self) -> &[T] {
        match self {
            AllowList::Any => &[],
            AllowList::Listed(list) => list,
        }
    }
}

/// The `[slack]` table.
#[derive(Debug, Clone)]
pub struct SlackConfig {
    /// The slash command as installed, for the messages.
    pub command: String,
    /// The workspaces whose commands are accepted.
    pub teams: AllowList<TeamId>,
    /// The origins that a response URL may have.
    pub response_url_origins: Vec<Url>,
    /// The origin of the Web API, for the bot.
    pub api: Url,
    /// Whether the app has an address for presses, so that messages may have buttons.
    pub interactivity: bool,
    /// Whether each deploy has one card, which the bot posts and edits until the end.
    pub live: bool,
    /// How many retries, cancels and other actions a user may request within a minute.
    pub actions_per_minute: u32,
}

/// The `[circleci]` table.
#[derive(Debug, Clone)]
pub struct CircleCiConfig {
    /// The API's origin, without `/api/…`.
    pub api: Url,
    /// The web application's origin.
    pub app: Url,
}

impl CircleCiConfig {
    /// The web page of a pipeline.
    #[must_use]
    pub fn pipeline_url(&self, slug: &ProjectSlug, number: u64) -> Url {
        let mut url = self.app.clone();
        url.set_path(&format!("/pipelines/{}/{number}", slug.web_path()));
        url
    }

    /// The web page of a single build.
    #[must_use]
    pub fn build_url(&self, slug: &ProjectSlug, number: u64) -> Url {
        let mut url = self.api.clone();
        let ProjectSlug { vcs, org, repo } = slug;
        url.set_path(&format!("/{vcs}/{org}/{repo}/{number}"));
        url
    }
}

/// A project at CircleCI: `gh/org/repo`, `bb/org/repo` or `circleci/org-id/project-id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectSlug {
    /// `gh`, `bb` or `circleci`.
    pub vcs: String,
    /// The organisation.
    pub org: String,
    /// The repository.
    pub repo: String,
}

impl fmt::Display for ProjectSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.vcs, self.org, self.repo)
    }
}

impl ProjectSlug {
    /// The form that CircleCI's web addresses use (`github` for `gh`).
    #[must_use]
    pub fn web_path(&self) -> String {
        let vcs = match self.vcs.as_str() {
            "gh" => "github",
            "bb" => "bitbucket",
            other => other,
        };
        format!("{vcs}/{}/{}", self.org, self.repo)
    }
}

/// A `[projects.<name>]` table.
#[derive(Debug, Clone)]
pub struct ProjectConfig {
    /// Where it is at CircleCI.
    pub slug: ProjectSlug,
    /// Its repository on the web, where the slug does not name it or another one is meant.
    pub repository: Option<Repository>,
    /// Who may read its deploys, besides those whom its jobs name. See
    /// [`may_read`](crate::policy::may_read).
    pub read: AllowList<QualifiedUser>,
    /// Its jobs.
    pub jobs: BTreeMap<JobName, JobConfig>,
    /// Other names of jobs.
    pub job_aliases: BTreeMap<JobName, JobName>,
}

impl ProjectConfig {
    /// A job by its name or an alias, with its name; in any case, if only one is written so.
    #[must_use]
    pub fn job(&self, name: &JobName) -> Option<(&JobName, &JobConfig)> {
        let known = self.job_aliases.get(name).unwrap_or(name);
        let exact = self.jobs.get_key_value(known);
        exact.or_else(|| {
            let names = self.jobs.keys().map(|name| (name, name));
            let names = names.chain(&self.job_aliases);
            let alike = |word: &JobName| word.as_str().eq_ignore_ascii_case(name.as_str());
            self.jobs.get_key_value(only_one(names, alike)?)
        })
    }
}

/// A `[projects.<name>.jobs.<name>]` table.
#[derive(Debug, Clone)]
pub struct JobConfig {
    /// How it is started.
    pub trigger: TriggerConfig,
    /// The environment it changes; with the project's slug it makes the target that is locked.
    pub environment: String,
    /// Which workflows of the pipeline decide how the deploy ends.
    pub workflow: WorkflowSelector,
    /// Jobs of those workflows that must have succeeded, or the deploy has failed.
    pub must_run: Vec<String>,
    /// Whether one deploy of the target excludes another.
    pub exclusive: bool,
    /// Which branches.
    pub branches: Vec<Pattern>,
    /// Which tags.
    pub tags: Vec<Pattern>,
    /// From where.
    pub channels: AllowList<QualifiedChannel>,
    /// By whom.
    pub users: AllowList<QualifiedUser>,
    /// The channels where the bot says how it ended, besides the one where it was requested.
    pub announce: Vec<QualifiedChannel>,
}

impl JobConfig {
    /// Whether it may be run on a branch or tag.
    #[must_use]
    pub fn runs_on(&self, git_ref: &GitRef) -> bool {
        let mut patterns = self.patterns(git_ref).iter();
        patterns.any(|pattern| pattern.matches(git_ref.name()))
    }

    /// The patterns that decide about a branch or tag; none allows nothing.
    #[must_use]
    pub fn patterns(&self, git_ref: &GitRef) -> &[Pattern] {
        match git_ref {
            GitRef::Branch(_) => &self.branches,
            GitRef::Tag(_) => &self.tags,
        }
    }
}

/// Which workflows of a pipeline decide how a deploy ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WorkflowSelector {
    /// These, by name.
    Named(Vec<String>),
    /// Every one but the setup workflow: `workflow = "*"`.
    All(AllWorkflows),
}

/// The word that stands for all workflows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AllWorkflows {
    /// `"*"`
    #[serde(rename = "*")]
    All,
}

impl WorkflowSelector {
    /// Every workflow.
    pub const ALL: Self = Self::All(AllWorkflows::All);

    /// Whether a workflow of that name decides.
    #[must_use]
    pub fn selects(&self, name: &str) -> bool {
        match self {
            Self::All(_) => true,
            Self::Named(names) => names.iter().any(|known| known == name),
        }
    }

    /// The names; none for all.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::All(_) => &[],
            Self::Named(names) => names,
        }
    }
}

/// How a job is started at CircleCI.
#[derive(Debug, Clone)]
pub struct TriggerConfig {
    /// By which call.
    pub call: TriggerCall,
    /// The branch that CircleCI reads its configuration from; the deployed one if it is not named.
    pub config_branch: Option<BranchName>,
    /// The parameter with the job's name, if any.
    pub job_parameter: Option<String>,
    /// The parameter with the deploy id, by which a run is recognised; `None` if the project
    /// declares none, and then a lost answer ends UNRESOLVED.
    pub deploy_id_parameter: Option<String>,
    /// Further parameters, sent as they are.
    pub parameters: BTreeMap<String, Value>,
    /// Those that people may set, by `name=value` behind the job.
    pub settable: BTreeMap<String, ParameterRule>,
}

impl TriggerConfig {
    /// The name of a parameter as the configuration writes it, in any case if only one is written so.
    #[must_use]
    pub fn parameter_name(&self, typed: &str) -> Option<&str> {
        let names = self.parameters.keys().chain(self.settable.keys());
        let names = names.map(|name| (name.as_str(), name.as_str()));
        if let Some((name, _)) = names.clone().find(|(name, _)| *name == typed) {
            return Some(name);
        }
        only_one(names, |name| name.eq_ignore_ascii_case(typed))
    }
}

/// The three calls that start something at CircleCI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TriggerCall {
    /// API v2, `POST /project/{slug}/pipeline`: the older call, for CircleCI server.
    Pipeline,
    /// API v2, `POST /project/{provider}/{organization}/{project}/pipeline/run`: the call that
    /// CircleCI recommends, for any project but GitLab's. The job's name is a pipeline parameter.
    PipelineRun {
        /// The pipeline definition; the project's default one if it is not named.
        definition: Option<Uuid>,
    },
    /// API v1.1, `POST /project/:vcs/:org/:repo/tree/:branch` with `CIRCLE_JOB`: one job outside
    /// workflows, of a `version: 2` configuration.
    Job,
}

impl Default for TriggerCall {
    fn default() -> Self {
        Self::PipelineRun { definition: None }
    }
}

impl TriggerCall {
    /// Whether it is the call of a job that names none.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests;
