//! What a function reads from its environment besides the addresses of AWS.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use chatops_core::config::Config;

use crate::settings::{SettingsError, read_var};

/// A variable of the process's environment.
#[must_use]
pub fn env_var(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The configuration, from the file that `CHATOPS_CONFIG` names.
pub fn load_config(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Arc<Config>> {
    let name = "CHATOPS_CONFIG";
    let what = "the path of chatops.toml (the layer puts it below /opt)";
    let path = read_var(lookup, name)?.ok_or(SettingsError::Missing { name, what })?;
    let text = std::fs::read_to_string(Path::new(&path));
    let text = text.with_context(|| format!("{name} names {path}, which cannot be read"))?;
    Ok(Arc::new(Config::parse(&text, &path)?))
}

/// The ledger's table.
pub fn table_name(lookup: impl Fn(&str) -> Option<OsString>) -> Result<String, SettingsError> {
    let name = "CHATOPS_TABLE";
    let what = "the table's name, as the deployment's outputs show it";
    read_var(lookup, name)?.ok_or(SettingsError::Missing { name, what })
}
