//! Waiting for an approval, which is notified once.

use super::PipelineState as P;
use super::WorkflowStatus as W;
use super::*;

/// A created pipeline with these workflows.
fn seen(all: &[(&str, i64, W)]) -> RunReport {
    created(all.iter().map(|(n, c, s)| workflow(n, *c, *s)).collect())
}

fn on_hold() -> RunReport {
    seen(&[("deploy", 1, W::OnHold), ("lint", 1, W::Success)])
}

#[test]
fn a_run_that_waits_for_an_approval_notifies_once() {
    let first = polled(&record_in(Running), &on_hold(), at(10));
    let workflows = vec!["deploy".to_owned()];
    assert_eq!(change(&first), Some(AuditChange::Held { workflows }));
    assert_eq!(first.notifications, [Hold]);
    assert_eq!((first.record.state, first.record.on_hold), (Running, true));
    assert_eq!(first.lock, None);
    // The next polls find it unchanged, or held again: nothing is written.
    let record = first.record;
    for (now, poll) in [
        (10, on_hold()),
        (20, seen(&[("deploy", 1, W::Running)])),
        (30, on_hold()),
    ] {
        assert!(after(&record, &poll, at(now)).is_none());
    }
    let end = polled(&record, &seen(&[("deploy", 1, W::Success)]), at(40));
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
    let held = polled(&started.record, &on_hold(), at(10));
    assert_eq!(
        (held.notifications, held.record.on_hold),
        (vec![Hold], true)
    );
}

#[test]
fn no_other_status_is_a_hold() {
    for status in [W::Running, W::Failing, W::Queued, W::Unknown] {
        let (record, commits) =
            settled(&record_in(Running), &seen(&[("deploy", 1, status)]), at(10));
        assert!(commits.iter().all(|commit| change(commit).is_none()));
        assert!(!record.on_hold, "{status:?}");
    }
    // Of an errored pipeline, too, what waits can still be approved.
    let mut errored = on_hold();
    errored.poll.pipeline.as_mut().unwrap().state = P::Errored;
    let (record, _) = settled(&record_in(Running), &errored, at(10));
    assert_eq!((record.state, record.on_hold), (Running, true));
}

#[test]
fn a_record_without_on_hold_is_read_and_held_once() {
    let mut stored = serde_json::to_value(record_in(Running)).unwrap();
    stored.as_object_mut().unwrap().remove("on_hold").unwrap();
    let record: DeployRecord = serde_json::from_value(stored).unwrap();
    assert!(!record.on_hold);
    assert_eq!(polled(&record, &on_hold(), at(10)).notifications, [Hold]);
}
