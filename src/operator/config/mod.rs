//! `chatops config`: checks a configuration, writes a first one, and prints what editors check it by.
//!
//! Nothing here uses the network or a secret.

mod init;
mod summary;

use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use chatops_core::config::{CheckedConfig, Config, Mistake};
use clap::{Args, Subcommand};
use serde_json::json;

pub(super) use self::init::init_config;
use super::{ConfigFile, text};
use crate::output::CommandOutput;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration and show what it allows, or everything that is wrong with it
    ///
    /// Each mistake is shown with its line, a caret below the place and what to write instead. Warnings are about
    /// what nobody, everybody or nothing can do; they change no exit code, unless with --strict.
    #[command(after_help = "\
Examples:
  chatops config check
  chatops config check --config chatops.toml --strict
  chatops config check --json | jq '.mistakes[].message'
  git show HEAD:chatops.toml | chatops config check --config -

Exit codes: 0 it is valid, 1 it is not (with --strict: or there is a warning), 2 usage error.")]
    Check(ConfigCheckOptions),
    /// Write a first configuration, with comments
    ///
    /// On a terminal it asks for what is not given; an empty answer leaves a gap. What it writes is checked, and
    /// the gaps are named. An existing file is never overwritten.
    #[command(after_help = "\
Examples:
  chatops config init
  chatops config init --slug gh/acme/web --team T012ABCDEF --channel C012ABCDEF --user U012ABCDEF
  chatops config init - < /dev/null

Exit codes: 0 it is written, 1 it is not: the file exists or cannot be written, 2 usage error.")]
    Init(init::ConfigInitOptions),
    /// Print the JSON Schema of the configuration, for editors
    ///
    /// Editors that know TOML complete and check the file by it: VS Code with Even Better TOML, and others that use
    /// taplo. Save it beside the file, and begin that with the line `#:schema ./chatops.schema.json`.
    #[command(after_help = "\
Example:
  chatops config schema > chatops.schema.json

Exit codes: 0 success, 2 usage error.")]
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigCheckOptions {
    /// Treat warnings as mistakes
    #[arg(long)]
    strict: bool,
    /// Write one JSON object instead of text: `ok`, `file`, `mistakes` (the first hundred), `more` (how many follow), `warnings` and `summary`
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    config: ConfigFile,
}

/// Checks the file, or what comes on standard input for `-`.
pub(super) fn check_config(
    options: &ConfigCheckOptions,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    let path = &options.config.path;
    let (text, name) = if path == Path::new("-") {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.context("standard input cannot be read as text")?;
        (text, "(standard input)".to_owned())
    } else {
        (
            crate::config_file::read_text(path)?,
            path.display().to_string(),
        )
    };
    let checked = Config::check(&text, &name);
    let warnings = checked
        .as_ref()
        .map_or(&[][..], |checked| &checked.warnings);
    let is_right = checked.is_ok() && (warnings.is_empty() || !options.strict);
    if options.json {
        let (mistakes, more) = checked
            .as_ref()
            .err()
            .map_or((&[][..], 0), |error| (&error.mistakes, error.more));
        let summary = checked
            .as_ref()
            .map(|checked| summary::summary_json(&checked.config));
        out.write_json(&json!({
            "ok": is_right, "file": name, "mistakes": mistakes, "more": more, "warnings": warnings,
            "summary": summary.ok(),
        }))?;
    } else {
        let CheckedConfig { config, warnings } = checked?;
        summary::write_summary(&config, &name, out)?;
        out.flush()?;
        print_warnings(&warnings);
        if options.strict && !warnings.is_empty() {
            anyhow::bail!(text::strict_warnings(&name, warnings.len()));
        }
    }
    Ok(if is_right {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Shows warnings as mistakes are shown.
fn print_warnings(warnings: &[Mistake]) {
    for warning in warnings {
        crate::output::print_warning(&format!("{warning}\n{}", warning.excerpt));
    }
}

pub(super) fn print_schema(out: &mut CommandOutput) -> Result<ExitCode> {
    let schema = serde_json::to_string_pretty(&chatops_core::config::json_schema())?;
    writeln!(out, "{schema}")?;
    Ok(ExitCode::SUCCESS)
}
