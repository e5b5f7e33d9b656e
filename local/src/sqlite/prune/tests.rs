//! The ledgers of real histories, pruned: what goes goes whole, and what stays verifies.

use std::collections::BTreeMap;

use chatops_core::id::DeployId;
use chatops_simulation::scenario;
use chrono::{DateTime, TimeDelta};
use rusqlite::Connection;

use super::super::attest::tests::{examine_all, history, write_ledger};
use super::*;

fn long_after() -> (Time, Time) {
    let now = DateTime::from_timestamp(4_000_000_000, 0).unwrap();
    (now - TimeDelta::days(30), now)
}

fn records(db: &Connection) -> Vec<DeployRecord> {
    let mut query = db.prepare("SELECT body FROM deploy ORDER BY id").unwrap();
    let rows = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(|body| serde_json::from_str(&body.unwrap()).unwrap())
        .collect()
}

fn tips(records: &[DeployRecord]) -> BTreeMap<DeployId, ExportedTip> {
    let tip = |record: &DeployRecord| {
        let last_hash = record.last_hash.to_string();
        let events = record.events;
        (record.id, ExportedTip { events, last_hash })
    };
    records.iter().map(tip).collect()
}

fn count(db: &Connection, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    db.query_row(&sql, [], |row| row.get(0)).unwrap()
}

const EXPORT: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// As if later releases had taken the place of these.
fn forget_releases(db: &Connection) {
    db.execute_batch("DELETE FROM release_history").unwrap();
}

/// What is wrong, but for the releases that were forgotten.
fn faults(db: &Connection) -> Vec<String> {
    let found = examine_all(db).into_iter();
    let found = found.map(|finding| format!("{}: {}", finding.deploy, finding.reason));
    found
        .filter(|fault| !fault.contains("is not among the releases"))
        .collect()
}

#[test]
fn what_is_pruned_is_gone_as_a_whole_and_the_rest_verifies() {
    let (removed, chains, reasons) = prune_every_history(false);
    assert!(removed > 20, "{removed} {chains}");
    for why in [Kept::IsRelease, Kept::AwaitsRetry] {
        assert!(reasons.contains_key(&why), "{reasons:?}");
    }
    let (removed, chains, reasons) = prune_every_history(true);
    assert!(removed > 100 && chains > 5, "{removed} {chains}");
    assert!(!reasons.contains_key(&Kept::IsRelease), "{reasons:?}");
}

fn prune_every_history(forgets: bool) -> (usize, usize, BTreeMap<Kept, u64>) {
    let mut reasons = BTreeMap::<Kept, u64>::new();
    let (mut removed, mut chains) = (0, 0);
    for scenario in scenario::all() {
        let mut file = PrunableFile(write_ledger(&history(&scenario)));
        if forgets {
            forget_releases(&file.0);
        }
        let records = records(&file.0);
        let tips = tips(&records);
        let tip = |id| tips.get(&id).cloned();
        for record in &records {
            let before = count(&file.0, "deploy");
            let dry = file
                .prune(record.id, long_after(), &tip, EXPORT, true)
                .unwrap();
            assert_eq!(
                count(&file.0, "deploy"),
                before,
                "a dry run removes nothing"
            );
            let done = file.prune(record.id, long_after(), &tip, EXPORT, false);
            let done = done.unwrap();
            assert_eq!(done, dry);
            match done {
                Ok(pruned) => {
                    removed += pruned.len();
                    chains += usize::from(pruned.len() > 1);
                }
                Err(Kept::Gone) => {}
                Err(kept) => *reasons.entry(kept).or_default() += 1,
            }
            let found = faults(&file.0);
            assert!(found.is_empty(), "'{}': {found:?}", scenario.name);
            assert!(forgets || examine_all(&file.0).is_empty());
        }
        let marks = count(&file.0, "pruned");
        assert_eq!(
            count(&file.0, "deploy") + marks,
            i64::try_from(records.len()).unwrap()
        );
    }
    (removed, chains, reasons)
}

/// A deploy that can be pruned, with its file.
fn prunable() -> (PrunableFile, Vec<DeployRecord>) {
    for scenario in scenario::all() {
        let mut file = PrunableFile(write_ledger(&history(&scenario)));
        forget_releases(&file.0);
        let records = records(&file.0);
        let Some(first) = records.first().map(|record| record.id) else {
            continue;
        };
        let tips = tips(&records);
        let tip = |id| tips.get(&id).cloned();
        if file
            .prune(first, long_after(), &tip, EXPORT, true)
            .unwrap()
            .is_ok_and(|pruned| pruned.len() > 1)
        {
            return (file, records);
        }
    }
    panic!("no history has a chain that can be pruned")
}

#[test]
fn what_changed_since_the_export_stays() {
    let (mut file, records) = prunable();
    let all = tips(&records);
    for changed in &records {
        let id = changed.id;
        let mut tips = all.clone();
        tips.remove(&id);
        let tip = |id| tips.get(&id).cloned();
        let kept = file.prune(records[0].id, long_after(), &tip, EXPORT, false);
        let is_of_chain = kept.unwrap() == Err(Kept::NotExported);
        let mut tips = all.clone();
        tips.get_mut(&id).unwrap().events += 1;
        let tip = |id| tips.get(&id).cloned();
        let kept = file.prune(records[0].id, long_after(), &tip, EXPORT, true);
        assert_eq!(kept.unwrap() == Err(Kept::NotExported), is_of_chain);
    }
    let tip = |id| all.get(&id).cloned();
    let (_, now) = long_after();
    let early = (records[0].request.requested_at, now);
    let kept = file.prune(records[0].id, early, &tip, EXPORT, false);
    assert_eq!(kept.unwrap(), Err(Kept::TooNew));
    assert_eq!(count(&file.0, "pruned"), 0);
}

#[test]
fn an_event_goes_only_with_a_mark_and_a_mark_never() {
    let (mut file, records) = prunable();
    let refused = |db: &Connection, sql: &str| db.execute(sql, []).unwrap_err().to_string();
    let db = &file.0;
    assert_eq!(
        refused(db, "DELETE FROM event"),
        "audit events are never removed"
    );
    let tips = tips(&records);
    let tip = |id| tips.get(&id).cloned();
    let done = file.prune(records[0].id, long_after(), &tip, EXPORT, false);
    assert!(done.unwrap().is_ok());
    for sql in ["DELETE FROM pruned", "UPDATE pruned SET export = ''"] {
        assert_eq!(refused(&file.0, sql), "what was pruned stays known");
    }
}

/// What is stopped in the middle has removed nothing.
#[test]
fn a_transaction_that_is_not_committed_leaves_all() {
    let (file, records) = prunable();
    let tx = file.0.unchecked_transaction().unwrap();
    for record in &records {
        remove(&tx, record, EXPORT, long_after().1).unwrap();
    }
    drop(tx);
    assert_eq!(
        count(&file.0, "deploy"),
        i64::try_from(records.len()).unwrap()
    );
    assert_eq!(faults(&file.0), [""; 0]);
}
