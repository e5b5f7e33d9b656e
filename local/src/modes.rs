//! Who may read and write the files that this process stands on, by their modes.
//!
//! Nothing here changes a file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Rights that a file of the owner's alone must not give: any to anybody else.
pub const OWNER_ONLY: u32 = 0o077;

/// Rights that the file of a secret must not give. Its group may read it, since that is how a service
/// without root reads what root wrote.
pub const SECRET: u32 = 0o027;

/// Rights that the configuration must not give: it says who may deploy.
pub const CONFIGURATION: u32 = 0o002;

/// The mode of a file that gives one of `forbidden`; `None` if it gives none, or is not there.
pub fn excess(path: &Path, forbidden: u32) -> Option<u32> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    (mode & forbidden != 0).then_some(mode)
}

/// A mode as `chmod` takes it.
pub fn octal(mode: u32) -> String {
    format!("{mode:04o}")
}
