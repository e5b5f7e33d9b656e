//! The texts of `chatops config`.

use chatops_core::deploy::Target;

/// The configuration is valid.
pub(in crate::operator) fn config_is_right(file: &str, revision: &str) -> String {
    format!("{file} is valid, revision {revision}")
}

/// Several projects that lock one target.
pub(in crate::operator) fn shared_target(target: &Target, projects: &str) -> String {
    format!("Note: {target} is one target of {projects}: one deploy at a time")
}

/// Warnings that count as mistakes.
pub(in crate::operator) fn strict_warnings(file: &str, count: usize) -> String {
    let warnings = if count == 1 { "warning" } else { "warnings" };
    format!("{file} has {count} {warnings}, which --strict takes for mistakes")
}

/// A file that is not overwritten.
pub(in crate::operator) fn file_exists(file: &str) -> String {
    format!(
        "{file} exists and is not overwritten: name another file, or `-` to see what would be written"
    )
}

/// A first configuration.
pub(in crate::operator) fn config_is_written(file: &str) -> String {
    format!("{file} is written. `chatops config check --config {file}` says what it allows")
}

/// What a first configuration has not yet.
pub(in crate::operator) const STILL_TO_FILL_IN: &str = "Still to fill in:";
