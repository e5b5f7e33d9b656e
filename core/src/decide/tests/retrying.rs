//! Trying a deploy again: whether, and what the first transaction of the retry writes.

use super::Retryable::{NeedsConfirm, Open, Ran, Retried, TooOld, Yes};
use super::*;

/// One who presses from another place, under another name.
fn presser() -> Asker {
    Asker {
        team: TeamId::parse("T99").unwrap(),
        channel: ChannelId::parse("C99").unwrap(),
        user: UserId::parse("U99").unwrap(),
        user_name: Some("grace".into()),
        ..asker()
    }
}

fn operator() -> Wisher {
    Wisher::Operator {
        name: "root".into(),
    }
}

fn retry(from: Wisher, confirm: bool, force: bool) -> WishMessage {
    let deploy = DeployRef::Full(id());
    WishMessage {
        asked_at: at(100),
        ..wish(
            from,
            Wish::Retry {
                deploy,
                confirm,
                force,
            },
        )
    }
}

fn opened(old: &Head, cause: Cause<'_>) -> Result<Commit, Illegal> {
    let config = config();
    let me = me();
    let first = Ask {
        user: UserId::parse("U11").unwrap(),
        user_name: None,
        branch: branch("of-another-time"),
        ..requested().ask
    };
    open_retry(old, &first, cause, 8, here(&config, &me, 0, at(120)))
}

/// Every state, and what an order, a wish and a wish with `confirm` come to while it is young.
const TABLE: [(State, [Retryable; 3]); 13] = [
    (State::Requested, [Open, Open, Open]),
    (State::Armed, [Open, Open, Open]),
    (State::Triggered, [Open, Open, Open]),
    (State::Running, [Open, Open, Open]),
    (State::Succeeded, [Ran, Ran, Ran]),
    (State::Failed, [Ran, Ran, Ran]),
    (State::Canceled, [Ran, Ran, Ran]),
    (State::NothingRan, [Ran, Ran, Ran]),
    (State::CiErrored, [Ran, Ran, Ran]),
    (State::TriggerFailed, [Yes, Yes, Yes]),
    (State::Refused, [Ran, Yes, Yes]),
    (State::Unresolved, [Ran, NeedsConfirm, Yes]),
    (State::LostTrack, [Ran, Ran, Ran]),
];

#[test]
fn every_state_under_every_cause_at_every_age() {
    let config = config();
    let me = me();
    let person = || Wisher::Person(presser());
    // The wish, its column, and whether it may be old.
    let wishes = [
        (None, 0, false),
        (Some(retry(person(), false, false)), 1, false),
        (Some(retry(person(), true, false)), 2, false),
        (Some(retry(operator(), false, false)), 1, false),
        (Some(retry(operator(), true, false)), 2, false),
        (Some(retry(operator(), false, true)), 1, true),
        (Some(retry(operator(), true, true)), 2, true),
        // Nobody in Slack can force, whatever a message says.
        (Some(retry(person(), true, true)), 2, false),
    ];
    for (state, row) in TABLE {
        for (wish, column, forced) in &wishes {
            let cause = wish.as_ref().map_or(Cause::Order, Cause::Wish);
            for (age, old) in [(0, false), (86_400, false), (86_401, true), (900_000, true)] {
                for retried in [false, true] {
                    let mut head = head_in(state);
                    head.retried_by = retried.then(|| DeployId::of_retry(head.id));
                    let young = row[*column];
                    let expected = match young {
                        Open | Ran => young,
                        _ if retried => Retried,
                        _ if old && !forced => TooOld,
                        _ => young,
                    };
                    let decided = retryable(&head, cause, here(&config, &me, 0, at(age)));
                    assert_eq!(decided, expected, "{state} {cause:?} {age} {retried}");
                }
            }
        }
    }
}

#[test]
fn who_confirms_an_earlier_link_has_not_looked_for_this_one() {
    let (config, me) = (config(), me());
    let old = head_in(State::Unresolved);
    let confirmed = |deploy| {
        let mut wish = retry(Wisher::Person(presser()), true, false);
        wish.wish = Wish::Retry {
            deploy,
            confirm: true,
            force: false,
        };
        retryable(&old, Cause::Wish(&wish), here(&config, &me, 0, at(120)))
    };
    assert_eq!(confirmed(DeployRef::Short(old.short.clone())), Yes);
    let earlier = DeployId::of_request("T1", "A1", "earlier");
    assert_eq!(confirmed(DeployRef::Full(earlier)), NeedsConfirm);
    assert_eq!(confirmed(DeployRef::Short(earlier.short(8))), NeedsConfirm);
}

#[test]
fn who_confirms_before_it_ended_has_not_looked_in_time() {
    let (config, me) = (config(), me());
    let old = head_in(State::Unresolved);
    let ended = old.end.as_ref().unwrap().at;
    let confirmed = |asked_at| {
        let wish = WishMessage {
            asked_at,
            ..retry(Wisher::Person(presser()), true, false)
        };
        retryable(&old, Cause::Wish(&wish), here(&config, &me, 0, at(200)))
    };
    assert_eq!(confirmed(ended), Yes);
    assert_eq!(confirmed(ended - Duration::from_secs(1)), NeedsConfirm);
}

#[test]
fn a_wish_to_cancel_confirms_nothing() {
    let config = config();
    let me = me();
    let deploy = DeployRef::Full(id());
    let cancel = wish(operator(), Wish::Cancel { deploy });
    let why = |age| {
        let here = here(&config, &me, 0, at(age));
        retryable(&head_in(State::Unresolved), Cause::Wish(&cancel), here)
    };
    assert_eq!((why(0), why(86_401)), (NeedsConfirm, TooOld));
}

#[test]
fn the_retry_of_a_person_is_theirs() {
    let wish = retry(Wisher::Person(presser()), true, false);
    for state in [State::TriggerFailed, State::Refused, State::Unresolved] {
        let old = head_in(state);
        let commit = opened(&old, Cause::Wish(&wish)).unwrap();
        let head = &commit.head;
        assert_eq!((head.state, head.version), (State::Requested, 1));
        assert_eq!(head.id, DeployId::of_retry(old.id));
        assert_eq!(head.short, head.id.short(8));
        assert_eq!(head.retry_of, Some(old.id));
        assert_eq!(head.wished_by, Some(wish.id));
        assert_eq!((head.due_at, head.valid_until), (Some(at(120)), at(700)));
        let presser = presser();
        let expected = Ask {
            team: presser.team,
            channel: presser.channel,
            user: presser.user.clone(),
            user_name: presser.user_name,
            asked_at: at(100),
            ..old.ask.clone()
        };
        assert_eq!(head.ask, expected);
        let by = Actor::Person(presser.user);
        let entry = commit.event.as_ref().unwrap().entry().unwrap();
        assert_eq!(entry.by, by);
        let change = Change::Requested {
            ask: expected,
            retry_of: Some(old.id),
        };
        assert_eq!(entry.change, change);
        let reply = commit.open.as_ref().unwrap();
        assert_eq!((reply.deploy, reply.expires_at), (head.id, at(1_840)));
        assert_eq!(reply.address.as_ref().unwrap().expose(), address().expose());
        assert!(commit.owe.is_empty() && commit.lock.is_none() && commit.claim.is_none());
        the_old_one_says_so(&old, &commit, &by);
    }
}

#[test]
fn an_orders_retry_is_the_first_askers_and_asked_now() {
    let old = head_in(State::TriggerFailed);
    let commit = opened(&old, Cause::Order).unwrap();
    let expected = Ask {
        user: UserId::parse("U11").unwrap(),
        user_name: None,
        asked_at: at(120),
        ..old.ask.clone()
    };
    assert_eq!(commit.head.ask, expected);
    assert_eq!(commit.head.wished_by, None);
    assert_eq!(commit.head.valid_until, at(720));
    let reply = commit.open.as_ref().unwrap();
    assert_eq!(
        (reply.expires_at, reply.address.is_none()),
        (at(1_860), true)
    );
    let by = Actor::Worker(me());
    assert_eq!(commit.event.as_ref().unwrap().entry().unwrap().by, by);
    the_old_one_says_so(&old, &commit, &by);
}

#[test]
fn an_operators_retry_is_the_first_askers_and_the_audit_names_the_operator() {
    let wish = retry(operator(), true, true);
    let old = head_in(State::Unresolved);
    let commit = opened(&old, Cause::Wish(&wish)).unwrap();
    assert_eq!(commit.head.ask.user.as_str(), "U11");
    assert_eq!(commit.head.ask.branch, old.ask.branch);
    assert_eq!(commit.head.ask.asked_at, at(100));
    assert_eq!(commit.head.wished_by, Some(wish.id));
    let reply = commit.open.as_ref().unwrap();
    assert_eq!(
        (reply.expires_at, reply.address.is_none()),
        (at(1_840), true)
    );
    let by = Actor::Operator("root".into());
    assert_eq!(commit.event.as_ref().unwrap().entry().unwrap().by, by);
    the_old_one_says_so(&old, &commit, &by);
}

/// The old deploy's next version: repeated, and nothing left to do about it.
fn the_old_one_says_so(old: &Head, commit: &Commit, by: &Actor) {
    let repeated = commit.repeats.as_ref().unwrap();
    let new = commit.head.id;
    let expected = Head {
        version: old.version + 1,
        events: old.events + 1,
        last_hash: repeated.event.hash,
        retried_by: Some(new),
        owes_order: false,
        due_at: None,
        ..old.clone()
    };
    assert_eq!(repeated.head, expected);
    let entry = repeated.event.entry().unwrap();
    assert_eq!((&entry.by, entry.at), (by, at(120)));
    assert_eq!(
        (entry.change, entry.prev),
        (Change::Retried { by: new }, old.last_hash)
    );
    assert!(!expected.awaits_retry());
}

#[test]
fn an_order_that_was_not_placed_yet_is_not_owed_any_more() {
    let refused = Outcome::Refused {
        status: 404,
        message: "no".into(),
    };
    let old = posted(&armed(), &refused, at(1)).unwrap().head;
    assert!(old.owes_order && old.due_at.is_some());
    assert!(matches!(step(&old, &me(), 0, at(2)), Step::Order));
    let commit = opened(&old, Cause::Order).unwrap();
    let head = commit.repeats.unwrap().head;
    assert_eq!((head.owes_order, head.due_at), (false, None));
    assert!(matches!(step(&head, &me(), 0, at(9_999)), Step::Rest));
    // Whoever was about to place it writes over the version that both have seen, and loses.
    assert_eq!(order_placed(&old).head.version, head.version);
}

#[test]
fn what_cannot_be_retried_is_illegal() {
    for (state, row) in TABLE {
        let can = row.contains(&Yes);
        let wish = retry(operator(), true, true);
        for cause in [Cause::Order, Cause::Wish(&wish)] {
            let opened = opened(&head_in(state), cause);
            assert_eq!(opened.is_ok(), can, "{state}");
            if let Err(illegal) = opened {
                assert_eq!(illegal.from, state);
            }
        }
    }
}

#[test]
fn the_same_deploy_is_retried_by_one_only() {
    let old = head_in(State::TriggerFailed);
    let wish = retry(Wisher::Person(presser()), false, false);
    let one = opened(&old, Cause::Order).unwrap();
    let other = opened(&old, Cause::Wish(&wish)).unwrap();
    // Both are a first version of the same deploy, over the same version of the old one.
    assert_eq!(one.head.id, other.head.id);
    let version = |commit: Commit| commit.repeats.unwrap().head.version;
    assert_eq!(version(one), version(other));
}
