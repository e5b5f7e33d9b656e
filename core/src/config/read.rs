//! From the text of a file to the configuration: one step after the other, each over all of the file.

use super::file::read_keys;
use super::mistake::{Findings, MAX_MISTAKES};
use super::places::Places;
use super::resolve::resolve_config;
use super::shape::check_shape;
use super::syntax::{ReadText, read_toml};
use super::warning::find_warnings;
use super::{Config, ConfigError, Mistake};

/// A configuration that is valid, and what may not be meant in it.
#[derive(Debug)]
pub struct CheckedConfig {
    /// The configuration.
    pub config: Config,
    /// What can never be, what everybody may, and what is not used, in the order of the file's lines.
    pub warnings: Vec<Mistake>,
}

impl Config {
    /// Parses the text of a configuration file. `file` is its name for error messages.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        Self::read(text, file).map(|(config, _)| config)
    }

    /// Parses it, and looks for what it allows to nobody or to everybody.
    pub fn check(text: &str, file: &str) -> Result<CheckedConfig, ConfigError> {
        let (config, places) = Self::read(text, file)?;
        let warnings = find_warnings(&config, &places).sorted();
        let warnings = warnings.located(text, file, &places);
        Ok(CheckedConfig { config, warnings })
    }

    fn read(text: &str, file: &str) -> Result<(Self, Places), ConfigError> {
        let mut findings = Findings::default();
        let ReadText { mut table, broken } = read_toml(text, &mut findings);
        let mut places = Places::of(table.get_ref());
        let is_toml = findings.is_empty();
        let mut misshapen = Findings::default();
        check_shape(table.get_mut(), is_toml, &mut misshapen);
        findings.add_outside(misshapen, &broken);
        if !findings.is_empty() {
            places.add_meant(table.get_ref());
        }
        let raw = is_toml.then(|| read_keys(table));
        let raw = raw.and_then(|raw| findings.keep(raw));
        let config = raw.and_then(|raw| resolve_config(raw, text, &places, &mut findings));
        if let Some(config) = config {
            return Ok((config, places));
        }
        let mut first = findings.sorted();
        let more = first.truncate(MAX_MISTAKES);
        let mistakes = first.located(text, file, &places);
        Err(ConfigError { mistakes, more })
    }
}
