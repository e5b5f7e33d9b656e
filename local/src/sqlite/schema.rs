//! The tables, and the times in them.
//!
//! The JSON body is the record; the columns beside it are searched and compared. Each index of
//! `deploy` that a list walks along holds every column that a filter can ask about, so deploys that do
//! not match are skipped without reading their rows. Times in columns are microseconds since 1970
//! UTC. Audit events can only be added, and removed only with a mark that says which export has them: the
//! triggers hold against every program that opens the file.

use std::path::Path;
use std::time::Duration;

use chatops_core::Time;
use chrono::{DateTime, TimeDelta};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::OpenError;

/// The version of the tables, kept in `user_version`.
const SCHEMA_VERSION: i64 = 7;

/// Marks a file of chatops (`chop` in ASCII), kept in `application_id`.
const APPLICATION_ID: i64 = 0x6368_6f70;

pub(super) const TABLES: &str = "
CREATE TABLE deploy (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    requested_at INTEGER NOT NULL,
    user TEXT NOT NULL,
    user_name TEXT,
    branch TEXT NOT NULL,
    job TEXT NOT NULL,
    project TEXT,
    environment TEXT,
    state TEXT NOT NULL,
    awaiting_retry INTEGER NOT NULL,
    due_at INTEGER,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX deploy_due ON deploy (due_at) WHERE due_at IS NOT NULL;

CREATE INDEX deploy_requested ON deploy (requested_at, id);
CREATE INDEX deploy_user ON deploy
    (user, requested_at, id, user_name, branch, job, project, state, environment);
CREATE INDEX deploy_user_name ON deploy
    (user_name, requested_at, id, user, branch, job, project, state, environment) WHERE user_name IS NOT NULL;
CREATE INDEX deploy_branch ON deploy
    (branch, requested_at, id, user, user_name, job, project, state, environment);
CREATE INDEX deploy_job ON deploy
    (job, requested_at, id, user, user_name, branch, project, state, environment);
CREATE INDEX deploy_project ON deploy
    (project, requested_at, id, user, user_name, branch, job, state, environment) WHERE project IS NOT NULL;
CREATE INDEX deploy_environment ON deploy
    (environment, requested_at, id, user, user_name, branch, job, project, state)
    WHERE environment IS NOT NULL;
CREATE INDEX deploy_state ON deploy
    (state, requested_at, id, user, user_name, branch, job, project, environment);
CREATE INDEX deploy_awaiting_retry ON deploy
    (requested_at, id, user, user_name, branch, job, project, state, environment) WHERE awaiting_retry = 1;

CREATE TABLE event (
    deploy TEXT NOT NULL REFERENCES deploy (id),
    n INTEGER NOT NULL,
    body TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (deploy, n)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER event_is_not_changed BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END;
CREATE TRIGGER event_is_not_removed BEFORE DELETE ON event
WHEN NOT EXISTS (SELECT 1 FROM pruned WHERE deploy = OLD.deploy)
BEGIN SELECT RAISE(ABORT, 'audit events are never removed'); END;
CREATE TRIGGER event_is_not_replaced BEFORE INSERT ON event
WHEN EXISTS (SELECT 1 FROM event WHERE deploy = NEW.deploy AND n = NEW.n)
BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END;

CREATE TABLE pruned (
    deploy TEXT PRIMARY KEY,
    events INTEGER NOT NULL,
    last_hash TEXT NOT NULL,
    export TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER pruned_is_not_changed BEFORE UPDATE ON pruned
BEGIN SELECT RAISE(ABORT, 'what was pruned stays known'); END;
CREATE TRIGGER pruned_is_not_removed BEFORE DELETE ON pruned
BEGIN SELECT RAISE(ABORT, 'what was pruned stays known'); END;

CREATE TABLE lock (
    target TEXT PRIMARY KEY,
    deploy TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER
) STRICT;
CREATE TABLE pipeline (
    id TEXT PRIMARY KEY,
    deploy TEXT NOT NULL
) STRICT;
CREATE TABLE short_id (
    id TEXT PRIMARY KEY,
    deploy TEXT NOT NULL
) STRICT;

CREATE TABLE notification (
    deploy TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    due_at INTEGER,
    untold_at INTEGER,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX notification_due ON notification (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX notification_untold ON notification (untold_at, deploy) WHERE untold_at IS NOT NULL;

CREATE TABLE retry_chain (
    root TEXT PRIMARY KEY,
    last TEXT NOT NULL
) STRICT;
CREATE TABLE action (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;
CREATE TABLE action_count (
    user TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;
CREATE TABLE project (
    slug TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE release_history (
    target TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    body TEXT NOT NULL,
    visible_at INTEGER NOT NULL,
    sent_at INTEGER NOT NULL,
    receive_count INTEGER NOT NULL,
    receipt TEXT
) STRICT;
CREATE INDEX message_visible ON message (queue, visible_at);
";

/// From each version to the next; the last one leads to the version of these tables.
const MIGRATIONS: [&str; 3] = [
    // Nothing was noted as undelivered before.
    "
ALTER TABLE notification ADD COLUMN untold_at INTEGER;
CREATE INDEX notification_untold ON notification (untold_at, deploy) WHERE untold_at IS NOT NULL;
",
    // The history begins with the first deploy that ends.
    "
CREATE TABLE release_history (
    target TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;
",
    // Nothing was pruned before.
    "
CREATE TABLE pruned (
    deploy TEXT PRIMARY KEY,
    events INTEGER NOT NULL,
    last_hash TEXT NOT NULL,
    export TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER pruned_is_not_changed BEFORE UPDATE ON pruned
BEGIN SELECT RAISE(ABORT, 'what was pruned stays known'); END;
CREATE TRIGGER pruned_is_not_removed BEFORE DELETE ON pruned
BEGIN SELECT RAISE(ABORT, 'what was pruned stays known'); END;
DROP TRIGGER event_is_not_removed;
CREATE TRIGGER event_is_not_removed BEFORE DELETE ON event
WHEN NOT EXISTS (SELECT 1 FROM pruned WHERE deploy = OLD.deploy)
BEGIN SELECT RAISE(ABORT, 'audit events are never removed'); END;
",
];

/// Creates the tables in an empty file, brings those of the versions before up to date, and refuses a
/// file of another program or version.
pub(super) fn prepare_schema(path: &Path, db: &mut Connection) -> Result<(), OpenError> {
    let failed = |e| OpenError::sqlite(path, &e);
    // One transaction, so that two programs cannot both find an empty file.
    let tx = db
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    let number = |sql: &str| {
        tx.query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(failed)
    };
    let version = number("PRAGMA user_version")?;
    let owner = number("PRAGMA application_id")?;
    let any = tx.query_row("SELECT 1 FROM sqlite_schema LIMIT 1", [], |_| Ok(()));
    let empty = any.optional().map_err(failed)?.is_none();
    if version == 0 && owner == 0 && empty {
        tx.execute_batch(TABLES).map_err(failed)?;
        tx.pragma_update(None, "user_version", SCHEMA_VERSION)
            .map_err(failed)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(failed)?;
        return tx.commit().map_err(failed);
    }
    if owner == APPLICATION_ID
        && let Some(migrations) = migrations_from(version)
    {
        for migration in migrations {
            tx.execute_batch(migration).map_err(failed)?;
        }
        tx.pragma_update(None, "user_version", SCHEMA_VERSION)
            .map_err(failed)?;
        return tx.commit().map_err(failed);
    }
    check_version(path, owner, version)
}

/// What brings a file of that version up to date; `None` if nothing does, or it is.
fn migrations_from(version: i64) -> Option<&'static [&'static str]> {
    let behind = usize::try_from(SCHEMA_VERSION.checked_sub(version)?).ok()?;
    let migrations = MIGRATIONS.get(MIGRATIONS.len().checked_sub(behind)?..)?;
    (!migrations.is_empty()).then_some(migrations)
}

/// Refuses an empty file, and one of another program or version.
pub(super) fn check_schema(path: &Path, db: &Connection) -> Result<(), OpenError> {
    let number = |sql: &str| {
        db.query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(|e| OpenError::sqlite(path, &e))
    };
    let owner = number("PRAGMA application_id")?;
    check_version(path, owner, number("PRAGMA user_version")?)
}

fn check_version(path: &Path, owner: i64, version: i64) -> Result<(), OpenError> {
    let (path, found, known) = (path.to_owned(), version, SCHEMA_VERSION);
    if owner != APPLICATION_ID || found < 1 {
        Err(OpenError::Foreign { path })
    } else if migrations_from(found).is_some() {
        Err(OpenError::Outdated { path, found, known })
    } else if found < known {
        Err(OpenError::Older { path, found, known })
    } else if found > known {
        Err(OpenError::Newer { path, found, known })
    } else {
        Ok(())
    }
}

/// A time as a column holds it.
pub(super) fn to_micros(time: Time) -> i64 {
    time.timestamp_micros()
}

/// The time in a column.
pub(super) fn from_micros(micros: i64) -> Time {
    DateTime::from_timestamp_micros(micros).unwrap_or(Time::MAX_UTC)
}

/// The columns' times up to `now` and those after `latest`, each from the first to the last: each
/// is one range of an index.
pub(super) fn outside(now: Time, latest: Time) -> [(i64, i64); 2] {
    let too_far = to_micros(latest).saturating_add(1);
    [(i64::MIN, to_micros(now)), (too_far, i64::MAX)]
}

/// `now` plus `wait`, or the end of time.
pub(super) fn add_delay(now: Time, wait: Duration) -> Time {
    TimeDelta::from_std(wait)
        .ok()
        .and_then(|wait| now.checked_add_signed(wait))
        .unwrap_or(Time::MAX_UTC)
}

/// A count as a column holds it.
pub(super) fn to_i64(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
