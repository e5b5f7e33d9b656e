//! After the end: a lock that is kept, and what still comes.

use super::PipelineState as P;
use super::WorkflowStatus as W;
use super::*;
use crate::config::WorkflowSelector;
use crate::deploy::NOT_THERE;

/// A deploy that was canceled before any workflow had started.
fn canceled() -> Follower {
    let mut record = record_in(Triggered);
    let by = ActedBy::Operator {
        name: "root".into(),
    };
    record.cancel = Some(CancelRequest { by, at: start() });
    let mut follower = Follower::new(record);
    follower.poll(&empty(P::Created));
    assert_eq!(follower.record.state, Canceled);
    follower
}

/// A deploy that ended because its workflow was not there.
fn without_workflow() -> Follower {
    let mut follower = Follower::new(record_in(Triggered));
    follower.poll_to_the_end(&created(vec![workflow("lint", 1, W::Running)]));
    assert_eq!(follower.record.state, NothingRan);
    follower
}

fn after_end(status: W) -> Notice {
    Notice::AfterEnd {
        workflows: vec![("deploy".into(), status.as_str().into())],
    }
}

fn told(follower: &Follower) -> Vec<Notice> {
    follower.told.iter().map(|(_, told)| told.clone()).collect()
}

#[test]
fn the_lock_is_freed_after_its_time_to_live_and_not_before() {
    for (mut follower, seen) in [
        (canceled(), empty(P::Created)),
        (
            without_workflow(),
            created(vec![workflow("lint", 1, W::Success)]),
        ),
    ] {
        let (ended, state) = (follower.now, follower.record.state);
        while follower.record.due_at.is_some() {
            follower.poll(&seen);
        }
        let kept = (follower.now - ended).num_seconds();
        assert!((900..960).contains(&kept), "{kept}");
        assert_eq!(follower.locks, [free()]);
        assert_eq!(follower.record.state, state);
        assert_eq!((follower.record.watch, follower.told), (None, vec![]));
    }
}

#[test]
fn the_lock_is_kept_while_anything_is_listed_as_open() {
    let mut follower = without_workflow();
    let ended = follower.now;
    while follower.now < ended + Duration::from_hours(5) {
        follower.poll(&created(vec![workflow("lint", 1, W::Running)]));
        assert_eq!(follower.record.locked_target, Some(target()));
    }
    follower.poll(&created(vec![workflow("lint", 1, W::Failed)]));
    assert_eq!(follower.record.locked_target, None);
    assert_eq!(
        (follower.locks, follower.record.due_at),
        (vec![free()], None)
    );
}

#[test]
fn a_workflow_that_comes_after_a_cancel_is_canceled_and_told_each_status_once() {
    let mut follower = canceled();
    let by_poll = step(&follower.record, &me(), 0, at(60));
    assert!(matches!(
        by_poll,
        Read(CiRead::Poll(RunPoll { cancel: true, .. }))
    ));
    for status in [W::Running, W::Running, W::Canceled, W::Canceled] {
        follower.poll(&created(vec![deploy_run(status)]));
    }
    assert_eq!(
        told(&follower),
        [after_end(W::Running), after_end(W::Canceled)]
    );
    assert_eq!(follower.record.state, Canceled);
    assert_eq!(follower.locks, []);
    while follower.record.due_at.is_some() {
        follower.poll(&created(vec![deploy_run(W::Canceled)]));
    }
    assert_eq!((follower.told.len(), follower.locks), (2, vec![free()]));
}

#[test]
fn after_a_cancel_any_workflow_is_told_because_each_is_canceled() {
    let mut follower = canceled();
    follower.poll(&created(vec![workflow("lint", 1, W::Running)]));
    let workflows = vec![("lint".to_owned(), "running".to_owned())];
    assert_eq!(told(&follower), [Notice::AfterEnd { workflows }]);
}

#[test]
fn a_late_workflow_of_a_deploy_that_nobody_canceled_goes_on_and_is_told() {
    let mut follower = without_workflow();
    let by_poll = step(&follower.record, &me(), 0, at(9_999));
    assert!(matches!(
        by_poll,
        Read(CiRead::Poll(RunPoll { cancel: false, .. }))
    ));
    follower.poll(&created(vec![deploy_run(W::Running)]));
    follower.poll(&created(vec![deploy_run(W::Success)]));
    assert_eq!(
        told(&follower),
        [after_end(W::Running), after_end(W::Success)]
    );
    assert_eq!(follower.record.state, NothingRan);
}

#[test]
fn a_deploy_whose_own_workflow_is_late_after_a_cancel_is_canceled_too() {
    let mut record = record_in(Running);
    let by = ActedBy::Operator {
        name: "root".into(),
    };
    record.cancel = Some(CancelRequest { by, at: start() });
    let mut follower = Follower::new(record);
    follower.poll_to_the_end(&created(vec![workflow("lint", 1, W::Canceled)]));
    assert_eq!(follower.record.state, NothingRan);
    assert!(follower.record.watch.unwrap().cancels);
}

#[test]
fn a_watch_counts_efforts_too() {
    let mut follower = canceled();
    follower.now = at(9 * 86_400);
    follower.poll(&empty(P::Created));
    assert_eq!(follower.record.locked_target, Some(target()));
    // What is left of its time is a pause of its own.
    let left = follower.record.due_at.unwrap() - follower.now;
    assert!((880..900).contains(&left.num_seconds()), "{left}");
}

#[test]
fn a_watch_that_cannot_read_keeps_the_lock_for_the_follow_timeout() {
    let mut follower = canceled();
    let ended = follower.now;
    while follower.record.due_at.is_some() {
        follower.fail("503");
    }
    let kept = (follower.now - ended).num_seconds();
    assert!((86_400..90_100).contains(&kept), "{kept}");
    assert_eq!((follower.locks, follower.told), (vec![free()], vec![]));
}

/// A deploy that ended, and that a webhook has made due.
fn woken(status: W) -> Follower {
    let mut follower = Follower::new(record_in(Running));
    follower.poll(&created(vec![deploy_run(status)]));
    assert_eq!(follower.record.due_at, None);
    follower.now = at(500);
    let config = config();
    let commit = poll_now(&follower.record, ctx(&config, &me(), 0, at(500)));
    follower.record = commit.unwrap().record;
    follower
}

#[test]
fn a_webhook_after_the_end_is_told_only_if_something_else_is_shown() {
    for status in [W::Success, W::Failed, W::Canceled] {
        let mut follower = woken(status);
        follower.poll(&created(vec![deploy_run(status)]));
        assert_eq!((follower.record.due_at, follower.told), (None, vec![]));
    }
    // Somebody reruns what had failed.
    let mut follower = woken(W::Failed);
    let rerun = |status| {
        let runs = vec![workflow("deploy", 400, status), deploy_run(W::Failed)];
        created(runs)
    };
    follower.poll(&rerun(W::Running));
    assert_eq!(told(&follower), [after_end(W::Running)]);
    assert_eq!(
        (follower.record.state, follower.record.due_at),
        (Failed, None)
    );
}

#[test]
fn a_webhook_after_the_end_that_cannot_be_followed_is_given_up_after_five_failures() {
    let mut follower = woken(W::Success);
    for _ in 0..5 {
        assert!(follower.record.due_at.is_some());
        follower.fail("503");
    }
    assert_eq!((follower.record.due_at, follower.told), (None, vec![]));
}

#[test]
fn a_rerun_that_was_never_seen_running_is_told_at_its_end() {
    let mut follower = woken(W::Failed);
    let rerun = workflow("deploy", 400, W::Success);
    follower.poll(&created(vec![rerun, deploy_run(W::Failed)]));
    assert_eq!(told(&follower), [after_end(W::Success)]);
}

#[test]
fn a_workflow_that_was_missing_at_the_end_is_told_once_it_comes() {
    let mut record = record_in(Running);
    let names = ["deploy", "release"].map(str::to_owned).to_vec();
    record.trigger_intent.as_mut().unwrap().workflow = WorkflowSelector::Named(names);
    let mut follower = Follower::new(record);
    follower.poll_to_the_end(&created(vec![deploy_run(W::Success)]));
    let EndReason::Workflows { decided_by, .. } = follower.reason() else {
        panic!("{:?}", follower.reason());
    };
    assert!(
        decided_by.contains(&("release".to_owned(), NOT_THERE.to_owned())),
        "{decided_by:?}"
    );
    let shown = [deploy_run(W::Success), workflow("release", 1, W::Success)];
    for (runs, news) in [(&shown[..1], 0), (&shown[..], 1)] {
        let config = config();
        let now = follower.now;
        let commit = poll_now(&follower.record, ctx(&config, &me(), 0, now)).unwrap();
        follower.take(commit);
        follower.poll(&created(runs.to_vec()));
        assert_eq!(follower.told.len(), news, "{:?}", follower.told);
    }
}

#[test]
fn where_somebody_has_freed_the_lock_the_watch_just_ends() {
    let mut follower = canceled();
    follower.record.locked_target = None;
    while follower.record.due_at.is_some() {
        follower.poll(&empty(P::Created));
    }
    assert_eq!((follower.record.watch, follower.locks), (None, vec![]));
}

#[test]
fn what_was_there_before_is_not_looked_for_after_the_end() {
    let mut follower = canceled();
    let by_poll = step(&follower.record, &me(), 0, at(60));
    assert!(matches!(
        by_poll,
        Read(CiRead::Poll(RunPoll {
            unread_target: None,
            ..
        }))
    ));
    // Another run may have read it before the end: by now the deploy itself may be in it.
    let history = crate::fixtures::released(&record_in(Succeeded));
    let report = RunReport {
        releases: Some(history),
        ..created(vec![deploy_run(W::Running)])
    };
    follower.poll(&report);
    assert_eq!(follower.record.before, None);
}
