//! The command line.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio::runtime::Runtime;

#[cfg(feature = "demo")]
use crate::demo;
use crate::logging::{LogFilter, LogFormat};
use crate::operator;
#[cfg(feature = "demo")]
use crate::say;
use crate::serve;

/// Deploy from Slack through CircleCI: every accepted command is on record until its end, and every
/// rejection names its rule
#[derive(Debug, Parser)]
#[command(version)]
#[cfg_attr(
    feature = "demo",
    command(after_help = "Try `chatops demo` first: it needs no account and no network.")
)]
struct ChatopsCli {
    #[command(flatten)]
    installation: operator::Installation,
    #[command(subcommand)]
    command: CliCommand,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Run the whole product on this machine, with a stand-in Slack and CircleCI
    ///
    /// It plays and checks its scenarios. With --keep it then keeps running until Ctrl-C: type
    /// commands with `chatops say` in another terminal.
    #[cfg(feature = "demo")]
    Demo(demo::DemoOptions),
    /// Type a command into a running demo (`chatops demo --keep`) and show the replies
    ///
    /// It ends when nothing more can follow: after a deploy's final status or the reply to a query.
    /// Exit codes: 0 every reply came, 1 not every reply came, 2 usage error.
    #[cfg(feature = "demo")]
    Say(say::SayOptions),
    /// Run the three services on this machine, over one SQLite file
    ///
    /// On SIGTERM or Ctrl-C it finishes what is in flight; everything else is on record and continues
    /// at the next start. A second one ends it at once. On SIGHUP it reads the configuration and the files
    /// of secrets again.
    #[command(after_help = SECRETS_HELP)]
    Serve(ServeOptions),
    #[command(flatten)]
    Operator(operator::OperatorCommand),
}

/// The help about secrets.
const SECRETS_HELP: &str = "\
Secrets, from the environment or from the file whose path is in <NAME>_FILE:
  SLACK_SIGNING_SECRET           the Slack app's signing secret (Basic Information)
  CIRCLECI_TOKEN                 a personal API token of CircleCI
Optional:
  SLACK_SIGNING_SECRET_PREVIOUS  the signing secret before the last rotation
  SLACK_VERIFICATION_TOKEN       the token of a legacy slash command, which has no signature
  SLACK_BOT_TOKEN                the app's bot token, for notifications after the response URL expired
  CIRCLECI_WEBHOOK_SECRET        the signing secret of CircleCI's webhooks

`chatops doctor` checks them and everything else.";

#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    pub(crate) config: operator::ConfigFile,
    #[command(flatten)]
    pub(crate) data: operator::DataFile,
    /// The address to listen on; port 0 takes a free port
    #[arg(long, value_name = "ADDRESS", env = "CHATOPS_LISTEN")]
    #[arg(default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// The format of log lines
    #[arg(long, value_enum, env = "CHATOPS_LOG", default_value = "text")]
    pub(crate) log: LogFormat,
    /// What is logged, such as `info` or `chatops_worker=debug`
    #[arg(long, value_name = "FILTER", env = "CHATOPS_LOG_LEVEL")]
    #[arg(default_value = "info")]
    pub(crate) log_level: LogFilter,
}

/// Runs the command that the arguments name. Exit codes: 0 success, 1 failure, 2 usage error.
pub fn main() -> ExitCode {
    let matches = ChatopsCli::command().get_matches();
    let cli = ChatopsCli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run_command(cli, names_data_file(&matches)) {
        Ok(code) => code,
        Err(error) => {
            crate::output::print_remark(&format!("chatops: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run_command(cli: ChatopsCli, file: bool) -> Result<ExitCode> {
    let (installation, command) = (cli.installation, cli.command);
    if !matches!(command, CliCommand::Operator(_))
        && let Some(code) = operator::require_local(&installation)?
    {
        return Ok(code);
    }
    match command {
        #[cfg(feature = "demo")]
        CliCommand::Demo(options) => block_on(async { demo::run(options, stop_signal()?).await }),
        #[cfg(feature = "demo")]
        CliCommand::Say(options) => block_on(say::run(options)),
        CliCommand::Serve(options) => block_on(serve::run(options)),
        CliCommand::Operator(command) => {
            operator::run_command(&command, &installation, file, ChatopsCli::command())
        }
    }
}

/// Whether the arguments name a data file; one from the environment does not count.
fn names_data_file(matches: &ArgMatches) -> bool {
    let here = matches.try_contains_id("data").is_ok()
        && matches.value_source("data") == Some(ValueSource::CommandLine);
    let below = matches.subcommand();
    here || below.is_some_and(|(_, matches)| names_data_file(matches))
}

fn block_on(command: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    Runtime::new()
        .context("the runtime could not be started")?
        .block_on(command)
}

/// Ready on Ctrl-C or SIGTERM, for the demo.
#[cfg(feature = "demo")]
fn stop_signal() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_valid() {
        ChatopsCli::command().debug_assert();
    }
}
