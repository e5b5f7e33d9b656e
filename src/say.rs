//! `chatops say`: types a command into the stand-in Slack of a running demo, and shows the replies
//! until nothing more can follow.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use chatops_core::command::{self, ChatCommand, DeployAction};
use chatops_core::id::{DeployId, DeployRef, ShortId};
use chatops_core::text::{MessageKind, MessageMark};
use chatops_sandbox::http;
use chatops_sandbox::slack::{SayError, SayEvent, SaySession};
use clap::Args;
use owo_colors::OwoColorize;
use tokio::time::{Instant, timeout_at};

use crate::demo::directory;
use crate::demo::render::render_mrkdwn;
use crate::demo::{SLACK_ADDRESS, parse_loopback};

/// The slash command of the demo.
const INSTALLED: &str = "/chatops";

#[derive(Debug, Args)]
pub(crate) struct SayOptions {
    /// The address of the stand-in Slack of `chatops demo --keep`
    #[arg(long, value_name = "ADDRESS", default_value = SLACK_ADDRESS, value_parser = parse_loopback)]
    slack: SocketAddr,
    /// The user who types
    #[arg(long, value_name = "NAME", default_value = "you")]
    #[arg(value_parser = directory::name_parser(directory::USERS))]
    user: String,
    /// The channel to type in
    #[arg(long, value_name = "NAME", default_value = "deploys")]
    #[arg(value_parser = directory::name_parser(directory::CHANNELS))]
    channel: String,
    /// How long to wait for replies, such as 90s or 10m
    #[arg(long = "for", value_name = "DURATION", default_value = "10m")]
    #[arg(value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// The command, such as "main deploy"; with or without /chatops
    #[arg(required = true, value_name = "TEXT")]
    text: Vec<String>,
}

/// The message after which nothing follows, for a typed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastMessage {
    /// The acknowledgement.
    Acknowledgement,
    /// The reply to a query, a cancel or an unlock.
    Reply,
    /// The final status of a deploy.
    FinalStatus,
}

impl LastMessage {
    /// That of a command.
    fn of_command(text: &str) -> Self {
        match command::parse_pasted(text, INSTALLED) {
            Err(_) | Ok(ChatCommand::Help(_) | ChatCommand::Form) => Self::Acknowledgement,
            Ok(
                ChatCommand::Query(_)
                | ChatCommand::Action(
                    DeployAction::Cancel { .. }
                    | DeployAction::Dismiss { .. }
                    | DeployAction::Unlock { .. },
                ),
            ) => Self::Reply,
            Ok(ChatCommand::Deploy(_) | ChatCommand::Action(DeployAction::Retry { .. })) => {
                Self::FinalStatus
            }
        }
    }

    /// Whether nothing follows this message.
    fn is_reached(self, heard: &SayEvent) -> bool {
        let (SayEvent::Acknowledged { block_id, .. } | SayEvent::Message { block_id, .. }) = heard;
        let mark = block_id.as_deref().and_then(MessageMark::parse);
        match mark.map(|mark| mark.kind) {
            // After a retry a reply says why there is none.
            Some(
                MessageKind::NotAccepted
                | MessageKind::Refused
                | MessageKind::Help
                | MessageKind::Final
                | MessageKind::Reply,
            ) => true,
            _ => match heard {
                SayEvent::Acknowledged { .. } => self == Self::Acknowledgement,
                SayEvent::Message { .. } => self == Self::Reply,
            },
        }
    }
}

/// The deploy that a command is about, as far as it is known. The bot shows others in the same channel.
#[derive(Debug, Default)]
struct Subject {
    deploy: Option<DeployId>,
    /// The short id of the deploy that is retried: its retry has another id.
    retried: Option<String>,
}

impl Subject {
    fn of_command(text: &str) -> Self {
        let retried = match command::parse_pasted(text, INSTALLED) {
            Ok(ChatCommand::Action(DeployAction::Retry { deploy, .. })) => Some(match deploy {
                DeployRef::Full(id) => id.short_id(ShortId::USUAL).to_string(),
                DeployRef::Short(short) => short.to_string(),
            }),
            _ => None,
        };
        Self {
            deploy: None,
            retried,
        }
    }

    /// Whether a message answers the command.
    fn is_meant(&mut self, heard: &SayEvent) -> bool {
        let (SayEvent::Acknowledged { block_id, .. } | SayEvent::Message { block_id, .. }) = heard;
        let mark = block_id.as_deref().and_then(MessageMark::parse);
        let about = mark.and_then(|mark| mark.deploy);
        let SayEvent::Message { by_bot, shown, .. } = heard else {
            self.deploy = about;
            return true;
        };
        let retry = self.retried.as_ref();
        if retry.is_some_and(|old| shown.contains(&format!("retry of `{old}`"))) {
            self.deploy = about;
        }
        !by_bot || (about.is_some() && about == self.deploy)
    }
}

/// Types the command and shows the replies.
pub(crate) async fn run(options: SayOptions) -> Result<ExitCode> {
    let text = options.text.join(" ");
    let typed = directory::typed_command(&options.user, &options.channel, &text)?;
    let last = LastMessage::of_command(&text);
    let until = Instant::now()
        .checked_add(options.timeout)
        .context("--for is too long")?;
    let too_late = || {
        let waited = humantime::format_duration(options.timeout);
        anyhow!(
            "nothing more came within {waited} (--for). The command continues; `chatops say \
             status` shows its state"
        )
    };
    let mut subject = Subject::of_command(&text);
    let started = timeout_at(until, SaySession::start(options.slack, &typed)).await;
    let mut session = started
        .map_err(|_| too_late())?
        .map_err(|error| session_error(options.slack, &error))?;
    loop {
        let next = timeout_at(until, session.next_event()).await;
        let heard = match next.map_err(|_| too_late())? {
            Ok(Some(heard)) => heard,
            Ok(None) | Err(SayError::Http(_)) => {
                bail!("the demo at {} ended before the last reply", options.slack)
            }
            Err(error) => return Err(Error::new(error)),
        };
        if !subject.is_meant(&heard) {
            continue;
        }
        match print_heard(&heard) {
            Ok(()) => {}
            // The reader has closed it.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(ExitCode::SUCCESS);
            }
            Err(error) => return Err(Error::new(error).context("the output cannot be written")),
        }
        if let SayEvent::Acknowledged { status, .. } = &heard
            && *status != Some(200)
        {
            return Ok(ExitCode::FAILURE);
        }
        if last.is_reached(&heard) {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Why there is no session, and the fix.
fn session_error(slack: SocketAddr, error: &SayError) -> Error {
    match error {
        SayError::Http(http::HttpError::Broken(_)) => anyhow!(
            "nothing listens at {slack}: start `chatops demo --keep` in another terminal, or name \
             its address with --slack"
        ),
        SayError::Refused {
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

fn print_heard(heard: &SayEvent) -> io::Result<()> {
    let (who, shown) = match heard {
        SayEvent::Acknowledged {
            latency_ms,
            visible_to,
            shown,
            ..
        } => {
            if shown.is_empty() {
                return print_line(&format!("acknowledged, {latency_ms:.1} ms"), "…");
            }
            let whom = directory::audience_label(visible_to.as_deref());
            (format!("{whom}, {latency_ms:.1} ms"), shown)
        }
        SayEvent::Message {
            edited: true,
            shown,
            ..
        } => ("instead".to_owned(), shown),
        SayEvent::Message {
            visible_to, shown, ..
        } => (directory::audience_label(visible_to.as_deref()), shown),
    };
    let shown = render_mrkdwn(shown);
    let mut lines = shown.lines();
    print_line(&who, lines.next().unwrap_or_default())?;
    lines.try_for_each(|more| print_line("", more))
}

fn print_line(who: &str, text: &str) -> io::Result<()> {
    writeln!(anstream::stdout(), "{:<22} {text}", who.cyan())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks after which message `say` ends: the first is the acknowledgement.
    fn assert_ends(text: &str, heard: &[(&str, bool)]) {
        let last = LastMessage::of_command(text);
        for (i, (mark, expected)) in heard.iter().enumerate() {
            let block_id = Some((*mark).to_owned()).filter(|mark| !mark.is_empty());
            let (visible_to, shown) = (None, "any text".to_owned());
            let heard = if i == 0 {
                SayEvent::Acknowledged {
                    status: Some(200),
                    latency_ms: 1.0,
                    visible_to,
                    shown,
                    block_id,
                }
            } else {
                SayEvent::Message {
                    by_bot: false,
                    edited: false,
                    visible_to,
                    shown,
                    block_id,
                }
            };
            assert_eq!(last.is_reached(&heard), *expected, "{text}: {heard:?}");
        }
    }

    #[test]
    fn it_ends_when_nothing_can_follow() {
        let (accepted, checking) = (("accepted", false), ("checking", false));
        let (progress, noted) = (("progress", false), ("noted", false));
        let end = format!("final:{}", DeployId::of_request("T0001", "C0001", "1"));
        assert_ends("", &[("help", true)]);
        assert_ends("help deploy", &[("help", true)]);
        assert_ends("main", &[("help", true)]);
        assert_ends(
            "main deploy",
            &[accepted, progress, ("hold", false), (&end, true)],
        );
        assert_ends("main deploy", &[checking, (&format!("{end}:repeat"), true)]);
        assert_ends("main deploy", &[("not_accepted", true)]);
        assert_ends("main deploy", &[("unconfirmed", false)]);
        for query in ["history", "plan main deploy"] {
            assert_ends(query, &[("", false), ("reply", true)]);
        }
        assert_ends("cancel 1a2b3c4d", &[noted, ("reply", true)]);
        assert_ends("retry 1a2b3c4d", &[noted, progress, (&end, true)]);
        assert_ends("retry 1a2b3c4d", &[noted, ("reply", true)]);
    }

    #[test]
    fn of_the_bot_only_what_is_about_the_deploy_is_meant() {
        let deploy = |n: &str| DeployId::of_request("T0001", "C0001", n);
        let acknowledged = |block_id: String| SayEvent::Acknowledged {
            status: Some(200),
            latency_ms: 1.0,
            visible_to: None,
            shown: String::new(),
            block_id: Some(block_id),
        };
        let card = |n: &str, shown: &str| SayEvent::Message {
            by_bot: true,
            edited: false,
            visible_to: None,
            shown: shown.to_owned(),
            block_id: Some(format!("card:{}", deploy(n))),
        };
        let mut typed = Subject::of_command("main deploy");
        assert!(typed.is_meant(&acknowledged(format!("accepted:{}", deploy("1")))));
        assert!(typed.is_meant(&card("1", "it")) && !typed.is_meant(&card("2", "another")));
        let mut retry = Subject::of_command("retry 1a2b3c4d");
        assert!(retry.is_meant(&acknowledged("noted".to_owned())));
        assert!(!retry.is_meant(&card("1", "`1a2b3c4d`")));
        assert!(retry.is_meant(&card("2", "`2b3c4d5e`, retry of `1a2b3c4d`")));
        assert!(retry.is_meant(&card("2", "it")));
    }
}
