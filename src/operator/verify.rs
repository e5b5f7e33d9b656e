//! `chatops audit verify`: every deploy's audit, read and checked link by link.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Result;
use chatops_core::audit::stored::StoredChain;
use chatops_core::audit::{self, AuditChange, AuditEvent, EventHash};
use chatops_core::deploy::DeployRecord;
use chatops_core::id::DeployId;
use clap::{Args, Subcommand};
use owo_colors::OwoColorize;
use serde::Serialize;

use super::store::OperatorStore;
use super::{DataFile, Installation, text};
use crate::output::{CommandOutput, progress_bar, sanitize};

/// How many broken deploys are listed.
const MAX_SHOWN: usize = 20;

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Verify that no recorded event was edited, removed, inserted or moved
    #[command(after_help = "\
Each event is hashed together with the hash of the previous one, and each deploy's record holds the
last hash. An event that was edited, removed, inserted or moved is found, and so is a record whose
state or request differs from its events.

A chain cannot show that someone rewrote a deploy's events from the changed one on, with new hashes,
and its record, too; or that someone removed a whole deploy with its record and events. Against
people who can write the file, keep a copy that they cannot write, such as a backup.

On AWS this reads the whole table once.

Example:
  chatops audit verify --json

Exit codes: 0 every chain is verified, 1 something is broken or cannot be read.")]
    Verify(VerifyOptions),
}

#[derive(Debug, Args)]
pub(crate) struct VerifyOptions {
    /// Write one JSON object: `deploys`, `events`, `broken` (how many) and `first` (the first 20)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataFile,
}

/// A deploy whose audit is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct BrokenDeploy {
    /// The deploy, by its key in the store.
    pub(super) deploy: String,
    /// The position in the chain, from 1; `None` if the record is wrong.
    pub(super) event: Option<u64>,
    /// What is wrong.
    pub(super) reason: String,
}

#[derive(Debug, Default, Serialize)]
struct VerifySummary {
    deploys: u64,
    events: u64,
    broken: u64,
    first: Vec<BrokenDeploy>,
}

pub(super) fn verify_audit(
    options: &VerifyOptions,
    installation: &Installation,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    let store = installation.open(&options.data.path)?;
    let summary = verify_all(&store)?;
    if options.json {
        out.write_json(&summary)?;
    } else {
        write_summary(&summary, out)?;
    }
    Ok(match summary.broken {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn verify_all(store: &OperatorStore) -> Result<VerifySummary> {
    let mut summary = VerifySummary::default();
    let is_shown = std::io::stderr().is_terminal();
    let total = if is_shown {
        store.count_deploys()?
    } else {
        None
    };
    let bar = progress_bar(total).with_prefix("deploys");
    let see = |chain: &StoredChain, found: Result<(), BrokenDeploy>| {
        summary.deploys += 1;
        summary.events += chain.events.len() as u64;
        if let Err(broken) = found {
            summary.broken += 1;
            if summary.first.len() < MAX_SHOWN {
                summary.first.push(broken);
            }
        }
        bar.inc(1);
    };
    store.for_each_chain(verify_chain, see)?;
    bar.finish_and_clear();
    Ok(summary)
}

/// Verifies one deploy: its chain, and that its record agrees.
pub(super) fn verify_chain(chain: &StoredChain) -> Result<(), BrokenDeploy> {
    let broken = |event: Option<u64>, why: &str| BrokenDeploy {
        deploy: chain.deploy.clone(),
        event,
        reason: why.to_owned(),
    };
    let Ok(id) = DeployId::parse(&chain.deploy) else {
        return Err(broken(None, "has a key that is no deploy's id"));
    };
    let mut events = Vec::with_capacity(chain.events.len());
    for (n, raw) in (1..).zip(&chain.events) {
        let hash = EventHash::parse(&raw.hash).filter(|hash| hash.to_string() == raw.hash);
        let hash = hash.ok_or_else(|| broken(Some(n), "has no hash"))?;
        events.push(AuditEvent {
            deploy: id,
            n: raw.n.cast_unsigned(),
            body: raw.body.clone(),
            hash,
        });
    }
    let Some(record) = &chain.record else {
        return Err(broken(None, "has events and no record"));
    };
    let record: DeployRecord = serde_json::from_str(record)
        .map_err(|_| broken(None, "has a record that cannot be read"))?;
    audit::verify_chain(id, &events, record.last_hash).map_err(|at| broken(Some(at.n), at.why))?;
    check_record(id, &record, &events).map_err(|why| broken(None, why))
}

/// Checks the record against its events, whose chain is verified.
fn check_record(
    id: DeployId,
    record: &DeployRecord,
    events: &[AuditEvent],
) -> Result<(), &'static str> {
    const NO_EVENTS: &str = "has a record and no events";
    let first = events.first().and_then(|event| event.entry().ok());
    let last = events.last().and_then(|event| event.entry().ok());
    let (first, last) = (first.ok_or(NO_EVENTS)?, last.ok_or(NO_EVENTS)?);
    let requested = match &first.change {
        AuditChange::Requested { request, retry_of } => {
            *request == record.request && *retry_of == record.retry_of
        }
        _ => false,
    };
    if record.id != id {
        Err("has the record of another deploy")
    } else if record.events != events.len() as u64 {
        Err("has a record with another number of events")
    } else if record.state != last.state {
        Err("has a record with another state than its last event")
    } else if !requested {
        Err("has a record with another request than its first event")
    } else {
        Ok(())
    }
}

fn write_summary(summary: &VerifySummary, out: &mut impl Write) -> Result<()> {
    for broken in &summary.first {
        let what = text::broken_deploy(&sanitize(&broken.deploy), broken.event, &broken.reason);
        writeln!(out, "{} {what}", "BROKEN".red())?;
    }
    let hidden = summary.broken - summary.first.len() as u64;
    if hidden > 0 {
        writeln!(out, "{}", text::more_broken(hidden))?;
    }
    let said = text::verify_result(summary.deploys, summary.events, summary.broken);
    Ok(writeln!(out, "{said}")?)
}

#[cfg(test)]
mod tests;
