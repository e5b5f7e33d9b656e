//! Waiting for an approval, which is said once, and a reason to look now.

use super::PipelineState as P;
use super::WorkflowStatus as W;
use super::*;

/// A created pipeline with these workflows.
fn seen(all: &[(&str, i64, W)]) -> PollResult {
    let workflows = all.iter().map(|(n, c, s)| workflow(n, *c, *s)).collect();
    look(P::Created, workflows)
}

fn on_hold() -> PollResult {
    seen(&[("release", 1, W::OnHold), ("lint", 1, W::Success)])
}

fn change(commit: &Commit) -> Option<AuditChange> {
    let event = commit.event.as_ref()?;
    Some(event.entry().unwrap().change)
}

#[test]
fn a_run_that_waits_for_an_approval_says_so_once() {
    let first = looked(&head_in(DeployState::Running), &on_hold(), at(10));
    let workflows = vec!["release".to_owned()];
    assert_eq!(change(&first), Some(AuditChange::Held { workflows }));
    assert_eq!(first.notifications, [NotificationKind::Hold]);
    assert_eq!(
        (first.record.state, first.record.on_hold),
        (DeployState::Running, true)
    );
    // The lock stays, and the very same look may also show more.
    assert_eq!((first.lock, first.record.due_at), (None, Some(at(10))));
    // The next looks find it as it was, or held a second time: nothing new to say.
    let mut head = first.record;
    for (now, look) in [
        (10, on_hold()),
        (20, seen(&[("release", 1, W::Running)])),
        (30, on_hold()),
    ] {
        let commit = looked(&head, &look, at(now));
        assert_eq!((change(&commit), commit.notifications), (None, vec![]));
        assert!(commit.record.on_hold && commit.record.due_at > Some(at(now)));
        head = commit.record;
    }
    let end = looked(&head, &seen(&[("release", 1, W::Success)]), at(40));
    assert_eq!(
        (end.record.state, end.notifications),
        (DeployState::Succeeded, vec![NotificationKind::Final])
    );
}

#[test]
fn all_that_wait_are_named_in_order_each_once() {
    let look = seen(&[
        ("b", 1, W::OnHold),
        ("a", 2, W::OnHold),
        ("b", 3, W::OnHold),
        ("c", 1, W::Running),
    ]);
    let commit = looked(&head_in(DeployState::Running), &look, at(10));
    let workflows = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(change(&commit), Some(AuditChange::Held { workflows }));
}

#[test]
fn what_is_first_seen_waiting_is_first_said_to_run() {
    let started = looked(&head_in(DeployState::Triggered), &on_hold(), at(10));
    assert_eq!(started.notifications, [NotificationKind::Progress]);
    assert!(!started.record.on_hold);
    assert_eq!(started.record.due_at, Some(at(10)));
    let held = looked(&started.record, &on_hold(), at(10));
    assert_eq!(
        (held.notifications, held.record.on_hold),
        (vec![NotificationKind::Hold], true)
    );
}

#[test]
fn nothing_else_is_a_wait_for_an_approval() {
    for status in [W::Running, W::Failing, W::Queued, W::Unknown] {
        let commit = looked(
            &head_in(DeployState::Running),
            &seen(&[("a", 1, status)]),
            at(10),
        );
        assert!(
            change(&commit).is_none() && !commit.record.on_hold,
            "{status:?}"
        );
    }
    // What is broken will not wait for anybody.
    let mut errored = on_hold();
    errored.state = P::Errored;
    let commit = looked(&head_in(DeployState::Running), &errored, at(10));
    assert_eq!(
        (commit.record.state, commit.record.on_hold),
        (DeployState::CiError, false)
    );
}

#[test]
fn a_wait_does_not_outlast_the_limit() {
    let head = looked(&head_in(DeployState::Running), &on_hold(), at(10)).record;
    let lost = looked(&head, &on_hold(), at(86_400)).record;
    assert_eq!(lost.state, DeployState::LostTrack);
    // A run that is first seen waiting when its time is over still ends.
    let late = looked(&head_in(DeployState::Running), &on_hold(), at(86_400)).record;
    assert_eq!(
        looked(&late, &on_hold(), at(86_400)).record.state,
        DeployState::LostTrack
    );
}

#[test]
fn a_head_of_before_there_were_holds_is_read_and_held_once() {
    let mut stored = serde_json::to_value(head_in(DeployState::Running)).unwrap();
    stored.as_object_mut().unwrap().remove("on_hold").unwrap();
    let head: DeployRecord = serde_json::from_value(stored).unwrap();
    assert!(!head.on_hold);
    assert_eq!(
        looked(&head, &on_hold(), at(10)).notifications,
        [NotificationKind::Hold]
    );
}

#[test]
fn a_reason_to_look_makes_it_due_and_says_nothing() {
    let config = config();
    let other = other();
    let now = |head: &DeployRecord| poll_now(head, here(&config, &other, 0, at(10)));
    for state in DeployState::ALL {
        let mut head = head_in(state);
        if !matches!(state, DeployState::Triggered | DeployState::Running) {
            assert!(now(&head).is_none(), "{state}");
            continue;
        }
        (head.due_at, head.poll_count) = (Some(at(70)), 7);
        let commit = now(&head).unwrap();
        assert_eq!((commit.event, commit.lock), (None, None));
        assert!(commit.notifications.is_empty() && commit.claim.is_none());
        // All else is as it was, the pauses too: an event is no reason to ask more often.
        let expected = DeployRecord {
            version: head.version + 1,
            due_at: Some(at(10)),
            ..head
        };
        assert_eq!(commit.record, expected);
        let step = step(&commit.record, &me(), 0, at(10));
        assert!(matches!(step, NextStep::Poll { .. }), "{step:?}");
    }
}
