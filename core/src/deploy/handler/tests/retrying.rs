//! How a run carries out a retry: what it reads first, and what becomes of one that may not begin. Which
//! retries are allowed is tested beside the decisions.

use super::*;
use crate::command::DeployAction;
use crate::fixtures::{action, requester};
use crate::id::DeployRef;
use crate::message::{ActionMessage, ActionRequester};
use crate::ports::{DeployPage, OutgoingMessage, TargetLock};

/// A retry of a person, requested at that second.
fn retry_action(second: i64) -> ActionMessage {
    ActionMessage {
        requested_at: at(second),
        ..action(
            ActionRequester::User(requester()),
            DeployAction::Retry {
                deploy: DeployRef::Full(id()),
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
    let none = DeployPage {
        deploys: vec![],
        more: None,
    };
    match phase.resume(Ok(none), context!(at(60))) {
        DeployRun::BeginRetry(phase) => phase,
        other => panic!("it does not begin: {other:?}"),
    }
}

#[test]
fn a_retry_whose_short_ids_are_taken_is_no_endless_run() {
    let old = not_triggered();
    let phase = beginning(DeployRun::ticket(old.id), &old);
    let taken = phase.resume(Err(Conflict::ShortId.into()), context!(at(60)));
    let DeployRun::BeginRetry(longer) = taken else {
        panic!("{taken:?}")
    };
    assert_eq!(longer.request().record.short_id.as_str().len(), 16);
    let taken = longer.resume(Err(Conflict::ShortId.into()), context!(at(60)));
    assert!(
        matches!(taken, DeployRun::Done(Err(RunError::Conflict(_)))),
        "{taken:?}"
    );
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
    let lock = TargetLock {
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
        matches!(sent, OutgoingMessage::RetryTicket(id) if id == old.id),
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
