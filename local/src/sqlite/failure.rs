//! Why a read or a write failed, with the fix, and whether anything was written.

use chatops_core::ports::{
    CommitError, Conflict, LedgerError, PortErrorKind, QueueError, SendError,
};
use rusqlite::ErrorCode;

/// The error when a thread of the file has stopped.
pub(super) const THREAD_STOPPED: &str = "the data file's thread has stopped; restart chatops";

/// What a read or a write returns.
pub(super) type FileResult<T> = Result<T, SqliteFailure>;

/// What a method of the ledger returns.
pub(super) type LedgerResult<T> = Result<T, LedgerError>;

/// A failed read or write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SqliteFailure {
    /// Certainly nothing was written.
    NotWritten(String),
    /// It may have been written.
    Unknown(String),
}

impl SqliteFailure {
    /// An error of SQLite before the commit.
    pub(super) fn before_commit(error: &rusqlite::Error) -> Self {
        Self::NotWritten(error_message(error))
    }

    /// An error of SQLite at COMMIT. After an I/O error the transaction may still be found complete
    /// when the file is opened again.
    pub(super) fn at_commit(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::ReadOnly,
            ) => Self::NotWritten(error_message(error)),
            _ => Self::Unknown(error_message(error)),
        }
    }

    /// The thread took the job and stopped.
    pub(super) fn thread_died() -> Self {
        Self::Unknown(THREAD_STOPPED.to_owned())
    }

    /// What went wrong, and the fix.
    pub(super) fn into_message(self) -> String {
        match self {
            Self::NotWritten(message) | Self::Unknown(message) => message,
        }
    }
}

/// SQLite's error, with the usual fix if there is one.
pub(super) fn error_message(error: &rusqlite::Error) -> String {
    let fix = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "the data file is locked by another program; close what has it open (a backup, an \
             sqlite3 shell)"
        }
        Some(ErrorCode::ReadOnly) => {
            "the data file is read-only; make it and its directory writable"
        }
        Some(ErrorCode::DiskFull) => "the disk or the data file's size limit is full; make room",
        Some(ErrorCode::SystemIoFailure) => {
            "the data file's disk cannot be read or written; check the disk"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "the data file is damaged; restore it from a backup"
        }
        Some(ErrorCode::CannotOpen) => {
            "the data file cannot be opened; check that its directory exists and is writable"
        }
        _ => return error.to_string(),
    };
    format!("{fix} ({error})")
}

impl From<rusqlite::Error> for SqliteFailure {
    fn from(error: rusqlite::Error) -> Self {
        Self::before_commit(&error)
    }
}

impl From<SqliteFailure> for SendError {
    fn from(failure: SqliteFailure) -> Self {
        match failure {
            SqliteFailure::NotWritten(message) => SendError::not_sent(message),
            SqliteFailure::Unknown(message) => SendError::unknown(message),
        }
    }
}

impl From<SqliteFailure> for QueueError {
    fn from(failure: SqliteFailure) -> Self {
        QueueError::new(PortErrorKind::Unavailable, failure.into_message())
    }
}

impl From<SqliteFailure> for LedgerError {
    fn from(failure: SqliteFailure) -> Self {
        LedgerError::new(PortErrorKind::Unavailable, failure.into_message())
    }
}

/// What a part of a commit returns.
pub(super) type CommitResult = Result<(), CommitFailure>;

/// Why a commit failed.
#[derive(Debug)]
pub(super) enum CommitFailure {
    /// A condition did not hold.
    Conflict(Conflict),
    /// The file, or a defect.
    Sqlite(SqliteFailure),
}

impl CommitFailure {
    /// A commit that no correct caller makes.
    pub(super) fn defect(what: String) -> Self {
        Self::Sqlite(SqliteFailure::NotWritten(what))
    }
}

impl From<Conflict> for CommitFailure {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl From<SqliteFailure> for CommitFailure {
    fn from(failure: SqliteFailure) -> Self {
        Self::Sqlite(failure)
    }
}

impl From<rusqlite::Error> for CommitFailure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error.into())
    }
}

impl From<CommitFailure> for CommitError {
    fn from(failure: CommitFailure) -> Self {
        match failure {
            CommitFailure::Conflict(conflict) => conflict.into(),
            CommitFailure::Sqlite(failure) => CommitError::Ledger(failure.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn sqlite_error(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn only_a_disk_error_at_commit_is_unknown() {
        let is_unknown = |failure| matches!(failure, SqliteFailure::Unknown(_));
        for code in [ffi::SQLITE_BUSY, ffi::SQLITE_FULL, ffi::SQLITE_READONLY] {
            let failure = SqliteFailure::at_commit(&sqlite_error(code));
            assert!(!is_unknown(failure), "{code}");
        }
        let disk = sqlite_error(ffi::SQLITE_IOERR);
        assert!(is_unknown(SqliteFailure::at_commit(&disk)));
        assert!(!is_unknown(SqliteFailure::before_commit(&disk)));
    }

    #[test]
    fn the_message_names_the_fix() {
        let read_only = "read-only; make it and its directory writable";
        for (code, fix) in [
            (ffi::SQLITE_READONLY, read_only),
            (ffi::SQLITE_FULL, "make room"),
            (ffi::SQLITE_BUSY, "locked by another program"),
            (ffi::SQLITE_LOCKED, "locked by another program"),
            (ffi::SQLITE_IOERR, "check the disk"),
            (ffi::SQLITE_CORRUPT, "restore it from a backup"),
            (ffi::SQLITE_NOTADB, "restore it from a backup"),
            (ffi::SQLITE_CANTOPEN, "check that its directory exists"),
        ] {
            let text = error_message(&sqlite_error(code));
            assert!(text.contains(fix), "{text}");
        }
    }
}
