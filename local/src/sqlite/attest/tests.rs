//! Ten thousand random tamperings with the ledgers of real histories, of any stored field: each is found.

use std::collections::BTreeMap;

use chatops_core::audit::finding::Finding;
use chatops_core::audit::unattested::UNATTESTED;
use chatops_core::deploy::DeployRecord;
use chatops_core::release::ReleaseHistory;
use chatops_simulation::crash_points::CrashPoints;
use chatops_simulation::crashes::DELIVERY_PLANS;
use chatops_simulation::scenario;
use chatops_simulation::world::World;
use chatops_testkit::memory::LedgerWrite;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use serde_json::Value as Json;

use super::super::schema::TABLES;
use super::*;

/// The same numbers on every run of a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n as u64).unwrap()
    }
}

/// The ledger of a history, or of its beginning, as this adapter writes it.
pub(crate) fn write_ledger(writes: &[LedgerWrite]) -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(TABLES).unwrap();
    for write in writes {
        match write {
            LedgerWrite::Commit(commit) => ledger::apply_commit(&db, commit).unwrap(),
            LedgerWrite::Notification(one) => {
                notifications::update_notification(&db, one, one.version - 1).unwrap();
            }
            LedgerWrite::Action(action) => {
                ledger::actions::insert_action(&db, action).unwrap();
            }
        }
    }
    db
}

/// What a history writes.
pub(crate) fn history(scenario: &scenario::Scenario) -> Vec<LedgerWrite> {
    let mut world = World::new(&CrashPoints::crash_at(&[]), DELIVERY_PLANS[0]);
    world.ledger.keep_writes();
    (scenario.play)(&mut world);
    world.ledger.kept_writes()
}

/// Everything that is wrong.
pub(crate) fn examine_all(db: &Connection) -> Vec<Finding> {
    let mut findings = tables::examine_file(db).unwrap();
    for deploy in examine_deploys(db, "", 1_000).unwrap() {
        findings.extend(deploy.findings);
    }
    for table in LinkTable::ALL {
        findings.extend(rows::examine_rows(db, table, "", 1_000).unwrap().findings);
    }
    findings
}

/// The tables that are tampered with, with their keys.
const TARGETS: [(&str, &str); 9] = [
    ("deploy", "id"),
    ("event", "deploy"),
    ("short_id", "id"),
    ("pipeline", "id"),
    ("lock", "target"),
    ("notification", "deploy"),
    ("retry_chain", "root"),
    ("action", "id"),
    ("release_history", "target"),
];

type Row = BTreeMap<String, Value>;

fn read_rows(db: &Connection, table: &str) -> Vec<Row> {
    let mut query = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let names: Vec<String> = query.column_names().map(str::to_owned).collect();
    let rows = query.query_map([], |row| {
        let value = |(n, name): (usize, &String)| Ok((name.clone(), row.get(n)?));
        names.iter().enumerate().map(value).collect()
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

fn is_unattested(table: &str, field: &str) -> bool {
    let listed = |one: &&chatops_core::audit::unattested::Unattested| {
        one.table == table
            && (one.field == "*"
                || field == one.field
                || field.starts_with(&format!("{}.", one.field)))
    };
    UNATTESTED.iter().any(|one| listed(&one))
}

/// Writes all rows of a table anew, past every trigger and key of another table.
fn replace_rows(db: &Connection, table: &str, rows: &[Row]) -> rusqlite::Result<()> {
    let sql = "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1";
    let mut query = db.prepare(sql)?;
    let triggers = query.query_map([table], |row| row.get(0))?;
    let triggers: Vec<String> = triggers.collect::<Result<_, _>>()?;
    for trigger in &triggers {
        let name = trigger.split_whitespace().nth(2).unwrap();
        db.execute_batch(&format!("DROP TRIGGER {name}"))?;
    }
    db.execute(&format!("DELETE FROM {table}"), [])?;
    for row in rows {
        let names: Vec<&str> = row.keys().map(String::as_str).collect();
        let holes = vec!["?"; names.len()].join(", ");
        let sql = format!(
            "INSERT INTO {table} ({}) VALUES ({holes})",
            names.join(", ")
        );
        db.execute(&sql, params_from_iter(row.values()))?;
    }
    for trigger in &triggers {
        db.execute_batch(trigger)?;
    }
    Ok(())
}

fn edit_text(text: &str, random: &mut Random) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let other = ['0', '7', 'a', 'f', 'Z', '-'][random.below(6)];
    if letters.is_empty() {
        return other.to_string();
    }
    let place = random.below(letters.len());
    match random.below(3) {
        0 => letters[place] = other,
        1 => letters.insert(place, other),
        _ => drop(letters.remove(place)),
    }
    letters.into_iter().collect()
}

fn edit_value(value: &Value, random: &mut Random) -> Value {
    match value {
        Value::Integer(n) => Value::Integer(n + [1, -1, 1_000_000][random.below(3)]),
        Value::Text(text) => match random.below(8) {
            0 => Value::Null,
            _ => Value::Text(edit_text(text, random)),
        },
        _ => [Value::Integer(7), Value::Text("x".into())][random.below(2)].clone(),
    }
}

/// The paths of all leaves of a JSON text, and of what is empty.
fn leaves(path: &str, json: &Json, all: &mut Vec<String>) {
    let join = |key: &str| format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
    match json {
        Json::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                leaves(&join(key), value, all);
            }
        }
        Json::Array(list) if !list.is_empty() => {
            for (n, value) in list.iter().enumerate() {
                leaves(&join(&n.to_string()), value, all);
            }
        }
        _ => all.push(path.to_owned()),
    }
}

fn edit_json(json: &Json, random: &mut Random) -> Json {
    match json {
        Json::Bool(value) => Json::Bool(!value),
        Json::Number(n) => (n.as_i64().unwrap_or_default() + 1).into(),
        Json::String(text) if random.below(8) > 0 => Json::String(edit_text(text, random)),
        Json::Array(_) => Json::Array(vec!["x".into()]),
        Json::Null => ["x".into(), 3.into(), Json::Bool(true)][random.below(3)].clone(),
        _ => Json::Null,
    }
}

/// Whether a body means the same to this program after it was edited.
fn means_the_same(table: &str, before: &str, after: &str) -> bool {
    fn same<T: serde::de::DeserializeOwned + PartialEq>(before: &str, after: &str) -> bool {
        let read = |text: &str| serde_json::from_str::<T>(text).ok();
        read(before).is_some_and(|before| Some(before) == read(after))
    }
    match table {
        "deploy" => same::<DeployRecord>(before, after),
        "release_history" => same::<ReleaseHistory>(before, after),
        _ => before == after,
    }
}

/// Tampers with the rows of a table in one way, and says how and where; `None` if that would change nothing,
/// or nothing that is attested.
fn tamper(table: &str, key: &str, rows: &mut Vec<Row>, random: &mut Random) -> Option<String> {
    let place = random.below(rows.len());
    let columns: Vec<String> = rows[place].keys().cloned().collect();
    let column = columns[random.below(columns.len())].clone();
    let text = |row: &Row, column: &str| match &row[column] {
        Value::Text(text) => text.clone(),
        _ => String::new(),
    };
    // The record of a refused action changes no deploy.
    let is_refused = |row: &Row| {
        table == "action" && !text(row, "body").contains("\"outcome\":{\"kind\":\"retried\"")
    };
    let expires = |row: &Row| table == "lock" && row["until"] != Value::Null;
    if is_refused(&rows[place]) {
        return None;
    }
    match random.below(6) {
        0 => {
            let old = rows[place][&column].clone();
            let new = edit_value(&old, random);
            let unseen = column == "until" && expires(&rows[place]) && new != Value::Null;
            let body = (column == "body").then(|| (text(&rows[place], "body"), new.clone()));
            let same = body.is_some_and(|(old, new)| match new {
                Value::Text(new) => {
                    means_the_same(table, &old, &new) || is_unattested(table, "body")
                }
                _ => false,
            });
            if old == new || unseen || same {
                return None;
            }
            rows[place].insert(column.clone(), new);
            Some(format!("{table}.{column} changed"))
        }
        1 | 2 => {
            let body = text(
                rows.get(place)?,
                if columns.contains(&"body".to_owned()) {
                    "body"
                } else {
                    key
                },
            );
            let json: Json = serde_json::from_str(&body).ok()?;
            let mut paths = vec![];
            leaves("", &json, &mut paths);
            let path = paths[random.below(paths.len())].clone();
            let field = format!("body{}", path.replace('/', "."));
            if is_unattested(table, &field) {
                return None;
            }
            let mut edited = json.clone();
            let leaf = edited.pointer_mut(&path)?;
            *leaf = edit_json(leaf, random);
            let edited = serde_json::to_string(&edited).unwrap();
            if means_the_same(table, &body, &edited) {
                return None;
            }
            rows[place].insert("body".to_owned(), Value::Text(edited));
            Some(format!("{table}.{field} changed"))
        }
        3 => {
            if expires(&rows[place]) {
                return None;
            }
            rows.remove(place);
            Some(format!("a row of {table} removed"))
        }
        4 => {
            let mut twin = rows[place].clone();
            let new = edit_value(&twin[key], random);
            let is_taken = rows.iter().any(|row| row[key] == new);
            if is_taken || new == Value::Null {
                return None;
            }
            twin.insert(key.to_owned(), new);
            rows.push(twin);
            Some(format!("a row of {table} doubled"))
        }
        _ => {
            let other = random.below(rows.len());
            let (a, b) = (rows[place][&column].clone(), rows[other][&column].clone());
            let unseen = is_unattested(table, &column) || is_refused(&rows[other]);
            if a == b || unseen || column == key {
                return None;
            }
            rows[place].insert(column.clone(), b);
            rows[other].insert(column.clone(), a);
            Some(format!("{table}.{column} of two swapped"))
        }
    }
}

/// Changes the tables themselves.
fn tamper_with_tables(random: &mut Random) -> String {
    let parts = [
        "event_is_not_changed",
        "event_is_not_removed",
        "event_is_not_replaced",
    ];
    let indexes = [
        "deploy_user",
        "deploy_state",
        "deploy_awaiting_retry",
        "notification_due",
    ];
    match random.below(5) {
        0 => format!("DROP TRIGGER {}", parts[random.below(3)]),
        1 => format!("DROP INDEX {}", indexes[random.below(4)]),
        2 => "ALTER TABLE deploy ADD COLUMN more TEXT".to_owned(),
        3 => "CREATE TRIGGER other AFTER INSERT ON event BEGIN SELECT 1; END".to_owned(),
        _ => "DROP TRIGGER event_is_not_removed; CREATE TRIGGER event_is_not_removed BEFORE DELETE ON \
              event WHEN 0 BEGIN SELECT RAISE(ABORT, 'audit events are never removed'); END"
            .to_owned(),
    }
}

/// How many tamperings; `TAMPERINGS` and `TAMPER_SEED` change that.
#[expect(clippy::disallowed_methods, reason = "another seed is tried by hand")]
fn number(variable: &str, usual: u64) -> u64 {
    let set = std::env::var(variable).ok();
    set.and_then(|set| set.parse().ok()).unwrap_or(usual)
}

#[test]
fn every_tampering_is_found_and_no_history_is_suspected() {
    let seed = number("TAMPER_SEED", 1);
    let mut random = Random(seed);
    let mut ledgers = vec![];
    for scenario in scenario::all() {
        let writes = history(&scenario);
        let some = random.below(writes.len() + 1);
        for writes in [&writes[..], &writes[..some]] {
            let db = write_ledger(writes);
            let found = examine_all(&db);
            assert_eq!(found, [], "'{}', {} writes", scenario.name, writes.len());
            ledgers.push((scenario.name, db));
        }
    }
    let (mut kinds, mut missed) = (BTreeMap::<String, usize>::new(), vec![]);
    let (mut done, wanted) = (0, number("TAMPERINGS", 10_000));
    while done < wanted {
        let (name, db) = &ledgers[random.below(ledgers.len())];
        db.execute_batch("SAVEPOINT tamper; PRAGMA defer_foreign_keys = on")
            .unwrap();
        let how = if random.below(50) == 0 {
            let sql = tamper_with_tables(&mut random);
            db.execute_batch(&sql).unwrap();
            Some(sql)
        } else {
            let (table, key) = TARGETS[random.below(TARGETS.len())];
            let mut rows = read_rows(db, table);
            let how = (!rows.is_empty()).then(|| tamper(table, key, &mut rows, &mut random));
            // What the tables do not take is no tampering.
            how.flatten()
                .filter(|_| replace_rows(db, table, &rows).is_ok())
        };
        if let Some(how) = how {
            done += 1;
            if examine_all(db).is_empty() {
                missed.push(format!("'{name}': {how}"));
            }
            *kinds.entry(how).or_default() += 1;
        }
        db.execute_batch("ROLLBACK TO tamper; RELEASE tamper")
            .unwrap();
    }
    let shown = missed
        .iter()
        .take(40)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        missed.is_empty(),
        "seed {seed}: {} of {done} are missed:\n{shown}",
        missed.len()
    );
    assert!(kinds.len() > 100, "{kinds:#?}");
}
