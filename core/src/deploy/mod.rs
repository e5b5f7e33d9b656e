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

use std::time::Duration;

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};
use url::Url;

pub use self::end::{DeployEnd, EndReason, MAX_NAMED, NOT_FINISHED, NOT_THERE, Notice};
pub use self::facts::RunFacts;
pub use self::hold::Hold;
pub use self::jobs::JobProgress;
pub use self::reads::{
    FailedReads, LONGEST_PAUSE, ReadEfforts, RunWait, RunWatch, USUAL_PAUSE, WaitReason,
    latest_timer,
};
use crate::Time;
use crate::audit::hash::EventHash;
use crate::config::{ProjectSlug, TriggerCall, WorkflowSelector};
use crate::id::{DeployId, InvocationId, PipelineId, QualifiedUser, RequestId, ShortId};
use crate::release::{ReplacedRelease, TargetBefore};
pub use crate::request::DeployRequest;
pub use crate::target::{Target, TargetRef};

/// The state of a deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[derive(strum::Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum DeployState {
    /// Accepted and stored; nothing has been sent to CircleCI.
    Requested,
    /// The intent to send the POST is stored; the POST may be under way.
    Triggering,
    /// CircleCI has created the pipeline.
    Triggered,
    /// A workflow of the pipeline exists.
    Running,
    /// Every run of the job's workflow is final, and the newest succeeded.
    Succeeded,
    /// The job's workflow failed, or a job that must run did not succeed.
    Failed,
    /// Canceled, before the trigger or at CircleCI after it.
    Canceled,
    /// The job's workflow did not run.
    NothingRan,
    /// The pipeline has errors.
    CiError,
    /// CircleCI refused or was not reached in time; certainly nothing was created.
    TriggerFailed,
    /// Not allowed, blocked or expired.
    Rejected,
    /// Whether the trigger worked is unknown; a person has to check.
    Unresolved,
    /// There is a pipeline, and CircleCI could not be read for too long to know its end.
    LostTrack,
}

impl DeployState {
    /// All states, in the order in which a deploy can pass through them.
    pub const ALL: [Self; Self::VARIANTS.len()] = *Self::VARIANTS.as_array().unwrap();

    /// Whether the state is an end, which never changes.
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

    /// Reads a state in any case, with `-` or `_`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.to_ascii_uppercase().replace('-', "_");
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// The outcome of the state.
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

    /// The state as the audit names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A summary of the states, for filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum DeployOutcome {
    /// It has not ended.
    InProgress,
    /// It succeeded.
    Succeeded,
    /// It failed, or its end is unknown.
    Failed,
    /// Somebody canceled it.
    Canceled,
    /// It was not allowed, blocked or expired.
    Rejected,
}

impl DeployOutcome {
    /// All outcomes.
    pub const ALL: [Self; Self::VARIANTS.len()] = *Self::VARIANTS.as_array().unwrap();

    /// The word that is typed and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

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

/// A person's request to cancel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRequest {
    /// Who.
    pub by: ActedBy,
    /// When.
    pub at: Time,
}

/// The record of a deploy. It alone decides what happens next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployRecord {
    /// The deploy.
    pub id: DeployId,
    /// Its short id.
    pub short_id: ShortId,
    /// Counts the writes; a write succeeds only over the version that it read.
    pub version: u64,
    /// The state.
    pub state: DeployState,
    /// How many audit events there are.
    pub events: u64,
    /// The hash of the last event.
    pub last_hash: EventHash,
    /// Who requested what.
    pub request: DeployRequest,
    /// After this moment nothing is started.
    pub valid_until: Time,
    /// The target whose lock this deploy holds.
    pub locked_target: Option<Target>,
    /// How many trigger attempts there were.
    pub attempts: u32,
    /// The error of the last rolled-back attempt.
    pub last_error: Option<String>,
    /// CircleCI has refused the token once, and it was refreshed since.
    pub token_refused: bool,
    /// The intent while TRIGGERING, kept afterwards.
    pub trigger_intent: Option<TriggerIntent>,
    /// The run, from TRIGGERED on.
    pub run: Option<CiRun>,
    /// The target as the deploy found it; `None` until that was read, once the run is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<TargetBefore>,
    /// The approvals that it was seen waiting for, in the order in which they were seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// How far its jobs are, where a card shows that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<JobProgress>,
    /// The reads at CircleCI in this state.
    #[serde(default)]
    pub reads: ReadEfforts,
    /// What is still read of it after its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<RunWatch>,
    /// The latest thing that people had to know at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
    /// The only timer: nothing happens before this moment; `None` means that nothing is left to do.
    pub due_at: Option<Time>,
    /// The end, once there is one.
    pub end: Option<DeployEnd>,
    /// Whether a retry ticket still has to be put into the dead-letter queue.
    pub owes_ticket: bool,
    /// The request to cancel it.
    pub cancel: Option<CancelRequest>,
    /// The deploy this one repeats.
    pub retry_of: Option<DeployId>,
    /// The request for this retry; `None` for a command and for a retry ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_request: Option<RequestId>,
    /// The operator who requested this retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The deploy that repeats this one.
    pub retried_by: Option<DeployId>,
    /// The first deploy of its chain of retries; `None` if that is this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_root: Option<DeployId>,
    /// The latest deploy before it in the chain that is UNRESOLVED. Nothing after that one was triggered,
    /// since only what was not is retried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unresolved_before: Option<DeployId>,
    /// Who took it out of the list of what waits for a retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dismissed_by: Option<ActedBy>,
}

impl DeployRecord {
    /// Whether it waits for a retry: it was not started, and a repetition can change that, or whether it
    /// was is unknown; and nobody has retried or dismissed it.
    #[must_use]
    pub fn awaits_retry(&self) -> bool {
        let waits = match self.state {
            DeployState::TriggerFailed => {
                self.end.as_ref().is_none_or(|end| end.reason.is_mendable())
            }
            DeployState::Unresolved => true,
            _ => false,
        };
        waits && self.retried_by.is_none() && self.dismissed_by.is_none()
    }

    /// What it deploys to; `None` until its trigger has begun.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        let intent = self.trigger_intent.as_ref()?;
        let environment = self.request.environment.as_deref()?;
        Some(Target::new(&intent.slug, environment))
    }

    /// The commit that it builds, once known.
    #[must_use]
    pub fn revision(&self) -> Option<&str> {
        self.run.as_ref()?.revision.as_deref()
    }

    /// Whether it was last seen waiting for an approval.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.holds.iter().any(|hold| hold.waits)
    }

    /// The latest notice, unless it is over.
    #[must_use]
    pub fn present_notice(&self) -> Option<&Notice> {
        let waits_for = |reason| {
            self.reads
                .wait
                .as_ref()
                .is_some_and(|wait| wait.reason == reason)
        };
        let notice = self.notice.as_ref()?;
        let is_over = match notice {
            Notice::AfterEnd { .. } | Notice::Unlocked { .. } => false,
            _ if self.state.is_terminal() => true,
            Notice::TriggerDelayed { .. } => self.run.is_some(),
            Notice::Unreadable { .. } => {
                self.reads.failed.as_ref().is_none_or(|failed| !failed.told)
            }
            Notice::NothingStarted => !waits_for(WaitReason::AnyWorkflow),
            Notice::MayRerun { .. } => !waits_for(WaitReason::Rerun),
        };
        (!is_over).then_some(notice)
    }

    /// The release that it replaces, once known.
    #[must_use]
    pub fn replaced(&self) -> Option<&ReplacedRelease> {
        self.before.as_ref()?.replaced.as_ref()
    }

    /// How long such a deploy usually takes, once known.
    #[must_use]
    pub fn usual_duration(&self) -> Option<Duration> {
        self.before.as_ref()?.usual
    }

    /// How long it took, from the trigger to the end; `None` if nothing was triggered, or it has not
    /// ended.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.run.as_ref()?;
        let (intent, end) = (self.trigger_intent.as_ref()?, self.end.as_ref()?);
        Some((end.at - intent.at).to_std().unwrap_or_default())
    }

    /// The first deploy of its chain of retries.
    #[must_use]
    pub fn chain_root(&self) -> DeployId {
        self.retry_root.unwrap_or(self.id)
    }

    /// Whether the deploy's timer has run out. One further ahead than the pause that was planned was
    /// set by a clock that was wrong, and has run out, too.
    #[must_use]
    pub fn is_due(&self, now: Time) -> bool {
        let longest = self.reads.pause.max(USUAL_PAUSE);
        self.due_at
            .is_some_and(|due| due <= now || due > now + longest)
    }
}
