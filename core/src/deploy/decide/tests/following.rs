//! Following a run to its end.

use super::PipelineState as P;
use super::WorkflowStatus as W;
use super::*;
use crate::ports::{PipelineDetails, PipelineError, PipelineErrorKind};

fn running() -> DeployRecord {
    record_in(Running)
}

#[test]
fn a_due_run_is_polled_and_a_cancel_goes_along() {
    for cancel_request in [
        None,
        Some(CancelRequest {
            by: ActedBy::User(crate::fixtures::qualified_user().into()),
            at: at(1),
        }),
    ] {
        let mut record = running();
        record.cancel = cancel_request;
        let Read(CiRead::Poll(RunPoll {
            slug,
            run,
            cancel,
            rule,
            unread_target,
            reads_progress,
        })) = step(&record, &other(), 0, at(1))
        else {
            panic!("it is not polled");
        };
        assert_eq!((slug, run), (crate::fixtures::slug(), pipeline(7)));
        assert_eq!(cancel, record.cancel.is_some());
        assert_eq!(rule.workflow.names(), ["deploy"]);
        assert!(!reads_progress, "there is no card");
        assert_eq!(unread_target, Some(crate::fixtures::target()));
    }
}

#[test]
fn the_read_is_reserved_with_the_pause_after_it() {
    let first = reserved(&running(), at(1));
    let due = at(8) + Duration::from_millis(500);
    assert_eq!((first.due_at, first.reads.at), (Some(due), Some(at(1))));
    assert_eq!(
        (first.reads.count, first.version),
        (1, running().version + 1)
    );
    // Another run has the older version, and its write fails.
    assert_eq!(reserved(&running(), at(1)).version, first.version);
    assert!(matches!(step(&first, &other(), 0, at(8)), Wait));
}

#[test]
fn a_seen_workflow_is_running_and_progress_is_pending() {
    let mut seen = created(vec![
        workflow("b", 2, W::Queued),
        workflow("b", 1, W::Running),
        workflow("a", 1, W::OnHold),
    ]);
    seen.poll.pipeline.as_mut().unwrap().revision = Some("abc".into());
    let commit = polled(&record_in(Triggered), &seen, at(9));
    assert_eq!(commit.record.state, Running);
    assert_eq!(commit.notifications, [Progress]);
    let workflows = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(change(&commit), Some(AuditChange::Started { workflows }));
    let run = commit.record.run.unwrap();
    assert_eq!(run.revision.as_deref(), Some("abc"));
    assert_eq!(run.created_at, Some(at(9)));
}

#[test]
fn a_revision_is_kept_when_only_the_workflows_are_read() {
    let mut seen = created(vec![deploy_run(W::Running)]);
    seen.poll.pipeline.as_mut().unwrap().revision = Some("abc".into());
    let (record, _) = settled(&running(), &seen, at(9));
    seen.poll.pipeline = None;
    let (record, _) = settled(&record, &seen, at(19));
    assert_eq!(record.run.unwrap().revision.as_deref(), Some("abc"));
}

#[test]
fn one_report_can_be_the_start_and_the_end() {
    let seen = created(vec![deploy_run(W::Success)]);
    let (record, commits) = settled(&record_in(Triggered), &seen, at(9));
    assert_eq!(record.state, Succeeded);
    let notifications: Vec<_> = commits.iter().flat_map(|c| &c.notifications).collect();
    assert_eq!(notifications, [&Progress, &Final]);
    assert_eq!(commits[1].lock, Some(free()));
    assert_eq!((record.due_at, record.locked_target), (None, None));
}

#[test]
fn errors_of_the_pipeline_end_it_with_circlecis_words() {
    for (state, listed) in [
        (P::Errored, vec![]),
        (P::Created, vec![]),
        // A2: CircleCI says created, and only the errors say that nothing was made of it.
        (P::Created, vec![setup_run(W::Success)]),
        (P::Pending, vec![deploy_run(W::Success)]),
    ] {
        for from in [Triggered, Running] {
            let mut seen = created(listed.clone());
            let errors = vec![PipelineError {
                kind: PipelineErrorKind::Config,
                message: "no such job".into(),
            }];
            let revision = None;
            seen.poll.pipeline = Some(PipelineDetails {
                state,
                errors: errors.clone(),
                revision,
                subject: None,
                author: None,
            });
            let (record, commits) = settled(&record_in(from), &seen, at(9));
            assert_eq!(record.state, CiError, "{state:?}");
            let last = commits.last().unwrap();
            assert_eq!(reason(last), &EndReason::PipelineErrors { errors });
            assert_eq!(last.lock, Some(free()));
        }
    }
}

#[test]
fn errors_are_not_forgotten_while_something_still_runs() {
    let mut seen = created(vec![setup_run(W::Running)]);
    let details = seen.poll.pipeline.as_mut().unwrap();
    details.errors = vec![PipelineError {
        kind: PipelineErrorKind::Config,
        message: "no".into(),
    }];
    let (record, _) = settled(&record_in(Triggered), &seen, at(9));
    assert_eq!(record.state, Running);
    // So the pipeline is read again.
    assert_eq!(record.run.as_ref().unwrap().created_at, None);
    seen.poll.workflows = vec![setup_run(W::Success)];
    assert_eq!(settled(&record, &seen, at(19)).0.state, CiError);
}

#[test]
fn the_deploys_workflow_decides_and_the_lock_is_freed() {
    for (status, end) in [
        (W::Success, Succeeded),
        (W::Failed, Failed),
        (W::Error, Failed),
        (W::Unauthorized, Failed),
        (W::Canceled, Canceled),
        (W::NotRun, NothingRan),
    ] {
        let seen = created(vec![workflow("lint", 1, W::Success), deploy_run(status)]);
        let commit = polled(&running(), &seen, at(9));
        assert_eq!(commit.record.state, end);
        let named = |name: &str, status: &str| vec![(name.to_owned(), status.to_owned())];
        let expected = EndReason::Workflows {
            decided_by: named("deploy", status.as_str()),
            beside: named("lint", "success"),
            jobs: vec![],
        };
        assert_eq!(reason(&commit), &expected);
        assert_eq!(
            (commit.lock, commit.notifications),
            (Some(free()), vec![Final])
        );
    }
}

#[test]
fn nothing_is_final_while_the_deploys_workflow_is_open() {
    for open in [W::Running, W::Failing, W::OnHold, W::Queued, W::Unknown] {
        let mut follower = Follower::new(running());
        // A week: an open run is followed for as long as CircleCI keeps it (C2).
        while follower.now < at(7 * 86_400) {
            follower.poll(&created(vec![deploy_run(open)]));
        }
        assert_eq!(follower.record.state, Running, "{open:?}");
        assert_eq!(follower.record.locked_target, Some(target()));
        assert_eq!((follower.told, follower.locks), (vec![], vec![]));
        // After a day it is polled once an hour.
        let pause = follower.record.due_at.unwrap() - follower.now;
        assert_eq!(pause.num_seconds(), 3_600);
        assert!(follower.polls < 1_440 + 6 * 24 + 20, "{}", follower.polls);
    }
}

#[test]
fn unknown_statuses_are_read_and_never_final() {
    assert_eq!(serde_json::from_str::<P>("\"paused\"").unwrap(), P::Unknown);
    assert_eq!(serde_json::from_str::<W>("\"paused\"").unwrap(), W::Unknown);
    assert!(!W::Unknown.is_final());
}

#[test]
fn the_pauses_grow_to_sixty_seconds_and_to_five_minutes_where_webhooks_arrive() {
    let config = config();
    let waits = |facts: &ProjectFacts| {
        let (mut record, mut now, other) = (running(), start(), other());
        let mut waits = vec![];
        for _ in 0..8 {
            let ReadPlan::Now(commit) = reserve_read(&record, facts, ctx(&config, &other, 0, now))
            else {
                panic!("there is no pause");
            };
            record = commit.record;
            waits.push((record.due_at.unwrap() - now).as_seconds_f64().round());
            now = record.due_at.unwrap();
        }
        waits
    };
    assert_eq!(
        waits(&ProjectFacts::default()),
        [8.0, 11.0, 17.0, 25.0, 38.0, 57.0, 60.0, 60.0]
    );
    let heard = ProjectFacts {
        webhook_at: Some(start()),
        paused_until: None,
    };
    assert_eq!(
        waits(&heard),
        [20.0, 80.0, 300.0, 300.0, 300.0, 300.0, 300.0, 300.0]
    );
}

#[test]
fn a_pause_of_the_project_holds_for_this_run_and_counts_no_effort() {
    let config = config();
    let facts = |until| ProjectFacts {
        webhook_at: None,
        paused_until: Some(until),
    };
    let plan = |until| {
        let other = other();
        reserve_read(&running(), &facts(until), ctx(&config, &other, 0, start()))
    };
    let ReadPlan::Later(commit) = plan(at(300)) else {
        panic!("it does not wait");
    };
    assert_eq!(commit.record.due_at, Some(at(300)));
    assert_eq!(commit.record.reads, ReadEfforts::default());
    // One further ahead was set by a clock that was wrong; one that is over is over.
    assert!(matches!(plan(at(301)), ReadPlan::Now(_)));
    assert!(matches!(plan(start()), ReadPlan::Now(_)));
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
        let record = DeployRecord {
            due_at: None,
            ..record_in(state)
        };
        let seen = created(vec![deploy_run(W::Success)]);
        assert!(
            after_poll(&record, &seen, ctx).unwrap().is_none(),
            "{state}"
        );
        let failed = after_failed_poll(&record, "no", None, ctx).unwrap();
        assert!(failed.is_none(), "{state}");
    }
}
