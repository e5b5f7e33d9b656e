//! Waiting for an approval, of which each is told once.

use super::PipelineState as P;
use super::WorkflowStatus as W;
use super::*;
use crate::ports::{CiJob, JobStatus};

/// A created pipeline with these workflows.
fn seen(all: &[(&str, i64, W)]) -> RunReport {
    created(all.iter().map(|(n, c, s)| workflow(n, *c, *s)).collect())
}

fn on_hold() -> RunReport {
    seen(&[("deploy", 1, W::OnHold), ("lint", 1, W::Success)])
}

/// The workflow on hold, with these approvals and a job that has run.
fn waiting_for(approvals: &[(&str, JobStatus)]) -> RunReport {
    let mut report = on_hold();
    let job = |name: &str, status, is_build| CiJob {
        name: name.to_owned(),
        status,
        is_build,
    };
    let mut jobs = vec![job("test", JobStatus::Open, true)];
    jobs.extend(approvals.iter().map(|(name, s)| job(name, *s, false)));
    let id = report.poll.workflows[0].id.clone();
    report.jobs.insert(id, jobs);
    report
}

fn held(workflows: &[&str], jobs: &[&str]) -> AuditChange {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    AuditChange::Held {
        workflows: owned(workflows),
        jobs: owned(jobs),
    }
}

/// The approvals that it waits for now.
fn waiting(record: &DeployRecord) -> Vec<&str> {
    let waits = record.holds.iter().filter(|hold| hold.waits);
    waits.filter_map(|hold| hold.job.as_deref()).collect()
}

#[test]
fn each_approval_is_told_once_with_its_job() {
    use JobStatus::{NotRun, Open, Success};
    let first = waiting_for(&[("migrate", Open), ("release", NotRun)]);
    let commit = polled(&record_in(Running), &first, at(10));
    assert_eq!(change(&commit), Some(held(&["deploy"], &["migrate"])));
    assert_eq!((commit.notifications, commit.lock), (vec![Hold], None));
    assert_eq!(commit.record.state, Running);
    assert_eq!(waiting(&commit.record), ["migrate"]);
    assert!(after(&commit.record, &first, at(20)).is_none());
    // The next one waits at once: the workflow was never seen running.
    let second = waiting_for(&[("migrate", Success), ("release", Open)]);
    let commit = polled(&commit.record, &second, at(30));
    assert_eq!(change(&commit), Some(held(&["deploy"], &["release"])));
    assert_eq!(commit.notifications, [Hold]);
    assert_eq!(waiting(&commit.record), ["release"]);
    // An older answer comes late: what was told is not told again.
    let (record, commits) = settled(&commit.record, &first, at(40));
    assert!(commits.iter().all(|commit| commit.notifications.is_empty()));
    let end = polled(&record, &seen(&[("deploy", 1, W::Success)]), at(50));
    assert_eq!(
        (end.record.state, end.notifications),
        (Succeeded, vec![Final])
    );
}

#[test]
fn approvals_at_the_same_time_are_told_together() {
    use JobStatus::Open;
    let both = waiting_for(&[("eu", Open), ("us", Open)]);
    let commit = polled(&record_in(Running), &both, at(10));
    assert_eq!(change(&commit), Some(held(&["deploy"], &["eu", "us"])));
    let (record, commits) = settled(&commit.record, &waiting_for(&[("us", Open)]), at(20));
    assert!(commits.iter().all(|commit| commit.notifications.is_empty()));
    assert_eq!(waiting(&record), ["us"]);
}

#[test]
fn what_cannot_be_named_is_told_once_and_named_later() {
    use JobStatus::Open;
    let commit = polled(&record_in(Running), &on_hold(), at(10));
    assert_eq!(change(&commit), Some(held(&["deploy"], &[])));
    // The jobs can be read again, and then cannot.
    let named = waiting_for(&[("approve", Open)]);
    let (record, commits) = settled(&commit.record, &named, at(20));
    assert!(commits.iter().all(|commit| commit.notifications.is_empty()));
    assert_eq!(waiting(&record), ["approve"]);
    let (record, commits) = settled(&record, &on_hold(), at(30));
    assert!(commits.iter().all(|commit| commit.notifications.is_empty()));
    assert_eq!(waiting(&record), ["approve"]);
    let more = waiting_for(&[("approve", Open), ("other", Open)]);
    let commit = polled(&record, &more, at(40));
    assert_eq!(change(&commit), Some(held(&["deploy"], &["other"])));
}

#[test]
fn what_goes_on_waits_no_longer() {
    let held = polled(
        &record_in(Running),
        &waiting_for(&[("approve", JobStatus::Open)]),
        at(10),
    );
    let (record, _) = settled(&held.record, &seen(&[("deploy", 1, W::Running)]), at(20));
    assert_eq!(record.holds.len(), 1);
    assert_eq!(waiting(&record), [""; 0]);
}

#[test]
fn what_is_on_hold_is_read_for_its_jobs() {
    let mut report = on_hold();
    assert_eq!(report.unread_hold(), None);
    let id = report.poll.workflows[0].id.clone();
    report.jobs.clear();
    assert_eq!(report.unread_hold(), Some(&*id));
}

#[test]
fn a_record_stays_writable_however_many_approvals_there_are() {
    let names: Vec<String> = (0..500).map(|n| format!("approve-{n}")).collect();
    let many: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), JobStatus::Open))
        .collect();
    let commit = polled(&record_in(Running), &waiting_for(&many), at(10));
    assert_eq!(commit.record.holds.len(), 20);
    assert!(after(&commit.record, &waiting_for(&many), at(20)).is_none());
    let unnamed: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), 1, W::OnHold))
        .collect();
    let commit = polled(&record_in(Running), &seen(&unnamed), at(10));
    assert_eq!(commit.record.holds.len(), 20);
}

#[test]
fn a_rerun_waits_for_an_approval_of_its_own() {
    let commit = polled(&record_in(Running), &on_hold(), at(10));
    let mut again = on_hold();
    again.poll.workflows[0].id = "another run".to_owned();
    let commit = polled(&commit.record, &again, at(20));
    assert_eq!(commit.notifications, [Hold]);
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
    assert_eq!(change(&commit), Some(held(&["a", "b"], &[])));
}

#[test]
fn a_run_first_seen_waiting_is_first_notified_as_running() {
    let started = polled(&record_in(Triggered), &on_hold(), at(10));
    assert_eq!(started.notifications, [Progress]);
    assert_eq!(started.record.holds, []);
    let held = polled(&started.record, &on_hold(), at(10));
    assert_eq!(
        (held.notifications, held.record.holds.len()),
        (vec![Hold], 1)
    );
}

#[test]
fn no_other_status_is_a_hold() {
    for status in [W::Running, W::Failing, W::Queued, W::Unknown] {
        let (record, commits) =
            settled(&record_in(Running), &seen(&[("deploy", 1, status)]), at(10));
        assert!(commits.iter().all(|commit| commit.notifications.is_empty()));
        assert_eq!(record.holds, [], "{status:?}");
    }
    // Of an errored pipeline, too, what waits can still be approved.
    let mut errored = on_hold();
    errored.poll.pipeline.as_mut().unwrap().state = P::Errored;
    let (record, _) = settled(&record_in(Running), &errored, at(10));
    assert_eq!((record.state, record.holds.len()), (Running, 1));
}

#[test]
fn a_record_without_holds_is_read() {
    let mut stored = serde_json::to_value(record_in(Running)).unwrap();
    stored["on_hold"] = true.into();
    let record: DeployRecord = serde_json::from_value(stored).unwrap();
    assert_eq!(record.holds, []);
    assert_eq!(polled(&record, &on_hold(), at(10)).notifications, [Hold]);
}
