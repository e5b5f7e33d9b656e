//! Chains, whole and tampered with, and the format that may never change.

use super::*;
use crate::deploy::{Ask, By, Head};
use crate::fixtures::{Dice, arming, ask, at, head_in, id, me, pipeline, requested, start, user};
use crate::machine;

fn first() -> Event {
    begun(ask()).1
}

fn begun(ask: Ask) -> (Head, Event) {
    let by = Actor::Person(user());
    let id = (id(), id().short(8));
    machine::begin(id, ask, None, at(600), by, start())
}

/// A chain of some length, with its head.
fn chain(dice: &mut Dice) -> (Head, Vec<Event>) {
    let (mut head, mut events) = (requested(), vec![first()]);
    for i in 0..dice.below(8) {
        let note = Change::Noted {
            note: format!("note {i}, {}", dice.below(1_000)),
        };
        let change = if head.state == State::Requested && dice.below(2) == 0 {
            arming(1)
        } else {
            note
        };
        let now = at(i64::try_from(i).unwrap());
        let (next, event) = machine::apply(&head, change, Actor::Worker(me()), now).unwrap();
        head = next;
        events.push(event);
    }
    (head, events)
}

fn reseal(event: &mut Event, change: impl Fn(&mut Entry)) {
    let mut entry = event.entry().unwrap();
    change(&mut entry);
    *event = Event::seal(&entry);
}

/// Changes the chain in one random way that an attacker or an accident could.
fn tamper(dice: &mut Dice, events: &mut Vec<Event>) -> &'static str {
    let i = dice.below(events.len());
    match dice.below(9) {
        0 => {
            let bytes = events[i].body.len();
            let at = dice.below(bytes);
            let old = events[i].body.as_bytes()[at];
            let new = if old == b'x' { "y" } else { "x" };
            events[i].body.replace_range(at..=at, new);
            "one character edited"
        }
        1 => {
            events.remove(i);
            "one removed"
        }
        2 => {
            let twin = events[dice.below(events.len())].clone();
            events.insert(i, twin);
            "one doubled"
        }
        3 if events.len() > 1 => {
            let j = (i + 1 + dice.below(events.len() - 1)) % events.len();
            events.swap(i, j);
            "two swapped"
        }
        4 => {
            events.truncate(i);
            "the end cut off"
        }
        5 => {
            let other = Sha256::digest(events[i].hash.0);
            events[i].hash = Hash(other.into());
            "a hash replaced"
        }
        6 => {
            events[i].n += 1 + dice.below(5) as u64;
            "renumbered"
        }
        7 => {
            let other = DeployId::of_retry(events[i].deploy);
            events[i].deploy = other;
            "given to another deploy"
        }
        _ => {
            let later = chrono::TimeDelta::seconds(1);
            reseal(&mut events[i], |entry| entry.at += later);
            "one edited and sealed again"
        }
    }
}

#[test]
fn ten_thousand_tamperings_are_found_and_nobody_is_accused_wrongly() {
    let mut dice = Dice(1);
    for round in 0..10_000 {
        let (head, events) = chain(&mut dice);
        assert_eq!(verify(head.id, &events, head.last_hash), Ok(()));
        let mut forged = events.clone();
        let how = tamper(&mut dice, &mut forged);
        assert_ne!(forged, events, "round {round}: {how}");
        let found = verify(head.id, &forged, head.last_hash);
        assert!(found.is_err(), "round {round}: {how}");
    }
}

#[test]
fn a_chain_sealed_again_as_a_whole_is_found_by_the_head() {
    let mut dice = Dice(2);
    let (head, mut events) = loop {
        let (head, events) = chain(&mut dice);
        if events.len() > 3 {
            break (head, events);
        }
    };
    let mut prev = Hash::START;
    for event in &mut events {
        reseal(event, |entry| {
            entry.prev = prev;
            entry.at += chrono::TimeDelta::seconds(1);
        });
        prev = event.hash;
    }
    assert_eq!(verify(head.id, &events, prev), Ok(()));
    let n = events.len() as u64 + 1;
    let why = "is missing at the end";
    let broken = BrokenChain { n, why };
    assert_eq!(verify(head.id, &events, head.last_hash), Err(broken));
}

#[test]
fn another_deploys_chain_is_not_this_ones() {
    let (head, events) = chain(&mut Dice(3));
    let other = DeployId::of_retry(head.id);
    let broken = verify(other, &events, head.last_hash).unwrap_err();
    insta::assert_snapshot!(broken, @"event 1 belongs to another deploy");
}

#[test]
fn the_format_does_not_change_unnoticed() {
    // Whoever changes this makes every chain that was ever written unreadable. What was written
    // before people had names is still written like this where there is none.
    let (mut head, first) = begun(Ask {
        user_name: None,
        ..ask()
    });
    let mut events = vec![first];
    let way = [
        arming(1),
        Change::Doubted {
            doubt: "a reset".into(),
        },
        Change::Triggered {
            pipeline: pipeline(7),
            proof: Proof::CarriesId,
        },
        Change::Ended {
            state: State::LostTrack,
            reason: Reason::TrackedTooLong,
        },
    ];
    for change in way {
        let (next, event) = machine::apply(&head, change, Actor::Worker(me()), at(1)).unwrap();
        head = next;
        events.push(event);
    }
    verify(id(), &events, head.last_hash).unwrap();
    insta::assert_snapshot!(events[1].body, @r#"{"deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c","n":2,"at":"2027-01-15T08:00:01Z","by":{"who":"worker","id":"me"},"change":{"what":"armed","attempt":1,"armed":{"by":"me","at":"2027-01-15T08:00:00Z","send_by":"2027-01-15T08:00:15Z","doubt":null,"slug":{"vcs":"gh","org":"acme","repo":"web"},"proof_parameter":"deploy_id"},"target":"web/production","config":"0123456789ab"},"state":"ARMED","prev":"8c65520f0c44daf8d2e74c6e091722f260c79139a31f5feb6c25ce1bf4bff02e"}"#);
    let hashes: Vec<_> = events.iter().map(|event| event.hash.to_string()).collect();
    insta::assert_snapshot!(hashes.join("\n"), @"
    8c65520f0c44daf8d2e74c6e091722f260c79139a31f5feb6c25ce1bf4bff02e
    a8f32b5ff3050d1e43e9993f2cba3ca57ff14109b1005bdc32ccae6e483bddab
    1774d30a4154faa8dfb2ab76d5f288b0a47a7bb4d08081c1bdde254e4267b7d9
    c140268632d9b407b5c0ff19f5cf249b5948295fbc1e6ce52a2906a45716287c
    32c46e7f526b63f5141c294f5996ade9927e68e36bc8c7eee52f646d9b77ec23
    ");
}

#[test]
fn the_events_of_people_do_not_change_unnoticed() {
    let bodies = |change: Change, by: Actor| {
        let (_, event) = machine::apply(&head_in(State::Armed), change, by, at(1)).unwrap();
        let entry = event.entry().unwrap();
        let by = serde_json::to_string(&entry.by).unwrap();
        format!("{by} {}", serde_json::to_string(&entry.change).unwrap())
    };
    let requested = first().entry().unwrap();
    insta::assert_snapshot!(serde_json::to_string(&requested.change).unwrap(), @r#"{"what":"requested","ask":{"team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","project":"web","branch":"main","job":"deploy","asked_at":"2027-01-15T08:00:00Z"},"retry_of":null}"#);
    let wished = |by: By| bodies(Change::CancelWished { by: by.clone() }, by.into());
    insta::assert_snapshot!(wished(By::Person(user())), @r#"{"who":"person","id":"U012ABCDEF"} {"what":"cancel_wished","by":{"who":"person","id":"U012ABCDEF"}}"#);
    insta::assert_snapshot!(wished(By::Operator("root".into())), @r#"{"who":"operator","id":"root"} {"what":"cancel_wished","by":{"who":"operator","id":"root"}}"#);
    let retried = Change::Retried {
        by: DeployId::of_retry(id()),
    };
    let by = Actor::Operator("root".into());
    let (_, event) = machine::apply(&head_in(State::Unresolved), retried, by, at(1)).unwrap();
    insta::assert_snapshot!(event.body, @r#"{"deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c","n":4,"at":"2027-01-15T08:00:01Z","by":{"who":"operator","id":"root"},"change":{"what":"retried","by":"9479b4c6-938f-567f-93d7-1977077fdc7f"},"state":"UNRESOLVED","prev":"b6348881c0eb3e7c4bc1ec4fd5271f49543c5b7d4e53adbacf84d06ee788e2e1"}"#);
}

#[test]
fn a_hash_is_64_hexadecimal_digits() {
    let hash = first().hash;
    assert_eq!(Hash::parse(&hash.to_string()), Some(hash));
    for wrong in ["", "0", &"0".repeat(63), &"0".repeat(65), &"+1".repeat(32)] {
        assert_eq!(Hash::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn every_state_survives_being_written_down() {
    for state in State::ALL {
        let head = head_in(state);
        let text = serde_json::to_string(&head).unwrap();
        assert_eq!(serde_json::from_str::<Head>(&text).unwrap(), head);
    }
}
