//! The data file for a second process, beside a running `chatops serve` or without one: it reads,
//! and puts actions into the queue. It never takes the server's lock.
//!
//! A reader opens the file read-only; with the write-ahead log it neither waits for the server nor
//! blocks it. The only write, [`enqueue_message`], is a single row.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::AuditEvent;
use chatops_core::audit::stored::{StoredChain, StoredEvent};
use chatops_core::deploy::{DeployRecord, Target};
use chatops_core::id::{DeployId, ShortId};
use chatops_core::message::MessageBody;
use chatops_core::notification::{Card, Undelivered};
use chatops_core::ports::{
    DeployFilter, DeployPage, DeployReader, LedgerPosition, QueueName, SendError, TargetLock,
};
use chatops_core::release::ReleaseHistory;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row, params};
use rustix::fs::{Access, access};

use super::failure::{FileResult, LedgerResult, SqliteFailure};
use super::ledger::{self, listing};
use super::schema::to_micros;
use super::{OpenError, schema};

/// How long a call waits for another program that has the file locked.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a message was not queued.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// The file could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The message was not written, or may not have been.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// A data file, opened read-only.
#[derive(Debug)]
pub struct ReadOnlyDatabase {
    db: Mutex<Connection>,
    path: PathBuf,
}

impl DeployReader for ReadOnlyDatabase {
    async fn read_deploy(&self, id: DeployId) -> LedgerResult<Option<DeployRecord>> {
        Ok(ledger::select_record(&self.lock(), id)?)
    }

    async fn read_events(&self, id: DeployId) -> LedgerResult<Vec<AuditEvent>> {
        Ok(ledger::select_events(&self.lock(), id)?)
    }

    async fn find_by_short_id(&self, short: &ShortId) -> LedgerResult<Option<DeployId>> {
        Ok(ledger::select_short_id(&self.lock(), short)?)
    }

    async fn read_lock(&self, target: &Target) -> LedgerResult<Option<TargetLock>> {
        Ok(ledger::select_lock(&self.lock(), target)?)
    }

    async fn read_releases(&self, target: &Target) -> LedgerResult<ReleaseHistory> {
        Ok(ledger::select_releases(&self.lock(), target)?)
    }

    async fn find_last_retry(&self, root: DeployId) -> LedgerResult<Option<DeployId>> {
        Ok(ledger::select_last_retry(&self.lock(), root)?)
    }

    async fn read_undelivered(&self, id: DeployId) -> LedgerResult<Option<Undelivered>> {
        Ok(ledger::notifications::select_undelivered(&self.lock(), id)?)
    }

    async fn list_undelivered(&self, since: Time, limit: usize) -> LedgerResult<Vec<Undelivered>> {
        Ok(ledger::notifications::select_untold(
            &self.lock(),
            since,
            limit,
        )?)
    }

    async fn list_deploys(
        &self,
        filter: &DeployFilter,
        before: Option<LedgerPosition>,
        limit: usize,
    ) -> LedgerResult<DeployPage> {
        Ok(listing::list_page(&self.lock(), filter, before, limit)?)
    }
}

impl ReadOnlyDatabase {
    /// Opens an existing file.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        check_readable(path)?;
        let opened = open_connection(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let db = match opened {
            // SQLite wants to keep its index beside the file, and there nobody can write.
            Err(OpenError::Sqlite { .. }) if is_at_rest(path) => open_at_rest(path)?,
            opened => opened?,
        };
        let path = path.to_owned();
        let db = Mutex::new(db);
        Ok(Self { db, path })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The card of a deploy, if one was wanted.
    pub fn read_card(&self, id: DeployId) -> LedgerResult<Option<Card>> {
        let notification = ledger::notifications::select_notification(&self.lock(), id)?;
        Ok(notification.and_then(|notification| notification.card))
    }

    /// A record and its audit as stored, of one snapshot.
    pub fn read_chain(&self, id: DeployId) -> LedgerResult<StoredChain> {
        self.in_snapshot(|db| select_chain(db, id.to_string()))
    }

    /// How many deploys have a record or an audit.
    pub fn count_deploys(&self) -> LedgerResult<u64> {
        let count = "SELECT count(*) FROM (SELECT id FROM deploy UNION SELECT deploy FROM event)";
        let number = |row: &Row<'_>| row.get::<_, i64>(0);
        let number = self.lock().query_row(count, [], number);
        Ok(number
            .map_err(|e| SqliteFailure::before_commit(&e))?
            .cast_unsigned())
    }

    /// At most `limit` audits as stored, in the order of their keys, all after `after`, of one
    /// snapshot: of every deploy that has a record, events or both.
    pub fn read_chains(&self, after: &str, limit: usize) -> LedgerResult<Vec<StoredChain>> {
        self.in_snapshot(|db| {
            let keys = chain_keys(db, after, limit)?;
            keys.into_iter().map(|key| select_chain(db, key)).collect()
        })
    }

    /// All messages of a queue, visible or not, oldest first; they stay there.
    pub fn dead_letters(&self, queue: QueueName) -> LedgerResult<Vec<MessageBody>> {
        let read = || {
            let sql = "SELECT body FROM message WHERE queue = ?1 ORDER BY id";
            let db = self.lock();
            let mut query = db.prepare_cached(sql)?;
            let bodies = query.query_map([queue.as_str()], |row| lossy_text(row, 0))?;
            let bodies = bodies.map(|body| body.map(MessageBody::from_wire));
            bodies.collect::<Result<Vec<_>, _>>()
        };
        Ok(read().map_err(|e| SqliteFailure::before_commit(&e))?)
    }

    /// What is wrong with the file's structure, by SQLite; nothing if it is sound.
    pub fn quick_check(&self) -> LedgerResult<Vec<String>> {
        let check = || {
            let db = self.lock();
            let mut query = db.prepare("PRAGMA quick_check(5)")?;
            let found = query.query_map([], |row| row.get::<_, String>(0))?;
            found.collect::<Result<Vec<_>, _>>()
        };
        let found = check().map_err(|e| SqliteFailure::before_commit(&e))?;
        Ok(found.into_iter().filter(|line| line != "ok").collect())
    }

    /// Reads in one transaction, so that the parts fit together while a server writes.
    pub(super) fn in_snapshot<T>(
        &self,
        read: impl FnOnce(&Connection) -> FileResult<T>,
    ) -> LedgerResult<T> {
        let db = self.lock();
        let tx = db.unchecked_transaction();
        let tx = tx.map_err(|e| SqliteFailure::before_commit(&e))?;
        Ok(read(&tx)?)
    }
}

/// Puts a message into a queue of the file, for the server that runs now or starts next.
pub fn enqueue_message(
    path: &Path,
    queue: QueueName,
    body: &MessageBody,
    now: Time,
) -> Result<(), EnqueueError> {
    check_readable(path)?;
    let db = open_connection(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let failed = |error: &rusqlite::Error| {
        EnqueueError::from(SendError::from(SqliteFailure::before_commit(error)))
    };
    // SQLite falls back to reading where it may not write.
    if db.is_readonly("main").map_err(|e| failed(&e))? {
        let path = path.to_owned();
        return Err(OpenError::ReadOnly { path }.into());
    }
    db.pragma_update(None, "synchronous", "full")
        .map_err(|e| failed(&e))?;
    let sql = "INSERT INTO message (queue, body, visible_at, sent_at, receive_count) \
               VALUES (?1, ?2, ?3, ?3, 0)";
    let values = params![queue.as_str(), body.as_wire(), to_micros(now)];
    db.execute("BEGIN IMMEDIATE", [])
        .and_then(|_| db.execute(sql, values))
        .map_err(|e| failed(&e))?;
    let committed = db.execute("COMMIT", []);
    committed.map_err(|e| SendError::from(SqliteFailure::at_commit(&e)))?;
    Ok(())
}

/// Gives a clear error where SQLite's is vague: no file, or an unreadable one.
fn check_readable(path: &Path) -> Result<(), OpenError> {
    let path = path.to_owned();
    if path.is_dir() {
        let error = io::ErrorKind::IsADirectory.into();
        return Err(OpenError::Unreadable { path, error });
    }
    // It is not opened for this: closing it again would cost a server in this process its locks.
    match access(&path, Access::READ_OK).map_err(io::Error::from) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(OpenError::Missing { path }),
        Err(error) => Err(OpenError::Unreadable { path, error }),
    }
}

/// Whether nothing can change the file: it has no write-ahead log, so no program has it open, and nothing can
/// be written where it lies, as on a backup's read-only medium.
fn is_at_rest(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    !Path::new(&log).exists() && access(directory, Access::WRITE_OK).is_err()
}

/// Opens a file that nothing can change, without locks and an index.
fn open_at_rest(path: &Path) -> Result<Connection, OpenError> {
    let name = percent_encode(path.as_os_str().as_bytes(), NON_ALPHANUMERIC);
    let name = PathBuf::from(format!("file:{name}?immutable=1"));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let db = Connection::open_with_flags(name, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let db = db.map_err(|error| OpenError::sqlite(path, &error))?;
    schema::check_schema(path, &db)?;
    Ok(db)
}

pub(super) fn open_connection(path: &Path, how: OpenFlags) -> Result<Connection, OpenError> {
    let failed = |e| OpenError::sqlite(path, &e);
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | how;
    let db = Connection::open_with_flags(path, flags).map_err(failed)?;
    db.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    schema::check_schema(path, &db)?;
    Ok(db)
}

/// At most `limit` keys of deploys after `after`, in their order.
pub(super) fn chain_keys(db: &Connection, after: &str, limit: usize) -> FileResult<Vec<String>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    // Each half walks its own index and stops at the limit.
    let sql = "SELECT * FROM (SELECT id FROM deploy WHERE id > ?1 ORDER BY id LIMIT ?2) \
               UNION SELECT * FROM (SELECT DISTINCT deploy FROM event WHERE deploy > ?1 \
               ORDER BY deploy LIMIT ?2) ORDER BY 1 LIMIT ?2";
    let mut query = db.prepare_cached(sql)?;
    let keys = query.query_map(params![after, limit], |row| lossy_text(row, 0))?;
    Ok(keys.collect::<Result<_, _>>()?)
}

pub(super) fn select_chain(db: &Connection, deploy: String) -> FileResult<StoredChain> {
    let sql = "SELECT body FROM deploy WHERE id = ?1";
    let mut query = db.prepare_cached(sql)?;
    let mut rows = query.query([&deploy])?;
    let record = rows.next()?.map(|row| lossy_text(row, 0)).transpose()?;
    let sql = "SELECT n, body, hash FROM event WHERE deploy = ?1 ORDER BY n";
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map([&deploy], |row| {
        Ok(StoredEvent {
            n: row.get(0)?,
            body: lossy_text(row, 1)?,
            hash: lossy_text(row, 2)?,
        })
    })?;
    let events = rows.collect::<Result<_, _>>()?;
    Ok(StoredChain {
        deploy,
        record,
        events,
    })
}

/// A text that may have been tampered with: bytes that are not UTF-8 are replaced, so no hash fits.
pub(super) fn lossy_text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => String::new(),
    })
}
