//! The ports over one SQLite file: ledger, reply items and queues of the one-machine runner.
//!
//! What is acknowledged is on disk (`synchronous=FULL`), and survives a killed process. No rule of
//! the pipeline lives here: an adapter checks the conditions it is given and writes.

mod failure;
pub mod guest;
mod ledger;
mod listing;
mod queue;
mod replies;
mod schema;
mod threads;

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::{fmt, io};

use chatops_core::ports::{Clock, Lane};
use rusqlite::{Connection, OpenFlags};

use self::threads::{Signals, Threads};

/// How a file is used.
#[derive(Clone)]
pub struct Settings {
    /// Tells the queues the time.
    pub clock: Arc<dyn Clock>,
    /// How often a message is handed out before it goes to the dead lane; at least once.
    pub max_receives: u32,
    /// How long a write waits for another program that has the file locked.
    pub busy_timeout: Duration,
    /// The most pages the file may have; `None` for SQLite's own limit.
    pub max_page_count: Option<u32>,
}

impl Settings {
    /// What the runner uses.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            max_receives: 5,
            busy_timeout: Duration::from_secs(1),
            max_page_count: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
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
        "the data file {} is in use: another `chatops serve` holds {}; stop that one, or give this one another file",
        path.display(), lock.display()
    )]
    InUse {
        /// The data file.
        path: PathBuf,
        /// The lock file.
        lock: PathBuf,
    },
    /// A newer version of this program wrote it.
    #[error(
        "the data file {} has version {found} and this chatops knows {known}; use a newer chatops",
        path.display()
    )]
    Newer {
        /// The data file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Another program wrote it.
    #[error("{} is not a data file of chatops; name another one", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It is to be there and is not.
    #[error(
        "there is no data file {}; name it with --data, or start `chatops serve`, which makes it",
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
        /// What the system says.
        error: io::Error,
    },
    /// It cannot be written.
    #[error("the data file {} is read-only; make it and its directory writable", path.display())]
    ReadOnly {
        /// The data file.
        path: PathBuf,
    },
    /// It, or its lock file, cannot be opened.
    #[error(
        "{} cannot be opened for writing; check that its directory exists and is writable ({error})",
        path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// SQLite says no.
    #[error("the data file {} cannot be used: {words}", path.display())]
    Sqlite {
        /// The data file.
        path: PathBuf,
        /// What SQLite says, and what helps.
        words: String,
    },
    /// No thread can be started.
    #[error("no thread can be started for the data file: {0}")]
    Thread(io::Error),
}

impl OpenError {
    fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => Self::Foreign {
                path: path.to_owned(),
            },
            _ => Self::Sqlite {
                path: path.to_owned(),
                words: failure::words(error),
            },
        }
    }
}

/// An open data file. Clones share it; the last one closes it.
#[derive(Clone)]
pub struct Sqlite(Arc<Inner>);

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}

struct Inner {
    // Dropped in this order: the file is closed before its lock is given up.
    threads: Threads,
    signals: Arc<Signals>,
    settings: Settings,
    _lock: File,
}

impl Sqlite {
    /// Opens a file, making it if there is none, and keeps every other process off it.
    pub fn open(path: &Path, settings: Settings) -> Result<Self, OpenError> {
        make_private(path)?;
        let lock = lock(path)?;
        let failed = |e| OpenError::sqlite(path, &e);
        let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let read_write = flags | OpenFlags::SQLITE_OPEN_READ_WRITE;
        let mut writer = Connection::open_with_flags(path, read_write).map_err(failed)?;
        // SQLite falls back to reading where it may not write.
        if writer.is_readonly("main").map_err(failed)? {
            return Err(OpenError::ReadOnly {
                path: path.to_owned(),
            });
        }
        writer.busy_timeout(settings.busy_timeout).map_err(failed)?;
        writer
            .pragma_update(None, "foreign_keys", true)
            .map_err(failed)?;
        schema::prepare(path, &mut writer)?;
        let mode = writer
            .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0));
        if mode.map_err(failed)? != "wal" {
            // Without it a reader would hold the writer up, and a commit would cost more.
            let words = "it cannot have a write-ahead log here; put it on a local disk".to_owned();
            return Err(OpenError::Sqlite {
                path: path.to_owned(),
                words,
            });
        }
        writer
            .pragma_update(None, "synchronous", "full")
            .map_err(failed)?;
        if let Some(pages) = settings.max_page_count {
            let set = writer.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()));
            set.map_err(failed)?;
        }
        queue::give_back(&writer, settings.clock.now()).map_err(failed)?;
        let read_only = flags | OpenFlags::SQLITE_OPEN_READ_ONLY;
        let reader = Connection::open_with_flags(path, read_only).map_err(failed)?;
        reader.busy_timeout(settings.busy_timeout).map_err(failed)?;
        let signals = Arc::new(Signals::default());
        let threads = Threads::start(writer, reader, Arc::clone(&signals));
        let threads = threads.map_err(OpenError::Thread)?;
        Ok(Self(Arc::new(Inner {
            threads,
            signals,
            settings,
            _lock: lock,
        })))
    }

    /// Resolves once something was sent or released to a lane since this last resolved, be it
    /// visible now or later: then receive, ask [`next_visible`](Self::next_visible) and sleep no
    /// longer than that. Made for one receiving loop per lane; a wake-up is remembered until
    /// the loop waits, and it may come for nothing.
    pub async fn wake(&self, lane: Lane) {
        self.0.signals.of(lane).notified().await;
    }

    /// How many transactions have written something since the file was opened.
    pub fn commits(&self) -> u64 {
        self.0.signals.commits.load(Ordering::Relaxed)
    }
}

/// Takes the lock file beside the data file, whatever name the data file was given by. The system
/// gives it up when the process ends, however it ends; the file itself stays.
fn lock(path: &Path) -> Result<File, OpenError> {
    let real = path.canonicalize();
    let real = real.map_err(|error| OpenError::File {
        path: path.to_owned(),
        error,
    })?;
    let mut name = OsString::from(real);
    name.push(".lock");
    let name = PathBuf::from(name);
    let failed = |error| OpenError::File {
        path: name.clone(),
        error,
    };
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&name);
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
            path: path.to_owned(),
            lock: name,
        }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Makes the file if there is none, readable by its owner alone: reply addresses lie in it.
fn make_private(path: &Path) -> Result<(), OpenError> {
    let failed = |error| {
        Err(OpenError::File {
            path: path.to_owned(),
            error,
        })
    };
    if path.is_dir() {
        return failed(io::ErrorKind::IsADirectory.into());
    }
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => failed(error),
        _ => Ok(()),
    }
}
