//! From the intent to the recorded outcome of a trigger: what is sent, and what is tried again. What
//! follows once a pipeline is there is in `polling`.

use super::*;
use crate::ports::TriggerOutcome;

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
