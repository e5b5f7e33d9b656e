//! The checks without network: the configuration, the secrets, the data file.

use std::path::Path;

use chatops_core::config::{Config, ConfigError};
use rustix::fs::{Access, access, statvfs};

use super::{DoctorCheck, text};
use chatops_local::modes;
use chatops_local::secrets::ExaminedSecret;
use chatops_local::sqlite::OpenError;
use chatops_local::sqlite::read_only::ReadOnlyDatabase;

/// The free space on the data file's disk below which the doctor warns, in bytes.
const LOW_SPACE: u64 = 200 * 1024 * 1024;

pub(super) fn check_config(path: &Path) -> (Option<Config>, DoctorCheck) {
    match crate::config_file::read_config(path) {
        Ok(config) => {
            let jobs = config.projects.values().map(|p| p.jobs.len()).sum();
            let check = text::config_state(path, &config.revision, config.projects.len(), jobs);
            (Some(config), check)
        }
        Err(_) if !path.exists() => (None, text::config_missing(path)),
        Err(error) => match error.downcast_ref::<ConfigError>() {
            Some(mistakes) => (None, text::config_invalid(mistakes)),
            None => (None, text::config_unreadable(&format!("{error:#}"))),
        },
    }
}

/// Whether others can change the configuration.
pub(super) fn check_config_mode(path: &Path) -> Option<DoctorCheck> {
    let open = modes::excess(path, modes::CONFIGURATION);
    open.map(|mode| text::config_open(path, mode))
}

pub(super) fn check_secrets<'a>(
    secrets: impl Iterator<Item = &'a ExaminedSecret>,
) -> Vec<DoctorCheck> {
    secrets.filter_map(text::secret_state).collect()
}

pub(super) fn check_data_file(path: &Path) -> Vec<DoctorCheck> {
    // The parent of a bare file name is empty.
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let directory_writable = access(directory, Access::WRITE_OK | Access::EXEC_OK).is_ok();
    let mut checks = match ReadOnlyDatabase::open(path) {
        Err(OpenError::Missing { .. }) if directory_writable => vec![text::data_missing(path)],
        Err(OpenError::Missing { .. }) => return vec![text::directory_unwritable(directory)],
        Err(error) => return vec![text::data_unusable(&error.to_string())],
        Ok(_) if !directory_writable || access(path, Access::WRITE_OK).is_err() => {
            vec![text::data_read_only(path)]
        }
        Ok(database) => match database.quick_check() {
            Ok(found) => vec![text::data_integrity(path, &found)],
            Err(error) => vec![text::data_unusable(&error.to_string())],
        },
    };
    let open = modes::excess(path, modes::OWNER_ONLY);
    checks.extend(open.map(|mode| text::data_open(path, mode)));
    if let Ok(disk) = statvfs(directory) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        checks.push(text::disk_space(free, free < LOW_SPACE));
    }
    checks
}
