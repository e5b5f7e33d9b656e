//! Chains, valid and tampered with, and the format that may never change.

use super::links::check_action;
use super::*;
use crate::deploy::machine;
use crate::deploy::{ActedBy, DeployRecord, DeployRequest, RetryOrigin};
use crate::fixtures::{
    Random, at, begin_trigger, id, me, pipeline, record_in, request, requested, start,
};
use crate::id::RequestId;

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

/// What happens in the chains whose form is fixed.
fn way() -> [AuditChange; 4] {
    [
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
    ]
}

/// The same chain as the first version wrote it.
fn earlier_chain() -> Vec<AuditEvent> {
    let request = DeployRequest {
        user_name: None,
        ..request()
    };
    let mut first = begun(request).1;
    reseal(&mut first, |entry| {
        if let AuditChange::Requested { opened, .. } = &mut entry.change {
            *opened = None;
        }
    });
    let mut events = vec![first];
    for change in way() {
        let before = events.last().unwrap().entry().unwrap();
        events.push(AuditEvent::seal(&AuditEntry {
            deploy: id(),
            n: before.n + 1,
            at: at(1),
            by: AuditActor::Worker(me()),
            state: machine::next_state(before.state, &change).unwrap(),
            change,
            revision: None,
            facts: None,
            prev: events.last().unwrap().hash,
        }));
    }
    events
}

/// The chain as it is written now, of a run whose commit has a subject and this revision.
fn present_chain(revision: Option<&str>) -> (DeployRecord, Vec<AuditEvent>) {
    let (mut record, first) = begun(request());
    let mut events = vec![first];
    for change in way() {
        if let Some(run) = &mut record.run {
            run.revision = revision.map(str::to_owned);
            run.subject = Some("Fix the cart".into());
        }
        let (next, event) =
            machine::apply_change(&record, change, AuditActor::Worker(me()), at(1)).unwrap();
        record = next;
        events.push(event);
    }
    (record, events)
}

#[test]
fn the_format_does_not_change_unnoticed() {
    // A change makes every stored chain unreadable. Without a `user_name`, the form is still that of
    // the first version.
    let events = earlier_chain();
    let last = events.last().unwrap().hash;
    verify_chain(id(), &events, last).unwrap();
    let replayed = replay(&events).unwrap();
    assert!(replayed.is_earlier);
    // What no event of that version says is what the record says.
    let mut stored = DeployRecord {
        valid_until: at(777),
        retry_root: Some(DeployId::of_retry(id(), None)),
        ..replayed.record.clone()
    };
    if let Some(run) = &mut stored.run {
        run.revision = Some("0123".into());
        run.subject = Some("Fix".into());
    }
    assert_eq!(check_record(&stored, &replayed), []);
    stored.run.as_mut().unwrap().pipeline.number += 1;
    assert_eq!(check_record(&stored, &replayed).len(), 1);
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
fn the_present_format_does_not_change_unnoticed() {
    let (record, events) = present_chain(Some("0123456789abcdef"));
    let replayed = replay(&events).unwrap();
    assert_eq!(check_record(&record, &replayed), []);
    assert_eq!(replayed.record.revision(), Some("0123456789abcdef"));
    insta::assert_snapshot!(events[0].body, @r#"{"deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c","n":1,"at":"2027-01-15T08:00:00Z","by":{"kind":"user","id":"T012ABCDEF/U012ABCDEF"},"change":{"kind":"requested","request":{"team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","project":"web","branch":"main","job":"deploy","environment":"production","requested_at":"2027-01-15T08:00:00Z"},"retry_of":null,"opened":{"short_id":"f643ce10","valid_until":"2027-01-15T08:10:00Z"}},"state":"REQUESTED","prev":"0000000000000000000000000000000000000000000000000000000000000000"}"#);
    insta::assert_snapshot!(events[4].body, @r#"{"deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c","n":5,"at":"2027-01-15T08:00:01Z","by":{"kind":"worker","id":"me"},"change":{"kind":"ended","state":"LOST_TRACK","reason":{"kind":"unreadable","error":"401 Invalid token"}},"state":"LOST_TRACK","revision":"0123456789abcdef","facts":{"subject":"Fix the cart"},"prev":"6ac8c464379ebe2dd7debc34eeec33160bfab216c149d2f65bd75b056a369531"}"#);
    let hashes: Vec<_> = events.iter().map(|event| event.hash.to_string()).collect();
    insta::assert_snapshot!(hashes.join("\n"), @"
    db147de78a3e6c3f5aff85e6d793fc6127626c2e51b5081c6697f208ce01f361
    8b8092a191eeada2ce2bd5d70616b38680e572c6119c9aea557b1fe37c37423b
    580798be69908a06cebf43bc00e676045c384185c964e51c5dfd4564e7b64a0f
    6ac8c464379ebe2dd7debc34eeec33160bfab216c149d2f65bd75b056a369531
    9f41848e42f21455afa727e3c4f2714878bc990c9a5b6f154d84577b406d0c88
    ");
}

#[test]
fn what_was_learned_without_the_commit_is_replayed() {
    let (record, events) = present_chain(None);
    let replayed = replay(&events).unwrap();
    assert_eq!(check_record(&record, &replayed), []);
    assert_eq!(replayed.record.run, record.run);
}

#[test]
fn the_record_of_an_action_has_to_be_the_one_that_its_deploy_names() {
    let key = RequestId::of_request("T1", "A1", "retry");
    let body = "the record, as it was written";
    let origin = RetryOrigin {
        of: id(),
        root: id(),
        request: Some(key),
        unresolved_before: None,
        action: Some(EventHash::of(body)),
    };
    let retry = (DeployId::of_retry(id(), Some(key)), id().short_id(16));
    let by = AuditActor::User(crate::fixtures::qualified_user());
    let first = machine::begin_deploy(retry, request(), Some(origin), at(600), by, start()).1;
    let owner = replay(&[first]).unwrap();
    let key = key.to_string();
    assert_eq!(check_action(&key, body, Some(&owner)), None);
    assert!(check_action(&key, "another", Some(&owner)).is_some());
    assert!(check_action("another", body, Some(&owner)).is_some());
    assert!(check_action(&key, body, None).is_some());
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
    insta::assert_snapshot!(serde_json::to_string(&requested.change).unwrap(), @r#"{"kind":"requested","request":{"team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","user_name":"ana","project":"web","branch":"main","job":"deploy","environment":"production","requested_at":"2027-01-15T08:00:00Z"},"retry_of":null,"opened":{"short_id":"f643ce10","valid_until":"2027-01-15T08:10:00Z"}}"#);
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
    insta::assert_snapshot!(event.body, @r#"{"deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c","n":4,"at":"2027-01-15T08:00:01Z","by":{"kind":"operator","id":"root"},"change":{"kind":"retried","by":"43fe04d0-5004-5f14-af3d-0a0cc8bdebf6"},"state":"UNRESOLVED","prev":"d7260e54e495b12cb43b9b843c07ea975449cb158b1dcd996b2f02758e646119"}"#);
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
