//! A deploy as it stands: the state words, and `Head`, the one record that decides.
//!
//! `Head` is changed only by [`crate::machine::apply`] (state and audit together) and by the
//! timer functions in [`crate::decide`]; nothing here decides anything.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::Time;
use crate::audit::EventHash;
use crate::config::{ProjectSlug, TriggerCall};
use crate::id::{
    ChannelId, DeployId, InvocationId, PipelineId, QualifiedUser, RequestId, ShortId, TeamId,
    UserId,
};
use crate::name::{BranchName, JobName, ProjectName};
use crate::policy::Rejection;

/// Where a deploy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeployState {
    /// Accepted and on record; nothing has been sent to CircleCI.
    Requested,
    /// The intent to send the one POST is on record; whether it was sent is not known here.
    Triggering,
    /// CircleCI has a pipeline that is ours.
    Triggered,
    /// A workflow of that pipeline has been seen.
    Running,
    /// Every workflow succeeded.
    Succeeded,
    /// A workflow failed.
    Failed,
    /// Canceled, here before the trigger or at CircleCI after it.
    Canceled,
    /// The pipeline was created but runs nothing.
    NothingRan,
    /// CircleCI could not make workflows of the project's configuration.
    CiError,
    /// CircleCI refused, or could not be reached in time; certainly nothing was created.
    TriggerFailed,
    /// Not allowed, not possible now, or asked too long ago.
    Rejected,
    /// Whether the trigger worked could not be learned; a person has to look.
    Unresolved,
    /// There is a pipeline, but how it ended was not learned in time.
    LostTrack,
}

impl DeployState {
    /// All states, in the order in which a deploy can pass through them.
    pub const ALL: [DeployState; 13] = [
        DeployState::Requested,
        DeployState::Triggering,
        DeployState::Triggered,
        DeployState::Running,
        DeployState::Succeeded,
        DeployState::Failed,
        DeployState::Canceled,
        DeployState::NothingRan,
        DeployState::CiError,
        DeployState::TriggerFailed,
        DeployState::Rejected,
        DeployState::Unresolved,
        DeployState::LostTrack,
    ];

    /// Whether this is an end. An end is written once and never changed.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        !matches!(
            self,
            DeployState::Requested
                | DeployState::Triggering
                | DeployState::Triggered
                | DeployState::Running
        )
    }

    /// The state of that word, in any case and with `-` as good as `_`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.to_ascii_uppercase().replace('-', "_");
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// What it comes down to.
    #[must_use]
    pub fn outcome(self) -> DeployOutcome {
        match self {
            DeployState::Requested
            | DeployState::Triggering
            | DeployState::Triggered
            | DeployState::Running => DeployOutcome::InProgress,
            DeployState::Succeeded => DeployOutcome::Succeeded,
            DeployState::Canceled => DeployOutcome::Canceled,
            DeployState::Rejected => DeployOutcome::Rejected,
            DeployState::Failed
            | DeployState::NothingRan
            | DeployState::CiError
            | DeployState::TriggerFailed
            | DeployState::Unresolved
            | DeployState::LostTrack => DeployOutcome::Failed,
        }
    }

    /// The state's word, as it stands in the audit.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DeployState::Requested => "REQUESTED",
            DeployState::Triggering => "TRIGGERING",
            DeployState::Triggered => "TRIGGERED",
            DeployState::Running => "RUNNING",
            DeployState::Succeeded => "SUCCEEDED",
            DeployState::Failed => "FAILED",
            DeployState::Canceled => "CANCELED",
            DeployState::NothingRan => "NOTHING_RAN",
            DeployState::CiError => "CI_ERROR",
            DeployState::TriggerFailed => "TRIGGER_FAILED",
            DeployState::Rejected => "REJECTED",
            DeployState::Unresolved => "UNRESOLVED",
            DeployState::LostTrack => "LOST_TRACK",
        }
    }
}

impl fmt::Display for DeployState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a state comes down to, for the one who asks "what failed?".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeployOutcome {
    /// It has not ended.
    InProgress,
    /// It succeeded.
    Succeeded,
    /// It was to run and did not come to a good end, or nobody knows to which.
    Failed,
    /// Somebody canceled it.
    Canceled,
    /// It was not allowed, or not possible then.
    Rejected,
}

impl DeployOutcome {
    /// All of them.
    pub const ALL: [DeployOutcome; 5] = [
        DeployOutcome::InProgress,
        DeployOutcome::Succeeded,
        DeployOutcome::Failed,
        DeployOutcome::Canceled,
        DeployOutcome::Rejected,
    ];

    /// The word that is typed and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DeployOutcome::InProgress => "in_progress",
            DeployOutcome::Succeeded => "succeeded",
            DeployOutcome::Failed => "failed",
            DeployOutcome::Canceled => "canceled",
            DeployOutcome::Rejected => "rejected",
        }
    }
}

/// A human being who wishes something.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum ActedBy {
    /// A user in Slack.
    User(QualifiedUser),
    /// Somebody at the command line, by the name the system knows.
    Operator(String),
}

/// Who asked, from where, for what and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployRequest {
    /// The workspace.
    pub team: TeamId,
    /// The conversation the command was typed in.
    pub channel: ChannelId,
    /// Who typed it.
    pub user: UserId,
    /// What Slack called that person then; for finding, never for authorising.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// The project as typed or the default one; `None` if neither exists.
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
            user: self.user.clone(),
        }
    }
}

/// What may be deployed by one deploy at a time: a project's environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Target(pub String);

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The intent to send one POST.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerIntent {
    /// The only invocation that may send it, and the only one that may take the intent back.
    pub by: InvocationId,
    /// When the intent was written.
    pub at: Time,
    /// After this moment nobody sends, and everybody may look for the proof.
    pub send_by: Time,
    /// Why the sender does not know the outcome, once it has said so.
    pub unknown_because: Option<String>,
    /// The project at CircleCI, kept here so that a changed configuration loses no run.
    pub slug: ProjectSlug,
    /// The call that sends it, kept for the same reason. The first one there was is not written
    /// down, so that what is on record stays as it is.
    #[serde(default, skip_serializing_if = "TriggerCall::is_default")]
    pub call: TriggerCall,
    /// The parameter that carries our deploy id, if the job declares one.
    pub deploy_id_parameter: Option<String>,
}

/// How we know that a pipeline is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchedBy {
    /// CircleCI answered our POST with it.
    Response,
    /// It carries our deploy id.
    DeployId,
}

/// What CircleCI made of a trigger.
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
    /// Whether it is the one that is meant where none is written.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_first(&self) -> bool {
        *self == Self::default()
    }
}

/// The pipeline, or the single build, at CircleCI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CiPipeline {
    /// Which of the two it is; a pipeline is not marked, as there was nothing else at first.
    #[serde(default, skip_serializing_if = "CiRunKind::is_first")]
    pub kind: CiRunKind,
    /// CircleCI's id; of a build the one that is derived from its project and number.
    pub id: PipelineId,
    /// Its number within the project.
    pub number: u64,
    /// Its address for people.
    pub url: Url,
}

/// The run this deploy started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CiRun {
    /// The pipeline.
    pub pipeline: CiPipeline,
    /// How we know it is ours.
    pub matched_by: MatchedBy,
    /// When we knew.
    pub triggered_at: Time,
    /// When the pipeline was first seen `created`; from then on it may be missed having workflows.
    pub created_at: Option<Time>,
    /// The commit CircleCI builds, once it has said so.
    pub revision: Option<String>,
}

/// Why a deploy ended as it did; the details that the words need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EndReason {
    /// The workflows say it all.
    Workflows {
        /// The name of each workflow that decided, with CircleCI's word for its status.
        decided_by: Vec<(String, String)>,
    },
    /// Not allowed or not possible now.
    Rejected(Rejection),
    /// CircleCI said no.
    TriggerRefused {
        /// HTTP status.
        status: u16,
        /// CircleCI's words.
        message: String,
    },
    /// It could not be sent before the command went stale.
    TriggerGivenUp {
        /// How often it was tried.
        attempts: u32,
        /// What the last try met.
        last_error: String,
    },
    /// CircleCI's words about the project's configuration.
    ConfigErrors {
        /// One message each.
        messages: Vec<String>,
    },
    /// No workflow appeared.
    NoWorkflow,
    /// Canceled by a person before anything was sent.
    CanceledBeforeTrigger {
        /// Who.
        by: ActedBy,
    },
    /// The outcome of the POST is unknown.
    OutcomeUnknown {
        /// What happened to the answer.
        because: String,
        /// Pipelines that might be it.
        candidates: Vec<CiPipeline>,
    },
    /// Following was given up at the tracking limit.
    FollowTimeout,
}

/// The end of a deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployEnd {
    /// When.
    pub at: Time,
    /// Why.
    pub reason: EndReason,
}

/// A person's wish to cancel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRequest {
    /// Who.
    pub by: ActedBy,
    /// When.
    pub at: Time,
}

/// The one record of a deploy that decides everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployRecord {
    /// The deploy.
    pub id: DeployId,
    /// What people call it.
    pub short_id: ShortId,
    /// Counts the writes; a write goes through only over the version it has seen.
    pub version: u64,
    /// Where it stands.
    pub state: DeployState,
    /// How many audit events there are.
    pub events: u64,
    /// The hash of the last of them.
    pub last_hash: EventHash,
    /// Who asked for what.
    pub request: DeployRequest,
    /// After this moment nothing is started.
    pub valid_until: Time,
    /// The target whose lock this deploy holds.
    pub locked_target: Option<Target>,
    /// How often it was armed.
    pub attempts: u32,
    /// What the last disarmed attempt met.
    pub last_error: Option<String>,
    /// CircleCI has refused the token once and it has been read afresh since.
    pub token_refused: bool,
    /// The open intent, while TRIGGERING (kept afterwards for the record).
    pub trigger_intent: Option<TriggerIntent>,
    /// The run, from TRIGGERED on.
    pub run: Option<CiRun>,
    /// It was seen waiting for an approval, and that is (to be) told.
    #[serde(default)]
    pub on_hold: bool,
    /// How often CircleCI was looked at in this state; spaces the looks.
    pub poll_count: u32,
    /// The only timer: nothing is to be done before this moment; `None` means nothing is left.
    pub due_at: Option<Time>,
    /// The end, once there is one.
    pub end: Option<DeployEnd>,
    /// An order to try again is still owed to the dead-letter queue.
    pub owes_ticket: bool,
    /// Somebody wants it canceled.
    pub cancel: Option<CancelRequest>,
    /// The deploy this one repeats.
    pub retry_of: Option<DeployId>,
    /// The request that made it do so; `None` for a command of its own, and for an order from the
    /// dead-letter queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_request: Option<RequestId>,
    /// The operator who made it do so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The deploy that repeats this one.
    pub retried_by: Option<DeployId>,
}

impl DeployRecord {
    /// Whether somebody should look at it: it was not started, or nobody knows, and nobody has
    /// tried it again.
    #[must_use]
    pub fn awaits_retry(&self) -> bool {
        matches!(
            self.state,
            DeployState::TriggerFailed | DeployState::Unresolved
        ) && self.retried_by.is_none()
    }

    /// Whether the deploy's timer has run out.
    #[must_use]
    pub fn is_due(&self, now: Time) -> bool {
        self.due_at.is_some_and(|due| due <= now)
    }
}
