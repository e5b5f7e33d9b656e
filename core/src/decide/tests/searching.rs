//! Searching for the proof.

use super::*;

#[test]
fn found_is_triggered_and_claims_the_pipeline() {
    let commit = searched(&armed(), &LookupResult::Found(pipeline(7)), at(20));
    assert_eq!(commit.record.state, DeployState::Triggered);
    assert_eq!(commit.record.run.unwrap().matched_by, MatchedBy::DeployId);
    assert_eq!(commit.claim, Some(pipeline(7).id));
}

#[test]
fn absent_ends_it_at_the_horizon_and_not_before() {
    let mut head = posted(&armed(), &unknown(), at(2)).unwrap().record;
    for now in [7, 20, 60, 134] {
        let commit = searched(&head, &absent(), at(now));
        assert_eq!(
            (commit.record.state, commit.event),
            (DeployState::Triggering, None),
            "{now}"
        );
        assert!(commit.record.due_at.unwrap() > at(now));
        head = commit.record;
    }
    let commit = searched(&head, &absent(), at(135));
    assert_eq!(commit.record.state, DeployState::Unresolved);
    let expected = EndReason::OutcomeUnknown {
        because: "503".into(),
        candidates: vec![pipeline(8)],
    };
    assert_eq!(reason(&commit), &expected);
    let expire = LockChange::Expire {
        target: target(),
        until: at(135 + 900),
    };
    assert_eq!(commit.lock, Some(expire));
    assert_eq!(
        (commit.notifications, commit.record.due_at),
        (vec![NotificationKind::Final], None)
    );
    assert!(!commit.record.owes_ticket);
}

#[test]
fn failed_searches_prove_nothing_and_are_given_up_late() {
    let config = config();
    let (head, other) = (armed(), other());
    let failed = |now| after_failed_lookup(&head, None, here(&config, &other, 0, now));
    for now in [20, 135, 500, 914] {
        assert_eq!(
            failed(at(now)).unwrap().unwrap().record.state,
            DeployState::Triggering,
            "{now}"
        );
    }
    let commit = failed(at(915)).unwrap().unwrap();
    assert_eq!(commit.record.state, DeployState::Unresolved);
    let EndReason::OutcomeUnknown {
        because: doubt,
        candidates,
    } = reason(&commit)
    else {
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
    for state in DeployState::ALL
        .into_iter()
        .filter(|s| *s != DeployState::Triggering)
    {
        let head = head_in(state);
        assert!(after_lookup(&head, &absent(), here).unwrap().is_none());
        let found = LookupResult::Found(pipeline(7));
        assert!(after_lookup(&head, &found, here).unwrap().is_none());
        assert!(after_failed_lookup(&head, None, here).unwrap().is_none());
    }
}
