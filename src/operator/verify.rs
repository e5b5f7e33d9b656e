//! `chatops audit verify`: every deploy's audit, read from where it is and checked link by link.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Result;
use chatops_core::audit::stored::Chain;
use chatops_core::audit::{self, Change, Event, Hash};
use chatops_core::deploy::Head;
use chatops_core::id::DeployId;
use clap::{Args, Subcommand};
use owo_colors::OwoColorize;
use serde::Serialize;

use super::out::{Out, plain, progress};
use super::record::Record;
use super::{DataFile, Place, words};

/// After so many deploys the progress is shown anew.
const BATCH: u64 = 200;

/// How many broken ones are told.
const TOLD: usize = 20;

/// `chatops audit`.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Check that no recorded event was edited, removed, inserted or moved
    #[command(after_help = "\
Each event is hashed together with the hash of the one before, and each deploy's record remembers
the last hash. So an event that was edited, removed, inserted or moved is found, and so is a record
whose state or command is not what its events say.

What a chain cannot show: that somebody wrote a deploy's events anew from the changed one on, with
new hashes, and its record as well; or that they took out a whole deploy, record, events and all.
Against those who can write the file only a copy helps that they cannot write, such as a backup.

On AWS this reads the whole table once.

Example:
  chatops audit verify --json

Exit codes: 0 everything is whole, 1 something is broken or cannot be read.")]
    Verify(Verify),
}

/// The options of `chatops audit verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// One JSON object: `deploys`, `events`, `broken` (how many) and `first` (the first 20 of them)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataFile,
}

/// A deploy whose audit is not whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Broken {
    /// The deploy, by the key in the file.
    pub(super) deploy: String,
    /// The place in the chain, from 1; `None` if it is the record that does not fit.
    pub(super) event: Option<u64>,
    /// What is wrong.
    pub(super) why: String,
}

#[derive(Debug, Default, Serialize)]
struct Summary {
    deploys: u64,
    events: u64,
    broken: u64,
    first: Vec<Broken>,
}

/// Checks everything there is.
pub(super) fn run(options: &Verify, place: &Place, out: &mut Out) -> Result<ExitCode> {
    let record = place.open(&options.data.data)?;
    let summary = all(&record, std::io::stderr().is_terminal())?;
    if options.json {
        out.json(&summary)?;
    } else {
        write(&summary, out)?;
    }
    Ok(match summary.broken {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn all(record: &Record, shows_progress: bool) -> Result<Summary> {
    let mut summary = Summary::default();
    let total = if shows_progress {
        record.count()?
    } else {
        None
    };
    let of = total.map_or_else(String::new, |total| format!(" of {total}"));
    let see = |chain: &Chain, found: Result<(), Broken>| {
        summary.deploys += 1;
        summary.events += chain.events.len() as u64;
        if let Err(broken) = found {
            summary.broken += 1;
            if summary.first.len() < TOLD {
                summary.first.push(broken);
            }
        }
        if shows_progress && summary.deploys.is_multiple_of(BATCH) {
            progress(&format!("{}{of} deploys", summary.deploys));
        }
    };
    record.each_chain(check, see)?;
    if shows_progress {
        progress("");
    }
    Ok(summary)
}

/// Checks one deploy: its chain, and that its record says what the chain says.
pub(super) fn check(chain: &Chain) -> Result<(), Broken> {
    let broken = |event: Option<u64>, why: &str| Broken {
        deploy: chain.deploy.clone(),
        event,
        why: why.to_owned(),
    };
    let Ok(id) = DeployId::parse(&chain.deploy) else {
        return Err(broken(None, "is filed under what is no deploy's id"));
    };
    let mut events = Vec::with_capacity(chain.events.len());
    for (place, raw) in (1..).zip(&chain.events) {
        let hash = Hash::parse(&raw.hash).filter(|hash| hash.to_string() == raw.hash);
        let hash = hash.ok_or_else(|| broken(Some(place), "has no hash"))?;
        events.push(Event {
            deploy: id,
            n: raw.n.cast_unsigned(),
            body: raw.body.clone(),
            hash,
        });
    }
    let Some(head) = &chain.head else {
        return Err(broken(None, "has events and no record"));
    };
    let head: Head =
        serde_json::from_str(head).map_err(|_| broken(None, "has a record that cannot be read"))?;
    audit::verify(id, &events, head.last_hash).map_err(|at| broken(Some(at.n), at.why))?;
    record(id, &head, &events).map_err(|why| broken(None, why))
}

/// Whether the record fits its events, which are whole.
fn record(id: DeployId, head: &Head, events: &[Event]) -> Result<(), &'static str> {
    const NO_EVENTS: &str = "has a record and no events";
    let first = events.first().and_then(|event| event.entry().ok());
    let last = events.last().and_then(|event| event.entry().ok());
    let (first, last) = (first.ok_or(NO_EVENTS)?, last.ok_or(NO_EVENTS)?);
    let asked = match &first.change {
        Change::Requested { ask, retry_of } => *ask == head.ask && *retry_of == head.retry_of,
        _ => false,
    };
    if head.id != id {
        Err("has the record of another deploy")
    } else if head.events != events.len() as u64 {
        Err("has a record that counts another number of events")
    } else if head.state != last.state {
        Err("has a record with another state than its last event")
    } else if !asked {
        Err("has a record of another command than its first event")
    } else {
        Ok(())
    }
}

fn write(summary: &Summary, out: &mut impl Write) -> Result<()> {
    for broken in &summary.first {
        let what = words::broken(&plain(&broken.deploy), broken.event, &broken.why);
        writeln!(out, "{} {what}", "BROKEN".red())?;
    }
    let hidden = summary.broken - summary.first.len() as u64;
    if hidden > 0 {
        writeln!(out, "{}", words::more_broken(hidden))?;
    }
    let said = words::verified(summary.deploys, summary.events, summary.broken);
    Ok(writeln!(out, "{said}")?)
}

#[cfg(test)]
mod tests;
