//! The progress of the jobs: what a card shows of it, and how often it is read.

use super::WorkflowStatus as W;
use super::*;
use crate::deploy::JobProgress;
use crate::ports::{CiJob, JobStatus, PipelineDetails};
use crate::release::ReleaseHistory;

fn live() -> Config {
    let mut config = config();
    config.slack.live = true;
    config
}

fn build(name: &str, status: JobStatus) -> CiJob {
    CiJob {
        name: name.to_owned(),
        status,
        is_build: true,
    }
}

/// A run of the workflow that decides, with these jobs.
fn running_with(jobs: Vec<CiJob>) -> RunReport {
    let mut report = created(vec![workflow("deploy", 1, W::Running)]);
    let id = report.poll.workflows[0].id.clone();
    report.jobs.insert(id, jobs);
    report
}

/// A run that is followed, read at this moment.
fn read_at(now: Time) -> DeployRecord {
    let mut record = record_in(Running);
    record.reads.at = Some(now);
    record
}

fn noted(record: &DeployRecord, report: &RunReport, now: Time) -> Commit {
    let (config, me) = (live(), me());
    let commit = after_poll(record, report, ctx(&config, &me, 0, now));
    commit.unwrap().expect("nothing is noted")
}

fn is_read(record: &DeployRecord, config: &Config, now: Time) -> bool {
    let due = DeployRecord {
        due_at: Some(now),
        ..record.clone()
    };
    match next_step(&due, ctx(config, &me(), 0, now)).unwrap() {
        Read(CiRead::Poll(poll)) => poll.reads_progress,
        other => panic!("it is not polled: {other:?}"),
    }
}

#[test]
fn it_counts_what_has_ended_and_names_what_runs_and_what_failed() {
    use JobStatus::{Canceled, Failed, NotRun, Open, Success};
    let approval = CiJob {
        is_build: false,
        ..build("approve", Open)
    };
    let mut jobs = vec![
        build("lint", Success),
        build("test", Failed),
        build("old", Canceled),
        build("later", NotRun),
        approval,
    ];
    jobs.extend(["a", "b", "c", "d"].map(|name| build(name, Open)));
    let commit = noted(&read_at(at(9)), &running_with(jobs), at(10));
    let progress = JobProgress {
        done: 3,
        total: 8,
        running: ["a", "b", "c"].map(str::to_owned).to_vec(),
        failed: vec!["test".to_owned()],
        read_at: at(9),
    };
    assert_eq!(commit.record.jobs, Some(progress));
    assert_eq!(
        (commit.redraw, commit.notifications),
        (Some(at(10)), vec![])
    );
}

#[test]
fn one_report_is_noted_once_and_the_same_progress_draws_nothing() {
    let report = running_with(vec![build("test", JobStatus::Open)]);
    let record = noted(&read_at(at(9)), &report, at(10)).record;
    let (config, me) = (live(), me());
    let again = after_poll(&record, &report, ctx(&config, &me, 0, at(11)));
    assert!(again.unwrap().is_none(), "it is noted for ever");
    let mut later = record;
    later.reads.at = Some(at(80));
    let commit = noted(&later, &report, at(81));
    assert_eq!(commit.redraw, None);
}

#[test]
fn what_a_card_shows_of_the_commit_is_drawn_once_it_is_known() {
    let with = |change: fn(&mut PipelineDetails)| {
        let mut report = created(vec![deploy_run(W::Running)]);
        report.jobs.clear();
        change(report.poll.pipeline.as_mut().unwrap());
        report
    };
    // When the pipeline was created is on record, and no card shows it.
    let known = noted(&read_at(at(9)), &with(|_| ()), at(10));
    assert_eq!(change(&known), Some(AuditChange::Learned));
    assert_eq!(known.redraw, None);
    for report in [
        with(|pipeline| pipeline.revision = Some("0123456789abcdef".to_owned())),
        with(|pipeline| pipeline.subject = Some("Sell more".to_owned())),
    ] {
        let drawn = noted(&known.record, &report, at(11));
        assert_eq!(change(&drawn), Some(AuditChange::Learned));
        assert_eq!(drawn.redraw, Some(at(11)), "{report:?}");
        let (config, me) = (live(), me());
        let again = after_poll(&drawn.record, &report, ctx(&config, &me, 0, at(12)));
        assert!(again.unwrap().is_none(), "it is noted for ever");
    }
    let by = |author: &str| {
        let mut report = with(|pipeline| pipeline.subject = Some("Sell more".to_owned()));
        report.poll.pipeline.as_mut().unwrap().author = Some(author.to_owned());
        report
    };
    // What the target was before, and that a hold is over.
    let mut report = with(|_| ());
    report.releases = Some(ReleaseHistory::default());
    assert_eq!(noted(&known.record, &report, at(11)).redraw, Some(at(11)));
    let mut held = with(|_| ());
    held.poll.workflows = vec![deploy_run(W::OnHold)];
    let held = noted(&known.record, &held, at(11)).record;
    assert!(held.holds[0].waits);
    assert_eq!(noted(&held, &with(|_| ()), at(12)).redraw, Some(at(12)));
    let one = noted(&known.record, &by("ana"), at(11)).record;
    assert_eq!(noted(&one, &by("grace"), at(12)).redraw, Some(at(12)));
}

#[test]
fn whatever_happens_is_drawn() {
    let (config, me) = (live(), me());
    for (record, status, state) in [
        (record_in(Triggered), W::Running, Running),
        (record_in(Running), W::Success, Succeeded),
    ] {
        let report = created(vec![deploy_run(status)]);
        let commit = after_poll(&record, &report, ctx(&config, &me, 0, at(5)));
        let commit = commit.unwrap().unwrap();
        assert_eq!((commit.record.state, commit.redraw), (state, Some(at(5))));
    }
    // Without a card there is nothing to draw.
    let report = created(vec![deploy_run(W::Success)]);
    assert_eq!(polled(&record_in(Running), &report, at(5)).redraw, None);
}

#[test]
fn it_is_read_once_a_minute_and_only_where_a_card_shows_it() {
    let fresh = read_at(at(9));
    assert!(is_read(&fresh, &live(), at(10)));
    assert!(!is_read(&fresh, &config(), at(10)), "nobody sees it");
    let report = running_with(vec![build("test", JobStatus::Open)]);
    let record = noted(&fresh, &report, at(10)).record;
    assert!(!is_read(&record, &live(), at(9)));
    assert!(!is_read(&record, &live(), at(68)));
    assert!(is_read(&record, &live(), at(69)));
    // A clock that was wrong has set it.
    let mut ahead = record;
    if let Some(jobs) = &mut ahead.jobs {
        jobs.read_at = at(3_600);
    }
    assert!(is_read(&ahead, &live(), at(69)));
}

#[test]
fn without_a_card_or_without_jobs_nothing_is_noted() {
    let report = running_with(vec![build("test", JobStatus::Open)]);
    let commit = after_poll(&read_at(at(9)), &report, ctx(&config(), &me(), 0, at(10)));
    let jobs = commit.unwrap().and_then(|commit| commit.record.jobs);
    assert_eq!(jobs, None);
    let mut record = read_at(at(9));
    record.jobs = noted(&record, &report, at(10)).record.jobs;
    let (config, me) = (live(), me());
    for empty in [
        running_with(vec![]),
        created(vec![workflow("deploy", 1, W::Running)]),
    ] {
        let commit = after_poll(&record, &empty, ctx(&config, &me, 0, at(20)));
        let after = commit
            .unwrap()
            .map_or(record.jobs.clone(), |c| c.record.jobs);
        assert_eq!(after, record.jobs, "what was known stays");
    }
}

#[test]
fn of_a_rerun_the_newer_run_counts() {
    let mut report = created(vec![
        workflow("deploy", 2, W::Running),
        workflow("deploy", 1, W::Failed),
    ]);
    let ids: Vec<_> = report
        .poll
        .workflows
        .iter()
        .map(|run| run.id.clone())
        .collect();
    report
        .jobs
        .insert(ids[0].clone(), vec![build("new", JobStatus::Open)]);
    report
        .jobs
        .insert(ids[1].clone(), vec![build("old", JobStatus::Failed)]);
    let jobs = noted(&read_at(at(9)), &report, at(10)).record.jobs.unwrap();
    assert_eq!((jobs.total, &*jobs.running), (1, &["new".to_owned()][..]));
}

#[test]
fn a_read_that_fails_is_made_again_after_the_usual_pause() {
    let failed = running_with(vec![]);
    let record = noted(&read_at(at(9)), &failed, at(10)).record;
    assert!(!is_read(&record, &live(), at(20)));
    assert!(is_read(&record, &live(), at(69)));
}

#[test]
fn the_jobs_of_a_hold_alone_are_no_progress() {
    let mut report = created(vec![
        workflow("deploy", 1, W::Running),
        workflow("release", 2, W::OnHold),
    ]);
    report.jobs.clear();
    let held = report.poll.workflows[1].id.clone();
    report
        .jobs
        .insert(held, vec![build("test", JobStatus::Success)]);
    let mut record = read_at(at(9));
    if let Some(intent) = &mut record.trigger_intent {
        intent.workflow = crate::config::WorkflowSelector::ALL;
    }
    let commit = noted(&record, &report, at(10));
    assert_eq!(commit.record.jobs, None, "the other workflow was not read");
}
