//! Waiting for what is missing: told once, bounded, and counted by efforts.

use super::PipelineState as P;
use super::WorkflowStatus as W;
use super::*;
use crate::deploy::{RunWait, WaitReason};

fn followed(state: DeployState) -> Follower {
    Follower::new(record_in(state))
}

/// The end lies within one pause after this many seconds.
fn assert_about(seconds: i64, expected: i64) {
    assert!((expected..expected + 15).contains(&seconds), "{seconds}");
}

#[test]
fn a_pipeline_without_any_workflow_is_told_after_three_minutes_and_ends_after_two_hours() {
    for state in [
        P::Created,
        P::Pending,
        P::Setup,
        P::SetupPending,
        P::Unknown,
    ] {
        let mut follower = followed(Triggered);
        let ended = follower.poll_to_the_end(&empty(state));
        assert_about(ended, 7_200);
        assert_eq!(follower.record.state, NothingRan);
        assert_eq!(follower.reason(), &EndReason::NoWorkflow);
        let [(told, Notice::NothingStarted)] = &follower.told[..] else {
            panic!("it is told once: {:?}", follower.told);
        };
        assert!((180..250).contains(told), "{told}");
        // It keeps its lock: a workflow may still come.
        assert_eq!(follower.record.locked_target, Some(target()));
        assert_eq!(follower.locks, []);
    }
}

#[test]
fn a_workflow_that_comes_97_minutes_late_is_followed_to_its_end() {
    // C1
    let mut follower = followed(Triggered);
    while follower.now < at(97 * 60) {
        follower.poll(&empty(P::Created));
    }
    assert_eq!(follower.record.state, Triggered);
    follower.poll(&created(vec![deploy_run(W::Running)]));
    assert_eq!(follower.record.reads.wait, None);
    follower.poll(&created(vec![deploy_run(W::Success)]));
    assert_eq!(follower.record.state, Succeeded);
}

#[test]
fn other_workflows_alone_are_nothing_after_three_minutes_and_keep_the_lock() {
    // A3
    for status in [W::Success, W::Failed, W::Running] {
        let mut follower = followed(Triggered);
        let ended = follower.poll_to_the_end(&created(vec![workflow("lint", 1, status)]));
        assert_about(ended, 180);
        assert_eq!(follower.record.state, NothingRan);
        let expected = EndReason::WorkflowMissing {
            wanted: vec!["deploy".into()],
            listed: vec![("lint".into(), status.as_str().into())],
        };
        assert_eq!(follower.reason(), &expected);
        assert_eq!(follower.record.locked_target, Some(target()));
        assert_eq!((follower.told, follower.locks), (vec![], vec![]));
    }
}

#[test]
fn a_green_setup_alone_is_nothing() {
    // A1
    for state in [P::Created, P::Setup] {
        let mut follower = followed(Triggered);
        let mut seen = created(vec![setup_run(W::Success)]);
        seen.poll.pipeline.as_mut().unwrap().state = state;
        let ended = follower.poll_to_the_end(&seen);
        assert_about(ended, 180);
        assert_eq!(follower.record.state, NothingRan);
        assert!(matches!(
            follower.reason(),
            EndReason::WorkflowMissing { .. }
        ));
    }
}

#[test]
fn a_setup_that_did_not_succeed_ends_it_after_the_settle_time() {
    // B1
    for (status, end) in [
        (W::Failed, Failed),
        (W::Error, Failed),
        (W::Unauthorized, Failed),
        (W::Canceled, Canceled),
    ] {
        let mut follower = followed(Triggered);
        let mut seen = created(vec![setup_run(status)]);
        seen.poll.pipeline.as_mut().unwrap().state = P::Setup;
        let ended = follower.poll_to_the_end(&seen);
        assert_about(ended, 120);
        assert_eq!(follower.record.state, end, "{status:?}");
    }
    // What is continued in time counts.
    let mut follower = followed(Triggered);
    follower.poll(&created(vec![setup_run(W::Failed)]));
    follower.poll(&created(vec![deploy_run(W::Running), setup_run(W::Failed)]));
    assert_eq!(follower.record.reads.wait, None);
    follower.poll(&created(vec![deploy_run(W::Success), setup_run(W::Failed)]));
    assert_eq!(follower.record.state, Succeeded);
}

#[test]
fn an_automatic_rerun_is_told_at_once_and_waited_for_five_minutes() {
    // B3
    let failed = CiWorkflow {
        max_auto_reruns: Some(3),
        auto_rerun_number: Some(1),
        ..deploy_run(W::Failed)
    };
    let mut follower = followed(Running);
    let seen = created(vec![failed.clone()]);
    follower.poll(&seen);
    let may_rerun = Notice::MayRerun {
        workflow: "deploy".into(),
    };
    assert_eq!(follower.told, [(0, may_rerun)]);
    assert_eq!(follower.record.state, Running);
    let ended = follower.poll_to_the_end(&seen);
    assert_about(ended, 300);
    assert_eq!((follower.record.state, follower.told.len()), (Failed, 1));

    let mut follower = followed(Running);
    follower.poll(&seen);
    let rerun = |status| CiWorkflow {
        id: "second".into(),
        auto_rerun_number: Some(2),
        max_auto_reruns: Some(3),
        ..workflow("deploy", 60, status)
    };
    follower.poll(&created(vec![rerun(W::Running), failed.clone()]));
    follower.poll(&created(vec![rerun(W::Success), failed]));
    assert_eq!(follower.record.state, Succeeded);
}

#[test]
fn the_workflow_that_is_named_is_the_one_that_may_be_rerun() {
    let mut record = record_in(Running);
    let names = vec!["a".into(), "deploy".into()];
    record.trigger_intent.as_mut().unwrap().workflow = config::WorkflowSelector::Named(names);
    let mut follower = Follower::new(record);
    let again = CiWorkflow {
        max_auto_reruns: Some(1),
        ..deploy_run(W::Failed)
    };
    follower.poll(&created(vec![workflow("a", 1, W::Failed), again]));
    let workflow = "deploy".to_owned();
    assert_eq!(follower.told, [(0, Notice::MayRerun { workflow })]);
}

#[test]
fn one_of_several_that_is_missing_keeps_the_lock() {
    let mut record = record_in(Running);
    let names = vec!["deploy".into(), "smoke".into()];
    record.trigger_intent.as_mut().unwrap().workflow = config::WorkflowSelector::Named(names);
    let mut follower = Follower::new(record);
    let seen = created(vec![deploy_run(W::Success)]);
    let ended = follower.poll_to_the_end(&seen);
    assert_about(ended, 180);
    assert_eq!(follower.record.state, Failed);
    assert_eq!(follower.record.locked_target, Some(target()));
    assert_eq!((&follower.told, &follower.locks), (&vec![], &vec![]));
}

#[test]
fn another_wait_begins_anew() {
    let mut follower = followed(Triggered);
    while follower.now < at(60) {
        follower.poll(&created(vec![setup_run(W::Failed)]));
    }
    follower.poll(&created(vec![workflow("lint", 1, W::Success)]));
    let wait = RunWait {
        reason: WaitReason::JobWorkflow,
        waited: Duration::ZERO,
        told: false,
    };
    assert_eq!(follower.record.reads.wait, Some(wait));
}

#[test]
fn a_process_that_slept_for_days_ends_nothing_by_itself() {
    for seen in [
        empty(P::Created),
        created(vec![setup_run(W::Failed)]),
        created(vec![workflow("lint", 1, W::Success)]),
    ] {
        let mut follower = followed(Triggered);
        follower.poll(&seen);
        let state = follower.record.state;
        follower.now = at(3 * 86_400);
        follower.poll(&seen);
        assert_eq!(follower.record.state, state);
    }
}

#[test]
fn a_cancel_before_any_workflow_ends_it_at_once() {
    // B2
    let by = ActedBy::User(crate::fixtures::qualified_user().into());
    for (state, seen) in [
        (Triggered, empty(P::Created)),
        (Triggered, empty(P::SetupPending)),
        (Triggered, created(vec![setup_run(W::Running)])),
        (Running, created(vec![setup_run(W::Failed)])),
        (Running, created(vec![setup_run(W::Success)])),
        (Running, empty(P::Created)),
    ] {
        let mut record = record_in(state);
        let by = by.clone();
        record.cancel = Some(CancelRequest { by, at: at(1) });
        let mut follower = Follower::new(record);
        follower.poll(&seen);
        assert_eq!(follower.record.state, Canceled);
        let by = ActedBy::User(crate::fixtures::qualified_user().into());
        assert_eq!(follower.reason(), &EndReason::CanceledBeforeWorkflow { by });
        assert_eq!(follower.record.locked_target, Some(target()));
        assert!(follower.record.watch.as_ref().unwrap().cancels);
        assert!(follower.record.due_at.is_some());
        assert_eq!(follower.locks, []);
    }
}

#[test]
fn a_cancel_with_a_workflow_waits_for_circleci() {
    let mut record = record_in(Running);
    let by = ActedBy::Operator {
        name: "root".into(),
    };
    record.cancel = Some(CancelRequest { by, at: at(1) });
    let mut follower = Follower::new(record);
    follower.poll(&created(vec![deploy_run(W::Running)]));
    assert_eq!(follower.record.state, Running);
    follower.poll(&created(vec![deploy_run(W::Canceled)]));
    assert_eq!(
        (follower.record.state, follower.locks),
        (Canceled, vec![free()])
    );
}
