//! The worker's runs as they are told apart: without what no answer and no decision depends on.

use chatops_core::deploy::DeployRecord;
use chatops_core::deploy::decide::CiRead;
use chatops_core::deploy::handler::{CiEvidence, DeployRun, RunMemory};
use chatops_core::ports::{Commit, LockChange, PollResult};

use super::interner::{canonical, next_tick, now};

/// What a run remembers.
pub(super) fn memory_of(run: &mut DeployRun) -> Option<&mut RunMemory> {
    match run {
        DeployRun::Read(phase) => Some(&mut phase.memory),
        DeployRun::Write(phase) => Some(&mut phase.memory),
        DeployRun::Trigger(phase) => Some(&mut phase.memory),
        DeployRun::ReserveRead(phase) => Some(&mut phase.memory),
        DeployRun::LookUp(phase) => Some(&mut phase.memory),
        DeployRun::Poll(phase) => Some(&mut phase.memory),
        DeployRun::Record(phase) => Some(&mut phase.memory),
        DeployRun::WriteEvidence(phase) => Some(&mut phase.memory),
        DeployRun::SendTicket(phase) => Some(&mut phase.memory),
        _ => None,
    }
}

/// What a run is about to write.
pub(super) fn commit_of(run: &mut DeployRun) -> Option<&mut Commit> {
    match run {
        DeployRun::Open(phase) => Some(&mut phase.commit),
        DeployRun::Write(phase) => Some(&mut phase.commit),
        DeployRun::WriteEvidence(phase) => Some(&mut phase.commit),
        DeployRun::ReserveRead(phase) => Some(&mut phase.commit),
        _ => None,
    }
}

/// Changes each record that a run carries.
pub(super) fn change_records(run: &mut DeployRun, mut change: impl FnMut(&mut DeployRecord)) {
    if let Some(commit) = commit_of(run) {
        change(&mut commit.record);
    }
    match run {
        DeployRun::Write(phase) => change(&mut phase.record),
        DeployRun::SendTicket(phase) => change(&mut phase.record),
        _ => {}
    }
}

/// The canonical form of a run.
pub(super) fn canonical_run(mut run: DeployRun) -> DeployRun {
    if let Some(memory) = memory_of(&mut run) {
        // Wake-ups are not kept.
        memory.has_written = false;
    }
    change_records(&mut run, |record| *record = canonical(record.clone()));
    if let Some(commit) = commit_of(&mut run) {
        commit.event = None;
        commit.claim = None;
        commit.notifications.clear();
        commit.open_notifications = None;
        if let Some(LockChange::Expire { until, .. }) = &mut commit.lock {
            *until = next_tick(*until);
        }
    }
    match &mut run {
        DeployRun::Open(phase) => phase.message.requested_at = now(),
        DeployRun::LookUp(phase) => phase.lookup.since = now(),
        DeployRun::ReserveRead(phase) => {
            if let CiRead::LookUp(lookup) = &mut phase.read {
                lookup.since = now();
            }
        }
        DeployRun::Record(phase) => settle_evidence(&mut phase.evidence),
        DeployRun::WriteEvidence(phase) => settle_evidence(&mut phase.evidence),
        _ => {}
    }
    run
}

fn settle_evidence(evidence: &mut CiEvidence) {
    match evidence {
        CiEvidence::Polled(report) => settle_poll(&mut report.poll),
        CiEvidence::PollFailed { error, .. } | CiEvidence::LookupFailed { error, .. } => {
            "met".clone_into(error);
        }
        _ => {}
    }
}

/// When a workflow was created is not looked at.
fn settle_poll(poll: &mut PollResult) {
    for workflow in &mut poll.workflows {
        workflow.created_at = now();
    }
}
