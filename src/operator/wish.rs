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
use clap::Args;
use uuid::Uuid;

use super::out::Out;
use super::record::Record;
use super::{ConfigFile, DataFile, Place, Usage, now, retry_all, words};

/// More links than any chain of retries has.
const LINKS: usize = 1_000;

/// The longest name of an operator.
const LONGEST: usize = 64;

/// The options of `chatops retry`.
#[derive(Debug, Args)]
pub struct Retry {
    /// The deploy, by its short or its whole id
    #[arg(value_name = "ID", value_parser = super::deploy_ref, required_unless_present = "all")]
    deploy: Option<DeployRef>,
    /// You have looked at CircleCI and this deploy, which is UNRESOLVED, did not start there
    #[arg(long)]
    confirm: bool,
    /// Although it ended more than 24 hours ago
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    orders: retry_all::Orders,
    #[command(flatten)]
    how: How,
}

/// The options of `chatops cancel`.
#[derive(Debug, Args)]
pub struct CancelOptions {
    /// The deploy, by its short or its whole id
    #[arg(value_name = "ID", value_parser = super::deploy_ref)]
    deploy: DeployRef,
    #[command(flatten)]
    how: How,
}

/// What every wish has.
#[derive(Debug, Args)]
pub(super) struct How {
    /// Your name for the audit [default: the login name, from $USER or $LOGNAME; on AWS the ARN of
    /// your credentials]
    #[arg(long = "as", value_name = "NAME")]
    as_: Option<String>,
    /// One JSON object instead of words
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    data: DataFile,
    #[command(flatten)]
    config: ConfigFile,
}

/// A deploy that failed to start, or every one that waits for it, is wished to be tried again.
pub(super) fn retry(options: &Retry, place: &Place, out: &mut Out) -> Result<ExitCode> {
    let how = &options.how;
    let Some(deploy) = &options.deploy else {
        return retry_all::run(&options.orders, how, place, out);
    };
    let wish = Wish::Retry {
        deploy: deploy.clone(),
        confirm: options.confirm,
        force: options.force,
    };
    Desk::open(how, place)?.send(how, wish, out)
}

/// A deploy is wished to be canceled.
pub(super) fn cancel(options: &CancelOptions, place: &Place, out: &mut Out) -> Result<ExitCode> {
    let (how, deploy) = (&options.how, options.deploy.clone());
    Desk::open(how, place)?.send(how, Wish::Cancel { deploy }, out)
}

/// Where wishes are judged and sent from.
pub(super) struct Desk<'p> {
    pub(super) place: &'p Place,
    pub(super) record: Record,
    pub(super) config: Config,
    /// Who wishes.
    pub(super) name: String,
}

impl<'p> Desk<'p> {
    pub(super) fn open(how: &How, place: &'p Place) -> Result<Self> {
        if place.is_aws() && how.as_.is_some() {
            return Err(Usage(words::AS_ON_AWS.to_owned()).into());
        }
        let login = || operator(how.as_.as_deref(), |name| std::env::var_os(name));
        // Whoever is not said is not let near the record.
        let login = (!place.is_aws()).then(login).transpose()?;
        let record = place.open(&how.data.data)?;
        let name = login.map_or_else(|| record.who(), Ok)?;
        Ok(Self {
            place,
            record,
            config: how.config.read()?,
            name,
        })
    }

    /// The message that wishes this.
    pub(super) fn message(&self, wish: Wish) -> WishMessage {
        WishMessage {
            id: RequestId::of_call(drawn()),
            from: Wisher::Operator {
                name: self.name.clone(),
            },
            wish,
            asked_at: now(),
        }
    }

    /// Puts it into the queue.
    pub(super) fn enqueue(&self, message: WishMessage) -> Result<()> {
        let asked_at = message.asked_at;
        let body = Body::encode(&WorkMessage::Wish(Box::new(message)))?;
        self.record.send(&body, asked_at)
    }

    fn send(&self, how: &How, wish: Wish, out: &mut Out) -> Result<ExitCode> {
        let head = super::find(&self.record, wish.deploy(), self.place)?;
        let message = self.message(wish);
        let seen = match self.judge(head, &message)? {
            Ok(seen) => seen,
            Err(why) => {
                if how.json {
                    out.json(&serde_json::json!({ "enqueued": false, "why": why }))?;
                } else {
                    super::out::remark(&format!("chatops: {why}"));
                }
                return Ok(ExitCode::FAILURE);
            }
        };
        let wish = message.wish.clone();
        self.enqueue(message)?;
        let name = &self.name;
        if how.json {
            out.json(&serde_json::json!({
                "enqueued": true, "wish": wish.verb().word(), "deploy": seen.about, "operator": name,
                "outcome": seen.outcome,
            }))?;
        } else {
            let stale = self.config.times.stale_after;
            let said = words::enqueued(&wish, &seen.head, name, &seen.show, stale, self.place);
            write!(out, "{said}")?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The rules of the worker, applied to what is on record now; the words why not otherwise.
    fn judge(&self, named: Head, wish: &WishMessage) -> Result<Result<Seen, String>> {
        let call = self.place.call();
        let me = Invocation::new("command line");
        let here = here(wish, &me, &self.config);
        if matches!(wish.wish, Wish::Cancel { .. }) {
            return Ok(match decide::cancel(&named, wish, here)? {
                Cancel::Write(_) => Ok(Seen {
                    about: named.id,
                    outcome: named.id,
                    show: named.short.to_string(),
                    head: named,
                }),
                Cancel::Ended => Err(words::ended_before(&named)),
                Cancel::Wished(earlier) => Err(words::already_wished(&named, &earlier, &call)),
                Cancel::Denied(refusal) => Err(words::refusal(&refusal)),
            });
        }
        let end = end_of_chain(&self.record, named)?;
        Ok(match decide::retryable(&end, Cause::Wish(wish), here) {
            Retryable::Yes => {
                let outcome = DeployId::of_retry(end.id);
                Ok(Seen {
                    about: end.id,
                    outcome,
                    show: short(&self.record, outcome)?,
                    head: end,
                })
            }
            why => Err(words::not_retried(&end, why, &call)),
        })
    }
}

/// The circumstances of a wish that is judged here.
pub(super) fn here<'h>(wish: &WishMessage, me: &'h Invocation, config: &'h Config) -> Here<'h> {
    Here {
        now: wish.asked_at,
        me,
        posted: 0,
        ends: None,
        config,
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

/// The last deploy of the chain of retries: a retry derives from there.
fn end_of_chain(record: &Record, named: Head) -> Result<Head> {
    let mut head = named;
    for _ in 0..LINKS {
        let Some(next) = head.retried_by else { break };
        let Some(next) = record.head(next)? else {
            break;
        };
        head = next;
    }
    Ok(head)
}

/// What a deploy to come will be called: its usual digits, unless they are taken.
fn short(record: &Record, id: DeployId) -> Result<String> {
    let usual = id.short(ShortId::USUAL);
    let taken = record.by_short(&usual)?.is_some_and(|other| other != id);
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
