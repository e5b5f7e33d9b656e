//! The one POST, and what each outcome of it means.

use super::*;

#[test]
fn only_the_one_who_armed_sends_and_only_once() {
    let head = armed();
    let Step::Post(order) = step(&head, &me(), 0, start()) else {
        panic!("nothing was sent");
    };
    let parameters: Vec<_> = order.parameters.into_iter().collect();
    let expected = [
        ("deploy_id".to_owned(), Value::from(id().to_string())),
        ("job".to_owned(), Value::from("deploy")),
    ];
    assert_eq!(parameters, expected);
    assert_eq!(
        (order.branch, order.slug),
        (branch("main"), crate::fixtures::slug())
    );
    assert!(matches!(step(&head, &me(), 1, start()), Step::Rest));
    assert!(matches!(step(&head, &other(), 0, start()), Step::Rest));
    let attempts = Head {
        attempts: 2,
        ..head
    };
    assert!(matches!(step(&attempts, &me(), 1, start()), Step::Post(_)));
}

#[test]
fn it_is_sent_only_with_time_left_to_hear_the_answer() {
    assert!(matches!(step(&armed(), &me(), 0, at(5)), Step::Post(_)));
    // Without, the one who armed knows that nothing was sent, and takes the intent back.
    let commit = written(&armed(), at(6));
    assert_eq!(commit.head.state, State::Requested);
    assert_eq!((commit.lock, commit.head.due_at), (None, Some(at(6))));
    assert_eq!(commit.head.holds, Some(target()));
    // Anybody else does not know it.
    assert!(matches!(step(&armed(), &other(), 0, at(14)), Step::Rest));
    assert!(matches!(
        step(&armed(), &other(), 0, at(15)),
        Step::Search(_)
    ));
}

#[test]
fn it_is_never_sent_once_the_command_is_stale() {
    let mut head = requested();
    head.valid_until = at(2);
    let head = written(&head, at(1)).head;
    assert!(matches!(step(&head, &me(), 0, at(2)), Step::Post(_)));
    let commit = written(&head, at(3));
    assert_eq!(commit.head.state, State::Requested);
    assert_eq!(
        written(&commit.head, at(3)).head.state,
        State::TriggerFailed
    );
}

#[test]
fn created_is_triggered_and_claims_the_pipeline() {
    let commit = posted(&armed(), &Outcome::Created(pipeline(7)), at(2)).unwrap();
    let run = commit.head.run.unwrap();
    assert_eq!(
        (run.pipeline, run.proof, run.since),
        (pipeline(7), Proof::Answer, at(2))
    );
    assert_eq!(commit.head.state, State::Triggered);
    assert_eq!(commit.claim, Some(pipeline(7).id));
    assert_eq!((commit.lock, commit.head.holds), (None, Some(target())));
    assert_eq!(commit.head.due_at, Some(at(7)));
}

#[test]
fn not_now_takes_the_intent_back_and_waits_as_long_as_asked() {
    for (asked, wait) in [(Some(77), 77), (None, 5), (Some(0), 5), (Some(594), 594)] {
        let commit = posted(&armed(), &not_now(asked), at(5)).unwrap();
        let head = commit.head;
        assert_eq!(
            (head.state, head.due_at),
            (State::Requested, Some(at(5 + wait)))
        );
        assert_eq!((commit.lock, head.holds), (None, Some(target())));
        assert!(commit.owe.is_empty() && commit.claim.is_none());
    }
}

#[test]
fn not_now_waits_longer_from_try_to_try() {
    let config = config();
    let waits: Vec<_> = [1, 2, 3, 4, 9]
        .into_iter()
        .map(|attempts| {
            let head = Head {
                attempts,
                ..armed()
            };
            let me = me();
            let here = here(&config, &me, attempts, start());
            let commit = after_post(&head, attempts, &not_now(None), here).unwrap();
            (commit.unwrap().head.due_at.unwrap() - start()).as_seconds_f64()
        })
        .collect();
    assert_eq!(waits, [5.0, 7.5, 11.25, 16.875, 60.0]);
}

#[test]
fn not_now_until_it_is_stale_ends_at_once() {
    for asked in [Some(595), Some(86_400), Some(u64::MAX)] {
        let commit = posted(&armed(), &not_now(asked), at(5)).unwrap();
        assert_eq!(commit.head.state, State::TriggerFailed);
        assert!(matches!(
            reason(&commit),
            Reason::TriggerGaveUp { attempts: 1, .. }
        ));
        assert_eq!((commit.lock, commit.owe), (Some(free()), vec![Kind::Final]));
        assert!(commit.head.owes_order);
    }
}

#[test]
fn the_first_401_is_tried_again_at_once_and_the_second_ends() {
    let refused = Outcome::Unauthorized {
        message: "Invalid token".into(),
    };
    let commit = posted(&armed(), &refused, at(2)).unwrap();
    assert_eq!(commit.head.state, State::Requested);
    assert_eq!(
        (commit.head.due_at, commit.head.token_refused),
        (Some(at(2)), true)
    );
    let again = written(&commit.head, at(2));
    assert_eq!((again.head.attempts, again.head.looks), (2, 0));
    let config = config();
    let commit = after_post(&again.head, 2, &refused, here(&config, &me(), 2, at(3)));
    let commit = commit.unwrap().unwrap();
    assert_eq!(commit.head.state, State::TriggerFailed);
    assert!(matches!(
        reason(&commit),
        Reason::TriggerRefused { status: 401, .. }
    ));
}

#[test]
fn a_definite_refusal_ends_it() {
    for status in [400, 403, 404, 422] {
        let message = "no".to_owned();
        let commit = posted(&armed(), &Outcome::Refused { status, message }, at(2)).unwrap();
        assert_eq!(commit.head.state, State::TriggerFailed);
        assert_eq!((commit.lock.clone(), commit.claim), (Some(free()), None));
        assert_eq!(commit.owe, [Kind::Final]);
        let expected = Reason::TriggerRefused {
            status,
            message: "no".into(),
        };
        assert_eq!(reason(&commit), &expected);
    }
}

#[test]
fn a_failed_trigger_owes_the_order_until_it_is_placed() {
    let refused = Outcome::Refused {
        status: 404,
        message: "no".into(),
    };
    let head = posted(&armed(), &refused, at(2)).unwrap().head;
    assert!(head.owes_order && head.is_due(at(2)));
    assert!(matches!(step(&head, &other(), 0, at(2)), Step::Order));
    let commit = order_placed(&head);
    assert_eq!((commit.head.owes_order, commit.head.due_at), (false, None));
    assert_eq!(
        (commit.head.version, commit.event),
        (head.version + 1, None)
    );
    assert!(matches!(
        step(&commit.head, &other(), 0, at(9_999)),
        Step::Rest
    ));
}

#[test]
fn unknown_is_doubted_then_searched_for_and_never_sent_again() {
    let commit = posted(&armed(), &unknown(), at(2)).unwrap();
    let head = commit.head;
    assert_eq!((head.state, head.due_at), (State::Armed, Some(at(7))));
    assert_eq!(head.armed.as_ref().unwrap().doubt.as_deref(), Some("503"));
    assert!(commit.lock.is_none() && commit.owe.is_empty());
    for run in [me(), other()] {
        assert!(matches!(step(&head, &run, 0, at(3)), Step::Rest));
        let Step::Search(search) = step(&head, &run, 0, at(7)) else {
            panic!("{run:?} does not search");
        };
        let proof = Some(("deploy_id".to_owned(), id().to_string()));
        assert_eq!((search.proof, search.since), (proof, start()));
    }
}

#[test]
fn an_answer_that_comes_after_another_run_has_concluded_is_noted_or_nothing() {
    let created = Outcome::Created(pipeline(7));
    for state in State::ALL {
        let head = match state {
            State::Armed => continue,
            _ => head_in(state),
        };
        for outcome in [not_now(None), unknown()] {
            assert!(posted(&head, &outcome, at(30)).is_none(), "{state}");
        }
        match posted(&head, &created, at(30)) {
            None => assert_eq!(head.run.as_ref().unwrap().pipeline, pipeline(7)),
            Some(commit) => {
                assert!(head.run.is_none(), "{state}");
                let note = commit.event.unwrap().entry().unwrap().change;
                assert!(matches!(note, Change::Noted { .. }));
                assert_eq!(
                    (commit.head.state, commit.head.due_at),
                    (state, head.due_at)
                );
                assert_eq!((commit.lock, commit.claim), (None, None));
            }
        }
        let stranger = Outcome::Created(pipeline(8));
        assert!(posted(&head, &stranger, at(30)).is_some());
    }
    // Armed by another, or for another attempt, is not this run's either.
    let config = config();
    let (other, me) = (other(), me());
    let theirs = here(&config, &other, 1, at(2));
    let commit = after_post(&armed(), 1, &created, theirs).unwrap().unwrap();
    assert_eq!(commit.head.state, State::Armed);
    let later = Head {
        attempts: 2,
        ..armed()
    };
    let mine = here(&config, &me, 1, at(2));
    let commit = after_post(&later, 1, &created, mine).unwrap().unwrap();
    assert_eq!(commit.head.state, State::Armed);
}

#[test]
fn an_answer_in_time_counts_even_while_others_search() {
    let head = searched(&armed(), &absent(), at(20)).head;
    let commit = posted(&head, &Outcome::Created(pipeline(7)), at(21)).unwrap();
    assert_eq!(commit.head.state, State::Triggered);
}

#[test]
fn a_second_attempt_keeps_the_lock_of_the_first() {
    let tried = posted(&armed(), &not_now(None), start()).unwrap().head;
    let text = crate::fixtures::CONFIG.replace("production", "staging");
    let moved = Config::parse(&text, "chatops.toml").unwrap();
    let step = next(&tried, here(&moved, &me(), 0, at(60))).unwrap();
    let Step::Write(commit) = step else {
        panic!("{step:?}");
    };
    // What is held is what will be freed.
    assert_eq!(commit.head.holds, Some(target()));
}
