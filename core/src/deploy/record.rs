//! [`DeployRecord`], all that is known of a deploy.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    ActedBy, CiRun, DeployEnd, DeployRequest, DeployState, Hold, JobProgress, Notice, ReadEfforts,
    RunWatch, Target, TriggerIntent, USUAL_PAUSE, WaitReason,
};
use crate::Time;
use crate::audit::hash::EventHash;
use crate::id::{DeployId, RequestId, ShortId};
use crate::release::{ReplacedRelease, TargetBefore};

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
