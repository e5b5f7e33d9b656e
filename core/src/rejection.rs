//! Why a command is rejected: one variant for each rule, with what the reader needs to get it accepted.
//!
//! The rules themselves are applied in [`policy`](crate::policy), the sentences are written in
//! [`text`](crate::text). It stands apart because requests and messages carry a rejection.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::Time;
use crate::config::{AcceptedValues, value_text};
use crate::deploy::SlackUser;
use crate::id::{ChannelId, DeployId, ShortId, TeamId, UserId};
use crate::name::{GitRef, JobName, ProjectName};
use crate::target::Target;

/// Why a command is rejected: the rule, with what the reader needs to get it accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum Rejection {
    /// `slack.teams` does not list the workspace.
    Team {
        /// The workspace.
        team: TeamId,
    },
    /// No project was named and there is no default.
    NoProject {
        /// The configured projects.
        known: Vec<ProjectName>,
    },
    /// The project is not configured.
    UnknownProject {
        /// As typed.
        project: ProjectName,
        /// The configured projects.
        known: Vec<ProjectName>,
    },
    /// The project has no such job.
    UnknownJob {
        /// The project.
        project: ProjectName,
        /// As typed.
        job: JobName,
        /// What was typed as the branch; it may be meant as a command or the job.
        #[serde(rename = "branch")]
        git_ref: GitRef,
        /// The jobs this user may run here.
        usable: Vec<JobName>,
    },
    /// The job cannot be run from this channel.
    Channel {
        /// The project.
        project: ProjectName,
        /// The job.
        job: JobName,
        /// Where it was typed.
        channel: ChannelId,
        /// Where in this workspace it may be typed.
        allowed: Vec<ChannelId>,
    },
    /// The user may not run the job.
    User {
        /// The project.
        project: ProjectName,
        /// The job.
        job: JobName,
        /// Who typed it.
        user: UserId,
    },
    /// The branch or tag matches none of the job's patterns.
    Branch {
        /// The project.
        project: ProjectName,
        /// The job.
        job: JobName,
        /// As typed.
        #[serde(rename = "branch")]
        git_ref: GitRef,
        /// The patterns for branches, or those for tags.
        patterns: Vec<String>,
    },
    /// A parameter is set that the job does not have, or that is fixed.
    UnknownParameter {
        /// The project.
        project: ProjectName,
        /// The job.
        job: JobName,
        /// As typed.
        name: String,
        /// Whether the configuration fixes its value.
        fixed: bool,
        /// Those that can be set.
        known: Vec<String>,
    },
    /// A parameter that a deploy has to set is not.
    MissingParameter {
        /// The project.
        project: ProjectName,
        /// The job.
        job: JobName,
        /// Its name.
        name: String,
        /// What it may be.
        accepts: Box<ParameterValues>,
    },
    /// A parameter's value is not one that the job accepts.
    Parameter {
        /// The project.
        project: ProjectName,
        /// The job.
        job: JobName,
        /// Its name.
        name: String,
        /// As typed.
        value: String,
        /// What it may be.
        accepts: Box<ParameterValues>,
    },
    /// Requested too long ago.
    Expired {
        /// When it was requested.
        requested_at: Time,
    },
    /// Another deploy has the target.
    Busy {
        /// The target.
        target: Target,
        /// The deploy that has it.
        holder: DeployId,
        /// Its short id.
        short_id: ShortId,
        /// Its requester.
        user: UserId,
        /// What people are told of it; older records have nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held_by: Option<Box<TargetHolder>>,
        /// Since when it has the target.
        since: Time,
        /// Until when it keeps it, if it ended with its outcome unknown.
        until: Option<Time>,
        /// Whether the lock may be freed by `unlock`, instead of a `cancel` of that deploy.
        #[serde(default)]
        unlockable: bool,
    },
}

/// What a parameter may be, as people read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterValues {
    /// What matches this pattern.
    Matching(String),
    /// One of these.
    Listed(Vec<String>),
}

impl From<&AcceptedValues> for ParameterValues {
    fn from(accepts: &AcceptedValues) -> Self {
        match accepts {
            AcceptedValues::Matching(pattern) => Self::Matching(pattern.to_string()),
            AcceptedValues::Listed(values) => Self::Listed(values.iter().map(value_text).collect()),
        }
    }
}

/// The deploy that has a target, as people are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetHolder {
    /// Its requester.
    pub requester: SlackUser,
    /// What it deploys.
    #[serde(rename = "branch")]
    pub git_ref: GitRef,
    /// Its build, if there is one yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Url>,
}

impl Rejection {
    /// Whether the request names no project, job or parameter that there is, or lacks a parameter: a slip,
    /// not a deploy.
    #[must_use]
    pub fn names_nothing(&self) -> bool {
        matches!(
            self,
            Self::NoProject { .. }
                | Self::UnknownProject { .. }
                | Self::UnknownJob { .. }
                | Self::UnknownParameter { .. }
                | Self::MissingParameter { .. }
        )
    }
}
