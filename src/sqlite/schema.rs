//! The tables, and the moments in them.
//!
//! A record's JSON body is the truth; the columns beside it are what is searched and compared.
//! The indexes of `head` that lists walk along hold all the columns that a filter can ask about, so
//! that what does not fit is passed over without reading its row. Moments in columns are microseconds since 1970 UTC. Audit events can be added and nothing
//! else: the triggers hold against every program that opens the file.

use std::path::Path;
use std::time::Duration;

use chatops_core::Time;
use chrono::{DateTime, TimeDelta};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::OpenError;

/// The version of the tables, kept in `user_version`.
const VERSION: i64 = 1;

/// Marks the file as ours (`chop` in ASCII), kept in `application_id`.
const OURS: i64 = 0x6368_6f70;

const TABLES: &str = "
CREATE TABLE head (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    asked_at INTEGER NOT NULL,
    user TEXT NOT NULL,
    user_name TEXT,
    branch TEXT NOT NULL,
    job TEXT NOT NULL,
    project TEXT,
    state TEXT NOT NULL,
    awaits_retry INTEGER NOT NULL,
    due_at INTEGER,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX head_due ON head (due_at) WHERE due_at IS NOT NULL;

CREATE INDEX head_asked ON head (asked_at, id);
CREATE INDEX head_user ON head
    (user, asked_at, id, user_name, branch, job, project, state);
CREATE INDEX head_user_name ON head
    (user_name, asked_at, id, user, branch, job, project, state) WHERE user_name IS NOT NULL;
CREATE INDEX head_branch ON head
    (branch, asked_at, id, user, user_name, job, project, state);
CREATE INDEX head_job ON head
    (job, asked_at, id, user, user_name, branch, project, state);
CREATE INDEX head_project ON head
    (project, asked_at, id, user, user_name, branch, job, state) WHERE project IS NOT NULL;
CREATE INDEX head_state ON head
    (state, asked_at, id, user, user_name, branch, job, project);
CREATE INDEX head_awaits_retry ON head
    (asked_at, id, user, user_name, branch, job, project, state) WHERE awaits_retry = 1;

CREATE TABLE event (
    deploy TEXT NOT NULL REFERENCES head (id),
    n INTEGER NOT NULL,
    body TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (deploy, n)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER event_is_not_changed BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END;
CREATE TRIGGER event_is_not_removed BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'audit events are never removed'); END;
CREATE TRIGGER event_is_not_replaced BEFORE INSERT ON event
WHEN EXISTS (SELECT 1 FROM event WHERE deploy = NEW.deploy AND n = NEW.n)
BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END;

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
CREATE TABLE short (
    short TEXT PRIMARY KEY,
    deploy TEXT NOT NULL
) STRICT;

CREATE TABLE reply (
    deploy TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    due_at INTEGER,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX reply_due ON reply (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    lane TEXT NOT NULL,
    body TEXT NOT NULL,
    visible_at INTEGER NOT NULL,
    sent_at INTEGER NOT NULL,
    receives INTEGER NOT NULL,
    receipt TEXT
) STRICT;
CREATE INDEX message_visible ON message (lane, visible_at);
";

/// Makes the tables in an empty file, and refuses a file of another program or of a newer
/// version of this one.
pub(super) fn prepare(path: &Path, connection: &mut Connection) -> Result<(), OpenError> {
    let failed = |e| OpenError::sqlite(path, &e);
    // Read and made in one transaction, so that two programs cannot both find an empty file.
    let tx = connection
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
        tx.pragma_update(None, "user_version", VERSION)
            .map_err(failed)?;
        tx.pragma_update(None, "application_id", OURS)
            .map_err(failed)?;
        return tx.commit().map_err(failed);
    }
    known(path, owner, version)
}

/// Refuses a file of another program or of a newer version of this one, and an empty one.
pub(super) fn recognise(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let number = |sql: &str| {
        connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(|e| OpenError::sqlite(path, &e))
    };
    known(
        path,
        number("PRAGMA application_id")?,
        number("PRAGMA user_version")?,
    )
}

fn known(path: &Path, owner: i64, version: i64) -> Result<(), OpenError> {
    if owner != OURS || version < 1 {
        return Err(OpenError::Foreign {
            path: path.to_owned(),
        });
    }
    if version > VERSION {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found: version,
            known: VERSION,
        });
    }
    Ok(())
}

/// A moment as a column holds it.
pub(super) fn micros(time: Time) -> i64 {
    time.timestamp_micros()
}

/// The moment in a column.
pub(super) fn moment(micros: i64) -> Time {
    DateTime::from_timestamp_micros(micros).unwrap_or(Time::MAX_UTC)
}

/// `now` and `wait`, or the end of time.
pub(super) fn later(now: Time, wait: Duration) -> Time {
    TimeDelta::from_std(wait)
        .ok()
        .and_then(|wait| now.checked_add_signed(wait))
        .unwrap_or(Time::MAX_UTC)
}

/// A count as a column holds it.
pub(super) fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
