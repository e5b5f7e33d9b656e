//! The jobs of the deciding workflows: those that must run, and those that are named.

use super::*;

fn must_run(jobs: &[&str]) -> RunRule {
    RunRule {
        must_run: jobs.iter().map(|job| (*job).to_owned()).collect(),
        ..rule()
    }
}

fn job(name: &str, status: JobStatus) -> CiJob {
    CiJob {
        name: name.to_owned(),
        status,
        is_build: true,
    }
}

fn approval(name: &str, status: JobStatus) -> CiJob {
    CiJob {
        is_build: false,
        ..job(name, status)
    }
}

/// A created pipeline with these runs, of which those jobs were read.
fn read(runs: &[(&str, i64, W)], jobs: &[(usize, &[(&str, JobStatus)])]) -> RunReport {
    let mut report = listed(runs);
    report.jobs.clear();
    for (run, jobs) in jobs {
        let jobs = jobs.iter().map(|(name, status)| job(name, *status));
        report.jobs.insert(run.to_string(), jobs.collect());
    }
    report
}

/// The end, and the jobs that it names.
fn end(outcome: RunOutcome) -> (DeployState, NamedStatuses) {
    match outcome {
        RunOutcome::Ended(state, EndReason::Workflows { jobs, .. }) => (state, jobs),
        other => panic!("{other:?}"),
    }
}

const GREEN: &[(&str, i64, W)] = &[("deploy", 1, W::Success)];

#[test]
fn the_jobs_are_read_before_an_end_is_said_unless_nothing_ran() {
    for (status, state) in FINAL {
        let report = read(&[("deploy", 1, status), ("lint", 1, W::Success)], &[]);
        let outcome = rule().outcome(&report);
        let needs = state != DeployState::NothingRan;
        let needed = outcome == RunOutcome::NeedsJobs(vec!["0".into()]);
        assert_eq!(needed, needs, "{outcome:?}");
    }
    // Only the newest run's, if it meets what must run.
    let two = [("deploy", 2, W::Success), ("deploy", 1, W::Failed)];
    let newest = RunOutcome::NeedsJobs(vec!["0".into()]);
    assert_eq!(rule().outcome(&read(&two, &[])), newest);
    let jobs: &[_] = &[("ship", JobStatus::Success)];
    assert_eq!(
        end(must_run(&["ship"]).outcome(&read(&two, &[(0, jobs)]))),
        (DeployState::Succeeded, vec![])
    );
}

#[test]
fn a_green_workflow_whose_deploy_job_did_not_run_has_failed() {
    for (status, shown) in [
        (JobStatus::NotRun, "not-run"),
        (JobStatus::Failed, "failed"),
        (JobStatus::Canceled, "canceled"),
        (JobStatus::Unauthorized, "unauthorized"),
        (JobStatus::Other, "not finished"),
    ] {
        let jobs: &[_] = &[("build", JobStatus::Success), ("ship", status)];
        let outcome = must_run(&["ship"]).outcome(&read(GREEN, &[(0, jobs)]));
        assert_eq!(
            end(outcome),
            (DeployState::Failed, pairs(&[("ship", shown)]))
        );
    }
    let outcome = must_run(&["ship"]).outcome(&read(GREEN, &[(0, &[])]));
    assert_eq!(
        end(outcome),
        (DeployState::Failed, pairs(&[("ship", NOT_THERE)]))
    );
}

#[test]
fn each_of_several_jobs_must_have_run() {
    let jobs: &[_] = &[("a", JobStatus::Success), ("b", JobStatus::NotRun)];
    let outcome = must_run(&["a", "b"]).outcome(&read(GREEN, &[(0, jobs)]));
    assert_eq!(
        end(outcome),
        (DeployState::Failed, pairs(&[("b", "not-run")]))
    );
    let jobs: &[_] = &[("a", JobStatus::Success), ("b", JobStatus::Success)];
    let outcome = must_run(&["a", "b"]).outcome(&read(GREEN, &[(0, jobs)]));
    assert_eq!(end(outcome), (DeployState::Succeeded, vec![]));
}

#[test]
fn a_job_that_succeeded_in_an_older_run_has_run() {
    // A rerun of what failed may list only that.
    let runs = [("deploy", 2, W::Success), ("deploy", 1, W::Failed)];
    let newest: &[_] = &[("smoke", JobStatus::Success)];
    let rule = must_run(&["ship"]);
    let older = RunOutcome::NeedsJobs(vec!["1".into()]);
    assert_eq!(rule.outcome(&read(&runs, &[(0, newest)])), older);
    let ran: &[_] = &[("ship", JobStatus::Success), ("smoke", JobStatus::Failed)];
    let outcome = rule.outcome(&read(&runs, &[(0, newest), (1, ran)]));
    assert_eq!(end(outcome), (DeployState::Succeeded, vec![]));
    let skipped: &[_] = &[("ship", JobStatus::NotRun)];
    let outcome = rule.outcome(&read(&runs, &[(0, newest), (1, skipped)]));
    assert_eq!(end(outcome).0, DeployState::Failed);
}

#[test]
fn a_job_of_a_workflow_beside_does_not_count() {
    let runs = [("deploy", 1, W::Success), ("lint", 1, W::Success)];
    let beside: &[_] = &[("ship", JobStatus::Success)];
    let outcome = must_run(&["ship"]).outcome(&read(&runs, &[(0, &[]), (1, beside)]));
    assert_eq!(end(outcome).0, DeployState::Failed);
}

#[test]
fn what_did_not_run_is_named_and_decides_nothing_by_itself() {
    let jobs: &[_] = &[
        ("build", JobStatus::Success),
        ("announce", JobStatus::NotRun),
        ("hold", JobStatus::Other),
    ];
    let outcome = rule().outcome(&read(GREEN, &[(0, jobs)]));
    let named = pairs(&[("announce", "not-run")]);
    assert_eq!(end(outcome), (DeployState::Succeeded, named));
}

#[test]
fn a_green_workflow_of_which_no_job_ran_ran_nothing() {
    let nothing: &[_] = &[("build", JobStatus::NotRun), ("ship", JobStatus::NotRun)];
    let outcome = rule().outcome(&read(GREEN, &[(0, nothing)]));
    let both = pairs(&[("build", "not-run"), ("ship", "not-run")]);
    assert_eq!(end(outcome), (DeployState::NothingRan, both));
    // An approval is no work; a job that is unknown may be.
    let mut report = read(GREEN, &[(0, &[("ship", JobStatus::NotRun)])]);
    let list = report.jobs.get_mut("0").unwrap();
    list.push(approval("hold", JobStatus::Success));
    assert_eq!(end(rule().outcome(&report)).0, DeployState::NothingRan);
    let list = report.jobs.get_mut("0").unwrap();
    list.push(job("new", JobStatus::Other));
    assert_eq!(end(rule().outcome(&report)).0, DeployState::Succeeded);
    // Where jobs must run, they decide.
    let outcome = must_run(&["ship"]).outcome(&read(GREEN, &[(0, nothing)]));
    assert_eq!(end(outcome).0, DeployState::Failed);
    // Beside another one that ran, it has failed, like one that is missing.
    let two = [("a", 1, W::Success), ("b", 1, W::Success)];
    let ran: &[_] = &[("build", JobStatus::Success)];
    let outcome = named(&["a", "b"]).outcome(&read(&two, &[(0, ran), (1, nothing)]));
    assert_eq!(end(outcome).0, DeployState::Failed);
}

#[test]
fn a_job_that_still_runs_is_waited_for_and_keeps_the_lock() {
    for status in [W::Success, W::Failed, W::Canceled] {
        let mut report = read(&[("deploy", 1, status)], &[]);
        let list = vec![
            job("build", JobStatus::Failed),
            job("ship", JobStatus::Open),
        ];
        report.jobs.insert("0".into(), list);
        let RunOutcome::Waits(WaitReason::Jobs, _, reason) = rule().outcome(&report) else {
            panic!("{status:?}")
        };
        let EndReason::Workflows { jobs, .. } = &reason else {
            panic!("{reason:?}")
        };
        assert_eq!(*jobs, pairs(&[("ship", NOT_FINISHED), ("build", "failed")]));
        assert!(reason.watch().is_some());
        // An approval that nobody gives any more is none.
        let list = vec![approval("hold", JobStatus::Open)];
        report.jobs.insert("0".into(), list);
        assert_eq!(end(rule().outcome(&report)).1, []);
    }
}

#[test]
fn what_a_canceled_run_had_done_is_named() {
    let canceled = [("deploy", 1, W::Canceled)];
    let jobs: &[_] = &[("build", JobStatus::Success), ("ship", JobStatus::Canceled)];
    let outcome = must_run(&["other"]).outcome(&read(&canceled, &[(0, jobs)]));
    let named = pairs(&[("build", "success"), ("ship", "canceled")]);
    assert_eq!(end(outcome), (DeployState::Canceled, named));
}

#[test]
fn a_run_without_a_name_may_be_any() {
    let report = read(&[(CiWorkflow::NO_NAME, 2, W::Running), GREEN[0]], &[]);
    assert_eq!(rule().outcome(&report), RunOutcome::Open);
    let over = read(
        &[(CiWorkflow::NO_NAME, 2, W::Failed), GREEN[0]],
        &[(1, &[])],
    );
    assert_eq!(end(rule().outcome(&over)).0, DeployState::Succeeded);
}

#[test]
fn the_failed_job_is_named() {
    let failed = [("deploy", 1, W::Failed)];
    let jobs: &[_] = &[("build", JobStatus::Success), ("ship", JobStatus::Failed)];
    let outcome = rule().outcome(&read(&failed, &[(0, jobs)]));
    assert_eq!(
        end(outcome),
        (DeployState::Failed, pairs(&[("ship", "failed")]))
    );
}

#[test]
fn where_all_workflows_count_a_few_are_read() {
    let names: Vec<_> = (0..30).map(|i| format!("w{i}")).collect();
    let runs: Vec<_> = names.iter().map(|n| (n.as_str(), 1, W::Success)).collect();
    let mut report = read(&runs, &[]);
    let mut calls = 0;
    let rule = all();
    while let RunOutcome::NeedsJobs(ids) = rule.outcome(&report) {
        report.jobs.insert(ids[0].clone(), vec![]);
        calls += 1;
    }
    assert_eq!(calls, MAX_JOB_LISTS);
    assert_eq!(end(rule.outcome(&report)).0, DeployState::Succeeded);
}

#[test]
fn a_job_that_must_run_is_looked_for_in_every_workflow() {
    let names: Vec<_> = (0..30).map(|i| format!("w{i}")).collect();
    let runs: Vec<_> = names.iter().map(|n| (n.as_str(), 1, W::Success)).collect();
    let mut report = read(&runs, &[]);
    let rule = RunRule {
        must_run: vec!["ship".to_owned()],
        ..all()
    };
    while let RunOutcome::NeedsJobs(ids) = rule.outcome(&report) {
        let ships = ids[0] == "29";
        let jobs = ships.then(|| job("ship", JobStatus::Success));
        report
            .jobs
            .insert(ids[0].clone(), jobs.into_iter().collect());
    }
    assert_eq!(end(rule.outcome(&report)).0, DeployState::Succeeded);
}

#[test]
fn a_record_keeps_the_first_jobs_and_what_must_run_comes_first() {
    let many: Vec<_> = (0..500)
        .map(|i| job(&i.to_string(), JobStatus::NotRun))
        .collect();
    let mut report = read(GREEN, &[]);
    report.jobs.insert("0".into(), many);
    let (state, jobs) = end(must_run(&["ship"]).outcome(&report));
    assert_eq!((state, jobs.len()), (DeployState::Failed, MAX_NAMED));
    assert_eq!(jobs[0], ("ship".into(), NOT_THERE.into()));
}
