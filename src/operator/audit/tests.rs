//! Ten thousand ways to tamper with the rows of a real file: each is found.

use chatops_core::audit::stored::StoredEvent;
use chatops_core::audit::{AuditActor, AuditChange, AuditEntry};
use chatops_core::id::InvocationId;
use rusqlite::Connection;

use super::super::example::write_file;
use super::*;
use chatops_local::sqlite::read_only::ReadOnlyDatabase;

/// `SplitMix64`: the same numbers on every run.
struct TamperRng(u64);

impl TamperRng {
    fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % below as u64).unwrap()
    }
}

/// Changes, inserts or removes one character.
fn edit_char(text: &mut String, rng: &mut TamperRng) {
    let mut characters: Vec<char> = text.chars().collect();
    let place = rng.below(characters.len());
    let other = ['0', '1', 'a', 'f', '"', ' ', '}', 'Z'][rng.below(8)];
    match rng.below(3) {
        0 => characters[place] = other,
        1 => characters.insert(place, other),
        _ => drop(characters.remove(place)),
    }
    *text = characters.into_iter().collect();
}

/// A row that is valid in itself, as this program would write it.
fn forged_event(chain: &StoredChain, place: usize) -> StoredEvent {
    let prev = match place.checked_sub(1) {
        Some(before) => EventHash::parse(&chain.events[before].hash).unwrap(),
        None => EventHash::START,
    };
    let id = DeployId::parse(&chain.deploy).unwrap();
    let neighbour = chain.events.get(place).or(chain.events.last()).unwrap();
    let neighbour: AuditEntry = serde_json::from_str(&neighbour.body).unwrap();
    let event = AuditEvent::seal(&AuditEntry {
        deploy: id,
        n: place as u64 + 1,
        by: AuditActor::Worker(InvocationId::new("forger")),
        change: AuditChange::Noted {
            note: "nothing to see here".to_owned(),
        },
        prev,
        ..neighbour
    });
    StoredEvent {
        n: event.n.cast_signed(),
        body: event.body,
        hash: event.hash.to_string(),
    }
}

/// Renumbers the rows in their order, as the table's key needs it.
fn renumber(chain: &mut StoredChain) {
    for (n, event) in (1..).zip(&mut chain.events) {
        event.n = n;
    }
}

/// Tampers with the rows of the audit in one way.
fn tamper(chain: &mut StoredChain, others: &[StoredChain], rng: &mut TamperRng) -> &'static str {
    let place = rng.below(chain.events.len());
    let kind = rng.below(10);
    match kind {
        0 => {
            edit_char(&mut chain.events[place].body, rng);
            "edited text"
        }
        1 => {
            edit_char(&mut chain.events[place].hash, rng);
            "edited hash"
        }
        2 => {
            // Edited, and hashed anew.
            let forged = forged_event(chain, place);
            chain.events[place] = forged;
            "replaced by a forged one"
        }
        3 => {
            chain.events.remove(place);
            "removed"
        }
        4 => {
            chain.events.remove(place);
            renumber(chain);
            "removed, the rest moved up"
        }
        5 => {
            let forged = forged_event(chain, place);
            chain.events.insert(place, forged);
            renumber(chain);
            "inserted"
        }
        6 => {
            let forged = forged_event(chain, chain.events.len());
            chain.events.push(forged);
            "added at the end"
        }
        7 => {
            let other = rng.below(chain.events.len());
            chain.events.swap(place, other);
            renumber(chain);
            "two in each other's place"
        }
        8 => {
            let other = &others[rng.below(others.len())];
            let other = &other.events[rng.below(other.events.len())];
            chain.events[place].clone_from(other);
            renumber(chain);
            "another deploy's"
        }
        _ => {
            chain.events[place].n += 1 + i64::try_from(rng.below(50)).unwrap();
            chain.events.sort_by_key(|event| event.n);
            "another number"
        }
    }
}

#[tokio::test]
async fn ten_thousand_tamperings_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chatops.db");
    write_file(&path, 60).await;
    let database = ReadOnlyDatabase::open(&path).unwrap();
    let chains = database.read_chains("", 1_000).unwrap();
    assert_eq!(chains.len(), 60);
    for chain in &chains {
        assert_eq!(verify_chain(chain), Ok(()));
    }
    let (mut rng, mut done) = (TamperRng(1), 0);
    let mut kinds = std::collections::BTreeMap::new();
    while done < 10_000 {
        let original = &chains[rng.below(chains.len())];
        let mut chain = original.clone();
        let kind = tamper(&mut chain, &chains, &mut rng);
        // A swap with itself, or a digit for the same digit, changes nothing.
        if chain == *original {
            assert_eq!(verify_chain(&chain), Ok(()));
            continue;
        }
        assert!(verify_chain(&chain).is_err(), "{kind}: {chain:#?}");
        *kinds.entry(kind).or_insert(0) += 1;
        done += 1;
    }
    assert_eq!(kinds.len(), 10);
    assert!(kinds.values().all(|n| *n > 500), "{kinds:?}");
}

#[tokio::test]
async fn a_record_that_differs_from_its_events_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chatops.db");
    write_file(&path, 12).await;
    let database = ReadOnlyDatabase::open(&path).unwrap();
    let chains = database.read_chains("", 100).unwrap();
    let long = chains.iter().max_by_key(|chain| chain.events.len());
    let long = long.unwrap();
    let why = |change: &dyn Fn(&mut DeployRecord)| {
        let mut chain = long.clone();
        let mut record: DeployRecord =
            serde_json::from_str(chain.record.as_ref().unwrap()).unwrap();
        change(&mut record);
        chain.record = Some(serde_json::to_string(&record).unwrap());
        verify_chain(&chain).unwrap_err().reason
    };
    let succeeded = chatops_core::deploy::DeployState::Succeeded;
    assert!(why(&|record| record.state = succeeded).contains("another state"));
    assert!(why(&|record| record.request.user_name = None).contains("another request"));
    assert!(why(&|record| record.retry_of = Some(record.id)).contains("another request"));
    assert!(why(&|record| record.events += 1).contains("another number"));
    assert!(why(&|record| record.last_hash = EventHash::START).contains("missing at the end"));
    assert!(
        why(&|record| record.id = DeployId::of_retry(record.id, None)).contains("another deploy")
    );
    let gone = StoredChain {
        record: None,
        ..long.clone()
    };
    let broken = verify_chain(&gone).unwrap_err();
    assert!(broken.reason.contains("no record"));
}

/// Tampering that needs the triggers and keys removed first.
#[tokio::test]
async fn a_tampered_file_is_summed_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chatops.db");
    write_file(&path, 210).await;
    let whole = verify_all(&OperatorStore::open_file(&path).unwrap()).unwrap();
    assert_eq!((whole.deploys, whole.broken), (210, 0));
    let file = Connection::open(&path).unwrap();
    file.execute_batch(
        "PRAGMA foreign_keys = off;
         DROP TRIGGER event_is_not_changed; DROP TRIGGER event_is_not_removed;
         CREATE TABLE first AS SELECT id FROM deploy ORDER BY id LIMIT 3;
         UPDATE event SET body = replace(body, 'U012ABCDEF', 'U099ABCDEF')
             WHERE deploy = (SELECT id FROM first LIMIT 1) AND n = 1;
         DELETE FROM event WHERE deploy = (SELECT id FROM first LIMIT 1 OFFSET 1);
         DELETE FROM deploy WHERE id = (SELECT id FROM first LIMIT 1 OFFSET 2);",
    )
    .unwrap();
    let broken = verify_all(&OperatorStore::open_file(&path).unwrap()).unwrap();
    assert_eq!((broken.deploys, broken.broken), (210, 3));
    let mut text = Vec::new();
    write_summary(&broken, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let text = anstream::adapter::strip_str(&text).to_string();
    for part in [
        "event 1 was changed after it was written",
        "it has events and no record",
        "is missing at the end",
        "3 deploys are broken. Compare them with a backup.\n",
    ] {
        assert!(text.contains(part), "{text}");
    }
}
