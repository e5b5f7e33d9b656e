//! The operator's commands: read the record, wish a retry or a cancel, check what is set up.
//!
//! They work on the data file beside a running `chatops serve` or without one, and never take its
//! lock: readers open the file read-only, and a wish is one row in the worker's queue. With `--aws`
//! they work on a deployment on AWS instead, in the same way.

mod config;
mod doctor;
mod filters;
mod generate;
mod list;
mod out;
mod place;
mod record;
mod retry_all;
mod row;
mod show;
mod verify;
mod wish;
mod words;

#[cfg(test)]
mod example;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use chatops_core::Time;
use chatops_core::config::Config;
use chatops_core::deploy::Head;
use chatops_core::id::DeployRef;
use chatops_core::ports::Clock;
use clap::{Args, Subcommand};

use self::out::Out;
#[cfg(feature = "aws")]
pub(crate) use self::out::plain;
pub use self::place::Place;
use self::record::Record;
use crate::clock::SystemClock;

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what was deployed, newest first
    ///
    /// The filters are those of `/chatops history`. The list is a table for people, or with --json
    /// and --csv one line per deploy for programs.
    #[command(after_help = "Examples:
  chatops history status:failed since:7d
  chatops history user:@ana branch:main --limit 100
  chatops history since:2026-11-01 --all --csv > november.csv")]
    History(list::History),
    /// Show one deploy with everything that happened to it
    #[command(after_help = "Examples:
  chatops show 1a2b3c4d
  chatops show 1a2b3c4d --json | jq '.events[].change'")]
    Show(show::Show),
    /// List what was not started, or nobody knows whether it was, and nobody has tried again
    #[command(after_help = "Examples:
  chatops failed
  chatops failed --json | jq -r .short")]
    Failed(list::Failed),
    /// Wish that a deploy that was not started be tried again
    ///
    /// The wish goes into the data file's queue, and the `chatops serve` that runs on that file
    /// fulfils it (on AWS into the work queue, and the worker does): a new deploy, asked for by
    /// whoever asked first, with your name in its audit. The rules and the lock are checked again.
    /// Pressed twice, it starts nothing twice.
    #[command(after_help = "Examples:
  chatops retry 1a2b3c4d
  chatops retry 1a2b3c4d --confirm --as ada
  chatops --aws retry --all --dry-run

With --all the orders stay where they are; the worker removes those that were carried out.

Exit codes: 0 enqueued, 1 it cannot be retried (with --all: one of them), 2 not typed right. The
name is what the system or you say, no proof of who you are: whoever may write the data file may
wish. On AWS it is the ARN of your credentials.")]
    Retry(wish::Retry),
    /// Wish that a deploy be canceled
    ///
    /// The wish goes into the data file's queue, or on AWS into the work queue. What was not sent
    /// yet ends at once; what runs is canceled at CircleCI, and ends as CircleCI says.
    #[command(after_help = "Example:
  chatops cancel 1a2b3c4d

Exit codes: 0 enqueued, 1 there is nothing to cancel, 2 not typed right.")]
    Cancel(wish::CancelOptions),
    /// Check the audit
    #[command(subcommand)]
    Audit(verify::Audit),
    /// Check the configuration, without network and secrets
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Check everything that `chatops serve` needs, and say how to put it right
    #[command(after_help = doctor::HELP)]
    Doctor(doctor::Doctor),
    /// Print the completions for a shell
    #[command(after_help = "Example:
  chatops completions bash > /etc/bash_completion.d/chatops")]
    Completions(generate::Completions),
    /// Print the manual page, of all or of one command
    #[command(after_help = "Examples:
  chatops man > chatops.1
  chatops man audit verify > chatops-audit-verify.1")]
    Man(generate::Man),
}

/// Runs one. Exit codes: 0 it was done, 1 the answer is no or something is wrong, 2 it was not typed
/// right.
///
/// `tree` is the whole command line, for what is generated from it; `file` is whether a data file
/// was named in the arguments.
pub fn run(command: &Command, place: &Place, file: bool, tree: clap::Command) -> Result<ExitCode> {
    let mut out = Out::stdout();
    let works = !matches!(
        command,
        Command::Config(_) | Command::Completions(_) | Command::Man(_)
    );
    let done = place.check(works, file).map_err(anyhow::Error::from);
    let done = done.and_then(|()| match command {
        Command::History(options) => list::history(options, place, &mut out),
        Command::Failed(options) => list::failed(options, place, &mut out),
        Command::Audit(verify::Audit::Verify(options)) => verify::run(options, place, &mut out),
        Command::Config(config::ConfigCommand::Check(options)) => config::check(options, &mut out),
        Command::Doctor(options) => doctor::run(options, place, &mut out),
        Command::Completions(options) => generate::completions(options, tree, &mut out),
        Command::Man(options) => generate::man(options, tree, &mut out),
        Command::Retry(options) => wish::retry(options, place, &mut out),
        Command::Cancel(options) => wish::cancel(options, place, &mut out),
        Command::Show(options) => show::run(options, place, &mut out),
    });
    std::io::Write::flush(&mut out).context("the output takes no more")?;
    told(done)
}

/// Refuses a place for what works on this machine only.
pub fn only_here(place: &Place) -> Result<Option<ExitCode>> {
    match place.check(false, false) {
        Ok(()) => Ok(None),
        Err(usage) => told(Err(usage.into())).map(Some),
    }
}

/// What was not typed right has an exit code of its own.
fn told(done: Result<ExitCode>) -> Result<ExitCode> {
    match done {
        Err(error) if error.is::<Usage>() => {
            out::remark(&format!("chatops: {error}"));
            Ok(ExitCode::from(2))
        }
        done => done,
    }
}

/// It was not typed right.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// The data file, for the commands that only read it or put a wish into it.
#[derive(Debug, Args)]
struct DataFile {
    /// The data file of `chatops serve`
    #[arg(
        long,
        value_name = "FILE",
        env = "CHATOPS_DATA",
        default_value = "chatops.db"
    )]
    data: PathBuf,
}

/// The configuration, where a command does without it.
#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration file; names and aliases are understood by it [default: chatops.toml, if
    /// there is one]
    #[arg(long, value_name = "FILE", env = "CHATOPS_CONFIG")]
    config: Option<PathBuf>,
}

/// What serves where there is no configuration: it knows nobody and nothing.
const NO_CONFIG: &str = "version = 1\n[slack]\nteams = []\n";

impl ConfigFile {
    /// The configuration, or an empty one where there is none.
    fn read(&self) -> Result<Config> {
        let usual = PathBuf::from("chatops.toml");
        if let Some(path) = &self.config {
            return crate::cli::read_config(path);
        }
        if usual.exists() {
            match crate::cli::read_config(&usual) {
                Ok(config) => return Ok(config),
                // Nobody named it, and the record can be read without it.
                Err(error) => out::remark(&words::config_is_not_used(&error)),
            }
        }
        Ok(Config::parse(NO_CONFIG, "no configuration")?)
    }
}

fn deploy_ref(text: &str) -> Result<DeployRef, &'static str> {
    DeployRef::parse(text).ok_or("a deploy's id has 8 or 16 hexadecimal digits, or is a whole one")
}

/// The deploy that somebody names.
fn find(record: &Record, deploy: &DeployRef, place: &Place) -> Result<Head> {
    let found = record.find(deploy)?;
    found.ok_or_else(|| anyhow!(words::unknown_deploy(deploy, &place.call())))
}

fn now() -> Time {
    SystemClock.now()
}

/// A length of time, to the second.
fn took(from: Time, until: Time) -> String {
    let seconds = (until - from).num_seconds().max(0);
    humantime::format_duration(Duration::from_secs(seconds.unsigned_abs())).to_string()
}
