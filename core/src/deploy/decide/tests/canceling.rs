//! A request to cancel: who may, what is written, and how it ends.

use super::*;

const OPEN: [DeployState; 4] = [Requested, Triggering, Triggered, Running];

fn person(user: &str, channel: &str, team: &str) -> ActionMessage {
    cancel_by(ActionRequester::User(Requester {
        team: TeamId::parse(team).unwrap(),
        channel: ChannelId::parse(channel).unwrap(),
        user: UserId::parse(user).unwrap(),
        ..requester()
    }))
}

fn cancel_by(from: ActionRequester) -> ActionMessage {
    let deploy = DeployRef::Full(id());
    action(from, DeployAction::Cancel { deploy })
}

fn operator() -> ActionMessage {
    cancel_by(ActionRequester::Operator {
        name: "root".into(),
    })
}

/// A deploy whose requester has no rights.
fn theirs(state: DeployState) -> DeployRecord {
    let mut record = record_in(state);
    record.request.user = UserId::parse("U77").unwrap();
    record
}

fn decided(record: &DeployRecord, action: &ActionMessage) -> CancelDecision {
    let config = config();
    let me = me();
    decide_cancel(record, action, ctx(&config, &me, 0, at(9))).unwrap()
}

fn accepted(record: &DeployRecord, action: &ActionMessage) -> Commit {
    match decided(record, action) {
        CancelDecision::Write(commit) => *commit,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_requester_and_who_may_run_the_job_may_cancel_it() {
    for state in OPEN {
        let record = theirs(state);
        for (action, by) in [
            // The requester may from anywhere, whatever the rules say now.
            (person("U77", "C77", "T012ABCDEF"), "U77"),
            (
                person("U012ABCDEF", "C012ABCDEF", "T012ABCDEF"),
                "U012ABCDEF",
            ),
        ] {
            let commit = accepted(&record, &action);
            let user = UserId::parse(by).unwrap();
            let cancel = CancelRequest {
                by: action.requested_by.acted_by(),
                at: at(9),
            };
            assert_eq!(
                (commit.record.state, &commit.record.cancel),
                (state, &Some(cancel))
            );
            let entry = commit.events[0].entry().unwrap();
            assert_eq!(entry.by, AuditActor::User(crate::fixtures::qualify(user)));
            let by = action.requested_by.acted_by();
            assert_eq!(entry.change, AuditChange::CancelRequested { by });
        }
        let commit = accepted(&record, &operator());
        let entry = commit.events[0].entry().unwrap();
        assert_eq!(entry.by, AuditActor::Operator("root".into()));
    }
}

#[test]
fn nobody_else_may() {
    let rule = |action: &ActionMessage| match decided(&theirs(Running), action) {
        CancelDecision::Denied(rejection) => {
            serde_json::to_value(rejection).unwrap()["rule"].clone()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(rule(&person("U88", "C012ABCDEF", "T012ABCDEF")), "user");
    assert_eq!(rule(&person("U012ABCDEF", "C99", "T012ABCDEF")), "channel");
    // The same id in another workspace is somebody else.
    assert_eq!(rule(&person("U77", "C012ABCDEF", "T99")), "team");
}

#[test]
fn it_is_due_now_unless_a_post_is_under_way() {
    let due = |state, due_at| {
        let mut record = theirs(state);
        record.due_at = due_at;
        let commit = accepted(&record, &operator());
        assert_eq!(commit.record.version, record.version + 1);
        assert!(commit.notifications.is_empty() && commit.lock.is_none() && commit.claim.is_none());
        commit.record.due_at
    };
    // While TRIGGERING, the outcome of the POST comes first.
    assert_eq!(due(Requested, Some(at(500))), Some(at(9)));
    assert_eq!(due(Triggering, Some(at(500))), Some(at(500)));
    assert_eq!(due(Triggered, Some(at(500))), Some(at(9)));
    assert_eq!(due(Running, Some(at(500))), Some(at(9)));
}

#[test]
fn before_anything_is_sent_a_cancel_is_the_end() {
    let mut record = requested();
    record.due_at = Some(at(500));
    let canceled = accepted(&record, &operator()).record;
    let commit = written(&canceled, at(9));
    assert_eq!(commit.record.state, Canceled);
    let by = ActedBy::Operator {
        name: "root".into(),
    };
    assert_eq!(reason(&commit), &EndReason::CanceledBeforeTrigger { by });
}

#[test]
fn an_intent_without_a_post_is_rolled_back() {
    let canceled = accepted(&triggering(), &operator()).record;
    // This invocation has not sent the POST, so nobody has.
    let commit = written(&canceled, start());
    assert_eq!(commit.record.state, Requested);
    assert_eq!(commit.record.due_at, Some(start()));
    assert_eq!(
        commit.record.last_error.as_deref(),
        Some("it was canceled before it was sent")
    );
    let commit = written(&commit.record, start());
    assert_eq!((commit.record.state, commit.lock), (Canceled, Some(free())));
    // Another invocation cannot know that, and waits.
    assert!(matches!(step(&canceled, &other(), 0, start()), Wait));
}

#[test]
fn a_post_that_created_nothing_is_not_repeated() {
    let canceled = accepted(&triggering(), &operator()).record;
    // Without the cancel, it would be retried after a minute, or given up.
    for after in [Some(60), Some(9_999), None] {
        let commit = posted(&canceled, &not_now(after), at(10)).unwrap();
        assert_eq!(commit.record.state, Requested);
        assert_eq!(commit.record.due_at, Some(at(10)));
        let commit = written(&commit.record, at(10));
        assert_eq!(commit.record.state, Canceled);
        assert!(!commit.record.owes_ticket);
    }
}

#[test]
fn afterwards_each_poll_cancels() {
    for state in [Triggered, Running] {
        let canceled = accepted(&record_in(state), &operator()).record;
        assert!(matches!(
            step(&canceled, &other(), 0, at(9)),
            Read(CiRead::Poll(RunPoll { cancel: true, .. }))
        ));
    }
}

#[test]
fn the_first_cancel_counts() {
    for state in OPEN {
        let canceled = accepted(&theirs(state), &person("U77", "C77", "T012ABCDEF")).record;
        for again in [operator(), person("U88", "C99", "T012ABCDEF")] {
            let CancelDecision::AlreadyRequested(earlier) = decided(&canceled, &again) else {
                panic!("it was not requested before");
            };
            assert_eq!(Some(earlier), canceled.cancel);
        }
    }
}

#[test]
fn what_has_ended_is_not_canceled() {
    for state in DeployState::ALL.into_iter().filter(|s| s.is_terminal()) {
        for action in [operator(), person("U88", "C99", "T012ABCDEF")] {
            assert!(matches!(
                decided(&theirs(state), &action),
                CancelDecision::Ended
            ));
        }
    }
}
