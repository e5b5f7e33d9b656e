//! What is asked for, and what it would change.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::id::{ChannelId, QualifiedChannel, QualifiedUser, TeamId, UserId};
use crate::name::{BranchName, JobName, ProjectName};

/// Who requested what, where and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployRequest {
    /// The workspace.
    pub team: TeamId,
    /// The conversation the command was typed in.
    pub channel: ChannelId,
    /// Who typed it.
    pub user: UserId,
    /// The name in Slack at that time; for searching, never for authorization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// The project as typed, or the default; `None` if there is neither.
    pub project: Option<ProjectName>,
    /// The branch.
    pub branch: BranchName,
    /// The job.
    pub job: JobName,
    /// The environment that the job deploys to; `None` if project or job is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// When it was typed, by Slack's signed timestamp.
    pub requested_at: Time,
}

impl DeployRequest {
    /// The requester with their workspace.
    #[must_use]
    pub fn qualified_user(&self) -> QualifiedUser {
        QualifiedUser {
            team: self.team.clone(),
            id: self.user.clone(),
        }
    }

    /// The conversation with its workspace.
    #[must_use]
    pub fn qualified_channel(&self) -> QualifiedChannel {
        QualifiedChannel {
            team: self.team.clone(),
            id: self.channel.clone(),
        }
    }
}

/// What one deploy at a time may deploy to: a project's environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Target(pub String);

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
