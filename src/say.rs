//! `chatops say`: types a command into a kept demo's stand-in Slack, and shows what Slack shows,
//! until nothing more can follow.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use chatops_core::command::{self, Command, Wish};
use chatops_core::words;
use chatops_sandbox::http;
use chatops_sandbox::slack::{Conversation, Heard, NoConversation};
use clap::Args;
use clap::builder::PossibleValuesParser;
use owo_colors::OwoColorize;
use tokio::time::{Instant, timeout_at};

use crate::demo::cast;
use crate::demo::readable::readable;
use crate::demo::{SLACK, loopback};

/// The options of `chatops say`.
#[derive(Debug, Args)]
pub struct Options {
    /// Where the stand-in Slack of `chatops demo --keep` listens
    #[arg(long, value_name = "ADDRESS", default_value = SLACK, value_parser = loopback)]
    slack: SocketAddr,
    /// Who types
    #[arg(
        long,
        value_name = "NAME",
        default_value = "you",
        value_parser = PossibleValuesParser::new(cast::names(cast::PEOPLE))
    )]
    user: String,
    /// Where it is typed
    #[arg(
        long,
        value_name = "NAME",
        default_value = "deploys",
        value_parser = PossibleValuesParser::new(cast::names(cast::CHANNELS))
    )]
    channel: String,
    /// How long to wait for what follows, such as 90s or 10m
    #[arg(
        long = "for",
        value_name = "DURATION",
        default_value = "10m",
        value_parser = humantime::parse_duration
    )]
    for_: Duration,
    /// What is typed, such as "main deploy"; with or without /chatops
    #[arg(required = true, value_name = "TEXT")]
    text: Vec<String>,
}

/// What the last thing heard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// The acknowledgement.
    Acknowledgement,
    /// One message.
    Answer,
    /// The message that says how a deploy ended, or why there is none.
    End,
}

impl Last {
    /// What a text comes down to.
    fn of(text: &str) -> Self {
        match command::parse(text) {
            Err(_) | Ok(Command::Help(_)) => Self::Acknowledgement,
            Ok(Command::Ask(_) | Command::Wish(Wish::Cancel { .. })) => Self::Answer,
            Ok(Command::Deploy(_) | Command::Wish(Wish::Retry { .. })) => Self::End,
        }
    }

    /// Whether nothing follows what was heard.
    fn is(self, heard: &Heard) -> bool {
        match heard {
            Heard::Acknowledged { shown, .. } => self == Self::Acknowledgement || is_no(shown),
            Heard::Message { shown, .. } => {
                self != Self::End || words::is_last(shown) || is_no(shown)
            }
        }
    }
}

/// Whether a headline is a no: "*Not accepted:*", "*Not retried:*" and the like behind the emoji.
fn is_no(shown: &str) -> bool {
    let behind = shown.split_once(' ').map(|(_, behind)| behind);
    behind.is_some_and(|behind| behind.starts_with("*Not "))
}

/// What stands behind the slash command: the answers show it with the command, to be pasted.
fn behind_the_command(text: &str) -> String {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some(("/chatops", rest)) => rest.trim_start().to_owned(),
        None if text == "/chatops" => String::new(),
        _ => text.to_owned(),
    }
}

/// Types, and shows what is heard.
pub async fn run(options: Options) -> Result<ExitCode> {
    let text = behind_the_command(&options.text.join(" "));
    let typed = cast::typed(&options.user, &options.channel, &text)?;
    let last = Last::of(&text);
    let until = Instant::now()
        .checked_add(options.for_)
        .context("--for is too long")?;
    let too_late = || {
        let waited = humantime::format_duration(options.for_);
        anyhow!(
            "nothing more came within {waited} (--for). What was typed goes on; `chatops say \
             status` tells how it stands"
        )
    };
    let begun = timeout_at(until, Conversation::begin(options.slack, &typed)).await;
    let mut conversation = begun
        .map_err(|_| too_late())?
        .map_err(|error| nobody(options.slack, &error))?;
    loop {
        let next = timeout_at(until, conversation.next()).await;
        let heard = match next.map_err(|_| too_late())? {
            Ok(Some(heard)) => heard,
            Ok(None) | Err(NoConversation::Http(_)) => {
                bail!("the demo at {} ended before the last answer", options.slack)
            }
            Err(error) => return Err(Error::new(error)),
        };
        match print(&heard) {
            Ok(()) => {}
            // Whoever read it has enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(ExitCode::SUCCESS);
            }
            Err(error) => return Err(Error::new(error).context("the terminal takes no more")),
        }
        if let Heard::Acknowledged { status, .. } = &heard
            && *status != Some(200)
        {
            return Ok(ExitCode::FAILURE);
        }
        if last.is(&heard) {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Why there is no conversation, and what helps.
fn nobody(slack: SocketAddr, error: &NoConversation) -> Error {
    match error {
        NoConversation::Http(http::Error::Broken(_)) => anyhow!(
            "nobody answers at {slack}: start `chatops demo --keep` in another terminal, or name \
             its address with --slack"
        ),
        NoConversation::Refused {
            status: 503,
            message,
        } => {
            anyhow!("the demo at {slack} is not ready: {message}; try again")
        }
        other => anyhow!(
            "what listens at {slack} is not the stand-in Slack of `chatops demo --keep` ({other})"
        ),
    }
}

fn print(heard: &Heard) -> io::Result<()> {
    let (who, shown) = match heard {
        Heard::Acknowledged {
            latency_ms,
            visible_to,
            shown,
            ..
        } => {
            if shown.is_empty() {
                return line(&format!("acknowledged, {latency_ms:.1} ms"), "…");
            }
            let whom = cast::audience(visible_to.as_deref());
            (format!("{whom}, {latency_ms:.1} ms"), shown)
        }
        Heard::Message { visible_to, shown } => (cast::audience(visible_to.as_deref()), shown),
    };
    let shown = readable(shown);
    let mut lines = shown.lines();
    line(&who, lines.next().unwrap_or_default())?;
    lines.try_for_each(|more| line("", more))
}

fn line(who: &str, text: &str) -> io::Result<()> {
    writeln!(anstream::stdout(), "{:<22} {text}", who.cyan())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(text: &str, heard: &[(&str, bool)]) {
        let last = Last::of(text);
        for (i, (shown, expected)) in heard.iter().enumerate() {
            let shown = (*shown).to_owned();
            let heard = if i == 0 {
                Heard::Acknowledged {
                    status: Some(200),
                    latency_ms: 1.0,
                    visible_to: None,
                    shown,
                }
            } else {
                Heard::Message {
                    visible_to: None,
                    shown,
                }
            };
            assert_eq!(last.is(&heard), *expected, "{text}: {heard:?}");
        }
    }

    #[test]
    fn the_command_itself_may_be_typed_too() {
        for text in [
            "main deploy",
            "/chatops main deploy",
            " /chatops  main deploy ",
        ] {
            assert_eq!(behind_the_command(text), "main deploy");
        }
        assert_eq!(behind_the_command("/chatops"), "");
        assert_eq!(behind_the_command("/chatopsx"), "/chatopsx");
    }

    #[test]
    fn it_ends_when_nothing_can_follow() {
        let accepted = (":inbox_tray: *Accepted:* `deploy` on `main`", false);
        let running = (":arrow_forward: *Running:* `deploy` on `main`", false);
        let noted = (":inbox_tray: *Noted:* `retry 1a2b3c4d`", false);
        ends("", &[(":wave: *Deploy from Slack:*", true)]);
        ends("help deploy", &[(":wave: *Help:*", true)]);
        ends("main", &[(":speech_balloon: *Not a command:*", true)]);
        for end in [
            ":x: *Failed:* `e2e`",
            ":rotating_light: *Not started:* `e2e`",
        ] {
            ends("main deploy", &[accepted, running, (end, true)]);
        }
        let checking = (":mag: *Checking:* `deploy` on `main`", false);
        ends(
            "main deploy",
            &[checking, (":no_entry: *Refused:* `deploy`", true)],
        );
        ends(
            "main deploy",
            &[(":warning: *Not accepted:* it could", true)],
        );
        ends(
            "main deploy",
            &[(":warning: *Could not confirm:* it could", false)],
        );
        ends(
            "history",
            &[("", false), (":scroll: *History* · 2 deploys", true)],
        );
        ends("plan main deploy", &[("", false), (":mag: *Plan:*", true)]);
        ends(
            "cancel 1a2b3c4d",
            &[noted, (":octagonal_sign: *Canceling:*", true)],
        );
        ends(
            "retry 1a2b3c4d",
            &[noted, running, (":white_check_mark: *Succeeded:* ", true)],
        );
        for no in [
            ":no_entry: *Not retried:* ",
            ":speech_balloon: *Not known:* there is",
        ] {
            ends("retry 1a2b3c4d", &[noted, (no, true)]);
        }
    }
}
