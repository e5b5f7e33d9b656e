//! The command line: what can be typed, and how it ends.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use chatops_core::config::Config;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio::runtime::Runtime;

use crate::demo;
use crate::logging::{self, Format};
use crate::operator;
use crate::say;
use crate::secrets::EnvSecrets;
use crate::serve::{Server, Settings};

/// Deploy from Slack through CircleCI: never lost, never twice, and a reason for every no.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Try `chatops demo` first: it needs no account and no network."
)]
struct Cli {
    #[command(flatten)]
    place: operator::Place,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the whole product on this machine, with a stand-in Slack and CircleCI
    ///
    /// The acts are played and checked. With --keep it stays: type commands with `chatops say`
    /// in another terminal, until Ctrl-C.
    Demo(demo::Options),
    /// Type a command into the demo that stays (`chatops demo --keep`), and see the answers
    ///
    /// It ends when nothing more can follow: a deploy's end, or the answer to a question. Exit
    /// codes: 0 everything was answered, 1 it was not, 2 it was not typed right.
    Say(say::Options),
    /// Run the pipeline on this machine, over one SQLite file
    ///
    /// SIGTERM and Ctrl-C finish what is in hand; the rest is on record and goes on at the next
    /// start.
    #[command(after_help = SECRETS)]
    Serve(ServeOptions),
    #[command(flatten)]
    Operator(operator::Command),
}

/// Below the help of every command that needs the secrets.
const SECRETS: &str = "\
Secrets, from the environment or from the file whose path is in <NAME>_FILE:
  SLACK_SIGNING_SECRET           the Slack app's signing secret (Basic Information)
  CIRCLECI_TOKEN                 a personal API token of CircleCI
Only where there is such a thing:
  SLACK_SIGNING_SECRET_PREVIOUS  the signing secret before the last rotation
  SLACK_VERIFICATION_TOKEN       the token of a legacy slash command, which has no signature
  SLACK_BOT_TOKEN                the app's bot token, for what a reply address cannot tell any more
  CIRCLECI_WEBHOOK_SECRET        what CircleCI signs its webhooks with

`chatops doctor` checks them and everything else.";

#[derive(Debug, Args)]
struct ServeOptions {
    /// The configuration file
    #[arg(
        long,
        value_name = "FILE",
        env = "CHATOPS_CONFIG",
        default_value = "chatops.toml"
    )]
    config: PathBuf,
    /// The data file; it is made if it does not exist
    #[arg(
        long,
        value_name = "FILE",
        env = "CHATOPS_DATA",
        default_value = "chatops.db"
    )]
    data: PathBuf,
    /// Where to listen; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "CHATOPS_LISTEN",
        default_value = "127.0.0.1:8080"
    )]
    listen: SocketAddr,
    /// How log lines are written
    #[arg(long, value_enum, env = "CHATOPS_LOG", default_value = "text")]
    log: Format,
    /// What is logged, such as `info` or `chatops_worker=debug`
    #[arg(
        long,
        value_name = "FILTER",
        env = "CHATOPS_LOG_LEVEL",
        default_value = "info"
    )]
    log_level: String,
}

/// Runs the command that the arguments name. Exit codes: 0 it worked, 1 it did not, 2 it was not
/// typed right.
pub fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match carry_out(cli, names_a_file(&matches)) {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("chatops: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(Cli { place, command }: Cli, file: bool) -> Result<ExitCode> {
    if !matches!(command, Command::Operator(_))
        && let Some(code) = operator::only_here(&place)?
    {
        return Ok(code);
    }
    match command {
        Command::Demo(options) => run(async { demo::run(options, asked_to_stop()?).await }),
        Command::Say(options) => run(say::run(options)),
        Command::Serve(options) => run(serve(options)),
        Command::Operator(command) => operator::run(&command, &place, file, Cli::command()),
    }
}

/// Whether the arguments name a data file; the environment may name one for other occasions.
fn names_a_file(matches: &ArgMatches) -> bool {
    let here = matches.try_contains_id("data").is_ok()
        && matches.value_source("data") == Some(ValueSource::CommandLine);
    let below = matches.subcommand();
    here || below.is_some_and(|(_, matches)| names_a_file(matches))
}

fn run(command: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    Runtime::new()
        .context("the runtime could not be started")?
        .block_on(command)
}

async fn serve(options: ServeOptions) -> Result<ExitCode> {
    logging::start(options.log, &options.log_level)?;
    let config = Arc::new(read_config(&options.config)?);
    let settings = Settings {
        config,
        secrets: EnvSecrets::read(|name| std::env::var_os(name))?,
        data: options.data,
        listen: options.listen,
    };
    // Before it says that it serves: a stop asked for from then on is heard.
    let stop = asked_to_stop()?;
    Server::start(settings).await?.run_until(stop).await?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn read_config(path: &Path) -> Result<Config> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the configuration {} cannot be read", path.display()))?;
    Ok(Config::parse(&text, &path.display().to_string())?)
}

/// Ready when somebody presses Ctrl-C or sends SIGTERM.
fn asked_to_stop() -> Result<impl Future<Output = ()>> {
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
    fn the_command_tree_is_sound() {
        Cli::command().debug_assert();
    }
}
