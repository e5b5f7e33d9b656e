//! Searching for the proof.

use super::*;

#[test]
fn found_is_triggered_and_claims_the_pipeline() {
    let commit = searched(&armed(), &Finding::Found(pipeline(7)), at(20));
    assert_eq!(commit.head.state, State::Triggered);
    assert_eq!(commit.head.run.unwrap().proof, Proof::CarriesId);
    assert_eq!(commit.claim, Some(pipeline(7).id));
}

#[test]
fn absent_ends_it_at_the_horizon_and_not_before() {
    let mut head = posted(&armed(), &unknown(), at(2)).unwrap().head;
    for now in [7, 20, 60, 134] {
        let commit = searched(&head, &absent(), at(now));
        assert_eq!(
            (commit.head.state, commit.event),
            (State::Armed, None),
            "{now}"
        );
        assert!(commit.head.due_at.unwrap() > at(now));
        head = commit.head;
    }
    let commit = searched(&head, &absent(), at(135));
    assert_eq!(commit.head.state, State::Unresolved);
    let expected = Reason::Unproven {
        doubt: "503".into(),
        candidates: vec![pipeline(8)],
    };
    assert_eq!(reason(&commit), &expected);
    let expire = LockChange::Expire {
        target: target(),
        until: at(135 + 900),
    };
    assert_eq!(commit.lock, Some(expire));
    assert_eq!((commit.owe, commit.head.due_at), (vec![Kind::Final], None));
    assert!(!commit.head.owes_order);
}

#[test]
fn failed_searches_prove_nothing_and_are_given_up_late() {
    let config = config();
    let (head, other) = (armed(), other());
    let failed = |now| after_failed_search(&head, None, here(&config, &other, 0, now));
    for now in [20, 135, 500, 914] {
        assert_eq!(
            failed(at(now)).unwrap().unwrap().head.state,
            State::Armed,
            "{now}"
        );
    }
    let commit = failed(at(915)).unwrap().unwrap();
    assert_eq!(commit.head.state, State::Unresolved);
    let Reason::Unproven { doubt, candidates } = reason(&commit) else {
        panic!("{commit:?}");
    };
    assert!(candidates.is_empty());
    assert_eq!(doubt, "the sender stopped before it could say");
}

#[test]
fn a_search_that_comes_late_says_nothing() {
    let config = config();
    let other = other();
    let here = here(&config, &other, 0, at(9_999));
    for state in State::ALL.into_iter().filter(|s| *s != State::Armed) {
        let head = head_in(state);
        assert!(after_search(&head, &absent(), here).unwrap().is_none());
        let found = Finding::Found(pipeline(7));
        assert!(after_search(&head, &found, here).unwrap().is_none());
        assert!(after_failed_search(&head, None, here).unwrap().is_none());
    }
}
