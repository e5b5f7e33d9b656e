//! Following a run to its end.

use super::PipelineState as P;
use super::WorkflowStatus as W;
use super::*;

fn running() -> DeployRecord {
    record_in(Running)
}

/// Name, moment of creation and status of each run of a workflow.
type Runs<'a> = &'a [(&'a str, i64, W)];

fn statuses(all: Runs<'_>) -> PollResult {
    let workflows = all.iter().map(|(n, c, s)| workflow(n, *c, *s)).collect();
    poll(P::Created, workflows)
}

fn state_after(record: &DeployRecord, poll: &PollResult) -> DeployState {
    polled(record, poll, at(10)).record.state
}

#[test]
fn a_due_run_is_polled_and_a_cancel_goes_along() {
    for cancel_request in [
        None,
        Some(CancelRequest {
            by: ActedBy::User(crate::fixtures::qualified_user()),
            at: at(1),
        }),
    ] {
        let mut record = running();
        record.cancel = cancel_request;
        let Poll { slug, run, cancel } = step(&record, &other(), 0, at(1)) else {
            panic!("it is not polled");
        };
        assert_eq!((slug, run), (crate::fixtures::slug(), pipeline(7)));
        assert_eq!(cancel, record.cancel.is_some());
    }
}

#[test]
fn a_seen_workflow_is_running_and_progress_is_pending() {
    let mut seen = statuses(&[
        ("b", 1, W::Running),
        ("a", 1, W::OnHold),
        ("b", 2, W::Queued),
    ]);
    seen.revision = Some("abc".into());
    let commit = polled(&record_in(Triggered), &seen, at(9));
    assert_eq!(commit.record.state, Running);
    assert_eq!(commit.notifications, [Progress]);
    assert_eq!(
        (commit.record.due_at, commit.record.poll_count),
        (Some(at(9)), 0)
    );
    assert_eq!(commit.record.run.unwrap().revision.as_deref(), Some("abc"));
    let workflows = vec!["a".to_owned(), "b".to_owned()];
    let change = commit.event.unwrap().entry().unwrap().change;
    assert_eq!(change, AuditChange::Started { workflows });
}

#[test]
fn no_workflow_ends_a_created_pipeline_after_the_start_timeout() {
    let record = record_in(Triggered);
    for state in [P::SetupPending, P::Setup, P::Pending, P::Unknown] {
        let commit = polled(&record, &poll(state, vec![]), at(3_000));
        assert_eq!(commit.record.state, Triggered);
    }
    // The start timeout begins when the pipeline is first seen created.
    let none = poll(P::Created, vec![]);
    let first = polled(&record, &none, at(1_000)).record;
    assert_eq!(first.state, Triggered);
    let early = polled(&first, &none, at(1_179)).record;
    assert_eq!(early.state, Triggered);
    let commit = polled(&early, &none, at(1_180));
    assert_eq!(commit.record.state, NothingRan);
    assert_eq!(reason(&commit), &EndReason::NoWorkflow);
    assert_eq!(
        (commit.lock, commit.notifications),
        (Some(free()), vec![Final])
    );
    // An empty list does not end a run that was seen running.
    assert_eq!(polled(&running(), &none, at(3_000)).record.state, Running);
}

#[test]
fn a_configuration_error_ends_it_with_circlecis_messages() {
    for state in [Triggered, Running] {
        let mut errored = poll(P::Errored, vec![]);
        errored.errors = vec!["no such job".into()];
        let commit = polled(&record_in(state), &errored, at(9));
        assert_eq!(commit.record.state, CiError);
        let messages = vec!["no such job".to_owned()];
        assert_eq!(reason(&commit), &EndReason::ConfigErrors { messages });
    }
}

#[test]
fn the_workflows_decide_how_it_ended() {
    let table: [(Runs<'_>, DeployState); 12] = [
        (&[("a", 1, W::Success)], Succeeded),
        (&[("a", 1, W::Failed)], Failed),
        (&[("a", 1, W::Error)], Failed),
        (&[("a", 1, W::Unauthorized)], Failed),
        (&[("a", 1, W::Canceled)], Canceled),
        (&[("a", 1, W::NotRun)], NothingRan),
        (&[("a", 1, W::Success), ("b", 1, W::NotRun)], Succeeded),
        (&[("a", 1, W::Success), ("b", 1, W::Failed)], Failed),
        (&[("a", 1, W::Success), ("b", 1, W::Canceled)], Canceled),
        (&[("a", 1, W::Failed), ("b", 1, W::Canceled)], Failed),
        // The latest run of a name decides, wherever it is in the list.
        (&[("a", 2, W::Success), ("a", 1, W::Failed)], Succeeded),
        (&[("a", 1, W::Success), ("a", 2, W::Failed)], Failed),
    ];
    for (workflows, end) in table {
        assert_eq!(
            state_after(&running(), &statuses(workflows)),
            end,
            "{workflows:?}"
        );
    }
}

#[test]
fn the_deciding_workflows_are_named_with_circlecis_status() {
    let seen = statuses(&[
        ("a", 1, W::Success),
        ("b", 1, W::Failed),
        ("c", 1, W::Error),
    ]);
    let decided_by = [("b", "failed"), ("c", "error")];
    let decided_by = decided_by
        .map(|(n, s)| (n.to_owned(), s.to_owned()))
        .to_vec();
    let commit = polled(&running(), &seen, at(9));
    assert_eq!(reason(&commit), &EndReason::Workflows { decided_by });
    assert_eq!(
        (commit.lock, commit.notifications),
        (Some(free()), vec![Final])
    );
}

#[test]
fn nothing_is_final_while_a_workflow_is_open() {
    for open in [W::Running, W::Failing, W::OnHold, W::Queued, W::Unknown] {
        let seen = statuses(&[("a", 1, W::Failed), ("b", 1, open)]);
        assert_eq!(state_after(&running(), &seen), Running, "{open:?}");
    }
    for state in [P::SetupPending, P::Setup, P::Pending, P::Unknown] {
        let setup = poll(state, vec![workflow("setup", 1, W::Success)]);
        assert_eq!(state_after(&running(), &setup), Running, "{state:?}");
    }
    let mut rerun = statuses(&[("a", 1, W::Failed)]);
    rerun.workflows[0].rerun_coming = true;
    assert_eq!(state_after(&running(), &rerun), Running);
}

#[test]
fn unknown_statuses_are_read_and_never_final() {
    assert_eq!(serde_json::from_str::<P>("\"paused\"").unwrap(), P::Unknown);
    assert_eq!(serde_json::from_str::<W>("\"paused\"").unwrap(), W::Unknown);
    assert!(!W::Unknown.is_final());
}

#[test]
fn the_pauses_grow_from_five_seconds_to_sixty() {
    let config = config();
    let (mut record, mut now, other) = (running(), start(), other());
    let mut waits = vec![];
    for _ in 0..9 {
        let none = poll(P::Pending, vec![]);
        let commit = after_poll(&record, &none, ctx(&config, &other, 0, now));
        record = commit.unwrap().unwrap().record;
        waits.push((record.due_at.unwrap() - now).as_seconds_f64().round());
        now = record.due_at.unwrap();
    }
    assert_eq!(waits, [5.0, 8.0, 11.0, 17.0, 25.0, 38.0, 57.0, 60.0, 60.0]);
}

#[test]
fn a_failed_poll_waits_as_asked_but_not_past_the_limit() {
    let config = config();
    let (record, other) = (running(), other());
    let due = |after: Option<u64>, now| {
        let ctx = ctx(&config, &other, 0, now);
        let commit = after_failed_poll(&record, after.map(secs), ctx).unwrap();
        commit.unwrap().record.due_at
    };
    assert_eq!(due(None, at(9)), Some(at(14)));
    assert_eq!(due(Some(1), at(9)), Some(at(14)));
    assert_eq!(due(Some(90), at(9)), Some(at(99)));
    assert_eq!(due(Some(u64::MAX), at(9)), Some(at(86_400)));
}

#[test]
fn it_is_followed_to_the_limit_and_not_further() {
    let config = config();
    let other = other();
    for record in [running(), record_in(Triggered)] {
        let pending = poll(P::Pending, vec![]);
        assert_eq!(
            polled(&record, &pending, at(86_399)).record.state,
            record.state
        );
        let lost = polled(&record, &pending, at(86_400));
        assert_eq!(lost.record.state, LostTrack);
        assert_eq!(reason(&lost), &EndReason::FollowTimeout);
        let ctx = ctx(&config, &other, 0, at(90_000));
        let failed = after_failed_poll(&record, Some(secs(5)), ctx);
        assert_eq!(failed.unwrap().unwrap().record.state, LostTrack);
    }
    // An end that is seen late is still an end.
    let seen = statuses(&[("a", 1, W::Success)]);
    assert_eq!(
        polled(&running(), &seen, at(90_000)).record.state,
        Succeeded
    );
}

#[test]
fn a_late_poll_writes_nothing() {
    let config = config();
    let other = other();
    let ctx = ctx(&config, &other, 0, at(10));
    for state in DeployState::ALL {
        if matches!(state, Triggered | Running) {
            continue;
        }
        let seen = statuses(&[("a", 1, W::Success)]);
        assert!(after_poll(&record_in(state), &seen, ctx).unwrap().is_none());
        assert!(
            after_failed_poll(&record_in(state), None, ctx)
                .unwrap()
                .is_none()
        );
    }
}
