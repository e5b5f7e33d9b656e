//! How a run reads a pipeline, and what it writes and wakes up afterwards.

use super::*;
use crate::deploy::{ActedBy, CancelRequest};
use crate::fixtures::{poll, target, workflow};
use crate::ports::{
    CiReadError, CiWorkflow, PipelineState, PollResult, ProjectFacts, WorkflowStatus,
};
use crate::release::{ReleaseHistory, TargetEnd};

/// Goes on to the poll: the record with the reserved read, and the phase.
fn polling(run: DeployRun) -> (DeployRecord, Polling) {
    let phase = reserving(run);
    let record = phase.request().record;
    match phase.resume(Ok(()), context!(start())) {
        DeployRun::Poll(phase) => (record, phase),
        other => panic!("it does not poll: {other:?}"),
    }
}

/// Goes on to the reservation of the read.
fn reserving(run: DeployRun) -> ReservingRead {
    let DeployRun::ReadProject(phase) = run else {
        panic!("it reads no facts: {run:?}")
    };
    match phase.resume(Ok(ProjectFacts::default()), context!(start())) {
        DeployRun::ReserveRead(phase) => phase,
        other => panic!("it reserves nothing: {other:?}"),
    }
}

/// Reads the release history of the target.
fn read_releases(run: DeployRun, answer: Result<ReleaseHistory, LedgerError>) -> DeployRun {
    match run {
        DeployRun::ReadReleases(phase) => {
            assert_eq!(phase.request().0, target());
            phase.resume(answer, context!(start()))
        }
        other => panic!("it reads no releases: {other:?}"),
    }
}

fn triggered() -> DeployRecord {
    DeployRecord {
        due_at: Some(start()),
        ..record_in(DeployState::Triggered)
    }
}

#[test]
fn a_wake_up_of_the_notifier_that_fails_is_left_to_the_sweeper() {
    let run = read(DeployRun::wake_up(id()), &triggered(), start());
    let (record, phase) = polling(run);
    let shown = poll(PipelineState::Errored, vec![]);
    let run = phase.resume(Ok(shown), context!(start()));
    let run = read_releases(run, Err(ledger_error()));
    let (commit, after) = write(read(run, &record, start()), Ok(()));
    assert_eq!(commit.record.state, DeployState::CiError);
    assert_eq!(commit.record.before, None, "it could not be read");
    // Its end is pending, so the notifier is woken up; if that fails, it goes on all the same.
    let DeployRun::WakeNotifier(phase) = after else {
        panic!("{after:?}")
    };
    let lost = Err(SendError::unknown("the answer was lost"));
    let run = phase.resume(lost, context!(start()));
    // The report shows nothing more, and nothing is due.
    let run = read(run, &commit.record, start());
    let run = read(run, &commit.record, start());
    assert!(
        matches!(run, DeployRun::Done(Ok(RunEnd::AtRest))),
        "{run:?}"
    );
}

#[test]
fn only_the_run_that_reserved_the_read_reads() {
    let run = read(DeployRun::wake_up(id()), &triggered(), start());
    let stale = Err(Conflict::StaleVersion.into());
    let overtaken = reserving(run).resume(stale, context!(start()));
    assert!(matches!(overtaken, DeployRun::Read(_)), "{overtaken:?}");
}

#[test]
fn the_jobs_are_read_once_and_then_the_end_is_recorded() {
    let run = read(DeployRun::wake_up(id()), &triggered(), start());
    let (record, phase) = polling(run);
    assert!(phase.request().details, "it is not known to be created");
    let ended = workflow("deploy", 1, WorkflowStatus::Success);
    let shown = poll(PipelineState::Created, vec![ended]);
    let run = phase.resume(Ok(shown), context!(start()));
    let DeployRun::ListJobs(phase) = run else {
        panic!("{run:?}")
    };
    assert_eq!(phase.request().workflow, "deploy-1");
    // Without them nobody knows whether the deploy ran.
    let error = CiReadError::from_message("503");
    let failed = phase.clone().resume(Err(error), context!(start()));
    let (commit, _) = write(read(failed, &record, start()), Ok(()));
    assert_eq!(commit.record.state, DeployState::Triggered);
    assert!(commit.record.reads.failed.is_some());

    let run = phase.resume(Ok(vec![]), context!(start()));
    let run = read_releases(run, Ok(ReleaseHistory::default()));
    // First that it runs, then how it has ended; the notifier is woken up each time.
    let (started, after) = write(read(run, &record, start()), Ok(()));
    assert_eq!(started.record.state, DeployState::Running);
    let DeployRun::WakeNotifier(phase) = after else {
        panic!("{after:?}")
    };
    let run = phase.resume(Ok(()), context!(start()));
    let (end, _) = write(read(run, &started.record, start()), Ok(()));
    assert_eq!(end.record.state, DeployState::Succeeded);
    let released = end.release.unwrap().release.unwrap();
    assert_eq!(released.deploy, id());
}

#[test]
fn what_the_target_had_is_read_once() {
    let run = read(DeployRun::wake_up(id()), &triggered(), start());
    let (record, phase) = polling(run);
    let runs = vec![workflow("deploy", 1, WorkflowStatus::Running)];
    let shown = || Ok(poll(PipelineState::Created, runs.clone()));
    let run = phase.resume(shown(), context!(start()));
    let mut ended = record_in(DeployState::Succeeded);
    ended.id = DeployId::of_request("T1", "A1", "before");
    let history = ReleaseHistory::default().after(&TargetEnd::of(&ended).unwrap());
    let run = read_releases(run, Ok(history));
    let (started, _) = write(read(run, &record, start()), Ok(()));
    let before = started.record.before.clone().unwrap();
    assert_eq!(before.replaced.unwrap().deploy, ended.id);
    // The next poll records what it shows at once.
    let due = DeployRecord {
        due_at: Some(start()),
        ..started.record
    };
    let (_, phase) = polling(read(DeployRun::wake_up(id()), &due, start()));
    let run = phase.resume(shown(), context!(start()));
    assert!(matches!(run, DeployRun::Record(_)), "{run:?}");
}

#[test]
fn a_report_after_a_setup_is_completed_before_its_success_is_said() {
    let mut record = triggered();
    record.run.as_mut().unwrap().created_at = Some(start());
    let (_, phase) = polling(read(DeployRun::wake_up(id()), &record, start()));
    assert!(!phase.request().details, "its workflows say the rest");
    let setup = CiWorkflow {
        is_setup: true,
        ..workflow("setup", 0, WorkflowStatus::Success)
    };
    let ended = workflow("deploy", 1, WorkflowStatus::Success);
    let shown = PollResult {
        pipeline: None,
        workflows: vec![ended, setup],
    };
    let run = phase.resume(Ok(shown), context!(start()));
    let DeployRun::Poll(phase) = run else {
        panic!("{run:?}")
    };
    assert!(phase.request().details);
}

#[test]
fn what_is_to_be_canceled_is_canceled_before_more_is_read() {
    for canceled in [false, true] {
        let mut record = triggered();
        record.cancel = canceled.then(|| CancelRequest {
            by: ActedBy::Operator { name: "ada".into() },
            at: start(),
        });
        let (_, phase) = polling(read(DeployRun::wake_up(id()), &record, start()));
        let held = workflow("deploy", 1, WorkflowStatus::OnHold);
        let shown = poll(PipelineState::Created, vec![held]);
        let run = phase.resume(Ok(shown), context!(start()));
        match run {
            DeployRun::ListJobs(_) => assert!(!canceled, "what it waits for is of no use"),
            DeployRun::Cancel(_) => assert!(canceled),
            other => panic!("{other:?}"),
        }
    }
}
