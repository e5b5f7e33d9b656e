//! The configuration file, as every command reads it.

use std::path::Path;

use anyhow::{Context, Result};
use chatops_core::config::{CheckedConfig, Config};

/// Reads and checks the file.
pub(crate) fn read_config(path: &Path) -> Result<Config> {
    Ok(read_checked(path)?.config)
}

/// Reads and checks the file, with its warnings.
pub(crate) fn read_checked(path: &Path) -> Result<CheckedConfig> {
    Ok(Config::check(
        &read_text(path)?,
        &path.display().to_string(),
    )?)
}

/// Reads the file.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .with_context(|| format!("the configuration {} cannot be read", path.display()))
}
