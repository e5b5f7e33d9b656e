//! A wish to cancel: who may, what is written, and what becomes of it.

use super::*;

const OPEN: [DeployState; 4] = [
    DeployState::Requested,
    DeployState::Triggering,
    DeployState::Triggered,
    DeployState::Running,
];

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
    wish(from, DeployAction::Cancel { deploy })
}

fn operator() -> ActionMessage {
    cancel_by(ActionRequester::Operator {
        name: "root".into(),
    })
}

/// A deploy that somebody without any right asked for.
fn theirs(state: DeployState) -> DeployRecord {
    let mut head = head_in(state);
    head.request.user = UserId::parse("U77").unwrap();
    head
}

fn decided(head: &DeployRecord, wish: &ActionMessage) -> CancelDecision {
    let config = config();
    let me = me();
    decide_cancel(head, wish, here(&config, &me, 0, at(9))).unwrap()
}

fn accepted(head: &DeployRecord, wish: &ActionMessage) -> Commit {
    match decided(head, wish) {
        CancelDecision::Write(commit) => *commit,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_asker_and_whoever_may_run_the_job_may_cancel_it() {
    for state in OPEN {
        let head = theirs(state);
        for (wish, by) in [
            // The asker may from anywhere, whatever the rules say by now.
            (person("U77", "C77", "T012ABCDEF"), "U77"),
            (
                person("U012ABCDEF", "C012ABCDEF", "T012ABCDEF"),
                "U012ABCDEF",
            ),
        ] {
            let commit = accepted(&head, &wish);
            let user = UserId::parse(by).unwrap();
            let wish = CancelRequest {
                by: ActedBy::User(crate::fixtures::qualify(user.clone())),
                at: at(9),
            };
            assert_eq!(
                (commit.record.state, &commit.record.cancel),
                (state, &Some(wish))
            );
            let entry = commit.event.unwrap().entry().unwrap();
            assert_eq!(
                entry.by,
                AuditActor::User(crate::fixtures::qualify(user.clone()))
            );
            let by = ActedBy::User(crate::fixtures::qualify(user));
            assert_eq!(entry.change, AuditChange::CancelRequested { by });
        }
        let commit = accepted(&head, &operator());
        let entry = commit.event.unwrap().entry().unwrap();
        assert_eq!(entry.by, AuditActor::Operator("root".into()));
    }
}

#[test]
fn nobody_else_may() {
    let rule = |wish: &ActionMessage| match decided(&theirs(DeployState::Running), wish) {
        CancelDecision::Denied(refusal) => serde_json::to_value(refusal).unwrap()["rule"].clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(rule(&person("U88", "C012ABCDEF", "T012ABCDEF")), "user");
    assert_eq!(rule(&person("U012ABCDEF", "C99", "T012ABCDEF")), "channel");
    // The same id in another workspace is somebody else.
    assert_eq!(rule(&person("U77", "C012ABCDEF", "T99")), "team");
}

#[test]
fn when_it_is_due_then() {
    let due = |state, due_at| {
        let mut head = theirs(state);
        head.due_at = due_at;
        let commit = accepted(&head, &operator());
        assert_eq!(commit.record.version, head.version + 1);
        assert!(commit.notifications.is_empty() && commit.lock.is_none() && commit.claim.is_none());
        commit.record.due_at
    };
    // What waits is looked at now; whoever has armed comes to an end of their own first.
    assert_eq!(due(DeployState::Requested, Some(at(500))), Some(at(9)));
    assert_eq!(due(DeployState::Triggering, Some(at(500))), Some(at(500)));
    assert_eq!(due(DeployState::Triggered, Some(at(500))), Some(at(9)));
    assert_eq!(due(DeployState::Running, Some(at(500))), Some(at(9)));
}

#[test]
fn before_anything_is_sent_the_wish_is_the_end() {
    let mut head = requested();
    head.due_at = Some(at(500));
    let wished = accepted(&head, &operator()).record;
    let commit = written(&wished, at(9));
    assert_eq!(commit.record.state, DeployState::Canceled);
    let by = ActedBy::Operator("root".into());
    assert_eq!(reason(&commit), &EndReason::CanceledBeforeTrigger { by });
}

#[test]
fn an_intent_that_was_not_carried_out_is_taken_back() {
    let wished = accepted(&armed(), &operator()).record;
    // The one who armed has not sent, so certainly nobody has.
    let commit = written(&wished, start());
    assert_eq!(commit.record.state, DeployState::Requested);
    assert_eq!(commit.record.due_at, Some(start()));
    assert_eq!(
        commit.record.last_error.as_deref(),
        Some("it was canceled before it was sent")
    );
    let commit = written(&commit.record, start());
    assert_eq!(
        (commit.record.state, commit.lock),
        (DeployState::Canceled, Some(free()))
    );
    // Nobody else can know that, and waits.
    assert!(matches!(
        step(&wished, &other(), 0, start()),
        NextStep::Wait
    ));
}

#[test]
fn a_post_that_created_nothing_is_not_repeated() {
    let wished = accepted(&armed(), &operator()).record;
    // Without the wish it would be tried again after a minute, or given up.
    for after in [Some(60), Some(9_999), None] {
        let commit = posted(&wished, &not_now(after), at(10)).unwrap();
        assert_eq!(commit.record.state, DeployState::Requested);
        assert_eq!(commit.record.due_at, Some(at(10)));
        let commit = written(&commit.record, at(10));
        assert_eq!(commit.record.state, DeployState::Canceled);
        assert!(!commit.record.owes_ticket);
    }
}

#[test]
fn afterwards_each_look_takes_the_wish_along() {
    for state in [DeployState::Triggered, DeployState::Running] {
        let wished = accepted(&head_in(state), &operator()).record;
        assert!(matches!(
            step(&wished, &other(), 0, at(9)),
            NextStep::Poll { cancel: true, .. }
        ));
    }
}

#[test]
fn the_first_wish_counts() {
    for state in OPEN {
        let wished = accepted(&theirs(state), &person("U77", "C77", "T012ABCDEF")).record;
        for again in [operator(), person("U88", "C99", "T012ABCDEF")] {
            let CancelDecision::AlreadyRequested(earlier) = decided(&wished, &again) else {
                panic!("it was not wished before");
            };
            assert_eq!(Some(earlier), wished.cancel);
        }
    }
}

#[test]
fn what_has_ended_is_not_canceled() {
    for state in DeployState::ALL.into_iter().filter(|s| s.is_terminal()) {
        for wish in [operator(), person("U88", "C99", "T012ABCDEF")] {
            assert!(matches!(
                decided(&theirs(state), &wish),
                CancelDecision::Ended
            ));
        }
    }
}
