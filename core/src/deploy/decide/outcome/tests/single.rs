//! One workflow decides: its newest run, once all of its runs are final.

use super::*;

#[test]
fn each_final_status_has_its_end() {
    for (status, state) in FINAL {
        let outcome = rule().outcome(&listed(&[("deploy", 1, status)]));
        let decided_by = pairs(&[("deploy", status.as_str())]);
        assert_eq!(ended(outcome), (state, decided_by, vec![]));
    }
}

#[test]
fn an_open_run_of_any_age_keeps_it_open() {
    for open in OPEN {
        for (status, _) in FINAL {
            // A4: the newest has ended, an older one still runs; and the other way round.
            for runs in [
                [("deploy", 2, status), ("deploy", 1, open)],
                [("deploy", 2, open), ("deploy", 1, status)],
            ] {
                assert_eq!(rule().outcome(&listed(&runs)), RunOutcome::Open, "{runs:?}");
            }
        }
    }
}

#[test]
fn the_newest_run_decides_wherever_it_is_listed() {
    for (newer, state) in FINAL {
        for (older, _) in FINAL {
            for runs in [
                [("deploy", 2, newer), ("deploy", 1, older)],
                [("deploy", 1, older), ("deploy", 2, newer)],
            ] {
                let end = ended(rule().outcome(&listed(&runs))).0;
                assert_eq!(end, state, "{runs:?}");
            }
        }
    }
}

#[test]
fn of_two_runs_of_one_second_the_one_that_is_listed_first_decides() {
    // A5
    for (first, state) in FINAL {
        for (second, _) in FINAL {
            let runs = [("deploy", 1, first), ("deploy", 1, second)];
            let end = ended(rule().outcome(&listed(&runs))).0;
            assert_eq!(end, state, "{runs:?}");
        }
    }
}

#[test]
fn what_runs_beside_is_named_and_never_counted() {
    for (status, state) in FINAL {
        for beside in OPEN.into_iter().chain(FINAL.map(|(status, _)| status)) {
            let runs = [
                ("lint", 3, beside),
                ("deploy", 1, status),
                ("lint", 2, W::Success),
            ];
            let (end, decided_by, others) = ended(rule().outcome(&listed(&runs)));
            assert_eq!(end, state);
            assert_eq!(decided_by, pairs(&[("deploy", status.as_str())]));
            assert_eq!(others, pairs(&[("lint", beside.as_str())]));
        }
    }
}

#[test]
fn names_are_compared_exactly() {
    for name in ["Deploy", "deploy ", "deploy-prod", "build-deploy", ""] {
        let outcome = rule().outcome(&listed(&[(name, 1, W::Success)]));
        assert_eq!(waits(outcome).0, JobWorkflow, "{name}");
    }
}

#[test]
fn without_any_workflow_it_waits_whatever_the_state() {
    for state in [
        P::SetupPending,
        P::Setup,
        P::Pending,
        P::Created,
        P::Unknown,
    ] {
        let outcome = rule().outcome(&without_jobs(state, vec![]));
        let expected = (AnyWorkflow, DeployState::NothingRan, EndReason::NoWorkflow);
        assert_eq!(waits(outcome), expected, "{state:?}");
    }
    // The same when only the workflows were read.
    let mut report = listed(&[]);
    report.poll.pipeline = None;
    assert_eq!(waits(rule().outcome(&report)).0, AnyWorkflow);
}

#[test]
fn other_workflows_alone_are_waited_on_and_then_nothing_ran() {
    // A3
    for status in OPEN.into_iter().chain(FINAL.map(|(status, _)| status)) {
        let outcome = rule().outcome(&listed(&[("lint", 1, status), ("build", 1, W::Success)]));
        let reason = EndReason::WorkflowMissing {
            wanted: vec!["deploy".into()],
            listed: pairs(&[("build", "success"), ("lint", status.as_str())]),
        };
        assert_eq!(
            waits(outcome),
            (JobWorkflow, DeployState::NothingRan, reason)
        );
    }
}

#[test]
fn a_pipeline_that_is_not_known_to_be_created_is_read_before_an_end() {
    let mut report = listed(&[("deploy", 1, W::Success)]);
    report.poll.pipeline = None;
    assert_eq!(rule().outcome(&report), RunOutcome::NeedsDetails);
    let known = RunRule {
        is_created: true,
        ..rule()
    };
    assert_eq!(ended(known.outcome(&report)).0, DeployState::Succeeded);
    // An unknown state is no reason to doubt a workflow that is over.
    let unknown = without_jobs(P::Unknown, vec![workflow("deploy", 1, W::Success)]);
    assert_eq!(ended(rule().outcome(&unknown)).0, DeployState::Succeeded);
}

#[test]
fn a_build_decides_alone_and_has_no_pipeline_to_read() {
    for (status, state) in FINAL {
        let mut report = listed(&[("deploy", 1, status)]);
        report.poll.pipeline = None;
        report.jobs.clear();
        let build = RunRule {
            is_build: true,
            ..all()
        };
        assert_eq!(ended(build.outcome(&report)).0, state);
    }
}
