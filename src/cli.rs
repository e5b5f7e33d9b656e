//! The command line.

use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZero;
use std::process::ExitCode;

use anyhow::{Context, Result};
use chatops_core::command::Verb;
use clap::error::{ContextKind, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio::runtime::Builder;

#[cfg(feature = "demo")]
use crate::demo;
use crate::logging::{LogFilter, LogFormat};
use crate::operator;
#[cfg(feature = "demo")]
use crate::say;
use crate::serve;

#[cfg(feature = "demo")]
macro_rules! try_demo {
    () => {
        "\n\nTry `chatops demo` first: it needs no account and no network."
    };
}
#[cfg(not(feature = "demo"))]
macro_rules! try_demo {
    () => {
        ""
    };
}
/// Deploy from Slack through CircleCI: every accepted command is on record until its end, and every
/// rejection names its rule
#[derive(Debug, Parser)]
#[command(version, after_help = HELP)]
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
    #[command(after_help = "Examples:
  chatops demo
  chatops demo --keep

Exit codes: 0 every scenario ended as it should, 1 one did not, 2 usage error.")]
    Demo(demo::DemoOptions),
    /// Type a command into a running demo (`chatops demo --keep`) and show the replies
    ///
    /// It ends when nothing more can follow: after a deploy's final status or the reply to a query.
    #[cfg(feature = "demo")]
    #[command(after_help = "Example:
  chatops say main deploy

Exit codes: 0 every reply came, 1 not every reply came, 2 usage error.")]
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

/// The help below everything.
const HELP: &str = concat!(
    "Files:
  chatops.toml  the configuration (--config, CHATOPS_CONFIG)
  chatops.db    the data file (--data, CHATOPS_DATA)

`chatops config init` writes a first configuration, and `chatops serve` makes the data file.

Exit codes: 0 success, 1 failure or a negative answer, 2 usage error. Errors are on standard error; with --json \
also on standard output, as {\"error\": \"...\"}.",
    // The demo needs no account and no network.
    try_demo!()
);

/// The help about secrets.
const SECRETS_HELP: &str = "\
Secrets, from the environment or from the file whose path is in <NAME>_FILE:
  SLACK_SIGNING_SECRET           the Slack app's signing secret (Basic Information)
  CIRCLECI_TOKEN                 a personal API token of CircleCI
Optional:
  SLACK_SIGNING_SECRET_PREVIOUS  the signing secret before the last rotation
  SLACK_VERIFICATION_TOKEN       the token of a legacy slash command, which has no signature
  SLACK_BOT_TOKEN                the app's bot token, for cards and late notifications
  CIRCLECI_WEBHOOK_SECRET        the signing secret of CircleCI's webhooks

Example:
  chatops serve --config /etc/chatops/chatops.toml --data /var/lib/chatops/chatops.db

`chatops doctor` checks the secrets and everything else.

Exit codes: 0 stopped by SIGTERM or Ctrl-C, 1 it could not start or failed, 2 usage error.";

#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    pub(crate) config: operator::ConfigFile,
    #[command(flatten)]
    pub(crate) data: operator::DataFile,
    /// The address to listen on, such as localhost:8080; port 0 takes a free port
    #[arg(long, value_name = "ADDRESS", env = "CHATOPS_LISTEN", value_parser = parse_listen)]
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

/// An address with its port; a host's name is looked up.
pub(crate) fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let example = "write an address and a port, such as 127.0.0.1:8080 or localhost:8080";
    let (host, port) = text.rsplit_once(':').ok_or_else(|| example.to_owned())?;
    if host.is_empty() || port.parse::<u16>().is_err() {
        return Err(example.to_owned());
    }
    let found: Vec<SocketAddr> = match text.to_socket_addrs() {
        Ok(found) => found.collect(),
        Err(why) => return Err(format!("the host {host} is not found ({why}): {example}")),
    };
    // `localhost` is both on most machines, and proxies take the first.
    let ipv4 = found.iter().find(|address| address.is_ipv4());
    let address = ipv4.or_else(|| found.first()).copied();
    address.ok_or_else(|| format!("the host {host} has no address: {example}"))
}

/// The command line. The options for AWS are shown where they count.
pub(crate) fn command_tree() -> Command {
    let mut tree = ChatopsCli::command();
    let local = ["demo", "say", "serve", "config", "completions", "man"];
    for name in local
        .into_iter()
        .filter(|name| cfg!(feature = "demo") || !["demo", "say"].contains(name))
    {
        tree = tree.mut_subcommand(name, operator::Installation::hidden_in);
    }
    tree
}

/// Runs the command that the arguments name. Exit codes: 0 success, 1 failure, 2 usage error.
pub fn main() -> ExitCode {
    let parsed = command_tree().try_get_matches().and_then(|matches| {
        let cli = ChatopsCli::from_arg_matches(&matches)?;
        Ok((cli, matches))
    });
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return report_usage(&error),
    };
    match run_command(cli, names_data_file(&matches)) {
        Ok(code) => code,
        Err(error) => report_failure(&error, wants_json(&matches)),
    }
}

/// Shows why arguments are not understood, or the help that was asked for.
fn report_usage(error: &clap::Error) -> ExitCode {
    let is_json = std::env::args_os().any(|argument| argument == "--json");
    let word = error
        .get(ContextKind::InvalidSubcommand)
        .map(ToString::to_string);
    let verb = word.filter(|_| error.kind() == ErrorKind::InvalidSubcommand);
    if let Some(verb) = verb.as_deref().and_then(Verb::parse) {
        let why = anyhow::Error::new(operator::UsageError::of_slack(verb));
        return report_failure(&why, is_json);
    }
    if is_json && error.use_stderr() {
        let text = error.to_string();
        // Below it come tips and the usage.
        let lines = text.lines().take_while(|line| !line.is_empty());
        let why: Vec<&str> = lines.map(str::trim).collect();
        write_json_error(why.join(" ").trim_start_matches("error: "));
    }
    // The terminal may be gone.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Shows an error, for programs as JSON, too. A usage error has its own exit code.
fn report_failure(error: &anyhow::Error, is_json: bool) -> ExitCode {
    if is_json {
        write_json_error(&format!("{error:#}"));
    }
    crate::output::print_error(error);
    if error.is::<operator::UsageError>() {
        crate::output::print_remark("\nFor more information, try '--help'.");
        return ExitCode::from(2);
    }
    ExitCode::FAILURE
}

fn write_json_error(message: &str) {
    let mut out = crate::output::CommandOutput::stdout();
    let written = out.write_json(&serde_json::json!({ "error": message }));
    // The reader may be gone.
    let _ = written.and_then(|()| std::io::Write::flush(&mut out));
}

fn run_command(cli: ChatopsCli, file: bool) -> Result<ExitCode> {
    let (installation, command) = (cli.installation, cli.command);
    if !matches!(command, CliCommand::Operator(_)) {
        operator::require_local(&installation)?;
    }
    match command {
        #[cfg(feature = "demo")]
        CliCommand::Demo(options) => block_on(async { demo::run(options, stop_signal()?).await }),
        #[cfg(feature = "demo")]
        CliCommand::Say(options) => block_on(say::run(options)),
        CliCommand::Serve(options) => block_on(serve::run(options)),
        CliCommand::Operator(command) => {
            operator::run_command(&command, &installation, file, command_tree())
        }
    }
}

/// Whether the command was to write JSON.
fn wants_json(matches: &ArgMatches) -> bool {
    let here = matches.try_contains_id("json").is_ok() && matches.get_flag("json");
    let below = matches.subcommand();
    here || below.is_some_and(|(_, matches)| wants_json(matches))
}

/// Whether the arguments name a data file; one from the environment does not count.
fn names_data_file(matches: &ArgMatches) -> bool {
    let here = matches.try_contains_id("data").is_ok()
        && matches.value_source("data") == Some(ValueSource::CommandLine);
    let below = matches.subcommand();
    here || below.is_some_and(|(_, matches)| names_data_file(matches))
}

/// The threads of a runtime, however many processors there are: it mostly waits, and the systemd unit allows
/// the process 64 of all kinds.
const MAX_WORKER_THREADS: usize = 8;
const MAX_BLOCKING_THREADS: usize = 24;

fn block_on(command: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    Builder::new_multi_thread()
        .worker_threads(processors.min(MAX_WORKER_THREADS))
        .max_blocking_threads(MAX_BLOCKING_THREADS)
        .enable_all()
        .build()
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
        command_tree().debug_assert();
    }

    /// Where there is no terminal, lines are wrapped at 100 columns. A paragraph of several lines that has a
    /// longer one would be broken in two places.
    #[test]
    fn no_line_of_the_help_is_too_long() {
        fn check(command: &Command) {
            let help = command
                .get_after_long_help()
                .or_else(|| command.get_after_help());
            let help = help.map(ToString::to_string).unwrap_or_default();
            for paragraph in help.split("\n\n").filter(|text| text.contains('\n')) {
                for line in paragraph.lines() {
                    assert!(line.len() <= 100, "{}: {line}", command.get_name());
                }
            }
            command.get_subcommands().for_each(check);
        }
        check(&command_tree());
    }

    #[test]
    fn an_address_may_have_a_hosts_name() {
        assert_eq!(
            parse_listen("localhost:8080"),
            Ok(([127, 0, 0, 1], 8080).into())
        );
        assert_eq!(parse_listen("[::1]:0").unwrap().port(), 0);
        for wrong in [
            "8080",
            ":8080",
            "localhost",
            "localhost:http",
            "localhost:99999",
            "",
        ] {
            let why = parse_listen(wrong).unwrap_err();
            assert!(why.contains("such as 127.0.0.1:8080"), "{wrong}: {why}");
        }
    }
}
