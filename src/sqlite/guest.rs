//! The data file as a second process uses it, beside a `chatops serve` or without one: read it, and
//! put a wish into its queue. The lock of the one that serves is never taken.
//!
//! A reader opens the file read-only; in the write-ahead log it neither waits for the server nor
//! holds it up. The one write there is, [`enqueue`], is a single row.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::Event;
use chatops_core::audit::stored::{Chain, RawEvent};
use chatops_core::deploy::Head;
use chatops_core::id::{DeployId, ShortId};
use chatops_core::message::Body;
use chatops_core::ports::{Filter, Lane, Page, Position, SendError, StoreError};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row, params};

use super::failure::Failure;
use super::schema::micros;
use super::{OpenError, ledger, listing, schema};

/// How long another program that has the file locked is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why nothing was put into the queue.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// The file could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The message was not written, or nobody knows.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// A data file, opened to be read.
#[derive(Debug)]
pub struct Guest {
    connection: Connection,
    path: PathBuf,
}

impl Guest {
    /// Opens a file that is there.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        reachable(path)?;
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A deploy as it stands.
    pub fn head(&self, id: DeployId) -> Result<Option<Head>, StoreError> {
        Ok(ledger::head(&self.connection, id)?)
    }

    /// The deploy people call by this short id.
    pub fn by_short(&self, short: &ShortId) -> Result<Option<DeployId>, StoreError> {
        Ok(ledger::by_short(&self.connection, short)?)
    }

    /// At most `limit` deploys of a kind, newest first, all older than `before`.
    pub fn list(
        &self,
        filter: &Filter,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        Ok(listing::list(&self.connection, filter, before, limit)?)
    }

    /// A deploy and its audit, read at one moment.
    pub fn deploy(&self, id: DeployId) -> Result<Option<(Head, Vec<Event>)>, StoreError> {
        self.at_one_moment(|connection| {
            let head = ledger::head(connection, id)?;
            head.map_or(Ok(None), |head| {
                Ok(Some((head, ledger::events(connection, id)?)))
            })
        })
    }

    /// One deploy's record and audit as they stand in the file, read at one moment.
    pub fn chain(&self, id: DeployId) -> Result<Chain, StoreError> {
        self.at_one_moment(|connection| chain(connection, id.to_string()))
    }

    /// How many deploys have a record or an audit.
    pub fn count(&self) -> Result<u64, StoreError> {
        let count = "SELECT count(*) FROM (SELECT id FROM head UNION SELECT deploy FROM event)";
        let number = |row: &Row<'_>| row.get::<_, i64>(0);
        let number = self.connection.query_row(count, [], number);
        Ok(number.map_err(|e| Failure::of(&e))?.cast_unsigned())
    }

    /// At most `limit` audits in the order of their keys, all behind `after`, read at one moment: of
    /// every deploy that has a record, events or both.
    pub fn chains(&self, after: &str, limit: usize) -> Result<Vec<Chain>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.at_one_moment(|connection| {
            // Each half walks its own index and stops at the limit.
            let sql = "SELECT * FROM (SELECT id FROM head WHERE id > ?1 ORDER BY id LIMIT ?2) \
                       UNION SELECT * FROM (SELECT DISTINCT deploy FROM event WHERE deploy > ?1 \
                       ORDER BY deploy LIMIT ?2) ORDER BY 1 LIMIT ?2";
            let mut query = connection.prepare_cached(sql)?;
            let keys = query.query_map(params![after, limit], |row| row.get(0))?;
            let keys: Vec<String> = keys.collect::<Result<_, _>>()?;
            keys.into_iter().map(|key| chain(connection, key)).collect()
        })
    }

    /// What lies in a lane, the oldest first; all of it, seen or hidden, and it stays there.
    pub fn letters(&self, lane: Lane) -> Result<Vec<Body>, StoreError> {
        let read = || {
            let sql = "SELECT body FROM message WHERE lane = ?1 ORDER BY id";
            let mut query = self.connection.prepare_cached(sql)?;
            let bodies = query.query_map([lane.name()], |row| text(row, 0))?;
            let bodies = bodies.map(|body| body.map(Body::from_wire));
            bodies.collect::<Result<Vec<_>, _>>()
        };
        Ok(read().map_err(|e| Failure::of(&e))?)
    }

    /// What SQLite finds wrong with the file's structure; nothing if all is well.
    pub fn quick_check(&self) -> Result<Vec<String>, StoreError> {
        let check = || {
            let mut query = self.connection.prepare("PRAGMA quick_check(5)")?;
            let found = query.query_map([], |row| row.get::<_, String>(0))?;
            found.collect::<Result<Vec<_>, _>>()
        };
        let found = check().map_err(|e| Failure::of(&e))?;
        Ok(found.into_iter().filter(|line| line != "ok").collect())
    }

    /// Reads in one transaction, so that what is read fits together beside a server that writes.
    fn at_one_moment<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let tx = self.connection.unchecked_transaction();
        let tx = tx.map_err(|e| Failure::of(&e))?;
        Ok(read(&tx)?)
    }
}

/// Puts a message into a lane of the file, for the one that serves it now or next.
pub fn enqueue(path: &Path, lane: Lane, body: &Body, now: Time) -> Result<(), EnqueueError> {
    reachable(path)?;
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let failed = |error: &rusqlite::Error| EnqueueError::from(SendError::from(Failure::of(error)));
    // SQLite falls back to reading where it may not write.
    if connection.is_readonly("main").map_err(|e| failed(&e))? {
        let path = path.to_owned();
        return Err(OpenError::ReadOnly { path }.into());
    }
    connection
        .pragma_update(None, "synchronous", "full")
        .map_err(|e| failed(&e))?;
    let sql = "INSERT INTO message (lane, body, visible_at, sent_at, receives) \
               VALUES (?1, ?2, ?3, ?3, 0)";
    let values = params![lane.name(), body.as_wire(), micros(now)];
    connection
        .execute("BEGIN IMMEDIATE", [])
        .and_then(|_| connection.execute(sql, values))
        .map_err(|e| failed(&e))?;
    let committed = connection.execute("COMMIT", []);
    committed.map_err(|e| SendError::from(Failure::of_commit(&e)))?;
    Ok(())
}

/// Says plainly what SQLite says in general words: no file, or one of somebody else.
fn reachable(path: &Path) -> Result<(), OpenError> {
    let path = path.to_owned();
    if path.is_dir() {
        let error = io::ErrorKind::IsADirectory.into();
        return Err(OpenError::Unreadable { path, error });
    }
    match File::open(&path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(OpenError::Missing { path }),
        Err(error) => Err(OpenError::Unreadable { path, error }),
    }
}

fn connect(path: &Path, how: OpenFlags) -> Result<Connection, OpenError> {
    let failed = |e| OpenError::sqlite(path, &e);
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | how;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    schema::recognise(path, &connection)?;
    Ok(connection)
}

fn chain(connection: &Connection, deploy: String) -> Result<Chain, Failure> {
    let sql = "SELECT body FROM head WHERE id = ?1";
    let mut query = connection.prepare_cached(sql)?;
    let mut rows = query.query([&deploy])?;
    let head = rows.next()?.map(|row| text(row, 0)).transpose()?;
    let sql = "SELECT n, body, hash FROM event WHERE deploy = ?1 ORDER BY n";
    let mut query = connection.prepare_cached(sql)?;
    let rows = query.query_map([&deploy], |row| {
        Ok(RawEvent {
            n: row.get(0)?,
            body: text(row, 1)?,
            hash: text(row, 2)?,
        })
    })?;
    let events = rows.collect::<Result<_, _>>()?;
    Ok(Chain {
        deploy,
        head,
        events,
    })
}

/// A text that may have been tampered with: bytes that are none are marked, so that no hash fits.
fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => String::new(),
    })
}
