//! Waiting for an approval, which is notified once, and polling at once.

use super::PipelineState as P;
use super::WorkflowStatus as W;
use super::*;

/// A created pipeline with these workflows.
fn seen(all: &[(&str, i64, W)]) -> PollResult {
    let workflows = all.iter().map(|(n, c, s)| workflow(n, *c, *s)).collect();
    poll(P::Created, workflows)
}

fn on_hold() -> PollResult {
    seen(&[("release", 1, W::OnHold), ("lint", 1, W::Success)])
}

fn change(commit: &Commit) -> Option<AuditChange> {
    let event = commit.event.as_ref()?;
    Some(event.entry().unwrap().change)
}

#[test]
fn a_run_that_waits_for_an_approval_notifies_once() {
    let first = polled(&record_in(Running), &on_hold(), at(10));
    let workflows = vec!["release".to_owned()];
    assert_eq!(change(&first), Some(AuditChange::Held { workflows }));
    assert_eq!(first.notifications, [Hold]);
    assert_eq!((first.record.state, first.record.on_hold), (Running, true));
    // The lock stays, and the same poll may also show more.
    assert_eq!((first.lock, first.record.due_at), (None, Some(at(10))));
    // The next polls find it unchanged, or held again: no notification.
    let mut record = first.record;
    for (now, poll) in [
        (10, on_hold()),
        (20, seen(&[("release", 1, W::Running)])),
        (30, on_hold()),
    ] {
        let commit = polled(&record, &poll, at(now));
        assert_eq!((change(&commit), commit.notifications), (None, vec![]));
        assert!(commit.record.on_hold && commit.record.due_at > Some(at(now)));
        record = commit.record;
    }
    let end = polled(&record, &seen(&[("release", 1, W::Success)]), at(40));
    assert_eq!(
        (end.record.state, end.notifications),
        (Succeeded, vec![Final])
    );
}

#[test]
fn held_workflows_are_named_in_order_each_once() {
    let poll = seen(&[
        ("b", 1, W::OnHold),
        ("a", 2, W::OnHold),
        ("b", 3, W::OnHold),
        ("c", 1, W::Running),
    ]);
    let commit = polled(&record_in(Running), &poll, at(10));
    let workflows = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(change(&commit), Some(AuditChange::Held { workflows }));
}

#[test]
fn a_run_first_seen_waiting_is_first_notified_as_running() {
    let started = polled(&record_in(Triggered), &on_hold(), at(10));
    assert_eq!(started.notifications, [Progress]);
    assert!(!started.record.on_hold);
    assert_eq!(started.record.due_at, Some(at(10)));
    let held = polled(&started.record, &on_hold(), at(10));
    assert_eq!(
        (held.notifications, held.record.on_hold),
        (vec![Hold], true)
    );
}

#[test]
fn no_other_status_is_a_hold() {
    for status in [W::Running, W::Failing, W::Queued, W::Unknown] {
        let commit = polled(&record_in(Running), &seen(&[("a", 1, status)]), at(10));
        assert!(
            change(&commit).is_none() && !commit.record.on_hold,
            "{status:?}"
        );
    }
    // An error ends the wait.
    let mut errored = on_hold();
    errored.state = P::Errored;
    let commit = polled(&record_in(Running), &errored, at(10));
    assert_eq!(
        (commit.record.state, commit.record.on_hold),
        (CiError, false)
    );
}

#[test]
fn a_hold_does_not_outlast_the_limit() {
    let record = polled(&record_in(Running), &on_hold(), at(10)).record;
    let lost = polled(&record, &on_hold(), at(86_400)).record;
    assert_eq!(lost.state, LostTrack);
    // A run first seen waiting at the limit ends, too.
    let late = polled(&record_in(Running), &on_hold(), at(86_400)).record;
    assert_eq!(
        polled(&late, &on_hold(), at(86_400)).record.state,
        LostTrack
    );
}

#[test]
fn a_record_without_on_hold_is_read_and_held_once() {
    let mut stored = serde_json::to_value(record_in(Running)).unwrap();
    stored.as_object_mut().unwrap().remove("on_hold").unwrap();
    let record: DeployRecord = serde_json::from_value(stored).unwrap();
    assert!(!record.on_hold);
    assert_eq!(polled(&record, &on_hold(), at(10)).notifications, [Hold]);
}

#[test]
fn poll_now_makes_it_due_and_notifies_nobody() {
    let config = config();
    let other = other();
    let now = |record: &DeployRecord| poll_now(record, ctx(&config, &other, 0, at(10)));
    for state in DeployState::ALL {
        let mut record = record_in(state);
        if !matches!(state, Triggered | Running) {
            assert!(now(&record).is_none(), "{state}");
            continue;
        }
        (record.due_at, record.poll_count) = (Some(at(70)), 7);
        let commit = now(&record).unwrap();
        assert_eq!((commit.event, commit.lock), (None, None));
        assert!(commit.notifications.is_empty() && commit.claim.is_none());
        // All else is unchanged, the pauses too: a webhook does not make polls more frequent.
        let expected = DeployRecord {
            version: record.version + 1,
            due_at: Some(at(10)),
            ..record
        };
        assert_eq!(commit.record, expected);
        let step = step(&commit.record, &me(), 0, at(10));
        assert!(matches!(step, Poll { .. }), "{step:?}");
    }
}
