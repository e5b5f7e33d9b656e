//! A deploy: its states and [`DeployRecord`], the record that decides.
//!
//! Beside it stand the [state machine](machine), the [decisions](decide) and the [runs](handler) that
//! carry them out.
//!
//! Only [`crate::deploy::machine::apply_change`] (state and audit together) and the timer functions in
//! [`crate::deploy::decide`] change a record.

pub mod decide;
pub mod handler;
pub mod machine;

mod end;
mod facts;
mod hold;
mod jobs;
mod reads;
mod record;
mod state;

use serde::{Deserialize, Serialize};
use url::Url;

pub use self::end::{DeployEnd, EndReason, MAX_NAMED, NOT_FINISHED, NOT_THERE, Notice};
pub use self::facts::RunFacts;
pub use self::hold::Hold;
pub use self::jobs::JobProgress;
pub use self::reads::{
    FailedReads, LONGEST_PAUSE, ReadEfforts, RunWait, RunWatch, USUAL_PAUSE, WaitReason,
    latest_timer,
};
pub use self::record::{CancelRequest, DeployRecord};
pub use self::state::{DeployOutcome, DeployState};
use crate::Time;
use crate::audit::hash::EventHash;
use crate::config::{ProjectSlug, TriggerCall, WorkflowSelector};
use crate::id::{DeployId, InvocationId, PipelineId, QualifiedUser, RequestId};
pub use crate::request::DeployRequest;
pub use crate::target::{Target, TargetRef};

/// A user in Slack.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SlackUser {
    /// Who.
    pub id: QualifiedUser,
    /// The name in Slack at that time; for reading, never for authorization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl From<QualifiedUser> for SlackUser {
    /// A user whose name is not known.
    fn from(id: QualifiedUser) -> Self {
        Self { id, name: None }
    }
}

/// A person who acts on a deploy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ActedBy {
    /// A user in Slack.
    User(SlackUser),
    /// A user in Slack, by a command that was not signed: only the verification token vouches for it.
    UnsignedUser(SlackUser),
    /// An operator at the command line.
    Operator {
        /// The login name.
        #[serde(rename = "id")]
        name: String,
    },
}

impl ActedBy {
    /// A user in Slack.
    #[must_use]
    pub fn slack_user(user: SlackUser, unsigned: bool) -> Self {
        if unsigned {
            Self::UnsignedUser(user)
        } else {
            Self::User(user)
        }
    }

    /// The user in Slack, signed or not.
    #[must_use]
    pub fn user(&self) -> Option<&QualifiedUser> {
        match self {
            Self::User(user) | Self::UnsignedUser(user) => Some(&user.id),
            Self::Operator { .. } => None,
        }
    }
}

/// The intent to send one POST.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerIntent {
    /// The only invocation that may send the POST or roll the intent back.
    pub by: InvocationId,
    /// When the intent was written.
    pub at: Time,
    /// After this moment nobody sends, and any invocation may look the pipeline up.
    pub send_by: Time,
    /// Why the outcome is unknown, once the sender has recorded that.
    pub unknown_because: Option<String>,
    /// The project at CircleCI, kept so that a changed configuration loses no run.
    pub slug: ProjectSlug,
    /// The API call, kept for the same reason. The default is not serialized.
    #[serde(default, skip_serializing_if = "TriggerCall::is_default")]
    pub call: TriggerCall,
    /// The deploy id parameter, if the job declares one.
    pub deploy_id_parameter: Option<String>,
    /// Which workflows decide, kept for the same reason.
    pub workflow: WorkflowSelector,
    /// Jobs of those workflows that must have succeeded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must_run: Vec<String>,
}

/// How a pipeline was recognized as the deploy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchedBy {
    /// CircleCI returned it for the POST.
    Response,
    /// It carries the deploy id.
    DeployId,
}

/// What a trigger created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CiRunKind {
    /// A pipeline with workflows.
    #[default]
    Pipeline,
    /// A single build, outside workflows (API v1.1).
    Build,
}

impl CiRunKind {
    /// Whether this is the default, which is not serialized.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The pipeline, or the single build, at CircleCI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CiPipeline {
    /// Which of the two it is.
    #[serde(default, skip_serializing_if = "CiRunKind::is_default")]
    pub kind: CiRunKind,
    /// CircleCI's id; for a build, derived from its project and number.
    pub id: PipelineId,
    /// Its number within the project.
    pub number: u64,
    /// Its web page.
    pub url: Url,
}

/// The run this deploy started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CiRun {
    /// The pipeline.
    pub pipeline: CiPipeline,
    /// How it was recognized.
    pub matched_by: MatchedBy,
    /// When it was recognized.
    pub triggered_at: Time,
    /// When the pipeline was first seen `created`; from then on only its workflows are read.
    pub created_at: Option<Time>,
    /// The commit that CircleCI builds, once known.
    pub revision: Option<String>,
    /// The first line of its message, where CircleCI shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The name of its author, where CircleCI shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

/// What a deploy repeats, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryOrigin {
    /// The deploy that it repeats.
    pub of: DeployId,
    /// The first deploy of their chain.
    pub root: DeployId,
    /// The request for it; `None` for a retry ticket.
    pub request: Option<RequestId>,
    /// The latest deploy before it in the chain that is UNRESOLVED.
    pub unresolved_before: Option<DeployId>,
    /// The SHA-256 of the action's record.
    pub action: Option<EventHash>,
}
