//! `chatops.toml` as the rest of the code sees it: checked, resolved and immutable.
//!
//! How the file is written, and every complaint about it, is in `file`; secrets are never in it.

mod file;
mod pattern;
mod resolve;
mod times;
mod trigger;
mod value;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

pub use self::file::ConfigError;
pub use self::pattern::{BadPattern, BranchPattern};
pub use self::times::Times;
use crate::id::{ChannelId, TeamId, UserId};
use crate::name::{JobName, ProjectName};

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which revision of the file this is: the first 12 digits of its SHA-256. It stands in the
    /// audit beside each decision.
    pub revision: String,
    /// Slack.
    pub slack: Slack,
    /// CircleCI.
    pub circleci: CircleCi,
    /// Every time of the state machine.
    pub times: Times,
    /// The project of the short form `<branch> <job>`.
    pub default_project: Option<ProjectName>,
    /// The projects.
    pub projects: BTreeMap<ProjectName, Project>,
    /// Other names of projects.
    pub project_aliases: BTreeMap<ProjectName, ProjectName>,
    /// The names that the file gives to people, in small letters. For finding what they did;
    /// rights go by id.
    pub people: BTreeMap<String, Vec<UserId>>,
}

impl Config {
    /// Reads a configuration file's text. `file` is its name for error messages.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        file::parse(text, file)
    }

    /// A project by its name or an alias, with its name.
    #[must_use]
    pub fn project(&self, name: &ProjectName) -> Option<(&ProjectName, &Project)> {
        let name = self.project_aliases.get(name).unwrap_or(name);
        self.projects.get_key_value(name)
    }
}

/// What is allowed of one kind of thing: everything (`"*"`), or what is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allow<T> {
    /// `"*"`
    Any,
    /// The listed ones; an empty list allows none.
    Listed(Vec<T>),
}

impl<T: PartialEq> Allow<T> {
    /// Whether `one` is allowed.
    pub fn allow(&self, one: &T) -> bool {
        match self {
            Allow::Any => true,
            Allow::Listed(list) => list.contains(one),
        }
    }

    /// The list; empty for `"*"`.
    pub fn listed(&self) -> &[T] {
        match self {
            Allow::Any => &[],
            Allow::Listed(list) => list,
        }
    }
}

/// The `[slack]` table.
#[derive(Debug, Clone)]
pub struct Slack {
    /// The slash command as installed, for the words people read.
    pub command: String,
    /// The workspaces that are listened to.
    pub teams: Allow<TeamId>,
    /// Where reply addresses may point.
    pub reply_origins: Vec<Url>,
    /// The origin of the Web API, for the bot.
    pub api: Url,
}

/// The `[circleci]` table.
#[derive(Debug, Clone)]
pub struct CircleCi {
    /// The API's origin, without `/api/…`.
    pub api: Url,
    /// The web application's origin.
    pub app: Url,
}

impl CircleCi {
    /// The address of a pipeline for people.
    #[must_use]
    pub fn pipeline_url(&self, slug: &Slug, number: u64) -> Url {
        let mut url = self.app.clone();
        url.set_path(&format!("/pipelines/{}/{number}", slug.long()));
        url
    }

    /// The address of a single build for people.
    #[must_use]
    pub fn build_url(&self, slug: &Slug, number: u64) -> Url {
        let mut url = self.api.clone();
        url.set_path(&format!(
            "/{}/{}/{}/{number}",
            slug.vcs, slug.org, slug.repo
        ));
        url
    }
}

/// A project at CircleCI: `gh/org/repo`, `bb/org/repo` or `circleci/org-id/project-id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slug {
    /// `gh`, `bb` or `circleci`.
    pub vcs: String,
    /// The organisation.
    pub org: String,
    /// The repository.
    pub repo: String,
}

impl Slug {
    /// The form that CircleCI's web addresses use (`github` for `gh`).
    #[must_use]
    pub fn long(&self) -> String {
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
pub struct Project {
    /// Where it is at CircleCI.
    pub slug: Slug,
    /// Its jobs.
    pub jobs: BTreeMap<JobName, Job>,
    /// Other names of jobs.
    pub job_aliases: BTreeMap<JobName, JobName>,
}

impl Project {
    /// A job by its name or an alias, with its name.
    #[must_use]
    pub fn job(&self, name: &JobName) -> Option<(&JobName, &Job)> {
        let name = self.job_aliases.get(name).unwrap_or(name);
        self.jobs.get_key_value(name)
    }
}

/// A `[projects.<name>.jobs.<name>]` table.
#[derive(Debug, Clone)]
pub struct Job {
    /// How it is started.
    pub trigger: Trigger,
    /// The environment it changes; with the project it makes the target that is locked.
    pub environment: String,
    /// Whether one deploy of the target excludes another.
    pub exclusive: bool,
    /// Which branches.
    pub branches: Vec<BranchPattern>,
    /// From where.
    pub channels: Allow<ChannelId>,
    /// By whom.
    pub people: Allow<UserId>,
}

/// How a job is started at CircleCI.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// By which call.
    pub call: TriggerCall,
    /// The parameter that carries the job's name, if any.
    pub job_parameter: Option<String>,
    /// The parameter that carries our deploy id, the proof that a run is ours; `None` if the
    /// project declares none, and then a lost answer ends UNRESOLVED.
    pub deploy_id_parameter: Option<String>,
    /// Further parameters, sent as they stand.
    pub parameters: BTreeMap<String, Value>,
}

/// The three calls that start something at CircleCI; all are in use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TriggerCall {
    /// API v2, `POST /project/{slug}/pipeline`: the job's name travels in a pipeline parameter.
    #[default]
    Pipeline,
    /// API v2, `POST /project/{provider}/{organization}/{project}/pipeline/run`: the same for
    /// projects of CircleCI's GitHub App, and for any other but GitLab's.
    PipelineRun {
        /// The pipeline definition; the project's default one if it is not named.
        definition: Option<Uuid>,
    },
    /// API v1.1, `POST /project/:vcs/:org/:repo/tree/:branch` with `CIRCLE_JOB`: one job outside
    /// workflows, of a `version: 2` configuration.
    Job,
}

impl TriggerCall {
    /// Whether it is the one that is meant where none is written.
    pub(crate) fn is_first(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests;
