//! How a run begins: a command is put on record, or a webhook's deploy is found.

use super::{CiEvidence, DeployRun, Recording, RunEnd, RunError, RunMemory, failed, step};
use crate::deploy::DeployRecord;
use crate::deploy::decide::{self, Context};
use crate::id::{DeployId, PipelineId, ShortId};
use crate::message::DeployMessage;
use crate::phase::Phase;
use crate::ports::{Commit, CommitError, Conflict, LedgerError, ReadDeploy, ReadPipelineOwner};

/// Reads whether a command is on record.
#[derive(Debug, Clone)]
pub struct ReadingCommand {
    /// The command.
    pub message: Box<DeployMessage>,
}

/// Writes a deploy's first transaction.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The command.
    pub message: Box<DeployMessage>,
    /// The transaction.
    pub commit: Box<Commit>,
    /// The digits of its short id.
    pub short_digits: usize,
}

/// Reads which deploy a pipeline is of.
#[derive(Debug, Clone)]
pub struct FindingOwner {
    /// The pipeline.
    pub pipeline: PipelineId,
}

impl Opening {
    fn with_digits(
        message: Box<DeployMessage>,
        short_digits: usize,
        ctx: Context<'_>,
    ) -> DeployRun {
        let commit = Box::new(decide::open_deploy(&message, short_digits, ctx));
        DeployRun::Open(Self {
            message,
            commit,
            short_digits,
        })
    }
}

impl Phase for ReadingCommand {
    type Request = ReadDeploy;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> ReadDeploy {
        ReadDeploy(self.message.id)
    }

    fn resume(
        self,
        answer: Result<Option<DeployRecord>, LedgerError>,
        ctx: Context<'_>,
    ) -> DeployRun {
        match answer {
            Ok(Some(_)) => RunMemory::of(self.message.id).read(),
            Ok(None) => Opening::with_digits(self.message, ShortId::USUAL, ctx),
            Err(error) => failed(error),
        }
    }
}

impl Phase for Opening {
    type Request = Commit;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> Commit {
        self.commit.as_ref().clone()
    }

    fn resume(self, answer: Result<(), CommitError>, ctx: Context<'_>) -> DeployRun {
        match answer {
            Ok(()) if self.message.press.is_some() => {
                step::after_write(RunMemory::of(self.message.id), &self.commit)
            }
            // If it has moved on, another run has opened it.
            Ok(()) | Err(CommitError::Conflict(Conflict::StaleVersion)) => {
                RunMemory::of(self.message.id).read()
            }
            Err(CommitError::Conflict(Conflict::ShortId))
                if self.short_digits != ShortId::LONGER =>
            {
                Self::with_digits(self.message, ShortId::LONGER, ctx)
            }
            Err(CommitError::Conflict(other)) => failed(RunError::Conflict(other)),
            Err(CommitError::Ledger(error)) => failed(error),
        }
    }
}

impl Phase for FindingOwner {
    type Request = ReadPipelineOwner;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> ReadPipelineOwner {
        ReadPipelineOwner(self.pipeline)
    }

    fn resume(self, answer: Result<Option<DeployId>, LedgerError>, _: Context<'_>) -> DeployRun {
        match answer {
            Ok(Some(deploy)) => DeployRun::Record(Recording {
                memory: RunMemory {
                    by_webhook: true,
                    ..RunMemory::of(deploy)
                },
                evidence: CiEvidence::Event,
            }),
            Ok(None) => DeployRun::Done(Ok(RunEnd::NoOwner(self.pipeline))),
            Err(error) => failed(error),
        }
    }
}
