//! What is asked for: by whom, where and when.

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::deploy::{ActedBy, SlackUser};
use crate::id::{ChannelId, QualifiedChannel, QualifiedUser, RequestId, TeamId, UserId};
use crate::name::{GitRef, JobName, ProjectName};
use crate::parameters::Parameters;
use crate::rejection::Rejection;

/// Who requested what, where and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployRequest {
    /// The workspace.
    pub team: TeamId,
    /// The conversation the command was typed in.
    pub channel: ChannelId,
    /// Who typed it.
    pub user: UserId,
    /// The name in Slack at that time; for reading and searching, never for authorization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// The project as typed, or the default; `None` if there is neither.
    pub project: Option<ProjectName>,
    /// The branch or tag.
    #[serde(rename = "branch")]
    pub git_ref: GitRef,
    /// The job.
    pub job: JobName,
    /// What was typed behind the job, under the names of the configuration.
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    pub parameters: Parameters,
    /// The environment that the job deploys to; `None` if project or job is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// When it was typed, by Slack's signed timestamp.
    pub requested_at: Time,
    /// Whether the command was not signed, and only the verification token vouches for what is here.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unsigned: bool,
    /// Why it was refused at once, and the requester told so. What was said stays true, whatever the
    /// configuration says later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Box<Rejection>>,
    /// The press of a plan's button that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub press: Option<RequestId>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}

impl DeployRequest {
    /// The requester, for the audit.
    #[must_use]
    pub fn requested_by(&self) -> ActedBy {
        ActedBy::slack_user(self.slack_user(), self.unsigned)
    }

    /// The requester with workspace and name.
    #[must_use]
    pub fn slack_user(&self) -> SlackUser {
        SlackUser {
            id: self.qualified_user(),
            name: self.user_name.clone(),
        }
    }

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
