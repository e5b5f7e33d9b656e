//! Chains, valid and tampered with, and the format that may never change.

use super::*;
use crate::deploy::machine;
use crate::deploy::{ActedBy, DeployRecord, DeployRequest};
use crate::fixtures::{
    Random, at, begin_trigger, id, me, pipeline, record_in, request, requested, start,
};

fn first() -> AuditEvent {
    begun(request()).1
}

fn begun(request: DeployRequest) -> (DeployRecord, AuditEvent) {
    let by = AuditActor::User(crate::fixtures::qualified_user());
    let id = (id(), id().short_id(8));
    machine::begin_deploy(id, request, None, at(600), by, start())
}

/// A chain of random length, with its record.
fn chain(random: &mut Random) -> (DeployRecord, Vec<AuditEvent>) {
    let (mut record, mut events) = (requested(), vec![first()]);
    for i in 0..random.below(8) {
        let note = AuditChange::Noted {
            note: format!("note {i}, {}", random.below(1_000)),
        };
        let change = if record.state == DeployState::Requested && random.below(2) == 0 {
            begin_trigger(1)
        } else {
            note
        };
        let now = at(i64::try_from(i).unwrap());
        let (next, event) =
            machine::apply_change(&record, change, AuditActor::Worker(me()), now).unwrap();
        record = next;
        events.push(event);
    }
    (record, events)
}

fn reseal(event: &mut AuditEvent, change: impl Fn(&mut AuditEntry)) {
    let mut entry = event.entry().unwrap();
    change(&mut entry);
    *event = AuditEvent::seal(&entry);
}

/// Changes the chain in one random way that an attacker or an accident could.
fn tamper(random: &mut Random, events: &mut Vec<AuditEvent>) -> &'static str {
    let i = random.below(events.len());
    match random.below(9) {
        0 => {
            let bytes = events[i].body.len();
            let at = random.below(bytes);
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
            let twin = events[random.below(events.len())].clone();
            events.insert(i, twin);
            "one doubled"
        }
        3 if events.len() > 1 => {
            let j = (i + 1 + random.below(events.len() - 1)) % events.len();
            events.swap(i, j);
            "two swapped"
        }
        4 => {
            events.truncate(i);
            "the end cut off"
        }
        5 => {
            events[i].hash = EventHash::of(&events[i].hash.to_string());
            "a hash replaced"
        }
        6 => {
            events[i].n += 1 + random.below(5) as u64;
            "renumbered"
        }
        7 => {
            let other = DeployId::of_retry(events[i].deploy, None);
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
fn ten_thousand_tamperings_are_found_and_no_valid_chain_is_rejected() {
    let mut random = Random(1);
    for round in 0..10_000 {
        let (record, events) = chain(&mut random);
        assert_eq!(verify_chain(record.id, &events, record.last_hash), Ok(()));
        let mut forged = events.clone();
        let how = tamper(&mut random, &mut forged);
        assert_ne!(forged, events, "round {round}: {how}");
        let found = verify_chain(record.id, &forged, record.last_hash);
        assert!(found.is_err(), "round {round}: {how}");
    }
}

#[test]
fn a_chain_sealed_again_as_a_whole_is_found_by_the_record() {
    let mut random = Random(2);
    let (record, mut events) = loop {
        let (record, events) = chain(&mut random);
        if events.len() > 3 {
            break (record, events);
        }
    };
    let mut prev = EventHash::START;
    for event in &mut events {
        reseal(event, |entry| {
            entry.prev = prev;
            entry.at += chrono::TimeDelta::seconds(1);
        });
        prev = event.hash;
    }
    assert_eq!(verify_chain(record.id, &events, prev), Ok(()));
    let n = events.len() as u64 + 1;
    let why = "is missing at the end";
    let broken = BrokenChain { n, why };
    assert_eq!(
        verify_chain(record.id, &events, record.last_hash),
        Err(broken)
    );
}

#[test]
fn another_deploys_chain_is_not_this_ones() {
    let (record, events) = chain(&mut Random(3));
    let other = DeployId::of_retry(record.id, None);
    let broken = verify_chain(other, &events, record.last_hash).unwrap_err();
    insta::assert_snapshot!(broken, @"event 1 belongs to another deploy");
}

#[test]
fn the_format_does_not_change_unnoticed() {
    // A change makes every stored chain unreadable. Without a `user_name`, the form is still that of
    // the first version.
    let (mut record, first) = begun(DeployRequest {
        user_name: None,
        ..request()
    });
    let mut events = vec![first];
    let way = [
        begin_trigger(1),
        AuditChange::OutcomeUnknown {
            because: "a reset".into(),
        },
        AuditChange::Triggered {
            pipeline: pipeline(7),
            matched_by: MatchedBy::DeployId,
        },
        AuditChange::Ended {
            state: DeployState::LostTrack,
            reason: EndReason::Unreadable {
                error: "401 Invalid token".into(),
            },
        },
    ];
    for change in way {
        let (next, event) =
            machine::apply_change(&record, change, AuditActor::Worker(me()), at(1)).unwrap();
        record = next;
        events.push(event);
    }
    verify_chain(id(), &events, record.last_hash).unwrap();
    insta::assert_snapshot!(events[1].body, @r#"{"deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c","n":2,"at":"2027-01-15T08:00:01Z","by":{"kind":"worker","id":"me"},"change":{"kind":"trigger_begun","attempt":1,"intent":{"by":"me","at":"2027-01-15T08:00:00Z","send_by":"2027-01-15T08:00:15Z","unknown_because":null,"slug":{"vcs":"gh","org":"acme","repo":"web"},"deploy_id_parameter":"deploy_id","workflow":["deploy"]},"target":"gh/acme/web/production","config":"0123456789ab"},"state":"TRIGGERING","prev":"6e0f97e7d65eba89ec73d43b7c4a9bfcf7f9252df6bf85a84c088a0478d8f3b8"}"#);
    let hashes: Vec<_> = events.iter().map(|event| event.hash.to_string()).collect();
    insta::assert_snapshot!(hashes.join("\n"), @"
    6e0f97e7d65eba89ec73d43b7c4a9bfcf7f9252df6bf85a84c088a0478d8f3b8
    c889918e3aabc1f9bc31d17a280f88f01bd2d1659cab2df869bae446f498ff30
    e374fa4ee7f3ab725b0d61dfb1014f1852c71d0a27f3d2d6b81ff725c398d5da
    71b327d72f6940186e901f5e0aaf77dc2c525de3040abdde3405b80ecef3f6a0
    8d5bb3584157efb791b07445c784a5727c84a43b7d8b4d8e93c533cf1a624bb7
    ");
}

#[test]
fn the_events_of_people_do_not_change_unnoticed() {
    let bodies = |change: AuditChange, by: AuditActor| {
        let (_, event) =
            machine::apply_change(&record_in(DeployState::Triggering), change, by, at(1)).unwrap();
        let entry = event.entry().unwrap();
        let by = serde_json::to_string(&entry.by).unwrap();
        format!("{by} {}", serde_json::to_string(&entry.change).unwrap())
    };
    let requested = first().entry().unwrap();
    insta::assert_snapshot!(serde_json::to_string(&requested.change).unwrap(), @r#"{"kind":"requested","request":{"team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","project":"web","branch":"main","job":"deploy","environment":"production","requested_at":"2027-01-15T08:00:00Z"},"retry_of":null}"#);
    let canceled = |by: ActedBy| bodies(AuditChange::CancelRequested { by: by.clone() }, by.into());
    insta::assert_snapshot!(canceled(ActedBy::User(crate::fixtures::qualified_user().into())), @r#"{"kind":"user","id":"T012ABCDEF/U012ABCDEF"} {"kind":"cancel_requested","by":{"kind":"user","id":"T012ABCDEF/U012ABCDEF"}}"#);
    insta::assert_snapshot!(canceled(ActedBy::UnsignedUser(crate::fixtures::qualified_user().into())), @r#"{"kind":"unsigned_user","id":"T012ABCDEF/U012ABCDEF"} {"kind":"cancel_requested","by":{"kind":"unsigned_user","id":"T012ABCDEF/U012ABCDEF"}}"#);
    insta::assert_snapshot!(canceled(crate::fixtures::request().requested_by()), @r#"{"kind":"user","id":"T012ABCDEF/U012ABCDEF"} {"kind":"cancel_requested","by":{"kind":"user","id":"T012ABCDEF/U012ABCDEF","name":"ana"}}"#);
    insta::assert_snapshot!(canceled(ActedBy::Operator { name: "root".into() }), @r#"{"kind":"operator","id":"root"} {"kind":"cancel_requested","by":{"kind":"operator","id":"root"}}"#);
    let retried = AuditChange::Retried {
        by: DeployId::of_retry(id(), None),
    };
    let by = AuditActor::Operator("root".into());
    let (_, event) =
        machine::apply_change(&record_in(DeployState::Unresolved), retried, by, at(1)).unwrap();
    insta::assert_snapshot!(event.body, @r#"{"deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c","n":4,"at":"2027-01-15T08:00:01Z","by":{"kind":"operator","id":"root"},"change":{"kind":"retried","by":"43fe04d0-5004-5f14-af3d-0a0cc8bdebf6"},"state":"UNRESOLVED","prev":"4c69f6c24fd67112613cc1b07ba4ce9ba70b72d94706e919c0044b4e9317cb60"}"#);
}

#[test]
fn a_hash_is_64_hexadecimal_digits() {
    let hash = first().hash;
    assert_eq!(EventHash::parse(&hash.to_string()), Some(hash));
    assert_eq!(
        EventHash::parse(&hash.to_string().to_uppercase()),
        Some(hash)
    );
    for wrong in [
        "",
        "0",
        &"0".repeat(63),
        &"0".repeat(65),
        &"+1".repeat(32),
        &"0".repeat(66),
        &"0".repeat(62),
    ] {
        assert_eq!(EventHash::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn every_state_survives_serialization() {
    for state in DeployState::ALL {
        let record = record_in(state);
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<DeployRecord>(&text).unwrap(), record);
    }
}
