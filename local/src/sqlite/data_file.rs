//! The data file as a file: in use by one process alone, readable by its owner alone, and still the one
//! that its name leads to.
//!
//! The lock lies on the file itself, so that no other name of it leads past the lock. It is `flock`'s,
//! which Linux keeps apart from SQLite's own POSIX locks. Those a process loses as soon as it closes any
//! descriptor of the file: whatever is opened here is closed after SQLite's connections, or never. What is in
//! the file is not read here, but for its header.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tracing::{info, warn};

use super::OpenError;
use crate::modes::{self, OWNER_ONLY};

/// The first bytes of every SQLite file.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// What of the file's header is read: up to the size in pages.
const HEADER_LEN: usize = 32;

/// What of the header of the index of the write-ahead log is read: up to the number of its frames.
const INDEX_HEADER_LEN: usize = 20;

/// The lengths of the header of a write-ahead log and of that of each of its frames.
const WAL_HEADER_LEN: u64 = 32;
const FRAME_HEADER_LEN: u64 = 24;

const REMOVED: &str = "the data file was removed or replaced while chatops serves: stop chatops, put the \
    file back, and start it again";
const DAMAGED: &str = "the data file was truncated or overwritten while chatops serves: stop chatops, and \
    restore the file from a backup";
const LOG_REMOVED: &str = "the write-ahead log of the data file was removed or replaced while chatops \
    serves: restart chatops, which writes what it still has to the data file";
const LOG_DAMAGED: &str = "the write-ahead log of the data file was truncated while chatops serves: stop \
    chatops, and restore the data file from a backup";

/// The file, locked.
#[derive(Debug)]
pub(super) struct DataFile {
    /// As it was named.
    path: PathBuf,
    /// Without symbolic links, which is where SQLite puts what lies beside it.
    real: PathBuf,
    file: File,
    id: FileId,
}

/// Which file a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(file: &Metadata) -> Self {
        let (device, inode) = (file.dev(), file.ino());
        Self { device, inode }
    }

    /// The file that a name leads to, if any.
    fn at(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().as_ref().map(Self::of)
    }
}

impl DataFile {
    /// Opens the file, creates it if there is none, and locks it. A file that is not SQLite's is refused
    /// as it is.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |error| open_error(path, error);
        let file = open_or_create(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // If it is this very process that has the file open, closing this would cost it its locks.
                let _ = file.into_raw_fd();
                let path = path.to_owned();
                return Err(OpenError::InUse { path });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let (found, real) = (file.metadata(), path.canonicalize());
        let (found, real) = (found.map_err(failed)?, real.map_err(failed)?);
        let id = FileId::of(&found);
        if FileId::at(path) != Some(id) {
            return Err(failed(io::Error::other("it was replaced just now")));
        }
        if found.nlink() > 1 {
            let (path, names) = (path.to_owned(), found.nlink());
            return Err(OpenError::Linked { path, names });
        }
        let mut magic = [0; MAGIC.len()];
        if found.len() > 0 && (file.read_exact_at(&mut magic, 0).is_err() || magic != MAGIC) {
            let path = path.to_owned();
            return Err(OpenError::Foreign { path });
        }
        Ok(Self {
            path: std::path::absolute(path).map_err(failed)?,
            real,
            file,
            id,
        })
    }

    /// Takes the file, and what lies beside it, away from everybody but its owner. It holds response URLs.
    pub(super) fn make_private(&self) {
        for path in [self.real.clone(), self.log_path(), self.index_path()] {
            let Some(mode) = modes::excess(&path, OWNER_ONLY) else {
                continue;
            };
            let path_shown = path.display();
            match fs::set_permissions(&path, Permissions::from_mode(0o600)) {
                Ok(()) => warn!(
                    file = %path_shown,
                    mode = %modes::octal(mode),
                    "the file was open to others than its owner; its mode is 0600 now"
                ),
                Err(error) => warn!(
                    file = %path_shown,
                    mode = %modes::octal(mode),
                    %error,
                    "the file is open to others than its owner, and it holds response URLs: chmod 600"
                ),
            }
        }
    }

    /// What watches the file from now on: SQLite has it open.
    pub(super) fn watch(&self) -> io::Result<FileWatch> {
        let found = self.file.metadata()?;
        let index = File::open(self.index_path())?;
        Ok(FileWatch {
            path: self.path.clone(),
            log_path: self.log_path(),
            index_path: self.index_path(),
            file: self.file.try_clone()?,
            id: self.id,
            log: FileId::at(&self.log_path()),
            index_id: FileId::of(&index.metadata()?),
            index,
            known: Known {
                len: found.len(),
                change_counter: 0,
            },
            lost: None,
        })
    }

    fn log_path(&self) -> PathBuf {
        beside(&self.real, "-wal")
    }

    fn index_path(&self) -> PathBuf {
        beside(&self.real, "-shm")
    }
}

/// Whether the file is still the one that was opened, and whole.
///
/// What was once found wrong stays wrong until the process is started anew: a file that comes back may have
/// been written by another meanwhile.
#[derive(Debug)]
pub(super) struct FileWatch {
    path: PathBuf,
    log_path: PathBuf,
    index_path: PathBuf,
    /// A duplicate: it is closed before the last descriptor of the file, but after SQLite's.
    file: File,
    id: FileId,
    log: Option<FileId>,
    index: File,
    index_id: FileId,
    known: Known,
    lost: Option<&'static str>,
}

/// The file as it was last found.
#[derive(Debug)]
struct Known {
    len: u64,
    change_counter: u32,
}

impl FileWatch {
    /// Fails if the file is not the one that was opened, or not whole.
    pub(super) fn check(&mut self) -> Result<(), &'static str> {
        if self.lost.is_none() {
            self.lost = self.find_loss();
        }
        self.lost.map_or(Ok(()), Err)
    }

    /// The length of the write-ahead log.
    pub(super) fn log_len(&self) -> u64 {
        fs::metadata(&self.log_path).map_or(0, |log| log.len())
    }

    fn find_loss(&mut self) -> Option<&'static str> {
        if FileId::at(&self.path) != Some(self.id) {
            return Some(REMOVED);
        }
        if self.is_damaged() {
            return Some(DAMAGED);
        }
        let Ok(log) = fs::metadata(&self.log_path) else {
            return Some(LOG_REMOVED);
        };
        if self.log != Some(FileId::of(&log)) || FileId::at(&self.index_path) != Some(self.index_id)
        {
            return Some(LOG_REMOVED);
        }
        (log.len() < self.committed_log_len()).then_some(LOG_DAMAGED)
    }

    /// The file only grows, but for a VACUUM, which leaves it as long as its header says. Its change counter
    /// only goes up; that of an older copy is lower.
    fn is_damaged(&mut self) -> bool {
        let mut header = [0; HEADER_LEN];
        let Ok(found) = self.file.metadata() else {
            return true;
        };
        if self.file.read_exact_at(&mut header, 0).is_err() || !header.starts_with(MAGIC) {
            return true;
        }
        let number = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|i| header[at + i]));
        let page = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            size => u64::from(size),
        };
        let (change_counter, pages) = (number(24), u64::from(number(28)));
        let short = found.len() < self.known.len && found.len() < pages * page;
        let older = change_counter < self.known.change_counter;
        self.known = Known {
            len: found.len(),
            change_counter,
        };
        short || older
    }

    /// How long the write-ahead log has to be to hold what was committed to it, by its index.
    fn committed_log_len(&self) -> u64 {
        let mut header = [0; INDEX_HEADER_LEN];
        if self.index.read_exact_at(&mut header, 0).is_err() {
            return u64::MAX;
        }
        let page = match u16::from_ne_bytes([header[14], header[15]]) {
            1 => 65_536,
            size => u64::from(size),
        };
        match u32::from_ne_bytes([16, 17, 18, 19].map(|at| header[at])) {
            0 => 0,
            frames => WAL_HEADER_LEN + u64::from(frames) * (FRAME_HEADER_LEN + page),
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

fn open_or_create(path: &Path) -> Result<File, OpenError> {
    if path.is_dir() {
        return Err(open_error(path, ErrorKind::IsADirectory.into()));
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    match options.open(path) {
        Ok(file) => Ok(file),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            options.create_new(true).mode(0o600);
            let file = options
                .open(path)
                .map_err(|error| open_error(path, error))?;
            info!(data = %path.display(), "a new data file was made");
            Ok(file)
        }
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
            ) && rustix::fs::access(path, rustix::fs::Access::READ_OK).is_ok() =>
        {
            let path = path.to_owned();
            Err(OpenError::ReadOnly { path })
        }
        Err(error) => Err(open_error(path, error)),
    }
}

fn open_error(path: &Path, error: io::Error) -> OpenError {
    let path = path.to_owned();
    OpenError::File { path, error }
}
