//! `chatops retry --all`: a wish for every order in the work queue's dead-letter queue.
//!
//! The orders stay where they are: the worker's sweeper removes those whose deploy was tried again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use chatops_core::Time;
use chatops_core::command::Wish;
use chatops_core::decide::{self, Cause, Retryable};
use chatops_core::deploy::Head;
use chatops_core::id::{DeployId, DeployRef, Invocation};
use chatops_core::message::{Body, WorkMessage};
use clap::Args;
use serde::Serialize;

use super::out::{Out, progress, remark};
use super::wish::{Desk, How, here};
use super::{Place, words};

/// Which orders.
#[derive(Debug, Args)]
pub(super) struct Orders {
    /// Every deploy whose order lies in the dead-letter queue, instead of one
    // What only goes with it is refused beside a deploy: `requires` is waived for what conflicts.
    #[arg(long, conflicts_with_all = ["deploy", "confirm", "force"])]
    all: bool,
    /// Only those that ended at most so long ago, such as 30m or 3d; with more than 24h the old ones
    /// are forced
    #[arg(
        long,
        value_name = "TIME",
        requires = "all",
        conflicts_with = "deploy",
        default_value = "24h",
        value_parser = humantime::parse_duration
    )]
    max_age: Duration,
    /// Say what would be done, and do nothing
    #[arg(long, requires = "all", conflicts_with = "deploy")]
    dry_run: bool,
}

/// Why a letter is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Left {
    /// Another order for the same deploy was met before.
    Duplicate,
    /// The deploy was tried again already.
    Retried,
    /// It is another message, or none that can be read.
    NotAnOrder,
    /// Its deploy is not on record.
    Unknown,
    /// Its deploy ended too long ago.
    TooOld,
    /// The rules say no.
    Refused,
    /// The wish could not be sent.
    NotSent,
}

impl Left {
    /// Whether nothing is left to be done about it.
    fn is_done(self) -> bool {
        matches!(self, Left::Duplicate | Left::Retried)
    }
}

/// What became of the letters.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Summary {
    /// How many lie there.
    pub(super) letters: usize,
    /// The deploys that are tried again, or would be.
    pub(super) enqueued: Vec<DeployId>,
    /// What was left, and why.
    pub(super) left: BTreeMap<Left, usize>,
    /// Whether nothing was done.
    pub(super) dry_run: bool,
    /// Who wishes.
    pub(super) operator: String,
}

/// Goes through them.
pub(super) fn run(options: &Orders, how: &How, place: &Place, out: &mut Out) -> Result<ExitCode> {
    let desk = Desk::open(how, place)?;
    let shows = std::io::stderr().is_terminal();
    let show = |what: &str, n: u64, of: u64| {
        if shows {
            progress(&words::bar(what, n, of));
        }
    };
    let summary = desk.record.letters(
        |read, of| show("read", read, of),
        |letters| go_through(options, &desk, letters, |n, of| show("wished", n, of)),
    );
    if shows {
        progress("");
    }
    let summary = summary?;
    if how.json {
        out.json(&summary)?;
    } else {
        write!(out, "{}", words::retried_all(&summary, &place.call()))?;
    }
    Ok(if summary.left.keys().all(|why| why.is_done()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn go_through(
    options: &Orders,
    desk: &Desk<'_>,
    letters: &[Body],
    progress: impl Fn(u64, u64),
) -> Result<Summary> {
    let mut summary = Summary {
        letters: letters.len(),
        dry_run: options.dry_run,
        operator: desk.name.clone(),
        ..Summary::default()
    };
    let (mut met, mut failed) = (BTreeSet::new(), None);
    for (n, letter) in (1..).zip(letters) {
        let deploy = match order(letter) {
            Some(deploy) if !met.insert(deploy) => Err(Left::Duplicate),
            Some(deploy) => Ok(deploy),
            None => Err(Left::NotAnOrder),
        };
        let done = match deploy {
            Err(left) => Err(left),
            // Where one could not be sent, the next can hardly be.
            Ok(_) if failed.is_some() => Err(Left::NotSent),
            Ok(deploy) => match desk.record.head(deploy)? {
                None => Err(Left::Unknown),
                Some(head) => one(options, desk, &head, &mut failed),
            },
        };
        match done {
            Ok(deploy) => summary.enqueued.push(deploy),
            Err(left) => *summary.left.entry(left).or_default() += 1,
        }
        progress(n, letters.len() as u64);
    }
    if let Some(error) = failed {
        remark(&format!("chatops: {error:#}"));
    }
    Ok(summary)
}

/// The deploy that a letter orders to be tried again.
fn order(letter: &Body) -> Option<DeployId> {
    match letter.decode() {
        Ok(WorkMessage::Retry { deploy }) => Some(deploy),
        _ => None,
    }
}

fn one(
    options: &Orders,
    desk: &Desk<'_>,
    head: &Head,
    failed: &mut Option<anyhow::Error>,
) -> Result<DeployId, Left> {
    let wish = |force| Wish::Retry {
        deploy: DeployRef::Full(head.id),
        confirm: false,
        force,
    };
    let me = Invocation::new("command line");
    let judge = |force| {
        let message = desk.message(wish(force));
        let here = here(&message, &me, &desk.config);
        (
            decide::retryable(head, Cause::Wish(&message), here),
            message,
        )
    };
    let (mut why, mut message) = judge(false);
    if why != Retryable::Retried && is_older(head, options.max_age, message.asked_at) {
        return Err(Left::TooOld);
    }
    // Whoever asks for older ones has said that they may be old.
    if why == Retryable::TooOld {
        (why, message) = judge(true);
    }
    match why {
        Retryable::Yes => {}
        Retryable::Retried => return Err(Left::Retried),
        Retryable::TooOld => return Err(Left::TooOld),
        Retryable::Open | Retryable::Ran | Retryable::NeedsConfirm => return Err(Left::Refused),
    }
    if !options.dry_run
        && let Err(error) = desk.enqueue(message)
    {
        *failed = Some(error);
        return Err(Left::NotSent);
    }
    Ok(head.id)
}

/// Whether a deploy ended longer ago than that.
fn is_older(head: &Head, max_age: Duration, now: Time) -> bool {
    let age = head.end.as_ref().map(|end| now - end.at);
    // Ages beyond what time itself can say are older than nothing.
    let most = chrono::TimeDelta::from_std(max_age).unwrap_or(chrono::TimeDelta::MAX);
    age.is_some_and(|age| age > most)
}
