//! The ports over one SQLite file: ledger, notifications and queues of the one-machine runner.
//!
//! A write is on disk before it is acknowledged (`synchronous=FULL`), so it survives a killed
//! process. No rule of the pipeline lives here: the adapter checks the given conditions and writes.

pub mod attest;
mod data_file;
mod failure;
mod ledger;
pub mod prune;
mod queue;
pub mod read_only;
mod schema;
mod threads;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::{fmt, io};

use chatops_core::ports::{Clock, MAX_RECEIVES, QueueName};
use rusqlite::{Connection, OpenFlags};

use self::data_file::DataFile;
use self::failure::SqliteFailure;
use self::threads::{SqliteThreads, WriteTx, WriterFile, WriterSignals};

/// How a file is used.
#[derive(Clone)]
pub struct SqliteSettings {
    /// The clock of the queues.
    pub clock: Arc<dyn Clock>,
    /// How often a message is received before it becomes a dead letter; at least once.
    pub max_receives: u32,
    /// How long a write waits for another program that has the file locked.
    pub busy_timeout: Duration,
    /// The most pages the file may have; `None` for SQLite's own limit.
    pub max_page_count: Option<u32>,
}

impl SqliteSettings {
    /// What the runner uses.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            max_receives: MAX_RECEIVES,
            busy_timeout: Duration::from_secs(1),
            max_page_count: None,
        }
    }
}

impl fmt::Debug for SqliteSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteSettings")
            .field("max_receives", &self.max_receives)
            .field("busy_timeout", &self.busy_timeout)
            .field("max_page_count", &self.max_page_count)
            .finish_non_exhaustive()
    }
}

/// Why a file was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "the data file {} is in use by another `chatops serve`, perhaps under another name; stop that one, or \
         give this one another file",
        path.display()
    )]
    InUse {
        /// The data file.
        path: PathBuf,
    },
    /// It has more than one name, and what SQLite keeps beside it would belong to one of them alone.
    #[error(
        "the data file {} has {names} names (hard links), and a process that opened another of them would \
         damage it: remove the others (find -samefile), or copy the file to a name of its own",
        path.display()
    )]
    Linked {
        /// The data file.
        path: PathBuf,
        /// How many names it has.
        names: u64,
    },
    /// A newer version of chatops made it.
    #[error(
        "the data file {} has format {found} and this chatops knows {known}; use a newer chatops",
        path.display()
    )]
    Newer {
        /// The data file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The format of this chatops.
        known: i64,
    },
    /// An earlier version of chatops made it, and nothing has been written since.
    #[error(
        "{} has format {found}, and this chatops reads {known}: start `chatops serve` on it once, which \
         brings it up to date",
        path.display()
    )]
    Outdated {
        /// The data file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The format of this chatops.
        known: i64,
    },
    /// An unreleased version of chatops made it.
    #[error(
        "{} was made by an unreleased version of chatops (format {found}, this one needs {known}): \
         keep it for its history and start with a new file",
        path.display()
    )]
    Older {
        /// The data file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The format of this chatops.
        known: i64,
    },
    /// Another program made it.
    #[error("{} is not a data file of chatops; name another one", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It does not exist.
    #[error(
        "there is no data file {}; name it with --data, or start `chatops serve`, which creates it",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error(
        "the data file {} cannot be read; be the user that `chatops serve` runs as ({error})",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// It cannot be written.
    #[error("the data file {} is read-only; make it and its directory writable", path.display())]
    ReadOnly {
        /// The data file.
        path: PathBuf,
    },
    /// It cannot be opened.
    #[error(
        "{} cannot be opened for writing; check that its directory exists and is writable ({error})",
        path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// SQLite cannot use it.
    #[error("the data file {} cannot be used: {message}", path.display())]
    Sqlite {
        /// The data file.
        path: PathBuf,
        /// SQLite's error, and the fix.
        message: String,
    },
    /// No thread can be started.
    #[error("no thread can be started for the data file: {0}")]
    Thread(io::Error),
}

impl OpenError {
    fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let (path, message) = (path.to_owned(), failure::error_message(error));
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => Self::Foreign { path },
            _ => Self::Sqlite { path, message },
        }
    }
}

/// An open data file. Clones share it; the last one closes it.
#[derive(Clone)]
pub struct Sqlite(Arc<SqliteInner>);

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}

struct SqliteInner {
    // Dropped in this order: SQLite closes the file before its lock is given up.
    threads: SqliteThreads,
    signals: Arc<WriterSignals>,
    settings: SqliteSettings,
    _file: DataFile,
}

impl Sqlite {
    /// Opens a file, creates it if there is none, and locks it against other servers.
    pub fn open(path: &Path, settings: SqliteSettings) -> Result<Self, OpenError> {
        let file = DataFile::open(path)?;
        let failed = |e| OpenError::sqlite(path, &e);
        let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let read_write = flags | OpenFlags::SQLITE_OPEN_READ_WRITE;
        let mut writer = Connection::open_with_flags(path, read_write).map_err(failed)?;
        // SQLite falls back to reading where it may not write.
        if writer.is_readonly("main").map_err(failed)? {
            let path = path.to_owned();
            return Err(OpenError::ReadOnly { path });
        }
        writer.busy_timeout(settings.busy_timeout).map_err(failed)?;
        writer
            .pragma_update(None, "foreign_keys", true)
            .map_err(failed)?;
        schema::prepare_schema(path, &mut writer)?;
        let mode = writer
            .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0));
        if mode.map_err(failed)? != "wal" {
            // Without it a reader would block the writer, and a commit would cost more.
            let message =
                "it cannot have a write-ahead log here; put it on a local disk".to_owned();
            let path = path.to_owned();
            return Err(OpenError::Sqlite { path, message });
        }
        writer
            .pragma_update(None, "synchronous", "full")
            .map_err(failed)?;
        // What is removed is overwritten, as response URLs are. Where SQLite moves rows between pages, a copy can
        // stay between the rows of a page until they need the room.
        writer
            .pragma_update(None, "secure_delete", true)
            .map_err(failed)?;
        if let Some(pages) = settings.max_page_count {
            let set = writer.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()));
            set.map_err(failed)?;
        }
        queue::release_all(&writer, settings.clock.now()).map_err(failed)?;
        let read_only = flags | OpenFlags::SQLITE_OPEN_READ_ONLY;
        let reader = Connection::open_with_flags(path, read_only).map_err(failed)?;
        reader.busy_timeout(settings.busy_timeout).map_err(failed)?;
        file.make_private();
        let watch = file.watch().map_err(|error| {
            let path = path.to_owned();
            OpenError::File { path, error }
        })?;
        let signals = Arc::new(WriterSignals::default());
        let writer = WriterFile {
            db: writer,
            watch,
            busy_timeout: settings.busy_timeout,
        };
        let threads = SqliteThreads::start(writer, reader, Arc::clone(&signals));
        let threads = threads.map_err(OpenError::Thread)?;
        Ok(Self(Arc::new(SqliteInner {
            threads,
            signals,
            settings,
            _file: file,
        })))
    }

    /// Resolves once a message was sent or released to a queue since this last resolved, visible
    /// now or later: then receive, and sleep no longer than until
    /// [`next_visible`](Self::next_visible). One receiving loop per queue may wait. A wake-up is
    /// remembered until the loop waits, and it may be spurious.
    pub async fn wait_for_wake_up(&self, queue: QueueName) {
        self.0.signals.queue(queue).notified().await;
    }

    /// Runs `work` on the thread that reads.
    async fn read<T: Send + 'static, E: From<SqliteFailure>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, SqliteFailure> + Send + 'static,
    ) -> Result<T, E> {
        Ok(self.0.threads.read(work).await?)
    }

    /// Runs `work` on the thread that writes, and returns after the commit.
    async fn write<T, E, F>(
        &self,
        work: impl FnOnce(&WriteTx<'_>) -> Result<T, F> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<F>,
        F: From<SqliteFailure> + Send + 'static,
    {
        Ok(self.0.threads.write(work).await?)
    }

    /// How many transactions wrote something since the file was opened.
    pub fn commit_count(&self) -> u64 {
        self.0.signals.commits.load(Ordering::Relaxed)
    }
}
