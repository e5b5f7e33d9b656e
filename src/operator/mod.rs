//! The operator's commands: read the record, request a retry, a cancel or an unlock, check an installation.
//!
//! They work on the data file beside a running `chatops serve` or without one, and never take its
//! lock: readers open the file read-only, and an action is one row in the work queue. With `--aws`
//! they work on an installation on AWS in the same way.

mod action;
mod audit;
mod config;
mod doctor;
mod filters;
mod generate;
mod installation;
mod list;
mod manual;
mod row;
mod show;
mod status;
mod store;
mod text;

#[cfg(test)]
mod example;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use chatops_core::Time;
use chatops_core::command::Verb;
use chatops_core::config::Config;
use chatops_core::deploy::DeployRecord;
use chatops_core::id::DeployRef;
use chatops_core::ports::Clock;
use clap::{Args, Subcommand};

pub(crate) use self::installation::Installation;
use self::store::OperatorStore;
use crate::output::CommandOutput;
use chatops_local::clock::WallClock;

#[derive(Debug, Subcommand)]
pub(crate) enum OperatorCommand {
    /// Show one deploy, or those in progress
    ///
    /// As `/chatops status`: without an id it lists what is in progress. `chatops show` has the audit as well.
    #[command(after_help = "Examples:
  chatops status
  chatops status 1a2b3c4d

Exit codes: 0 success, 1 there is no such deploy or the record cannot be read, 2 usage error.")]
    Status(status::StatusOptions),
    /// List deploys, newest first
    ///
    /// The filters are those of `/chatops history`. The output is a table for people, or with --json
    /// or --csv one line per deploy for programs.
    #[command(after_help = "Examples:
  chatops history status:failed since:7d
  chatops history user:@ana branch:main --limit 100
  chatops history since:2026-11-01 --all --csv > november.csv

Exit codes: 0 success, also if no deploy is found, 1 the record cannot be read, 2 usage error.")]
    History(list::HistoryOptions),
    /// Show one deploy and its audit
    #[command(after_help = "Examples:
  chatops show 1a2b3c4d
  chatops show 1a2b3c4d --json | jq '.events[].change'

Exit codes: 0 success, 1 there is no such deploy or the record cannot be read, 2 usage error.")]
    Show(show::ShowOptions),
    /// List deploys waiting for a retry: not started, or it is not known whether they started
    #[command(after_help = "Examples:
  chatops failed
  chatops failed --json | jq -r .short_id

Exit codes: 0 success, also if none waits, 1 the record cannot be read, 2 usage error.")]
    Failed(list::FailedOptions),
    /// Retry a deploy that did not start
    ///
    /// The action goes into the data file's queue, and the `chatops serve` on that file carries it
    /// out (on AWS: into the operators' queue, and the worker does). The retry is a new deploy of the same
    /// requester, with your name in its audit. The rules and the lock are checked again. A second
    /// retry of the same deploy starts nothing.
    #[command(after_help = "Examples:
  chatops retry 1a2b3c4d
  chatops retry 1a2b3c4d --dry-run
  chatops retry 1a2b3c4d --confirm
  chatops --aws retry --all --dry-run

With --all the newest deploy of each target is retried. What cannot be retried now stays where it is, and the \
answer says why.

Your name in the audit is the login user's, also under sudo; one that you give with --as stands beside it as \
unverified. Everyone who may write the data file may do this. On AWS the name is the session of your credentials, as \
SQS records it.

Exit codes: 0 enqueued, or with --dry-run it would be, 1 it cannot be retried (with --all: one of them), 2 usage \
error.")]
    Retry(action::RetryOptions),
    /// Take a deploy out of the list of what waits for a retry
    ///
    /// Nothing is started or canceled. The deploy can still be retried by its id.
    #[command(after_help = "Example:
  chatops dismiss 1a2b3c4d

Exit codes: 0 enqueued, 1 it does not wait for a retry, 2 usage error.")]
    Dismiss(action::DismissOptions),
    /// Cancel a deploy
    ///
    /// The action goes into the data file's queue, or on AWS into the operators' queue. A deploy that was
    /// not sent yet ends at once; a running one is canceled at CircleCI, and ends as CircleCI reports.
    #[command(after_help = "Example:
  chatops cancel 1a2b3c4d

Exit codes: 0 enqueued, 1 there is nothing to cancel, 2 usage error.")]
    Cancel(action::CancelOptions),
    /// Free the lock of a target whose deploy has ended, cannot be read or was not canceled
    ///
    /// The action goes into the data file's queue, or on AWS into the operators' queue. It frees the lock
    /// only of a deploy that has ended, that cannot be read at CircleCI, or whose cancel CircleCI has
    /// not carried out for ten minutes; a running one has to be canceled. Look at CircleCI first: what
    /// still runs there runs beside the next deploy.
    #[command(after_help = "Examples:
  chatops unlock web/production
  chatops unlock web/production --confirm

Exit codes: 0 enqueued, 1 it is not freed: the reason names the deploy that holds it, 2 usage error.")]
    Unlock(action::UnlockOptions),
    /// Verify, export or prune the record of deploys and their events
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Check the configuration, write a first one, or print its schema
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Check everything that `chatops serve` or an installation on AWS needs, and show the fixes
    #[command(after_help = doctor::HELP)]
    Doctor(doctor::DoctorOptions),
    /// Print the completions for a shell
    #[command(after_help = "Examples:
  chatops completions bash > /usr/share/bash-completion/completions/chatops
  chatops completions zsh > /usr/share/zsh/site-functions/_chatops
  chatops completions fish > /usr/share/fish/vendor_completions.d/chatops.fish

Exit codes: 0 success, 2 usage error.")]
    Completions(generate::CompletionsOptions),
    /// Print the manual page of chatops or of one command, or write all of them
    #[command(after_help = "Examples:
  chatops man retry | man -l -
  chatops man audit verify > chatops-audit-verify.1
  chatops man --dir /usr/local/share/man/man1

Exit codes: 0 success, 1 a page cannot be written, 2 usage error.")]
    Man(manual::ManOptions),
}

/// Runs a command. Exit codes: 0 success, 1 failure or a negative answer, 2 usage error.
///
/// `tree` is the whole command line, to generate from; `file` is whether the arguments name a data
/// file.
pub(crate) fn run_command(
    command: &OperatorCommand,
    installation: &Installation,
    file: bool,
    tree: clap::Command,
) -> Result<ExitCode> {
    let mut out = CommandOutput::stdout();
    let works = !matches!(
        command,
        OperatorCommand::Config(_) | OperatorCommand::Completions(_) | OperatorCommand::Man(_)
    );
    installation.check_usage(works, file)?;
    let done = match command {
        OperatorCommand::Status(options) => status::show_status(options, installation, &mut out),
        OperatorCommand::History(options) => list::list_history(options, installation, &mut out),
        OperatorCommand::Failed(options) => list::list_failed(options, installation, &mut out),
        OperatorCommand::Audit(command) => audit::run_audit(command, installation, &mut out),
        OperatorCommand::Config(command) => match command {
            config::ConfigCommand::Check(options) => config::check_config(options, &mut out),
            config::ConfigCommand::Init(options) => config::init_config(options, &mut out),
            config::ConfigCommand::Schema => config::print_schema(&mut out),
        },
        OperatorCommand::Doctor(options) => doctor::run_doctor(options, installation, &mut out),
        OperatorCommand::Completions(options) => {
            generate::print_completions(options, tree, &mut out)
        }
        OperatorCommand::Man(options) => manual::print_manual(options, tree, &mut out),
        OperatorCommand::Retry(options) => action::retry_deploy(options, installation, &mut out),
        OperatorCommand::Dismiss(options) => {
            action::dismiss_deploy(options, installation, &mut out)
        }
        OperatorCommand::Cancel(options) => action::cancel_deploy(options, installation, &mut out),
        OperatorCommand::Unlock(options) => action::unlock_target(options, installation, &mut out),
        OperatorCommand::Show(options) => show::show_deploy(options, installation, &mut out),
    };
    std::io::Write::flush(&mut out).context("the output cannot be written")?;
    done
}

/// Refuses the options for AWS where a command works on this machine only.
pub(crate) fn require_local(installation: &Installation) -> Result<()> {
    Ok(installation.check_usage(false, false)?)
}

/// A usage error, which has its own exit code.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(String);

impl UsageError {
    /// A command that is typed in Slack only.
    pub(crate) fn of_slack(verb: Verb) -> Self {
        Self(text::only_in_slack(verb))
    }
}

/// The data file of a command.
#[derive(Debug, Args)]
pub(crate) struct DataFile {
    /// The data file of `chatops serve`, which creates it
    #[arg(id = "data", long = "data", value_name = "FILE", env = "CHATOPS_DATA")]
    #[arg(default_value = "chatops.db")]
    pub(crate) path: PathBuf,
}

/// The configuration of a command that needs one.
#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file
    #[arg(id = "config", long = "config", value_name = "FILE")]
    #[arg(env = "CHATOPS_CONFIG")]
    #[arg(default_value = "chatops.toml")]
    pub(crate) path: PathBuf,
}

/// The configuration of a command that works without one.
#[derive(Debug, Args)]
struct OptionalConfig {
    /// The configuration file, for names and aliases [default: chatops.toml, if it exists]
    #[arg(long, value_name = "FILE", env = "CHATOPS_CONFIG")]
    config: Option<PathBuf>,
}

/// The configuration where there is no file.
const EMPTY_CONFIG: &str = "version = 1\n[slack]\nteams = []\n";

impl OptionalConfig {
    /// The configuration, or an empty one if there is none.
    fn load(&self) -> Result<Config> {
        if let Some(path) = &self.config {
            return crate::config_file::read_config(path);
        }
        let usual = Path::new("chatops.toml");
        if usual.exists() {
            match crate::config_file::read_config(usual) {
                Ok(config) => return Ok(config),
                // It was not named, and the record can be read without it.
                Err(error) => crate::output::print_warning(&text::config_is_not_used(&error)),
            }
        }
        Ok(Config::parse(EMPTY_CONFIG, "no configuration")?)
    }
}

fn parse_deploy_ref(text: &str) -> Result<DeployRef, &'static str> {
    DeployRef::parse(text)
        .ok_or("the id of a deploy has 8 or 16 hexadecimal digits, or is a full id")
}

fn find_deploy(
    store: &OperatorStore,
    deploy: &DeployRef,
    installation: &Installation,
) -> Result<DeployRecord> {
    let found = store.find_deploy(deploy)?;
    found.ok_or_else(|| anyhow!(text::unknown_deploy(deploy, &installation.command_prefix())))
}

fn now() -> Time {
    WallClock.now()
}

/// A duration, to the second.
fn took(duration: Duration) -> String {
    humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
}
