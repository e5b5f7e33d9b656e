//! The tables, triggers and indexes of a file, compared with those that this program makes.

use std::collections::BTreeMap;

use chatops_core::audit::finding::Finding;
use rusqlite::Connection;

use super::super::failure::FileResult;
use super::super::schema::TABLES;

/// How many faults SQLite looks for.
const MAX_FAULTS: u32 = 20;

/// What a file consists of: the text of each trigger and index, and the columns of each table, by kind and
/// name.
type Parts = BTreeMap<(String, String), String>;

pub(super) fn examine_file(db: &Connection) -> FileResult<Vec<Finding>> {
    let fresh = Connection::open_in_memory()?;
    fresh.execute_batch(TABLES)?;
    let (expected, stored) = (parts(&fresh)?, parts(db)?);
    let mut findings = vec![];
    for ((kind, name), text) in &expected {
        let row = format!("the {kind} {name}");
        match stored.get(&(kind.clone(), name.clone())) {
            None => findings.push(Finding::about(row, "is missing")),
            Some(found) if found != text => {
                findings.push(Finding {
                    reason: "was changed".to_owned(),
                    ..Finding::differs(row, "its definition", Some(found), Some(text))
                });
            }
            Some(_) => {}
        }
    }
    for (kind, name) in stored.keys().filter(|part| !expected.contains_key(part)) {
        let row = format!("the {kind} {name}");
        findings.push(Finding::about(row, "is none that chatops makes"));
    }
    let mut query = db.prepare(&format!("PRAGMA integrity_check({MAX_FAULTS})"))?;
    let lines = query.query_map([], |row| super::lossy_text(row, 0))?;
    for line in lines {
        let line = line?;
        if line != "ok" {
            findings.push(Finding::about(
                "the data file",
                format!("is damaged: {line}"),
            ));
        }
    }
    Ok(findings)
}

fn parts(db: &Connection) -> FileResult<Parts> {
    let sql = "SELECT type, name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' \
               ESCAPE '\\'";
    let mut query = db.prepare(sql)?;
    let rows = query.query_map([], |row| {
        let text = |column| super::lossy_text(row, column);
        Ok(((text(0)?, text(1)?), text(2)?))
    })?;
    let mut parts: Parts = rows.collect::<Result<_, _>>()?;
    for ((kind, name), text) in &mut parts {
        // A column that was added later stands in another place.
        *text = match &**kind {
            "table" => columns(db, name)?,
            _ => text.split_whitespace().collect::<Vec<_>>().join(" "),
        };
    }
    Ok(parts)
}

fn columns(db: &Connection, table: &str) -> FileResult<String> {
    let sql = "SELECT name || ' ' || type || ' ' || \"notnull\" || ' ' || pk || ' ' || hidden || ' ' || \
               coalesce(dflt_value, '') FROM pragma_table_xinfo(?1) ORDER BY name";
    let mut query = db.prepare_cached(sql)?;
    let columns = query.query_map([table], |row| super::lossy_text(row, 0))?;
    let mut columns: Vec<String> = columns.collect::<Result<_, _>>()?;
    let sql = "SELECT 'strict ' || strict || ', without rowid ' || wr FROM pragma_table_list \
               WHERE schema = 'main' AND name = ?1";
    columns.extend(super::select_text(db, sql, [table])?);
    Ok(columns.join(", "))
}
