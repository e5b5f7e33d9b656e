//! The worker's runs as they are told apart: without what no answer and no decision depends on.

use chatops_core::audit::EventHash;
use chatops_core::deploy::DeployRecord;
use chatops_core::deploy::decide::{CiRead, RetryDecision};
use chatops_core::deploy::handler::{CiEvidence, DeployRun, RetryMemory, RunMemory};
use chatops_core::message::ActionMessage;
use chatops_core::ports::{ActionOutcome, Commit, LockChange, PollResult};

use super::canonical::canonical;
use super::clock::{next_tick, now};

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

/// What a run over a retry remembers.
pub(super) fn retry_memory_of(run: &mut DeployRun) -> Option<&mut RetryMemory> {
    match run {
        DeployRun::ReadRetried(phase) => Some(&mut phase.memory),
        DeployRun::BeginRetry(phase) => Some(&mut phase.retry.memory),
        _ => None,
    }
}

/// The action that a run is over.
pub(super) fn action_of(run: &mut DeployRun) -> Option<&mut ActionMessage> {
    retry_memory_of(run)?.action.as_deref_mut()
}

/// What a run is about to write.
pub(super) fn commit_of(run: &mut DeployRun) -> Option<&mut Commit> {
    match run {
        DeployRun::Open(phase) => Some(&mut phase.commit),
        DeployRun::BeginRetry(phase) => Some(&mut phase.commit),
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
        if let Some(retried) = &mut commit.retried {
            change(&mut retried.record);
        }
    }
    match run {
        DeployRun::BeginRetry(phase) => change(&mut phase.retry.old),
        DeployRun::RecordRefusal(phase) => change(&mut phase.refused.record),
        DeployRun::ReturnTicket(phase) => change(&mut phase.refused.record),
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
        commit.events.clear();
        commit.action = None;
        if let Some(retried) = &mut commit.retried {
            (retried.event.n, retried.event.hash) = (0, EventHash::START);
            retried.event.body.clear();
        }
        commit.claim = None;
        commit.notifications.clear();
        commit.open_notifications = None;
        if let Some(LockChange::Expire { until, .. }) = &mut commit.lock {
            *until = next_tick(*until);
        }
    }
    match &mut run {
        DeployRun::Open(phase) => phase.message.requested_at = now(),
        DeployRun::BeginRetry(phase) => phase.retry.first.requested_at = now(),
        // What was refused is only answered.
        DeployRun::RecordRefusal(phase) => {
            phase.action.at = now();
            phase.action.outcome = ActionOutcome::Retried {
                deploy: phase.refused.record.id,
            };
            phase.refused.why = RetryDecision::HasRun;
        }
        DeployRun::ReturnTicket(phase) => phase.refused.why = RetryDecision::HasRun,
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
