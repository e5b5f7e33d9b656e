//! What CircleCI has shown is recorded. Only this run knows it, so after a conflict or a failure it
//! reads the deploy and decides again.

use std::time::Duration;

use super::step::{after_write, after_write_then};
use super::{DeployRun, RunError, RunMemory, again, failed};
use crate::deploy::DeployRecord;
use crate::deploy::decide::outcome::RunReport;
use crate::deploy::decide::{Context, Decision, follow, trigger};
use crate::phase::Phase;
use crate::ports::{
    Commit, CommitError, Conflict, LedgerError, LookupResult, ReadDeploy, TriggerOutcome,
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
        /// The error.
        error: String,
        /// How long CircleCI asks to wait.
        retry_after: Option<Duration>,
    },
    /// What the poll showed.
    Polled(RunReport),
    /// The poll failed.
    PollFailed {
        /// The error.
        error: String,
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
            Self::LookupFailed { error, retry_after } => {
                trigger::after_failed_lookup(record, error, *retry_after, ctx)
            }
            Self::Polled(report) => follow::after_poll(record, report, ctx),
            Self::PollFailed { error, retry_after } => {
                follow::after_failed_poll(record, error, *retry_after, ctx)
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

/// After it is on record, or was overtaken. A report is looked at again after each write, until nothing
/// is left to write: it may show both that the run has started and how it has ended.
fn recorded(memory: RunMemory, evidence: CiEvidence, commit: Option<&Commit>) -> DeployRun {
    let Some(commit) = commit else {
        return memory.read();
    };
    match evidence {
        CiEvidence::Polled(_) => after_write_then(memory, commit, |memory| {
            DeployRun::Record(Recording { memory, evidence })
        }),
        _ => after_write(memory, commit),
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
