//! Looking the pipeline up.

use super::*;

#[test]
fn found_is_triggered_and_claims_the_pipeline() {
    let commit = looked_up(&triggering(), &LookupResult::Found(pipeline(7)), at(20));
    assert_eq!(commit.record.state, Triggered);
    assert_eq!(commit.record.run.unwrap().matched_by, MatchedBy::DeployId);
    assert_eq!(commit.claim, Some(pipeline(7).id));
}

#[test]
fn absent_ends_it_at_the_lookup_timeout_and_not_before() {
    let mut record = posted(&triggering(), &unknown(), at(2)).unwrap().record;
    for now in [7, 20, 60, 134] {
        let commit = looked_up(&record, &absent(), at(now));
        assert_eq!(
            (commit.record.state, commit.event),
            (Triggering, None),
            "{now}"
        );
        assert!(commit.record.due_at.unwrap() > at(now));
        record = commit.record;
    }
    let commit = looked_up(&record, &absent(), at(135));
    assert_eq!(commit.record.state, Unresolved);
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
        (vec![Final], None)
    );
    assert!(!commit.record.owes_ticket);
}

#[test]
fn failed_lookups_prove_nothing_and_are_given_up_late() {
    let config = config();
    let (record, other) = (triggering(), other());
    let failed = |now| after_failed_lookup(&record, None, ctx(&config, &other, 0, now));
    for now in [20, 135, 500, 914] {
        assert_eq!(
            failed(at(now)).unwrap().unwrap().record.state,
            Triggering,
            "{now}"
        );
    }
    let commit = failed(at(915)).unwrap().unwrap();
    assert_eq!(commit.record.state, Unresolved);
    let EndReason::OutcomeUnknown {
        because,
        candidates,
    } = reason(&commit)
    else {
        panic!("{commit:?}");
    };
    assert!(candidates.is_empty());
    assert_eq!(because, "the sender stopped before it could say");
}

#[test]
fn a_late_lookup_writes_nothing() {
    let config = config();
    let other = other();
    let ctx = ctx(&config, &other, 0, at(9_999));
    for state in DeployState::ALL.into_iter().filter(|s| *s != Triggering) {
        let record = record_in(state);
        assert!(after_lookup(&record, &absent(), ctx).unwrap().is_none());
        let found = LookupResult::Found(pipeline(7));
        assert!(after_lookup(&record, &found, ctx).unwrap().is_none());
        assert!(after_failed_lookup(&record, None, ctx).unwrap().is_none());
    }
}
