//! A run, phase by phase: what it asks for next, and what it makes of failures.

use super::*;
use crate::Time;
use crate::deploy::{DeployRecord, DeployState};
use crate::fixtures::{at, config, id, me, message, pipeline, poll, record_in, start, workflow};
use crate::phase::Phase;
use crate::ports::{
    CiReadError, CiWorkflow, Commit, CommitError, PipelineState, PollResult, PortErrorKind,
    ProjectFacts, TriggerOutcome, WorkflowStatus,
};

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

fn triggered() -> DeployRecord {
    DeployRecord {
        due_at: Some(start()),
        ..record_in(DeployState::Triggered)
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

#[test]
fn the_token_comes_before_the_last_look_at_the_clock() {
    let record = DeployRecord {
        token_refused: true,
        ..triggering()
    };
    let run = read(DeployRun::wake_up(id()), &record, at(5));
    let DeployRun::RefreshToken(phase) = run else {
        panic!("it does not read the token anew: {run:?}")
    };
    let run = phase.resume(Ok(()), context!(at(5)));
    // In time it is sent, with the token that was just read.
    let sent = read(run.clone(), &record, at(5));
    assert!(matches!(sent, DeployRun::Trigger(_)), "{sent:?}");
    // It took too long: nothing is sent.
    let late = read(run, &record, at(6));
    let (commit, _) = write(late, Ok(()));
    assert_eq!(commit.record.state, DeployState::Requested);
}

#[test]
fn only_a_run_that_may_have_begun_a_trigger_tries_again() {
    let run = DeployRun::wake_up(id());
    let DeployRun::Read(phase) = run.clone() else {
        panic!("{run:?}")
    };
    let failed = phase.resume(Err(ledger_error()), context!(start()));
    assert!(
        matches!(failed, DeployRun::Done(Err(RunError::Ledger(_)))),
        "{failed:?}"
    );

    let begins = read(run, &record_in(DeployState::Requested), start());
    let (commit, after) = write(begins, Err(ledger_error().into()));
    assert_eq!(commit.record.state, DeployState::Triggering);
    let DeployRun::Again(again) = after else {
        panic!("{after:?}")
    };
    // What it reads then is its own intent, or that nothing was written.
    let run = read(*again.next, &triggering(), start());
    assert!(matches!(run, DeployRun::Trigger(_)), "{run:?}");
}

#[test]
fn an_outcome_is_recorded_whoever_writes_in_between() {
    let record = triggering();
    let run = read(DeployRun::wake_up(id()), &record, start());
    let DeployRun::Trigger(phase) = run else {
        panic!("{run:?}")
    };
    let outcome = TriggerOutcome::Created(pipeline(7));
    let mut run = phase.resume(outcome, context!(at(1)));
    let failures: [CommitError; 2] = [Conflict::StaleVersion.into(), ledger_error().into()];
    for failure in failures {
        let writes = read(run, &record, at(1));
        let (_, after) = write(writes, Err(failure));
        let DeployRun::Again(again) = after else {
            panic!("{after:?}")
        };
        run = *again.next;
    }
    let (commit, after) = write(read(run, &record, at(1)), Ok(()));
    assert_eq!(commit.record.state, DeployState::Triggered);
    assert_eq!(commit.claim, Some(pipeline(7).id));
    // It goes on: nothing is due yet, so it schedules the next wake-up.
    let run = read(after, &commit.record, at(1));
    let DeployRun::ScheduleWakeUp(phase) = run else {
        panic!("{run:?}")
    };
    assert_eq!(phase.delay, Duration::from_secs(5));
}

#[test]
fn a_wake_up_of_the_notifier_that_fails_is_left_to_the_sweeper() {
    let run = read(DeployRun::wake_up(id()), &triggered(), start());
    let (record, phase) = polling(run);
    let shown = poll(PipelineState::Errored, vec![]);
    let run = phase.resume(Ok(shown), context!(start()));
    let (commit, after) = write(read(run, &record, start()), Ok(()));
    assert_eq!(commit.record.state, DeployState::CiError);
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
    // First that it runs, then how it has ended; the notifier is woken up each time.
    let (started, after) = write(read(run, &record, start()), Ok(()));
    assert_eq!(started.record.state, DeployState::Running);
    let DeployRun::WakeNotifier(phase) = after else {
        panic!("{after:?}")
    };
    let run = phase.resume(Ok(()), context!(start()));
    let (end, _) = write(read(run, &started.record, start()), Ok(()));
    assert_eq!(end.record.state, DeployState::Succeeded);
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
fn a_command_that_comes_twice_is_opened_once() {
    let DeployRun::ReadCommand(phase) = DeployRun::open(message()) else {
        panic!("it does not read first")
    };
    let run = phase.clone().resume(Ok(None), context!(start()));
    let DeployRun::Open(opens) = run else {
        panic!("{run:?}")
    };
    assert!(opens.request().open_notifications.is_some());
    // Another run was first, or the short id is taken.
    let overtaken = opens
        .clone()
        .resume(Err(Conflict::StaleVersion.into()), context!(start()));
    assert!(matches!(overtaken, DeployRun::Read(_)), "{overtaken:?}");
    let taken = opens.resume(Err(Conflict::ShortId.into()), context!(start()));
    let DeployRun::Open(longer) = taken else {
        panic!("{taken:?}")
    };
    assert_eq!(longer.request().record.short_id.as_str().len(), 16);
    let taken = longer.resume(Err(Conflict::ShortId.into()), context!(start()));
    assert!(
        matches!(taken, DeployRun::Done(Err(RunError::Conflict(_)))),
        "{taken:?}"
    );
    let known = phase.resume(
        Ok(Some(record_in(DeployState::Requested))),
        context!(start()),
    );
    assert!(matches!(known, DeployRun::Read(_)), "{known:?}");
}

/// A retry of a person, requested at that second.
fn retry_action(second: i64) -> crate::message::ActionMessage {
    crate::message::ActionMessage {
        requested_at: at(second),
        ..crate::fixtures::action(
            crate::message::ActionRequester::User(crate::fixtures::requester()),
            crate::command::DeployAction::Retry {
                deploy: crate::id::DeployRef::Full(id()),
                confirm: false,
                force: false,
            },
        )
    }
}

/// A deploy to production that was not triggered.
fn not_triggered() -> DeployRecord {
    let mut record = record_in(DeployState::TriggerFailed);
    record.request.environment = Some("production".into());
    record
}

/// Goes on until the retry is to be written.
fn beginning(run: DeployRun, old: &DeployRecord) -> BeginningRetry {
    let DeployRun::ReadRetried(phase) = run else {
        panic!("it does not read first: {run:?}")
    };
    let run = phase.resume(Ok(Some(old.clone())), context!(at(60)));
    let DeployRun::FindNewerSuccess(phase) = run else {
        panic!("{run:?}")
    };
    assert_eq!(phase.request().limit, 1);
    let none = crate::ports::DeployPage {
        deploys: vec![],
        more: None,
    };
    match phase.resume(Ok(none), context!(at(60))) {
        DeployRun::BeginRetry(phase) => phase,
        other => panic!("it does not begin: {other:?}"),
    }
}

#[test]
fn a_retry_is_sent_by_the_run_that_wrote_it() {
    let old = not_triggered();
    for run in [
        DeployRun::ticket(old.id),
        DeployRun::retry(old.id, retry_action(60)),
    ] {
        let phase = beginning(run, &old);
        let new = phase.request().record;
        assert_eq!(new.state, DeployState::Triggering);
        let run = read(phase.resume(Ok(()), context!(at(60))), &new, at(60));
        assert!(matches!(run, DeployRun::Trigger(_)), "{run:?}");
    }
}

#[test]
fn a_retry_whose_writing_is_uncertain_is_looked_at_again_by_the_same_run() {
    let old = not_triggered();
    let phase = beginning(DeployRun::retry(old.id, retry_action(60)), &old);
    let commit = phase.request();
    let DeployRun::Again(again) = phase.resume(Err(ledger_error().into()), context!(at(60))) else {
        panic!("only this run knows that nothing was sent")
    };
    let DeployRun::ReadRetried(phase) = *again.next else {
        panic!("it does not look again")
    };
    let retried = commit.retried.unwrap().record;
    let run = phase.clone().resume(Ok(Some(retried)), context!(at(61)));
    let run = read(run, &commit.record, at(61));
    assert!(matches!(run, DeployRun::Trigger(_)), "{run:?}");
    // It was not written: it is tried again.
    beginning(DeployRun::ReadRetried(phase), &old);
}

#[test]
fn a_busy_target_leaves_the_deploy_waiting() {
    let old = not_triggered();
    let lock = crate::ports::TargetLock {
        deploy: DeployId::of_request("T1", "A1", "holder"),
        since: at(1),
        until: None,
    };
    let holder = record_in(DeployState::Running);
    let refused = |run| {
        let phase = beginning(run, &old);
        let busy = Err(Conflict::Lock(lock.clone()).into());
        let DeployRun::ReadRetryHolder(phase) = phase.resume(busy, context!(at(60))) else {
            panic!("it does not read who has the target")
        };
        phase.resume(Ok(Some(holder.clone())), context!(at(60)))
    };
    // An action is on record by itself, and answered.
    let DeployRun::RecordRefusal(phase) = refused(DeployRun::retry(old.id, retry_action(60)))
    else {
        panic!("the refusal is not recorded")
    };
    assert_eq!(phase.request().0.id, retry_action(60).id);
    let DeployRun::Done(Ok(RunEnd::NotRetried(said))) = phase.resume(Ok(()), context!(at(60)))
    else {
        panic!("the refusal is not answered")
    };
    assert_eq!(*said.record, old);
    assert!(
        matches!(said.why, RetryDecision::NotAllowed { .. }),
        "{said:?}"
    );
    // A ticket goes back to where it waited.
    let DeployRun::ReturnTicket(phase) = refused(DeployRun::ticket(old.id)) else {
        panic!("the ticket is lost")
    };
    let sent = phase.request().message;
    assert!(
        matches!(sent, crate::ports::OutgoingMessage::RetryTicket(id) if id == old.id),
        "{sent:?}"
    );
    let lost = Err(SendError::unknown("the answer was lost"));
    let run = phase.resume(lost, context!(at(60)));
    assert!(
        matches!(run, DeployRun::Done(Err(RunError::Send(_)))),
        "{run:?}"
    );
}

#[test]
fn the_chain_is_followed_in_three_reads() {
    let named = DeployRecord {
        retried_by: Some(DeployId::of_retry(id(), None)),
        ..not_triggered()
    };
    let last = DeployRecord {
        id: DeployId::of_request("T1", "A1", "last"),
        retry_root: Some(id()),
        ..not_triggered()
    };
    let DeployRun::ReadRetried(phase) = DeployRun::retry(id(), retry_action(60)) else {
        panic!("it does not read first")
    };
    let run = phase.resume(Ok(Some(named.clone())), context!(at(60)));
    let DeployRun::FindLastRetry(phase) = run else {
        panic!("{run:?}")
    };
    assert_eq!(phase.request().0, id());
    let run = phase.resume(Ok(Some(last.id)), context!(at(60)));
    let DeployRun::ReadRetried(phase) = run else {
        panic!("{run:?}")
    };
    assert_eq!(phase.request().0, last.id);
    let run = phase.resume(Ok(Some(last)), context!(at(60)));
    let DeployRun::ReadRoot(phase) = run else {
        panic!("{run:?}")
    };
    assert_eq!(phase.request().0, id());
    let run = phase.resume(Ok(Some(named)), context!(at(60)));
    assert!(matches!(run, DeployRun::FindNewerSuccess(_)), "{run:?}");
}

#[test]
fn a_run_that_ends_too_soon_begins_no_retry() {
    let mut old = record_in(DeployState::TriggerFailed);
    // Without a target no newer success is looked for.
    old.request.environment = None;
    let DeployRun::ReadRetried(phase) = DeployRun::ticket(old.id) else {
        panic!("it does not read first")
    };
    let (me, config) = (me(), config());
    let soon = Context {
        now: at(60),
        invocation: &me,
        posted_attempt: 0,
        deadline: Some(at(65)),
        config: &config,
    };
    let run = phase.resume(Ok(Some(old)), soon);
    assert!(
        matches!(run, DeployRun::Done(Err(RunError::DeadlineTooClose))),
        "{run:?}"
    );
}
