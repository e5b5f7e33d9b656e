//! A run, phase by phase: what it asks for next, and what it makes of failures. Here are the phases that
//! every run goes through, the tests are in the rooms.

use super::*;
use crate::Time;
use crate::deploy::{DeployRecord, DeployState};
use crate::fixtures::{at, config, id, me, pipeline, record_in, start};
use crate::phase::Phase;
use crate::ports::{Commit, CommitError, PortErrorKind};

/// A run's context at that moment, of the invocation that began the trigger.
macro_rules! context {
    ($now:expr) => {
        Context {
            now: $now,
            invocation: &me(),
            posted_attempt: 0,
            deadline: None,
            config: &config(),
        }
    };
}

mod opening;
mod polling;
mod retrying;
mod triggering;

fn ledger_error() -> LedgerError {
    LedgerError::new(PortErrorKind::Unavailable, "the disk is gone")
}

/// Reads `record` at that moment.
fn read(run: DeployRun, record: &DeployRecord, now: Time) -> DeployRun {
    let answer = Ok(Some(record.clone()));
    match run {
        DeployRun::Read(phase) => phase.resume(answer, context!(now)),
        DeployRun::Record(phase) => phase.resume(answer, context!(now)),
        other => panic!("it reads nothing: {other:?}"),
    }
}

/// Writes with that answer.
fn write(run: DeployRun, answer: Result<(), CommitError>) -> (Commit, DeployRun) {
    match run {
        DeployRun::Write(phase) => (phase.request(), phase.resume(answer, context!(start()))),
        DeployRun::WriteEvidence(phase) => {
            (phase.request(), phase.resume(answer, context!(start())))
        }
        other => panic!("it writes nothing: {other:?}"),
    }
}

fn triggering() -> DeployRecord {
    let run = read(
        DeployRun::wake_up(id()),
        &record_in(DeployState::Requested),
        start(),
    );
    write(run, Ok(())).0.record
}
