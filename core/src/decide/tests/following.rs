//! Following a run to its end.

use super::PipelineState as P;
use super::WorkflowStatus as W;
use super::*;

fn running() -> DeployRecord {
    head_in(DeployState::Running)
}

/// Name, moment of creation and status of each run of a workflow.
type Runs<'a> = &'a [(&'a str, i64, W)];

fn statuses(all: Runs<'_>) -> PollResult {
    let workflows = all.iter().map(|(n, c, s)| workflow(n, *c, *s)).collect();
    look(P::Created, workflows)
}

fn state_after(head: &DeployRecord, look: &PollResult) -> DeployState {
    looked(head, look, at(10)).record.state
}

#[test]
fn a_due_run_is_looked_at_and_a_wish_to_cancel_goes_along() {
    for wish in [
        None,
        Some(CancelRequest {
            by: ActedBy::User(crate::fixtures::qualified_user()),
            at: at(1),
        }),
    ] {
        let mut head = running();
        head.cancel = wish;
        let NextStep::Poll { slug, run, cancel } = step(&head, &other(), 0, at(1)) else {
            panic!("it is not looked at");
        };
        assert_eq!((slug, run), (crate::fixtures::slug(), pipeline(7)));
        assert_eq!(cancel, head.cancel.is_some());
    }
}

#[test]
fn a_seen_workflow_is_running_and_progress_is_owed() {
    let mut seen = statuses(&[
        ("b", 1, W::Running),
        ("a", 1, W::OnHold),
        ("b", 2, W::Queued),
    ]);
    seen.revision = Some("abc".into());
    let commit = looked(&head_in(DeployState::Triggered), &seen, at(9));
    assert_eq!(commit.record.state, DeployState::Running);
    assert_eq!(commit.notifications, [NotificationKind::Progress]);
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
fn no_workflow_is_believed_after_the_grace_and_only_of_a_created_pipeline() {
    let head = head_in(DeployState::Triggered);
    for state in [P::SetupPending, P::Setup, P::Pending, P::Unknown] {
        let commit = looked(&head, &look(state, vec![]), at(3_000));
        assert_eq!(commit.record.state, DeployState::Triggered);
    }
    // However long CircleCI took to create it, the grace begins when that is first seen.
    let none = look(P::Created, vec![]);
    let first = looked(&head, &none, at(1_000)).record;
    assert_eq!(first.state, DeployState::Triggered);
    let early = looked(&first, &none, at(1_179)).record;
    assert_eq!(early.state, DeployState::Triggered);
    let commit = looked(&early, &none, at(1_180));
    assert_eq!(commit.record.state, DeployState::NothingRan);
    assert_eq!(reason(&commit), &EndReason::NoWorkflow);
    assert_eq!(
        (commit.lock, commit.notifications),
        (Some(free()), vec![NotificationKind::Final])
    );
    // What was seen running is not gone because one listing is empty.
    assert_eq!(
        looked(&running(), &none, at(3_000)).record.state,
        DeployState::Running
    );
}

#[test]
fn a_configuration_error_ends_it_in_circlecis_words() {
    for state in [DeployState::Triggered, DeployState::Running] {
        let mut errored = look(P::Errored, vec![]);
        errored.errors = vec!["no such job".into()];
        let commit = looked(&head_in(state), &errored, at(9));
        assert_eq!(commit.record.state, DeployState::CiError);
        let messages = vec!["no such job".to_owned()];
        assert_eq!(reason(&commit), &EndReason::ConfigErrors { messages });
    }
}

#[test]
fn the_workflows_decide_how_it_ended() {
    let table: [(Runs<'_>, DeployState); 12] = [
        (&[("a", 1, W::Success)], DeployState::Succeeded),
        (&[("a", 1, W::Failed)], DeployState::Failed),
        (&[("a", 1, W::Error)], DeployState::Failed),
        (&[("a", 1, W::Unauthorized)], DeployState::Failed),
        (&[("a", 1, W::Canceled)], DeployState::Canceled),
        (&[("a", 1, W::NotRun)], DeployState::NothingRan),
        (
            &[("a", 1, W::Success), ("b", 1, W::NotRun)],
            DeployState::Succeeded,
        ),
        (
            &[("a", 1, W::Success), ("b", 1, W::Failed)],
            DeployState::Failed,
        ),
        (
            &[("a", 1, W::Success), ("b", 1, W::Canceled)],
            DeployState::Canceled,
        ),
        (
            &[("a", 1, W::Failed), ("b", 1, W::Canceled)],
            DeployState::Failed,
        ),
        // The latest run of a name decides, wherever it stands in the list.
        (
            &[("a", 2, W::Success), ("a", 1, W::Failed)],
            DeployState::Succeeded,
        ),
        (
            &[("a", 1, W::Success), ("a", 2, W::Failed)],
            DeployState::Failed,
        ),
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
fn those_that_decided_are_named_with_circlecis_words() {
    let seen = statuses(&[
        ("a", 1, W::Success),
        ("b", 1, W::Failed),
        ("c", 1, W::Error),
    ]);
    let decided_by = [("b", "failed"), ("c", "error")];
    let decided_by = decided_by
        .map(|(n, s)| (n.to_owned(), s.to_owned()))
        .to_vec();
    let commit = looked(&running(), &seen, at(9));
    assert_eq!(reason(&commit), &EndReason::Workflows { decided_by });
    assert_eq!(
        (commit.lock, commit.notifications),
        (Some(free()), vec![NotificationKind::Final])
    );
}

#[test]
fn nothing_is_final_while_something_is_open() {
    for open in [W::Running, W::Failing, W::OnHold, W::Queued, W::Unknown] {
        let seen = statuses(&[("a", 1, W::Failed), ("b", 1, open)]);
        assert_eq!(
            state_after(&running(), &seen),
            DeployState::Running,
            "{open:?}"
        );
    }
    for state in [P::SetupPending, P::Setup, P::Pending, P::Unknown] {
        let setup = look(state, vec![workflow("setup", 1, W::Success)]);
        assert_eq!(
            state_after(&running(), &setup),
            DeployState::Running,
            "{state:?}"
        );
    }
    let mut rerun = statuses(&[("a", 1, W::Failed)]);
    rerun.workflows[0].rerun_coming = true;
    assert_eq!(state_after(&running(), &rerun), DeployState::Running);
}

#[test]
fn words_we_do_not_know_are_read_and_never_final() {
    assert_eq!(serde_json::from_str::<P>("\"paused\"").unwrap(), P::Unknown);
    assert_eq!(serde_json::from_str::<W>("\"paused\"").unwrap(), W::Unknown);
    assert!(!W::Unknown.is_final());
}

#[test]
fn the_looks_grow_from_five_seconds_to_sixty() {
    let config = config();
    let (mut head, mut now, other) = (running(), start(), other());
    let mut waits = vec![];
    for _ in 0..9 {
        let none = look(P::Pending, vec![]);
        let commit = after_poll(&head, &none, here(&config, &other, 0, now));
        head = commit.unwrap().unwrap().record;
        waits.push((head.due_at.unwrap() - now).as_seconds_f64().round());
        now = head.due_at.unwrap();
    }
    assert_eq!(waits, [5.0, 8.0, 11.0, 17.0, 25.0, 38.0, 57.0, 60.0, 60.0]);
}

#[test]
fn a_failed_look_waits_as_asked_but_not_past_the_limit() {
    let config = config();
    let (head, other) = (running(), other());
    let due = |after: Option<u64>, now| {
        let here = here(&config, &other, 0, now);
        let commit = after_failed_poll(&head, after.map(secs), here).unwrap();
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
    for head in [running(), head_in(DeployState::Triggered)] {
        let pending = look(P::Pending, vec![]);
        assert_eq!(looked(&head, &pending, at(86_399)).record.state, head.state);
        let lost = looked(&head, &pending, at(86_400));
        assert_eq!(lost.record.state, DeployState::LostTrack);
        assert_eq!(reason(&lost), &EndReason::FollowTimeout);
        let here = here(&config, &other, 0, at(90_000));
        let failed = after_failed_poll(&head, Some(secs(5)), here);
        assert_eq!(
            failed.unwrap().unwrap().record.state,
            DeployState::LostTrack
        );
    }
    // An end that is seen late is still an end.
    let seen = statuses(&[("a", 1, W::Success)]);
    assert_eq!(
        looked(&running(), &seen, at(90_000)).record.state,
        DeployState::Succeeded
    );
}

#[test]
fn a_look_that_comes_late_says_nothing() {
    let config = config();
    let other = other();
    let here = here(&config, &other, 0, at(10));
    for state in DeployState::ALL {
        if matches!(state, DeployState::Triggered | DeployState::Running) {
            continue;
        }
        let seen = statuses(&[("a", 1, W::Success)]);
        assert!(after_poll(&head_in(state), &seen, here).unwrap().is_none());
        assert!(
            after_failed_poll(&head_in(state), None, here)
                .unwrap()
                .is_none()
        );
    }
}
