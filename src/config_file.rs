//! The configuration file, as every command reads it.

use std::path::Path;

use anyhow::{Context, Result};
use chatops_core::config::Config;

/// Reads and checks the file.
pub(crate) fn read_config(path: &Path) -> Result<Config> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the configuration {} cannot be read", path.display()))?;
    Ok(Config::parse(&text, &path.display().to_string())?)
}
