//! What the target had before: read once, with the first poll that succeeds.
//!
//! The deploy holds its target by then, so that no other one changes what is read here.

use super::{CiEvidence, DeployRun, Recording, RunMemory};
use crate::deploy::Target;
use crate::deploy::decide::outcome::RunReport;
use crate::deploy::decide::{Context, RunPoll};
use crate::phase::Phase;
use crate::ports::{LedgerError, ReadReleases};
use crate::release::ReleaseHistory;

/// Reads the release history of the target, then records what a poll has shown.
#[derive(Debug, Clone)]
pub struct ReadingReleases {
    /// What the run remembers.
    pub memory: RunMemory,
    /// What the poll showed.
    pub report: RunReport,
    /// The target.
    pub target: Target,
}

/// A poll that was successful is recorded.
pub(super) fn record_report(memory: RunMemory, poll: RunPoll, report: RunReport) -> DeployRun {
    match poll.unread_target {
        Some(target) => DeployRun::ReadReleases(ReadingReleases {
            memory,
            report,
            target,
        }),
        None => record(memory, report),
    }
}

fn record(memory: RunMemory, report: RunReport) -> DeployRun {
    DeployRun::Record(Recording {
        memory,
        evidence: CiEvidence::Polled(report),
    })
}

impl Phase for ReadingReleases {
    type Request = ReadReleases;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> ReadReleases {
        ReadReleases(self.target.clone())
    }

    // If it fails, the next poll reads it.
    fn resume(mut self, answer: Result<ReleaseHistory, LedgerError>, _: Context<'_>) -> DeployRun {
        self.report.releases = answer.ok();
        record(self.memory, self.report)
    }
}
