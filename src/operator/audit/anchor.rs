//! Compares a log with what is on record: the log was written outside the ledger, so it knows what somebody
//! removed or wrote anew. It is read once, a piece at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};
use std::path::Path;

use anyhow::{Context, Result, bail};
use chatops_core::audit::finding::Finding;
use chatops_core::audit::stored::{EventOnRecord, PrunedMark};

use super::anchor_line::{LoggedEvent, logged_events};
use super::export_file::ExportIndex;
use super::report::AuditReport;
use super::text;
use crate::operator::store::OperatorStore;

/// How many events are looked up at a time.
const BATCH: usize = 500;

/// The longest line that is read as one; a longer one is read in pieces.
const MAX_LINE: u64 = 1 << 20;

/// Compares a log with the record, and with the exports of what was pruned.
pub(super) fn compare_store(
    log: &Path,
    store: &OperatorStore,
    exports: Option<&ExportIndex>,
    report: &mut AuditReport,
    all: bool,
) -> Result<()> {
    for_each_batch(log, |batch| {
        let keys: Vec<_> = batch.iter().map(|event| (event.deploy, event.n)).collect();
        let on_record = store.logged_events(&keys)?;
        for (event, on_record) in batch.iter().zip(on_record) {
            report.logged += 1;
            let finding = match on_record {
                EventOnRecord::Hash(hash) => differs(event, Some(&hash)),
                EventOnRecord::Missing => differs(event, None),
                EventOnRecord::Pruned(mark) => {
                    report.pruned += u64::from(exports.is_none());
                    compare_pruned(event, &mark, exports)?
                }
            };
            report.add(finding, all);
        }
        Ok(())
    })
}

/// What is wrong with an event of a deploy that was pruned.
fn compare_pruned(
    event: &LoggedEvent,
    mark: &PrunedMark,
    exports: Option<&ExportIndex>,
) -> Result<Option<Finding>> {
    let Some(exports) = exports else {
        // The mark knows the last event alone.
        return Ok(match event.n {
            n if n > mark.events => differs(event, None),
            n if n == mark.events => differs(event, Some(&mark.last_hash)),
            _ => None,
        });
    };
    let exported = exports.hash(event.deploy, event.n)?;
    if exported.is_none() {
        let why = "was pruned, and no export that was given has it";
        let deploy = event.deploy.to_string();
        return Ok(Some(Finding::about_event(deploy, event.n, why)));
    }
    Ok(differs(event, exported.as_deref()))
}

/// Compares a log with an export. What is not in it may lie outside its time, so only what differs counts.
pub(super) fn compare_export(
    log: &Path,
    index: &ExportIndex,
    report: &mut AuditReport,
    all: bool,
) -> Result<()> {
    for_each_batch(log, |batch| {
        for event in batch {
            let known = index.tip(event.deploy)?;
            let Some(tip) = known else { continue };
            report.logged += 1;
            let hash = index.hash(event.deploy, event.n)?;
            // The deploy may have gone on after the export.
            let finding = match hash {
                None if event.n > tip.events => None,
                hash => differs(event, hash.as_deref()),
            };
            report.add(finding, all);
        }
        Ok(())
    })
}

/// What is wrong if the record has `stored` for an event that the log knows.
fn differs(event: &LoggedEvent, stored: Option<&str>) -> Option<Finding> {
    let logged = event.hash.to_string();
    let why = match stored {
        Some(stored) if stored == logged => return None,
        Some(_) => "was written anew: the log has another hash",
        None => "is in the log and not on record",
    };
    Some(Finding {
        event: Some(event.n),
        reason: why.to_owned(),
        ..Finding::differs(event.deploy.to_string(), "hash", stored, Some(&logged))
    })
}

fn for_each_batch(log: &Path, mut see: impl FnMut(&[LoggedEvent]) -> Result<()>) -> Result<()> {
    let name = log.display().to_string();
    let reader: Box<dyn Read> = if name == "-" {
        Box::new(stdin().lock())
    } else {
        Box::new(File::open(log).with_context(|| format!("the log {name} cannot be opened"))?)
    };
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let (mut line, mut batch, mut count) = (Vec::new(), Vec::with_capacity(BATCH), 0);
    loop {
        line.clear();
        let read = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        if read.with_context(|| format!("the log {name} cannot be read"))? == 0 {
            break;
        }
        let found = batch.len();
        batch.extend(logged_events(&String::from_utf8_lossy(&line)));
        count += batch.len() - found;
        if batch.len() >= BATCH {
            see(&batch)?;
            batch.clear();
        }
    }
    see(&batch)?;
    if count == 0 {
        bail!(text::no_anchor(&name));
    }
    Ok(())
}
