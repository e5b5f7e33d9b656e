//! Several workflows decide, by name or all of them.

use super::*;

const BOTH: [&str; 2] = ["deploy", "smoke"];

/// The end of two workflows with these statuses, from the words of the design.
fn expected(one: W, two: W) -> DeployState {
    let failed = [W::Failed, W::Error, W::Unauthorized];
    let has = |status| one == status || two == status;
    if failed.contains(&one) || failed.contains(&two) {
        DeployState::Failed
    } else if has(W::Canceled) {
        DeployState::Canceled
    } else if has(W::NotRun) && has(W::Success) {
        DeployState::Failed
    } else if has(W::NotRun) {
        DeployState::NothingRan
    } else {
        DeployState::Succeeded
    }
}

#[test]
fn every_pair_of_statuses_has_its_end() {
    for (one, _) in FINAL {
        for (two, _) in FINAL {
            let report = listed(&[("deploy", 1, one), ("smoke", 1, two)]);
            for rule in [named(&BOTH), all()] {
                let state = ended(rule.outcome(&report)).0;
                assert_eq!(state, expected(one, two), "{one:?} {two:?}");
            }
        }
    }
}

#[test]
fn some_that_ran_and_some_that_did_not_are_both_named() {
    let report = listed(&[("deploy", 1, W::Success), ("smoke", 1, W::NotRun)]);
    let (state, decided_by, _) = ended(named(&BOTH).outcome(&report));
    assert_eq!(state, DeployState::Failed);
    let both = pairs(&[("deploy", "success"), ("smoke", "not_run")]);
    assert_eq!(decided_by, both);
}

#[test]
fn only_what_decided_is_named() {
    let report = listed(&[
        ("deploy", 1, W::Success),
        ("smoke", 1, W::Failed),
        ("lint", 1, W::Failed),
    ]);
    let (_, decided_by, beside) = ended(named(&BOTH).outcome(&report));
    assert_eq!(decided_by, pairs(&[("smoke", "failed")]));
    assert_eq!(beside, pairs(&[("lint", "failed")]));
    // With `"*"` nothing is beside.
    let (_, decided_by, beside) = ended(all().outcome(&report));
    assert_eq!(
        decided_by,
        pairs(&[("lint", "failed"), ("smoke", "failed")])
    );
    assert_eq!(beside, vec![]);
}

#[test]
fn one_that_is_open_keeps_it_open() {
    for open in OPEN {
        for (status, _) in FINAL {
            let report = listed(&[("deploy", 1, status), ("smoke", 1, open)]);
            for rule in [named(&BOTH), all()] {
                assert_eq!(rule.outcome(&report), RunOutcome::Open);
            }
        }
    }
}

#[test]
fn one_that_is_missing_is_waited_on_and_counts_as_not_run() {
    for (status, _) in FINAL {
        let report = listed(&[("deploy", 1, status), ("lint", 1, W::Success)]);
        let (why, state, reason) = waits(named(&BOTH).outcome(&report));
        assert_eq!(
            (why, state),
            (JobWorkflow, expected(status, W::NotRun)),
            "{status:?}"
        );
        let EndReason::Workflows { decided_by, .. } = &reason else {
            panic!("{reason:?}");
        };
        let is_named = decided_by.contains(&("smoke".into(), NOT_THERE.into()));
        let counts = [W::Success, W::NotRun].contains(&status);
        assert_eq!(is_named, counts, "{decided_by:?}");
        // It may still come, so the lock is kept.
        assert_eq!(reason.watch().is_some(), is_named);
    }
}

#[test]
fn with_all_of_them_none_is_missing() {
    let outcome = all().outcome(&listed(&[("anything", 1, W::Success)]));
    assert_eq!(ended(outcome).0, DeployState::Succeeded);
    assert_eq!(waits(all().outcome(&listed(&[]))).0, AnyWorkflow);
}

#[test]
fn a_name_that_is_written_twice_counts_once() {
    let report = listed(&[("deploy", 1, W::Success)]);
    let outcome = named(&["deploy", "deploy"]).outcome(&report);
    assert_eq!(ended(outcome).0, DeployState::Succeeded);
}

#[test]
fn what_is_named_is_cut_and_what_is_missing_stays() {
    let names: Vec<_> = (0..40).map(|i| format!("w{i:02}")).collect();
    let runs: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), 1, W::NotRun))
        .collect();
    let wanted: Vec<_> = names.iter().map(String::as_str).chain(["zz"]).collect();
    let (_, _, reason) = waits(named(&wanted).outcome(&listed(&runs)));
    let EndReason::Workflows { decided_by, .. } = &reason else {
        panic!("{reason:?}");
    };
    assert_eq!(decided_by.len(), MAX_NAMED);
    assert!(reason.watch().is_some());
}
