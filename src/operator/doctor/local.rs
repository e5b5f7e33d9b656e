//! What can be looked at without the network: the configuration, the secrets, the data file.

use std::path::Path;

use chatops_core::config::Config;
use rustix::fs::{Access, access, statvfs};

use super::{Check, words};
use crate::secrets::Examined;
use crate::sqlite::OpenError;
use crate::sqlite::guest::Guest;

/// With less room than this on its disk the data file is worth a warning.
const LITTLE: u64 = 200 * 1024 * 1024;

/// The configuration.
pub(super) fn config(path: &Path) -> (Option<Config>, Check) {
    match crate::cli::read_config(path) {
        Ok(config) => {
            let jobs = config.projects.values().map(|p| p.jobs.len()).sum();
            let check = words::config(path, &config.revision, config.projects.len(), jobs);
            (Some(config), check)
        }
        Err(error) => (None, words::no_config(&format!("{error:#}"))),
    }
}

/// Each secret that is there or has to be.
pub(super) fn secrets(secrets: &[Examined]) -> Vec<Check> {
    secrets.iter().filter_map(words::secret).collect()
}

/// The data file.
pub(super) fn data(path: &Path) -> Vec<Check> {
    // A file's own name has an empty directory in front.
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let directory_writable = access(directory, Access::WRITE_OK | Access::EXEC_OK).is_ok();
    let mut checks = match Guest::open(path) {
        Err(OpenError::Missing { .. }) if directory_writable => vec![words::no_data(path)],
        Err(OpenError::Missing { .. }) => return vec![words::no_place(directory)],
        Err(error) => return vec![words::bad_data(&error.to_string())],
        Ok(_) if !directory_writable || access(path, Access::WRITE_OK).is_err() => {
            vec![words::read_only(path)]
        }
        Ok(guest) => match guest.quick_check() {
            Ok(found) => vec![words::integrity(path, &found)],
            Err(error) => vec![words::bad_data(&error.to_string())],
        },
    };
    if let Ok(disk) = statvfs(directory) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        checks.push(words::room(free, free < LITTLE));
    }
    checks
}
