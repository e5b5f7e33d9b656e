//! What CircleCI has shown is recorded. Only this run knows it, so after a conflict or a failure it
//! reads the deploy and decides again.

use std::time::Duration;

use super::step::after_write;
use super::{DeployRun, RunError, RunMemory, again, failed};
use crate::deploy::DeployRecord;
use crate::deploy::decide::{Context, Decision, follow, trigger};
use crate::phase::Phase;
use crate::ports::{
    Commit, CommitError, Conflict, LedgerError, LookupResult, PollResult, ReadDeploy,
    TriggerOutcome,
};

/// What CircleCI has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CiEvidence {
    /// The outcome of the POST.
    Triggered(TriggerOutcome),
    /// The result of the lookup.
    LookedUp(LookupResult),
    /// The lookup failed.
    LookupFailed {
        /// How long CircleCI asks to wait.
        retry_after: Option<Duration>,
    },
    /// What the poll showed.
    Polled(PollResult),
    /// The poll failed.
    PollFailed {
        /// How long CircleCI asks to wait.
        retry_after: Option<Duration>,
    },
    /// Something has happened to the pipeline, so it is polled now.
    Event,
}

impl CiEvidence {
    /// What it changes.
    fn decide(&self, record: &DeployRecord, ctx: Context<'_>) -> Decision<Option<Commit>> {
        match self {
            Self::Triggered(outcome) => {
                trigger::after_post(record, ctx.posted_attempt, outcome, ctx)
            }
            Self::LookedUp(result) => trigger::after_lookup(record, result, ctx),
            Self::LookupFailed { retry_after } => {
                trigger::after_failed_lookup(record, *retry_after, ctx)
            }
            Self::Polled(poll) => follow::after_poll(record, poll, ctx),
            Self::PollFailed { retry_after } => {
                follow::after_failed_poll(record, *retry_after, ctx)
            }
            Self::Event => Ok(follow::poll_now(record, ctx)),
        }
    }
}

/// Reads the deploy, to record what CircleCI has shown.
#[derive(Debug, Clone)]
pub struct Recording {
    /// What the run remembers.
    pub memory: RunMemory,
    /// What CircleCI has shown.
    pub evidence: CiEvidence,
}

/// Writes what CircleCI has shown.
#[derive(Debug, Clone)]
pub struct WritingEvidence {
    /// What the run remembers.
    pub memory: RunMemory,
    /// What CircleCI has shown.
    pub evidence: CiEvidence,
    /// The decision.
    pub commit: Box<Commit>,
}

impl Recording {
    fn again(self, error: impl Into<RunError>) -> DeployRun {
        again(DeployRun::Record(self), error.into())
    }
}

impl Phase for Recording {
    type Request = ReadDeploy;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> ReadDeploy {
        ReadDeploy(self.memory.deploy)
    }

    fn resume(
        self,
        answer: Result<Option<DeployRecord>, LedgerError>,
        ctx: Context<'_>,
    ) -> DeployRun {
        let record = match answer {
            Ok(Some(record)) => record,
            Ok(None) => return self.memory.read(),
            Err(error) => return self.again(error),
        };
        match self.evidence.decide(&record, self.memory.context(ctx)) {
            Ok(Some(commit)) => DeployRun::WriteEvidence(WritingEvidence {
                memory: self.memory,
                evidence: self.evidence,
                commit: Box::new(commit),
            }),
            Ok(None) => recorded(self.memory, self.evidence, None),
            Err(illegal) => failed(illegal),
        }
    }
}

/// After it is on record, or was overtaken.
fn recorded(mut memory: RunMemory, evidence: CiEvidence, commit: Option<&Commit>) -> DeployRun {
    if let CiEvidence::Polled(poll) = evidence {
        memory.polled = Some(poll);
    }
    match commit {
        Some(commit) => after_write(memory, commit),
        None => memory.read(),
    }
}

impl Phase for WritingEvidence {
    type Request = Commit;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> Commit {
        self.commit.as_ref().clone()
    }

    fn resume(self, answer: Result<(), CommitError>, _: Context<'_>) -> DeployRun {
        let recording = Recording {
            memory: self.memory,
            evidence: self.evidence,
        };
        match answer {
            Ok(()) => recorded(recording.memory, recording.evidence, Some(&self.commit)),
            Err(CommitError::Conflict(Conflict::StaleVersion)) => {
                recording.again(RunError::Conflict(Conflict::StaleVersion))
            }
            Err(CommitError::Conflict(other)) => failed(RunError::Conflict(other)),
            Err(CommitError::Ledger(error)) => recording.again(error),
        }
    }
}
