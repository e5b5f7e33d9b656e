//! Why a read or a write failed, in words that name the way out, and what is known about it.

use chatops_core::ports::{CommitError, Conflict, QueueError, SendError, StoreError};
use rusqlite::ErrorCode;

/// What is said when a thread of the file is gone.
pub(super) const STOPPED: &str = "the data file's thread has stopped; restart chatops";

/// A failed read or write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Certainly nothing was written.
    Definite(String),
    /// It may have been written.
    Unknown(String),
}

impl Failure {
    /// What SQLite said before anything was committed.
    pub(super) fn of(error: &rusqlite::Error) -> Self {
        Self::Definite(words(error))
    }

    /// What SQLite said to COMMIT. An I/O error there can hit a transaction that is found whole
    /// when the file is opened again.
    pub(super) fn of_commit(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::ReadOnly,
            ) => Self::Definite(words(error)),
            _ => Self::Unknown(words(error)),
        }
    }

    /// The thread took the job and is gone.
    pub(super) fn no_answer() -> Self {
        Self::Unknown(STOPPED.to_owned())
    }

    fn into_words(self) -> String {
        match self {
            Failure::Definite(words) | Failure::Unknown(words) => words,
        }
    }
}

/// What SQLite said, with the fix where there is a usual one.
pub(super) fn words(error: &rusqlite::Error) -> String {
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

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::of(&error)
    }
}

impl From<Failure> for SendError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Definite(words) => SendError::NotSent(words),
            Failure::Unknown(words) => SendError::Unknown(words),
        }
    }
}

impl From<Failure> for QueueError {
    fn from(failure: Failure) -> Self {
        QueueError(failure.into_words())
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        StoreError(failure.into_words())
    }
}

/// Why a commit was not made: a condition, or the file.
#[derive(Debug)]
pub(super) enum Stop {
    /// A condition did not hold.
    Conflict(Conflict),
    /// The file, or a defect.
    Failure(Failure),
}

impl Stop {
    /// A commit that no correct caller makes.
    pub(super) fn defect(what: String) -> Self {
        Self::Failure(Failure::Definite(what))
    }
}

impl From<Conflict> for Stop {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failure(error.into())
    }
}

impl From<Stop> for CommitError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Conflict(conflict) => conflict.into(),
            Stop::Failure(failure) => CommitError::Store(failure.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn said(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn only_a_disk_error_at_commit_leaves_a_doubt() {
        for code in [ffi::SQLITE_BUSY, ffi::SQLITE_FULL, ffi::SQLITE_READONLY] {
            assert!(
                matches!(Failure::of_commit(&said(code)), Failure::Definite(_)),
                "{code}"
            );
        }
        assert!(matches!(
            Failure::of_commit(&said(ffi::SQLITE_IOERR)),
            Failure::Unknown(_)
        ));
        assert!(matches!(
            Failure::of(&said(ffi::SQLITE_IOERR)),
            Failure::Definite(_)
        ));
    }

    #[test]
    fn the_words_name_the_fix() {
        let text = words(&said(ffi::SQLITE_READONLY));
        assert!(
            text.contains("read-only; make it and its directory writable"),
            "{text}"
        );
        assert!(words(&said(ffi::SQLITE_FULL)).contains("make room"));
        assert!(words(&said(ffi::SQLITE_BUSY)).contains("locked by another program"));
    }
}
