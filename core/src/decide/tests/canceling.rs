//! A wish to cancel: who may, what is written, and what becomes of it.

use super::*;

const OPEN: [State; 4] = [
    State::Requested,
    State::Armed,
    State::Triggered,
    State::Running,
];

fn person(user: &str, channel: &str, team: &str) -> WishMessage {
    cancel_by(Wisher::Person(Asker {
        team: TeamId::parse(team).unwrap(),
        channel: ChannelId::parse(channel).unwrap(),
        user: UserId::parse(user).unwrap(),
        ..asker()
    }))
}

fn cancel_by(from: Wisher) -> WishMessage {
    let deploy = DeployRef::Full(id());
    wish(from, Wish::Cancel { deploy })
}

fn operator() -> WishMessage {
    cancel_by(Wisher::Operator {
        name: "root".into(),
    })
}

/// A deploy that somebody without any right asked for.
fn theirs(state: State) -> Head {
    let mut head = head_in(state);
    head.ask.user = UserId::parse("U77").unwrap();
    head
}

fn decided(head: &Head, wish: &WishMessage) -> Cancel {
    let config = config();
    let me = me();
    cancel(head, wish, here(&config, &me, 0, at(9))).unwrap()
}

fn accepted(head: &Head, wish: &WishMessage) -> Commit {
    match decided(head, wish) {
        Cancel::Write(commit) => *commit,
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
            let wish = CancelWish {
                by: By::Person(user.clone()),
                at: at(9),
            };
            assert_eq!(
                (commit.head.state, &commit.head.cancel),
                (state, &Some(wish))
            );
            let entry = commit.event.unwrap().entry().unwrap();
            assert_eq!(entry.by, Actor::Person(user.clone()));
            let by = By::Person(user);
            assert_eq!(entry.change, Change::CancelWished { by });
        }
        let commit = accepted(&head, &operator());
        let entry = commit.event.unwrap().entry().unwrap();
        assert_eq!(entry.by, Actor::Operator("root".into()));
    }
}

#[test]
fn nobody_else_may() {
    let rule = |wish: &WishMessage| match decided(&theirs(State::Running), wish) {
        Cancel::Denied(refusal) => serde_json::to_value(refusal).unwrap()["rule"].clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(rule(&person("U88", "C012ABCDEF", "T012ABCDEF")), "person");
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
        assert_eq!(commit.head.version, head.version + 1);
        assert!(commit.owe.is_empty() && commit.lock.is_none() && commit.claim.is_none());
        commit.head.due_at
    };
    // What waits is looked at now; whoever has armed comes to an end of their own first.
    assert_eq!(due(State::Requested, Some(at(500))), Some(at(9)));
    assert_eq!(due(State::Armed, Some(at(500))), Some(at(500)));
    assert_eq!(due(State::Triggered, Some(at(500))), Some(at(9)));
    assert_eq!(due(State::Running, Some(at(500))), Some(at(9)));
}

#[test]
fn before_anything_is_sent_the_wish_is_the_end() {
    let mut head = requested();
    head.due_at = Some(at(500));
    let wished = accepted(&head, &operator()).head;
    let commit = written(&wished, at(9));
    assert_eq!(commit.head.state, State::Canceled);
    let by = By::Operator("root".into());
    assert_eq!(reason(&commit), &Reason::CanceledBefore { by });
}

#[test]
fn an_intent_that_was_not_carried_out_is_taken_back() {
    let wished = accepted(&armed(), &operator()).head;
    // The one who armed has not sent, so certainly nobody has.
    let commit = written(&wished, start());
    assert_eq!(commit.head.state, State::Requested);
    assert_eq!(commit.head.due_at, Some(start()));
    assert_eq!(
        commit.head.last_obstacle.as_deref(),
        Some("it was canceled before it was sent")
    );
    let commit = written(&commit.head, start());
    assert_eq!(
        (commit.head.state, commit.lock),
        (State::Canceled, Some(free()))
    );
    // Nobody else can know that, and waits.
    assert!(matches!(step(&wished, &other(), 0, start()), Step::Rest));
}

#[test]
fn a_post_that_created_nothing_is_not_repeated() {
    let wished = accepted(&armed(), &operator()).head;
    // Without the wish it would be tried again after a minute, or given up.
    for after in [Some(60), Some(9_999), None] {
        let commit = posted(&wished, &not_now(after), at(10)).unwrap();
        assert_eq!(commit.head.state, State::Requested);
        assert_eq!(commit.head.due_at, Some(at(10)));
        let commit = written(&commit.head, at(10));
        assert_eq!(commit.head.state, State::Canceled);
        assert!(!commit.head.owes_order);
    }
}

#[test]
fn afterwards_each_look_takes_the_wish_along() {
    for state in [State::Triggered, State::Running] {
        let wished = accepted(&head_in(state), &operator()).head;
        assert!(matches!(
            step(&wished, &other(), 0, at(9)),
            Step::Look { cancel: true, .. }
        ));
    }
}

#[test]
fn the_first_wish_counts() {
    for state in OPEN {
        let wished = accepted(&theirs(state), &person("U77", "C77", "T012ABCDEF")).head;
        for again in [operator(), person("U88", "C99", "T012ABCDEF")] {
            let Cancel::Wished(earlier) = decided(&wished, &again) else {
                panic!("it was not wished before");
            };
            assert_eq!(Some(earlier), wished.cancel);
        }
    }
}

#[test]
fn what_has_ended_is_not_canceled() {
    for state in State::ALL.into_iter().filter(|s| s.is_terminal()) {
        for wish in [operator(), person("U88", "C99", "T012ABCDEF")] {
            assert!(matches!(decided(&theirs(state), &wish), Cancel::Ended));
        }
    }
}
