//! `chatops audit`: whether what is on record is what happened, its export, and what may go after that.
//!
//! What must be true is decided in `core::audit`; what stands in a store is read by the store. Here are the
//! commands, their files and their words.

mod anchor;
mod anchor_line;
mod export;
mod export_file;
mod prune;
mod report;
mod resume;
mod text;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use chatops_core::Time;
use chrono::{DateTime, NaiveDate, NaiveTime};
use clap::{Args, Subcommand};

use super::{DataFile, Installation, UsageError};
use crate::output::CommandOutput;

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that everything on record is what happened
    ///
    /// Each deploy's events are read again from the first to the last, and everything else is compared
    /// with what they say: the whole record, the columns that lists filter by, ids, locks, retries, releases,
    /// and in a data file the tables and triggers themselves.
    #[command(after_help = VERIFY_HELP)]
    Verify(VerifyOptions),
    /// Write deploys with their events into a file
    ///
    /// The file is lines of JSON: a first line that says what it is, one line per deploy, and a last
    /// line with a checksum. `chatops audit verify --export` checks it. No response URL and no secret
    /// is in it; names of people are.
    #[command(after_help = "Examples:
  chatops audit export --before 2026-01-01 --output 2025.jsonl
  chatops audit export --output - | gzip > deploys.jsonl.gz

The file appears when it is complete; one that exists is never replaced. If the command is stopped,
start it again.

Exit codes: 0 written, 1 a deploy cannot be exported or the file cannot be written, 2 usage error.")]
    Export(ExportOptions),
    /// Remove old deploys that were exported from a data file
    ///
    /// Only what ended before the day, is in the export exactly as it is in the data file, and is not
    /// needed any more is removed: no latest release, no lock, nothing that waits for a retry. A mark with
    /// the hash of its last event stays. Nothing is ever removed without this command.
    #[command(after_help = "Examples:
  chatops audit prune --before 2026-01-01 --exported 2025.jsonl --dry-run
  chatops audit prune --before 2026-01-01 --exported 2025.jsonl

Keep the export: it is the only proof of what was removed. `chatops serve` may run meanwhile. The
file becomes no smaller; it uses the room again.

Exit codes: 0 done (with --dry-run: 0, nothing was removed), 1 the export is not sound or the file
cannot be written, 2 usage error, or nobody to ask and no --yes.")]
    Prune(PruneOptions),
}

const VERIFY_HELP: &str = "\
Examples:
  chatops audit verify
  chatops audit verify --json
  journalctl -u chatops -o cat | chatops audit verify --anchor -

A deploy that was removed with all that names it, or whose events were all written anew, shows only
in something outside: the log, in which each event's hash is written after it. --anchor takes an
export of it, as text or JSON, and finds what the log knows and the record does not. Lines of others
are skipped. A deploy that `chatops audit prune` has removed is not missing; --pruned compares its
export, too.

With --resume FILE the place is kept in FILE, and the same command goes on there if it was stopped.
On AWS everything in the table is read once.

Exit codes: 0 everything agrees, 1 something differs or cannot be read, 2 usage error.";

#[derive(Debug, Args)]
pub(crate) struct VerifyOptions {
    /// Write one JSON object: `deploys`, `events`, `logged`, `pruned`, `broken` (how many differ), `found` (how
    /// many differences) and `first` (the first 20: `deploy`, `event`, `reason`, `field`, `stored`,
    /// `by_events`)
    #[arg(long)]
    json: bool,
    /// List every difference, not only the first 20
    #[arg(long)]
    all: bool,
    /// Keep the place in this file, and go on from there if it exists
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Compare with an export of the log, `-` for standard input
    #[arg(long, value_name = "LOG")]
    anchor: Option<PathBuf>,
    /// An export of deploys that were pruned since, to compare it with the log, too
    #[arg(long, value_name = "FILE", requires = "anchor")]
    pruned: Vec<PathBuf>,
    /// Check this export instead of the record
    #[arg(long, value_name = "FILE", conflicts_with_all = ["resume", "pruned"])]
    export: Option<PathBuf>,
    #[command(flatten)]
    data: DataFile,
}

#[derive(Debug, Args)]
pub(crate) struct ExportOptions {
    /// The file to write, `-` for standard output
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Only deploys requested from this day (UTC) or time on
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    since: Option<Time>,
    /// Only deploys requested before this day (UTC) or time
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    before: Option<Time>,
    #[command(flatten)]
    data: DataFile,
}

#[derive(Debug, Args)]
pub(crate) struct PruneOptions {
    /// Only deploys that ended before this day (UTC) or time, at least 30 days ago
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    before: Time,
    /// The export that has them
    #[arg(long, value_name = "FILE")]
    exported: PathBuf,
    /// Remove nothing, and say what would be
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    data: DataFile,
}

/// Runs one of the commands.
pub(super) fn run_audit(
    command: &AuditCommand,
    installation: &Installation,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    match command {
        AuditCommand::Verify(options) => verify::verify_audit(options, installation, out),
        AuditCommand::Export(options) => export::export_deploys(options, installation, out),
        AuditCommand::Prune(options) if installation.is_aws() => {
            let _ = options;
            Err(UsageError(text::NOT_PRUNED_ON_AWS.to_owned()).into())
        }
        AuditCommand::Prune(options) => prune::prune_deploys(options, out),
    }
}

/// A day, whose beginning it means, or a time.
fn parse_date(text: &str) -> Result<Time, &'static str> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(
            |_| "it takes a day (UTC) such as 2026-11-30, or a time such as 2026-11-30T12:00:00Z",
        )
}

#[cfg(test)]
mod tests;
