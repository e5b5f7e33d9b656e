//! `chatops retry` and `chatops cancel`: a wish, under the operator's name, for the worker to fulfil.
//!
//! What can be seen not to work is said at once, by the worker's own rules. The worker decides all
//! the same: the record may have moved on by then.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use chatops_core::command::Wish;
use chatops_core::config::Config;
use chatops_core::decide::{self, Cancel, Cause, Here, Retryable};
use chatops_core::deploy::Head;
use chatops_core::id::{DeployId, DeployRef, Invocation, RequestId, ShortId};
use chatops_core::message::{Body, WishMessage, Wisher, WorkMessage};
use chatops_core::ports::Lane;
use clap::Args;
use uuid::Uuid;

use super::out::Out;
use super::{ConfigFile, DataFile, Usage, now, words};
use crate::sqlite::guest::{Guest, enqueue};

/// More links than any chain of retries has.
const LINKS: usize = 1_000;

/// The longest name of an operator.
const LONGEST: usize = 64;

/// The options of `chatops retry`.
#[derive(Debug, Args)]
pub struct Retry {
    #[command(flatten)]
    one: One,
    /// You have looked at CircleCI and this deploy, which is UNRESOLVED, did not start there
    #[arg(long)]
    confirm: bool,
    /// Although it ended more than 24 hours ago
    #[arg(long)]
    force: bool,
}

/// The options of `chatops cancel`.
#[derive(Debug, Args)]
pub struct CancelOptions {
    #[command(flatten)]
    one: One,
}

#[derive(Debug, Args)]
struct One {
    /// The deploy, by its short or its whole id
    #[arg(value_name = "ID", value_parser = super::deploy_ref)]
    deploy: DeployRef,
    /// Your name for the audit [default: the login name, from $USER or $LOGNAME]
    #[arg(long = "as", value_name = "NAME")]
    as_: Option<String>,
    /// One JSON object instead of words
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataFile,
    #[command(flatten)]
    config: ConfigFile,
}

/// A deploy that failed to start is wished to be tried again.
pub(super) fn retry(options: &Retry, out: &mut Out) -> Result<ExitCode> {
    let wish = Wish::Retry {
        deploy: options.one.deploy.clone(),
        confirm: options.confirm,
        force: options.force,
    };
    options.one.send(wish, out)
}

/// A deploy is wished to be canceled.
pub(super) fn cancel(options: &CancelOptions, out: &mut Out) -> Result<ExitCode> {
    let deploy = options.one.deploy.clone();
    options.one.send(Wish::Cancel { deploy }, out)
}

impl One {
    fn send(&self, wish: Wish, out: &mut Out) -> Result<ExitCode> {
        let name = operator(self.as_.as_deref(), |name| std::env::var_os(name))?;
        let guest = self.data.open()?;
        let head = super::find(&guest, &self.deploy)?;
        let config = self.config.read()?;
        let message = WishMessage {
            id: RequestId::of_call(drawn()),
            from: Wisher::Operator { name: name.clone() },
            wish,
            asked_at: now(),
        };
        let seen = match judge(&guest, head, &message, &config)? {
            Ok(seen) => seen,
            Err(why) => {
                if self.json {
                    out.json(&serde_json::json!({ "enqueued": false, "why": why }))?;
                } else {
                    super::out::remark(&format!("chatops: {why}"));
                }
                return Ok(ExitCode::FAILURE);
            }
        };
        drop(guest);
        let asked_at = message.asked_at;
        let wish = message.wish.clone();
        let body = Body::encode(&WorkMessage::Wish(Box::new(message)))?;
        enqueue(&self.data.data, Lane::Work, &body, asked_at)?;
        if self.json {
            out.json(&serde_json::json!({
                "enqueued": true, "wish": wish.verb().word(), "deploy": seen.about, "operator": name,
                "outcome": seen.outcome,
            }))?;
        } else {
            let stale = config.times.stale_after;
            let said = words::enqueued(&wish, &seen.head, &name, &seen.show, stale);
            write!(out, "{said}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A wish that looks as if it can be fulfilled.
struct Seen {
    /// The deploy that it comes to.
    head: Head,
    about: DeployId,
    /// The deploy that tells the outcome.
    outcome: DeployId,
    /// The same, as short as is clear.
    show: String,
}

/// The rules of the worker, applied to what is on record now; the words why not otherwise.
fn judge(
    guest: &Guest,
    named: Head,
    wish: &WishMessage,
    config: &Config,
) -> Result<Result<Seen, String>> {
    let me = Invocation::new("command line");
    let here = Here {
        now: wish.asked_at,
        me: &me,
        posted: 0,
        ends: None,
        config,
    };
    if matches!(wish.wish, Wish::Cancel { .. }) {
        return Ok(match decide::cancel(&named, wish, here)? {
            Cancel::Write(_) => Ok(Seen {
                about: named.id,
                outcome: named.id,
                show: named.short.to_string(),
                head: named,
            }),
            Cancel::Ended => Err(words::ended_before(&named)),
            Cancel::Wished(earlier) => Err(words::already_wished(&named, &earlier)),
            Cancel::Denied(refusal) => Err(words::refusal(&refusal)),
        });
    }
    let end = end_of_chain(guest, named)?;
    Ok(match decide::retryable(&end, Cause::Wish(wish), here) {
        Retryable::Yes => {
            let outcome = DeployId::of_retry(end.id);
            Ok(Seen {
                about: end.id,
                outcome,
                show: short(guest, outcome)?,
                head: end,
            })
        }
        why => Err(words::not_retried(&end, why)),
    })
}

/// The last deploy of the chain of retries: a retry derives from there.
fn end_of_chain(guest: &Guest, named: Head) -> Result<Head> {
    let mut head = named;
    for _ in 0..LINKS {
        let Some(next) = head.retried_by else { break };
        let Some(next) = guest.head(next)? else { break };
        head = next;
    }
    Ok(head)
}

/// What a deploy to come will be called: its usual digits, unless they are taken.
fn short(guest: &Guest, id: DeployId) -> Result<String> {
    let usual = id.short(ShortId::USUAL);
    let taken = guest.by_short(&usual)?.is_some_and(|other| other != id);
    Ok(if taken {
        id.to_string()
    } else {
        usual.to_string()
    })
}

/// The operator's name: given, or the system's.
fn operator(
    given: Option<&str>,
    lookup: impl Fn(&str) -> Option<OsString>,
) -> Result<String, Usage> {
    let login = || {
        let mut names = ["USER", "LOGNAME"].into_iter().filter_map(&lookup);
        names.find_map(|name| name.into_string().ok().filter(|name| !name.is_empty()))
    };
    let Some(name) = given.map(str::to_owned).or_else(login) else {
        return Err(Usage(words::NO_NAME.to_owned()));
    };
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+');
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.len() <= LONGEST && name.starts_with(first) && name.chars().all(inner) {
        Ok(name)
    } else {
        Err(Usage(words::bad_name(&name)))
    }
}

/// The one id that is not derived: two calls of the command line are two wishes.
#[expect(
    clippy::disallowed_methods,
    reason = "the shell is where the drawn ids are made"
)]
fn drawn() -> Uuid {
    Uuid::new_v4()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(given: Option<&str>, environment: &[(&str, &str)]) -> Result<String, String> {
        let lookup = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        operator(given, lookup).map_err(|usage| usage.0)
    }

    #[test]
    fn the_operator_has_a_name() {
        let both = [("USER", "ada"), ("LOGNAME", "grace")];
        assert_eq!(named(Some("ops.1@host"), &both).unwrap(), "ops.1@host");
        assert_eq!(named(None, &both).unwrap(), "ada");
        assert_eq!(named(None, &[("USER", ""), both[1]]).unwrap(), "grace");
        insta::assert_snapshot!(named(None, &[]).unwrap_err(), @"nobody knows who you are ($USER and $LOGNAME are not set): give your name for the audit with --as NAME");
        let long = "a".repeat(65);
        for bad in [
            "",
            "-rf",
            "a b",
            "a\nb",
            "ana\u{1b}[2J",
            "Zoë",
            "<@U012>",
            &long,
        ] {
            let why = named(Some(bad), &both).unwrap_err();
            assert!(why.contains("--as"), "{why}");
            assert!(!why.contains('\u{1b}') && !why.contains('\n'), "{why}");
        }
    }
}
