//! Ten thousand ways to tamper with the rows of a real file: all are found, and nobody else is
//! accused.

use chatops_core::audit::stored::RawEvent;
use chatops_core::audit::{Actor, Change, Entry};
use chatops_core::id::Invocation;
use rusqlite::Connection;

use super::super::example::write_file;
use super::*;
use crate::sqlite::guest::Guest;

/// `SplitMix64`: the same rolls on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % below as u64).unwrap()
    }
}

/// Puts another character in the place of one.
fn smudge(text: &mut String, dice: &mut Dice) {
    let mut characters: Vec<char> = text.chars().collect();
    let place = dice.roll(characters.len());
    let other = ['0', '1', 'a', 'f', '"', ' ', '}', 'Z'][dice.roll(8)];
    match dice.roll(3) {
        0 => characters[place] = other,
        1 => characters.insert(place, other),
        _ => drop(characters.remove(place)),
    }
    *text = characters.into_iter().collect();
}

/// A row that is right in itself, as this program would have written it.
fn forged(chain: &Chain, place: usize) -> RawEvent {
    let prev = match place.checked_sub(1) {
        Some(before) => Hash::parse(&chain.events[before].hash).unwrap(),
        None => Hash::START,
    };
    let id = DeployId::parse(&chain.deploy).unwrap();
    let neighbour = chain.events.get(place).or(chain.events.last()).unwrap();
    let neighbour: Entry = serde_json::from_str(&neighbour.body).unwrap();
    let event = Event::seal(&Entry {
        deploy: id,
        n: place as u64 + 1,
        by: Actor::Worker(Invocation::new("forger")),
        change: Change::Noted {
            note: "nothing to see here".to_owned(),
        },
        prev,
        ..neighbour
    });
    RawEvent {
        n: event.n.cast_signed(),
        body: event.body,
        hash: event.hash.to_string(),
    }
}

/// Renumbers the rows as they stand, as the file's key wants it.
fn renumber(chain: &mut Chain) {
    for (n, event) in (1..).zip(&mut chain.events) {
        event.n = n;
    }
}

/// One act of tampering, in the rows of the audit alone.
fn tamper(chain: &mut Chain, others: &[Chain], dice: &mut Dice) -> &'static str {
    let place = dice.roll(chain.events.len());
    let kind = dice.roll(10);
    match kind {
        0 => {
            smudge(&mut chain.events[place].body, dice);
            "edited text"
        }
        1 => {
            smudge(&mut chain.events[place].hash, dice);
            "edited hash"
        }
        2 => {
            // Edited, and hashed anew.
            let forged = forged(chain, place);
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
            let forged = forged(chain, place);
            chain.events.insert(place, forged);
            renumber(chain);
            "inserted"
        }
        6 => {
            let forged = forged(chain, chain.events.len());
            chain.events.push(forged);
            "added at the end"
        }
        7 => {
            let other = dice.roll(chain.events.len());
            chain.events.swap(place, other);
            renumber(chain);
            "two in each other's place"
        }
        8 => {
            let other = &others[dice.roll(others.len())];
            let other = &other.events[dice.roll(other.events.len())];
            chain.events[place].clone_from(other);
            renumber(chain);
            "another deploy's"
        }
        _ => {
            chain.events[place].n += 1 + i64::try_from(dice.roll(50)).unwrap();
            chain.events.sort_by_key(|event| event.n);
            "another number"
        }
    }
}

#[tokio::test]
async fn ten_thousand_tamperings_are_found_and_nobody_else_is_accused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chatops.db");
    write_file(&path, 60).await;
    let guest = Guest::open(&path).unwrap();
    let chains = guest.chains("", 1_000).unwrap();
    assert_eq!(chains.len(), 60);
    for chain in &chains {
        assert_eq!(check(chain), Ok(()));
    }
    let (mut dice, mut done) = (Dice(1), 0);
    let mut kinds = std::collections::BTreeMap::new();
    while done < 10_000 {
        let original = &chains[dice.roll(chains.len())];
        let mut chain = original.clone();
        let kind = tamper(&mut chain, &chains, &mut dice);
        // A swap with itself, or a digit for the same digit, is no tampering.
        if chain == *original {
            assert_eq!(check(&chain), Ok(()));
            continue;
        }
        assert!(check(&chain).is_err(), "{kind}: {chain:#?}");
        *kinds.entry(kind).or_insert(0) += 1;
        done += 1;
    }
    assert_eq!(kinds.len(), 10);
    assert!(kinds.values().all(|n| *n > 500), "{kinds:?}");
}

#[tokio::test]
async fn a_record_that_says_something_else_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chatops.db");
    write_file(&path, 12).await;
    let guest = Guest::open(&path).unwrap();
    let chains = guest.chains("", 100).unwrap();
    let long = chains
        .iter()
        .max_by_key(|chain| chain.events.len())
        .unwrap();
    let why = |change: &dyn Fn(&mut Head)| {
        let mut chain = long.clone();
        let mut head: Head = serde_json::from_str(chain.head.as_ref().unwrap()).unwrap();
        change(&mut head);
        chain.head = Some(serde_json::to_string(&head).unwrap());
        check(&chain).unwrap_err().why
    };
    let succeeded = chatops_core::deploy::State::Succeeded;
    assert!(why(&|head| head.state = succeeded).contains("another state"));
    assert!(why(&|head| head.ask.user_name = None).contains("another command"));
    assert!(why(&|head| head.retry_of = Some(head.id)).contains("another command"));
    assert!(why(&|head| head.events += 1).contains("another number"));
    assert!(why(&|head| head.last_hash = Hash::START).contains("missing at the end"));
    assert!(why(&|head| head.id = DeployId::of_retry(head.id)).contains("another deploy"));
    let gone = Chain {
        head: None,
        ..long.clone()
    };
    assert!(check(&gone).unwrap_err().why.contains("no record"));
}

/// What only a program with the triggers and keys taken out of its way can do to a file.
#[tokio::test]
async fn a_file_that_was_tampered_with_is_summed_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chatops.db");
    write_file(&path, 210).await;
    let whole = all(&Record::file(&path).unwrap(), false).unwrap();
    assert_eq!((whole.deploys, whole.broken), (210, 0));
    let file = Connection::open(&path).unwrap();
    file.execute_batch(
        "PRAGMA foreign_keys = off;
         DROP TRIGGER event_is_not_changed; DROP TRIGGER event_is_not_removed;
         CREATE TABLE first AS SELECT id FROM head ORDER BY id LIMIT 3;
         UPDATE event SET body = replace(body, 'U012ABCDEF', 'U099ABCDEF')
             WHERE deploy = (SELECT id FROM first LIMIT 1) AND n = 1;
         DELETE FROM event WHERE deploy = (SELECT id FROM first LIMIT 1 OFFSET 1);
         DELETE FROM head WHERE id = (SELECT id FROM first LIMIT 1 OFFSET 2);",
    )
    .unwrap();
    let broken = all(&Record::file(&path).unwrap(), false).unwrap();
    assert_eq!((broken.deploys, broken.broken), (210, 3));
    let mut text = Vec::new();
    write(&broken, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let text = anstream::adapter::strip_str(&text).to_string();
    assert!(
        text.contains("event 1 was changed after it was written"),
        "{text}"
    );
    assert!(text.contains("it has events and no record"), "{text}");
    assert!(text.contains("is missing at the end"), "{text}");
    assert!(
        text.ends_with("3 deploys are broken. Compare them with a backup.\n"),
        "{text}"
    );
}
