//! A setup workflow never decides success, and what follows it does.

use super::*;

/// A setup pipeline in that state with these runs.
fn report(state: P, runs: Vec<CiWorkflow>) -> RunReport {
    without_jobs(state, runs)
}

#[test]
fn a_setup_that_still_runs_is_open() {
    for open in OPEN {
        for rule in [rule(), all(), named(&["setup"])] {
            let outcome = rule.outcome(&report(P::Setup, vec![setup(open)]));
            assert_eq!(outcome, RunOutcome::Open, "{open:?}");
        }
        // Beside a workflow that does not decide, too.
        let runs = vec![workflow("lint", 1, W::Success), setup(open)];
        let outcome = rule().outcome(&report(P::Setup, runs));
        assert_eq!(outcome, RunOutcome::Open, "{open:?}");
    }
}

#[test]
fn a_green_setup_alone_never_decides_success() {
    // A1
    for state in [P::Setup, P::Pending, P::Created, P::Unknown] {
        for rule in [rule(), all(), named(&["setup"])] {
            for status in [W::Success, W::NotRun] {
                let outcome = rule.outcome(&report(state, vec![setup(status)]));
                let reason = EndReason::WorkflowMissing {
                    wanted: rule.workflow.names().to_vec(),
                    listed: pairs(&[("setup", status.as_str())]),
                };
                assert_eq!(
                    waits(outcome),
                    (JobWorkflow, DeployState::NothingRan, reason)
                );
            }
        }
    }
}

#[test]
fn a_setup_that_did_not_succeed_ends_it_if_nothing_follows() {
    // B1
    for (status, end) in [
        (W::Failed, DeployState::Failed),
        (W::Error, DeployState::Failed),
        (W::Unauthorized, DeployState::Failed),
        (W::Canceled, DeployState::Canceled),
    ] {
        for state in [P::Setup, P::Pending, P::Created] {
            let (why, state, reason) = waits(rule().outcome(&report(state, vec![setup(status)])));
            assert_eq!((why, state), (AfterSetup, end));
            let decided_by = pairs(&[("setup", status.as_str())]);
            let (beside, jobs) = (vec![], vec![]);
            let expected = EndReason::Workflows {
                decided_by,
                beside,
                jobs,
            };
            assert_eq!(reason, expected);
        }
    }
    // If something else follows, the deploy's workflow is waited on.
    let runs = vec![workflow("lint", 1, W::Success), setup(W::Failed)];
    let (why, state, _) = waits(rule().outcome(&report(P::Created, runs)));
    assert_eq!((why, state), (JobWorkflow, DeployState::NothingRan));
}

#[test]
fn the_newest_setup_counts_and_none_may_be_open() {
    let at = |created, status| CiWorkflow {
        id: format!("setup-{created}"),
        created_at: crate::fixtures::at(created),
        ..setup(status)
    };
    let two = |first, second| rule().outcome(&report(P::Setup, vec![first, second]));
    assert_eq!(
        waits(two(at(1, W::Failed), at(2, W::Success))).0,
        JobWorkflow
    );
    assert_eq!(
        waits(two(at(2, W::Failed), at(1, W::Success))).0,
        AfterSetup
    );
    assert_eq!(two(at(1, W::Failed), at(2, W::Running)), RunOutcome::Open);
}

#[test]
fn before_the_end_after_a_setup_the_errors_are_read_once_more() {
    let created = RunRule {
        is_created: true,
        ..rule()
    };
    for runs in [
        vec![workflow("deploy", 1, W::Success), setup(W::Success)],
        vec![setup(W::Success)],
        vec![setup(W::Failed)],
        vec![workflow("lint", 1, W::Success), setup(W::Success)],
    ] {
        let mut seen = report(P::Created, runs);
        assert_ne!(created.outcome(&seen), RunOutcome::NeedsDetails);
        seen.poll.pipeline = None;
        assert_eq!(created.outcome(&seen), RunOutcome::NeedsDetails);
    }
    // A failure needs no second look.
    let mut failed = report(
        P::Created,
        vec![workflow("deploy", 1, W::Failed), setup(W::Success)],
    );
    failed.poll.pipeline = None;
    assert_eq!(ended(created.outcome(&failed)).0, DeployState::Failed);
}

#[test]
fn a_green_run_of_a_pipeline_that_never_leaves_its_setup_is_no_success() {
    // The setup workflow is not marked, and has the deploy's name, or all workflows count.
    for state in [P::SetupPending, P::Setup, P::Pending] {
        for rule in [rule(), all()] {
            let runs = vec![workflow("deploy", 1, W::Success)];
            let (why, end, reason) = waits(rule.outcome(&report(state, runs)));
            assert_eq!((why, end), (AfterSetup, DeployState::NothingRan));
            assert!(matches!(reason, EndReason::WorkflowMissing { .. }));
            assert!(reason.watch().is_some(), "the lock is kept");
        }
    }
    for (status, end) in FINAL.into_iter().skip(1) {
        let runs = vec![workflow("deploy", 1, status)];
        let (why, state, _) = waits(rule().outcome(&report(P::Setup, runs)));
        assert_eq!((why, state), (AfterSetup, end));
    }
}

#[test]
fn a_setup_beside_the_deploy_is_neither_counted_nor_named() {
    for status in [W::Success, W::Failed, W::Running] {
        for rule in [rule(), all()] {
            let runs = vec![workflow("deploy", 1, W::Success), setup(status)];
            let (state, decided_by, beside) = ended(rule.outcome(&report(P::Created, runs)));
            assert_eq!(state, DeployState::Succeeded);
            assert_eq!(decided_by, pairs(&[("deploy", "success")]));
            assert_eq!(beside, vec![]);
        }
    }
}
