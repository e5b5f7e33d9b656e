//! Looking the pipeline up.

use super::*;

/// A deploy whose POST has an unknown outcome.
fn in_doubt() -> Follower {
    Follower::new(posted(&triggering(), &unknown(), at(2)).unwrap().record)
}

impl Follower {
    fn look_up(&mut self, result: &LookupResult) {
        self.reserve();
        let commit = looked_up(&self.record, result, self.now);
        self.take(commit);
    }
}

#[test]
fn found_is_triggered_and_claims_the_pipeline() {
    let commit = looked_up(&triggering(), &LookupResult::Found(pipeline(7)), at(20));
    assert_eq!(commit.record.state, Triggered);
    assert_eq!(commit.record.run.unwrap().matched_by, MatchedBy::DeployId);
    assert_eq!(commit.claim, Some(pipeline(7).id));
    assert_eq!(commit.record.reads, ReadEfforts::default());
}

#[test]
fn absent_ends_it_after_the_lookup_timeout_and_not_before() {
    let mut follower = in_doubt();
    while !follower.record.state.is_terminal() {
        follower.look_up(&absent());
    }
    assert_eq!(follower.record.state, Unresolved);
    // The first lookup comes five seconds after the POST, and the timeout counts from it.
    let took = (follower.now - start()).num_seconds();
    assert!((127..132).contains(&took), "{took}");
    let expected = EndReason::OutcomeUnknown {
        because: "503".into(),
        candidates: vec![pipeline(8)],
    };
    assert_eq!(follower.reason(), &expected);
    let (target, until) = (target(), follower.now + secs(900));
    assert_eq!(follower.locks, [LockChange::Expire { target, until }]);
    assert_eq!(follower.record.due_at, None);
    assert!(!follower.record.owes_ticket);
}

#[test]
fn absent_counts_efforts_and_not_the_clock() {
    let mut follower = in_doubt();
    // Seven planned pauses are as long as the timeout, whatever passes between them.
    for days in 1..7 {
        follower.now = at(days * 86_400);
        follower.look_up(&absent());
        assert_eq!(follower.record.state, Triggering, "{days}");
    }
}

#[test]
fn failed_lookups_prove_nothing_and_are_given_up_late() {
    let mut follower = in_doubt();
    while !follower.record.state.is_terminal() {
        follower.fail("503");
    }
    let took = (follower.now - start()).num_seconds();
    assert!((900..980).contains(&took), "{took}");
    assert!(follower.polls >= 5);
    assert_eq!(follower.record.state, Unresolved);
    let EndReason::OutcomeUnknown {
        because,
        candidates,
    } = follower.reason()
    else {
        panic!("{:?}", follower.record);
    };
    assert!(candidates.is_empty());
    assert_eq!(because, "503");
    // Without a word of the sender:
    let mut follower = Follower::new(triggering());
    follower.now = at(15);
    while !follower.record.state.is_terminal() {
        follower.fail("503");
    }
    let EndReason::OutcomeUnknown { because, .. } = follower.reason() else {
        panic!("{:?}", follower.record);
    };
    assert_eq!(because, "the sender stopped before it could say");
}

#[test]
fn fewer_than_five_failures_give_nothing_up_however_long_their_pauses() {
    let config = config::Config {
        timeouts: config::Timeouts {
            lookup_give_up: secs(300),
            ..config::Timeouts::default()
        },
        ..config()
    };
    let mut follower = in_doubt();
    for failures in 1..=5 {
        follower.reserve();
        let me = me();
        let context = ctx(&config, &me, 0, follower.now);
        let asked = Some(secs(86_400));
        let commit = after_failed_lookup(&follower.record, "429", asked, context);
        follower.take(commit.unwrap().unwrap());
        assert_eq!(follower.record.state.is_terminal(), failures == 5);
    }
}

#[test]
fn one_empty_list_breaks_a_series_of_failures() {
    let mut follower = in_doubt();
    for _ in 0..4 {
        follower.fail("503");
    }
    follower.look_up(&absent());
    assert_eq!(follower.record.reads.failed, None);
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
        let failed = after_failed_lookup(&record, "no", None, ctx).unwrap();
        assert!(failed.is_none());
    }
}
