//! CircleCI may rerun a workflow by itself: that is waited for.

use super::*;

/// A run of the deploy's workflow: when, how, which automatic rerun, and of how many.
fn run(created: i64, status: W, number: Option<u32>, most: Option<u32>) -> CiWorkflow {
    CiWorkflow {
        auto_rerun_number: number,
        max_auto_reruns: most,
        ..workflow("deploy", created, status)
    }
}

fn outcome(runs: Vec<CiWorkflow>) -> RunOutcome {
    rule().outcome(&without_jobs(P::Created, runs))
}

#[test]
fn a_failed_run_with_reruns_left_waits() {
    for (number, most) in [
        (None, 1),
        (None, 5),
        (Some(0), 1),
        (Some(1), 3),
        (Some(4), 5),
    ] {
        let (why, state, _) = waits(outcome(vec![run(1, W::Failed, number, Some(most))]));
        assert_eq!((why, state), (Rerun, DeployState::Failed));
    }
}

#[test]
fn a_failed_run_without_reruns_left_has_ended() {
    for (number, most) in [
        (None, None),
        (None, Some(0)),
        (Some(1), None),
        (Some(1), Some(1)),
        (Some(5), Some(5)),
        (Some(6), Some(5)),
    ] {
        let end = ended(outcome(vec![run(1, W::Failed, number, most)])).0;
        assert_eq!(end, DeployState::Failed, "{number:?} of {most:?}");
    }
}

#[test]
fn only_what_failed_is_rerun() {
    for (status, state) in FINAL.into_iter().filter(|(status, _)| *status != W::Failed) {
        let end = ended(outcome(vec![run(1, status, None, Some(3))])).0;
        assert_eq!(end, state);
    }
}

#[test]
fn an_older_failure_is_not_waited_for() {
    let runs = vec![
        run(2, W::Success, Some(1), Some(3)),
        run(1, W::Failed, None, Some(3)),
    ];
    assert_eq!(ended(outcome(runs)).0, DeployState::Succeeded);
    let runs = vec![
        run(2, W::Failed, Some(1), Some(3)),
        run(1, W::Failed, None, Some(3)),
    ];
    assert_eq!(waits(outcome(runs)).0, Rerun);
}

#[test]
fn a_manual_rerun_causes_none() {
    let runs = vec![
        run(2, W::Failed, None, Some(3)),
        run(1, W::Failed, None, Some(3)),
    ];
    assert_eq!(ended(outcome(runs)).0, DeployState::Failed);
    // Nor after all the automatic ones.
    let runs = vec![
        run(3, W::Failed, None, Some(1)),
        run(2, W::Failed, Some(1), Some(1)),
        run(1, W::Failed, None, Some(1)),
    ];
    assert_eq!(ended(outcome(runs)).0, DeployState::Failed);
}

#[test]
fn a_rerun_of_what_is_beside_is_not_waited_for() {
    let lint = CiWorkflow {
        max_auto_reruns: Some(3),
        ..workflow("lint", 1, W::Failed)
    };
    let runs = vec![run(1, W::Success, None, None), lint];
    assert_eq!(ended(outcome(runs)).0, DeployState::Succeeded);
}

#[test]
fn the_one_that_may_be_rerun_is_named() {
    let a = workflow("a", 1, W::Failed);
    let runs = vec![a, run(1, W::Failed, None, Some(3))];
    let report = without_jobs(P::Created, runs);
    assert_eq!(all().may_be_rerun(&report), Some("deploy"));
    assert_eq!(named(&["a"]).may_be_rerun(&report), None);
}
