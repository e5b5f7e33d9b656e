//! One run of the worker about one deploy, as a value: read, decide, write, act, until nothing is due.
//!
//! The phases are in the order in which a deploy passes them: it is opened, its next
//! step is taken, CircleCI is asked, the answer is recorded. What to do is
//! decided in [`decide`](crate::deploy::decide); what a driver has to add are the requests' answers and a
//! limit to its tries. Nothing here knows how a request is performed.

mod ask;
mod open;
mod project;
mod record;
mod releases;
mod retry;
mod step;

use std::time::Duration;

pub use self::ask::{
    CancelingWorkflows, ListingJobs, LookingUp, Polling, ReadingOwners, RefreshingToken,
    ReservingRead, Triggering,
};
pub use self::open::{FindingOwner, Opening, ReadingCommand};
pub use self::project::{NotingProject, ReadingProject};
pub use self::record::{CiEvidence, Recording, WritingEvidence};
pub use self::releases::ReadingReleases;
pub use self::retry::{
    BeginningRetry, CheckedRetry, FindingLastRetry, FindingNewerSuccess, ReadingRetried,
    ReadingRetryHolder, ReadingRoot, RecordingRefusal, RetryMemory, ReturningTicket,
};
pub use self::step::{
    Reading, ReadingHolder, SchedulingWakeUp, SendingTicket, WakingNotifier, Writing,
};
use crate::deploy::DeployRecord;
use crate::deploy::decide::{Context, RetryDecision};
use crate::deploy::machine::IllegalTransition;
use crate::id::{DeployId, PipelineId};
use crate::message::{ActionMessage, DeployMessage};
use crate::phase::Interrupted;
use crate::ports::{Conflict, LedgerError, SendError};

/// A run: where it stands.
#[derive(Debug, Clone)]
pub enum DeployRun {
    /// Reads whether a command is on record.
    ReadCommand(ReadingCommand),
    /// Writes a deploy's first transaction.
    Open(Opening),
    /// Reads the deploy to retry.
    ReadRetried(ReadingRetried),
    /// Finds the last deploy of a chain of retries.
    FindLastRetry(FindingLastRetry),
    /// Reads the first deploy of a chain of retries.
    ReadRoot(ReadingRoot),
    /// Looks for a newer success of the target.
    FindNewerSuccess(FindingNewerSuccess),
    /// Writes a retry's first transaction.
    BeginRetry(BeginningRetry),
    /// Reads who has the target of a retry.
    ReadRetryHolder(ReadingRetryHolder),
    /// Records that a retry was refused.
    RecordRefusal(RecordingRefusal),
    /// Puts a refused retry ticket back.
    ReturnTicket(ReturningTicket),
    /// Reads which deploy a pipeline is of.
    FindOwner(FindingOwner),
    /// Reads the deploy, to decide what is next.
    Read(Reading),
    /// Writes a decision.
    Write(Writing),
    /// Reads who has the target.
    ReadHolder(ReadingHolder),
    /// Sends the one POST of an attempt.
    Trigger(Triggering),
    /// Reads the token anew.
    RefreshToken(RefreshingToken),
    /// Reads what is known of the project, before CircleCI is read.
    ReadProject(ReadingProject),
    /// Notes something of the project.
    NoteProject(NotingProject),
    /// Writes that CircleCI is about to be read, and when next.
    ReserveRead(ReservingRead),
    /// Looks up the pipeline of a POST whose outcome is unknown.
    LookUp(LookingUp),
    /// Reads whose the candidates of a lookup are.
    ReadOwners(ReadingOwners),
    /// Polls.
    Poll(Polling),
    /// Reads the release history of the target.
    ReadReleases(ReadingReleases),
    /// Reads the jobs of a workflow.
    ListJobs(ListingJobs),
    /// Sends a cancel to CircleCI.
    Cancel(CancelingWorkflows),
    /// Reads the deploy, to record what CircleCI has shown.
    Record(Recording),
    /// Writes what CircleCI has shown.
    WriteEvidence(WritingEvidence),
    /// Puts the retry ticket into the dead-letter queue.
    SendTicket(SendingTicket),
    /// Wakes the notifier up.
    WakeNotifier(WakingNotifier),
    /// Sends the next wake-up.
    ScheduleWakeUp(SchedulingWakeUp),
    /// Tries again, if the driver still allows it.
    Again(Interrupted<DeployRun, RunError>),
    /// Is over.
    Done(Result<RunEnd, RunError>),
}

/// How a run ends that did all it could.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    /// Nothing is due now.
    AtRest,
    /// The deploy is not on record.
    NotOnRecord,
    /// No deploy has this pipeline.
    NoOwner(PipelineId),
    /// Nothing was retried.
    NotRetried(Box<RetryRefused>),
}

/// A retry that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryRefused {
    /// The deploy that would have been retried.
    pub record: Box<DeployRecord>,
    /// Why it was not.
    pub why: RetryDecision,
}

/// Why a run failed. Its message goes back to the queue.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RunError {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A conflict that reading again does not resolve.
    #[error("the ledger contradicts itself: {0}")]
    Conflict(Conflict),
    /// A message could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// CircleCI's answer would come too late for this run.
    #[error("this run ends too soon to send a trigger and receive the answer")]
    DeadlineTooClose,
    /// A decision that the state machine does not allow: a bug.
    #[error(transparent)]
    IllegalTransition(#[from] IllegalTransition),
}

/// What a run remembers from one phase to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct RunMemory {
    /// The deploy.
    pub deploy: DeployId,
    /// The attempt whose POST this run has sent; 0 for none.
    pub posted_attempt: u32,
    /// Whether it wrote anything, and so schedules the next wake-up.
    pub has_written: bool,
    /// Whether it may have begun a trigger: then only this run knows that nothing was sent.
    pub began_trigger: bool,
    /// Whether it has read the token anew.
    pub has_fresh_token: bool,
    /// Whether it is over a webhook.
    pub by_webhook: bool,
}

impl RunMemory {
    fn of(deploy: DeployId) -> Self {
        Self {
            deploy,
            posted_attempt: 0,
            has_written: false,
            began_trigger: false,
            has_fresh_token: false,
            by_webhook: false,
        }
    }

    /// Decisions depend on what this run has sent.
    fn context<'a>(&self, ctx: Context<'a>) -> Context<'a> {
        Context {
            posted_attempt: self.posted_attempt,
            ..ctx
        }
    }

    fn read(self) -> DeployRun {
        DeployRun::Read(Reading { memory: self })
    }

    /// After a failure of the ledger: a run that may have begun a trigger tries again. If it gave up,
    /// the next run would look up a pipeline that was never triggered, and end UNRESOLVED.
    fn after_failure(self, error: LedgerError) -> DeployRun {
        if self.began_trigger {
            again(self.read(), error.into())
        } else {
            failed(error)
        }
    }
}

impl DeployRun {
    /// A run over a command: it is put on record, unless it is already.
    #[must_use]
    pub fn open(message: DeployMessage) -> Self {
        Self::ReadCommand(ReadingCommand {
            message: Box::new(message),
        })
    }

    /// A run over a wake-up.
    #[must_use]
    pub fn wake_up(deploy: DeployId) -> Self {
        RunMemory::of(deploy).read()
    }

    /// A run over an action that asks to retry a deploy, or the last one of its chain.
    #[must_use]
    pub fn retry(deploy: DeployId, action: ActionMessage) -> Self {
        let action = Some(Box::new(action));
        Self::begin_retry(deploy, action)
    }

    /// A run over a retry ticket: exactly that deploy is retried.
    #[must_use]
    pub fn ticket(deploy: DeployId) -> Self {
        Self::begin_retry(deploy, None)
    }

    fn begin_retry(deploy: DeployId, action: Option<Box<ActionMessage>>) -> Self {
        let memory = RetryMemory {
            deploy,
            action,
            may_have_begun: false,
        };
        memory.read()
    }

    /// A run over a webhook: the deploy that has the pipeline is polled at once.
    #[must_use]
    pub fn webhook(pipeline: PipelineId) -> Self {
        Self::FindOwner(FindingOwner { pipeline })
    }

    /// The deploy, where it is known.
    #[must_use]
    pub fn deploy(&self) -> Option<DeployId> {
        match self {
            Self::ReadCommand(phase) => Some(phase.message.id),
            Self::Open(phase) => Some(phase.message.id),
            Self::FindOwner(_) | Self::Done(_) => None,
            Self::ReadRetried(phase) => Some(phase.memory.deploy),
            Self::FindLastRetry(phase) => Some(phase.memory.deploy),
            Self::ReadRoot(phase) => Some(phase.memory.deploy),
            Self::FindNewerSuccess(phase) => Some(phase.retry.memory.deploy),
            Self::BeginRetry(phase) => Some(phase.commit.record.id),
            Self::ReadRetryHolder(phase) => Some(phase.retry.memory.deploy),
            Self::RecordRefusal(phase) => Some(phase.refused.record.id),
            Self::ReturnTicket(phase) => Some(phase.refused.record.id),
            Self::Again(interrupted) => interrupted.next.deploy(),
            Self::RefreshToken(phase) => phase.next.deploy(),
            Self::Read(phase) => Some(phase.memory.deploy),
            Self::Write(phase) => Some(phase.memory.deploy),
            Self::ReadHolder(phase) => Some(phase.memory.deploy),
            Self::Trigger(phase) => Some(phase.memory.deploy),
            Self::ReadProject(phase) => Some(phase.memory.deploy),
            Self::NoteProject(phase) => phase.next.deploy(),
            Self::ReserveRead(phase) => Some(phase.memory.deploy),
            Self::LookUp(phase) => Some(phase.memory.deploy),
            Self::ReadOwners(phase) => Some(phase.memory.deploy),
            Self::Poll(phase) => Some(phase.memory.deploy),
            Self::ReadReleases(phase) => Some(phase.memory.deploy),
            Self::ListJobs(phase) => Some(phase.memory.deploy),
            Self::Cancel(phase) => Some(phase.memory.deploy),
            Self::Record(phase) => Some(phase.memory.deploy),
            Self::WriteEvidence(phase) => Some(phase.memory.deploy),
            Self::SendTicket(phase) => Some(phase.memory.deploy),
            Self::WakeNotifier(phase) => Some(phase.deploy),
            Self::ScheduleWakeUp(phase) => Some(phase.deploy),
        }
    }
}

fn again(next: DeployRun, error: RunError) -> DeployRun {
    let next = Box::new(next);
    DeployRun::Again(Interrupted { next, error })
}

fn failed(error: impl Into<RunError>) -> DeployRun {
    DeployRun::Done(Err(error.into()))
}

fn delay_until(due: crate::Time, now: crate::Time) -> Duration {
    (due - now).to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests;
