//! Whether everything in a data file is as its events say: `chatops audit verify`.
//!
//! Three passes, each in pages of one snapshot and with memory that does not grow: every deploy with its
//! columns and what other tables say of it; every row of those tables with the deploy that it names; and the
//! tables, triggers and indexes themselves. Nothing here decides what should be: `core::audit` does.

mod rows;
mod tables;

use chatops_core::audit::finding::Finding;
use chatops_core::audit::links::{Links, Neighbour, check_links};
use chatops_core::audit::stored::{EventOnRecord, PrunedMark};
use chatops_core::audit::{self, Replayed};
use chatops_core::deploy::{DeployRecord, Target};
use chatops_core::id::DeployId;
use chatops_core::notification::NotificationRecord;
use chatops_core::ports::TargetLock;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row};

use super::failure::{FileResult, LedgerResult, SqliteFailure};
use super::ledger::{self, notifications};
use super::read_only::{ReadOnlyDatabase, chain_keys, lossy_text, select_chain};
use super::schema::from_micros;

pub use self::rows::{LinkTable, RowsPage};

/// What was found of one deploy.
#[derive(Debug, Clone)]
pub struct ExaminedDeploy {
    /// Its key.
    pub deploy: String,
    /// How many events it has.
    pub events: u64,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

impl ReadOnlyDatabase {
    /// Examines at most `limit` deploys after `after`, in the order of their keys.
    pub fn examine_deploys(&self, after: &str, limit: usize) -> LedgerResult<Vec<ExaminedDeploy>> {
        self.in_snapshot(|db| examine_deploys(db, after, limit))
    }

    /// Examines at most `limit` rows of a table after `after`, in the order of their keys.
    pub fn examine_rows(
        &self,
        table: LinkTable,
        after: &str,
        limit: usize,
    ) -> LedgerResult<RowsPage> {
        self.in_snapshot(|db| rows::examine_rows(db, table, after, limit))
    }

    /// Examines the file itself: its tables, triggers and indexes, and by SQLite what is in them.
    pub fn examine_file(&self) -> LedgerResult<Vec<Finding>> {
        self.in_snapshot(tables::examine_file)
    }

    /// The stored hash of each of these events, or what is left of its deploy.
    pub fn logged_events(&self, keys: &[(DeployId, u64)]) -> LedgerResult<Vec<EventOnRecord>> {
        self.in_snapshot(|db| {
            let read = |(deploy, n): &(DeployId, u64)| {
                let sql = "SELECT hash FROM event WHERE deploy = ?1 AND n = ?2";
                let key = (deploy.to_string(), super::schema::to_i64(*n));
                if let Some(hash) = select_text(db, sql, key)? {
                    return Ok(EventOnRecord::Hash(hash));
                }
                let mark = select_mark(db, &deploy.to_string())?;
                Ok(mark.map_or(EventOnRecord::Missing, EventOnRecord::Pruned))
            };
            keys.iter().map(read).collect()
        })
    }

    /// How many deploys were pruned.
    pub fn count_pruned(&self) -> LedgerResult<u64> {
        self.in_snapshot(|db| {
            let sql = "SELECT count(*) FROM pruned";
            let count: i64 = db.query_row(sql, [], |row| row.get(0))?;
            Ok(count.cast_unsigned())
        })
    }
}

pub(super) fn select_mark(db: &Connection, deploy: &str) -> FileResult<Option<PrunedMark>> {
    let sql = "SELECT events, last_hash, export FROM pruned WHERE deploy = ?1";
    let mut query = db.prepare_cached(sql)?;
    let mut rows = query.query([deploy])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    Ok(Some(PrunedMark {
        events: row.get::<_, i64>(0)?.cast_unsigned(),
        last_hash: lossy_text(row, 1)?,
        export: lossy_text(row, 2)?,
    }))
}

/// The first column of the only row as text, whatever was done to it.
fn select_text(
    db: &Connection,
    sql: &str,
    key: impl rusqlite::Params,
) -> FileResult<Option<String>> {
    let mut query = db.prepare_cached(sql)?;
    let mut rows = query.query(key)?;
    Ok(rows.next()?.map(|row| lossy_text(row, 0)).transpose()?)
}

fn examine_deploys(db: &Connection, after: &str, limit: usize) -> FileResult<Vec<ExaminedDeploy>> {
    let keys = chain_keys(db, after, limit)?;
    keys.into_iter()
        .map(|key| examine_deploy(db, key))
        .collect()
}

fn examine_deploy(db: &Connection, key: String) -> FileResult<ExaminedDeploy> {
    let chain = select_chain(db, key)?;
    let audit::Examined {
        record,
        replayed,
        mut findings,
    } = audit::examine(&chain);
    let deploy = chain.deploy;
    if select_mark(db, &deploy)?.is_some() {
        findings.push(Finding::about(&deploy, "is there, and is marked as pruned"));
    }
    if let Some(record) = &record {
        let sql = "SELECT version, requested_at, user, user_name, branch, job, project, \
                   environment, state, awaiting_retry, due_at FROM deploy WHERE id = ?1";
        compare_columns(db, sql, &deploy, &ledger::columns_of(record), &mut findings)?;
    }
    if let (Some(record), Some(replayed)) = (&record, &replayed) {
        let links = links_of(db, record, replayed, &mut findings)?;
        findings.extend(check_links(replayed, record, &links));
    }
    Ok(ExaminedDeploy {
        deploy,
        events: chain.events.len() as u64,
        findings,
    })
}

/// Compares the columns of a row, in the order of the statement, with those that belong to its body.
fn compare_columns(
    db: &Connection,
    sql: &str,
    key: &str,
    expected: &[(&'static str, Value)],
    findings: &mut Vec<Finding>,
) -> FileResult<()> {
    let mut query = db.prepare_cached(sql)?;
    let mut rows = query.query([key])?;
    let Some(row) = rows.next()? else {
        return Ok(());
    };
    for (n, (name, expected)) in expected.iter().enumerate() {
        let stored = row.get_ref(n)?;
        if stored != ValueRef::from(expected) {
            let (is, by) = (show(stored), show(ValueRef::from(expected)));
            let field = format!("column {name}");
            findings.push(Finding::differs(key, field, is.as_deref(), by.as_deref()));
        }
    }
    Ok(())
}

fn show(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
    }
}

/// What the other tables say of a deploy.
fn links_of(
    db: &Connection,
    stored: &DeployRecord,
    replayed: &Replayed,
    findings: &mut Vec<Finding>,
) -> FileResult<Links> {
    let record = &replayed.record;
    let of = |sql: &str, key: String| select_text(db, sql, [key]);
    let short = stored.short_id.to_string();
    let mut links = Links {
        short_id: Some(of("SELECT deploy FROM short_id WHERE id = ?1", short)?),
        notification: Some(notification_of(db, &record.id.to_string(), findings)?.map(Box::new)),
        ..Links::default()
    };
    if let Some(run) = &record.run {
        let pipeline = run.pipeline.id.to_string();
        links.pipeline = Some(of("SELECT deploy FROM pipeline WHERE id = ?1", pipeline)?);
    }
    if let Some(target) = &record.locked_target {
        links.lock = Some(lock_of(db, target)?);
    }
    if let Some(old) = record.retry_of {
        links.repeats = Some(neighbour(db, old)?);
    }
    if let Some(new) = record.retried_by {
        links.repeated_by = Some(neighbour(db, new)?);
    }
    if record.retried_by.is_some() || stored.retry_root.is_some() {
        let root = stored.chain_root().to_string();
        links.last_of_chain = Some(of("SELECT last FROM retry_chain WHERE root = ?1", root)?);
    }
    if let Some(request) = stored.retry_request {
        let request = request.to_string();
        links.action = Some(of("SELECT body FROM action WHERE id = ?1", request)?);
    }
    let target = replayed.ended.as_ref().and_then(|ended| ended.target());
    if let Some(target) = target {
        // What cannot be read is found with its row.
        links.releases = tolerate(ledger::select_releases(db, &target))?;
    }
    Ok(links)
}

/// The value, or nothing if the row cannot be read.
fn tolerate<T>(read: FileResult<T>) -> FileResult<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(SqliteFailure::NotWritten(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

fn lock_of(db: &Connection, target: &Target) -> FileResult<Option<TargetLock>> {
    let sql = "SELECT deploy, since, until FROM lock WHERE target = ?1";
    let mut query = db.prepare_cached(sql)?;
    let mut rows = query.query([&target.0])?;
    Ok(match rows.next()? {
        Some(row) => read_lock(row, 0)?,
        None => None,
    })
}

/// The lock in a row, from this column on; `None` if its deploy is none.
fn read_lock(row: &Row<'_>, from: usize) -> FileResult<Option<TargetLock>> {
    let deploy = DeployId::parse(&lossy_text(row, from)?).ok();
    let since: i64 = row.get(from + 1)?;
    let until: Option<i64> = row.get(from + 2)?;
    Ok(deploy.map(|deploy| TargetLock {
        deploy,
        since: from_micros(since),
        until: until.map(from_micros),
    }))
}

fn neighbour(db: &Connection, id: DeployId) -> FileResult<Neighbour> {
    let key = id.to_string();
    if let Some(record) = record_of(db, &key)? {
        return Ok(Neighbour::There(Box::new(record)));
    }
    Ok(match select_mark(db, &key)? {
        Some(_) => Neighbour::Pruned,
        None => Neighbour::Missing,
    })
}

/// A deploy's record, if it can be read.
fn record_of(db: &Connection, key: &str) -> FileResult<Option<DeployRecord>> {
    let body = select_text(db, "SELECT body FROM deploy WHERE id = ?1", [key])?;
    Ok(body.and_then(|body| serde_json::from_str(&body).ok()))
}

/// A deploy by its events.
fn replayed_of(db: &Connection, key: &str) -> FileResult<Option<Replayed>> {
    let chain = select_chain(db, key.to_owned())?;
    Ok(audit::examine(&chain).replayed.map(|replayed| *replayed))
}

fn notification_of(
    db: &Connection,
    key: &str,
    findings: &mut Vec<Finding>,
) -> FileResult<Option<NotificationRecord>> {
    let Some(body) = select_text(db, "SELECT body FROM notification WHERE deploy = ?1", [key])?
    else {
        return Ok(None);
    };
    let Ok(notification) = serde_json::from_str::<NotificationRecord>(&body) else {
        let what = "has a notification record that cannot be read";
        findings.push(Finding::about(key, what));
        return Ok(None);
    };
    let sql = "SELECT version, due_at, untold_at FROM notification WHERE deploy = ?1";
    let expected = notifications::columns_of(&notification)
        .map(|(name, value)| (notification_column(name), value));
    compare_columns(db, sql, key, &expected, findings)?;
    Ok(Some(notification))
}

fn notification_column(name: &str) -> &'static str {
    match name {
        "version" => "notification.version",
        "due_at" => "notification.due_at",
        _ => "notification.untold_at",
    }
}

#[cfg(test)]
pub(super) mod tests;
