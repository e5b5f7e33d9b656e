//! `chatops audit verify`.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Result;
use indicatif::ProgressBar;

use super::VerifyOptions;
use super::report::AuditReport;
use super::resume::KeptPlace;
use super::{anchor, export_file};
use crate::operator::Installation;
use crate::operator::store::OperatorStore;
use crate::output::{CommandOutput, progress_bar};

pub(super) fn verify_audit(
    options: &VerifyOptions,
    installation: &Installation,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    let mut report;
    if let Some(path) = &options.export {
        report = AuditReport::default();
        let index = export_file::verify(path, &mut report, options.all)?;
        if let Some(log) = &options.anchor {
            anchor::compare_export(log, &index, &mut report, options.all)?;
        }
    } else {
        let store = installation.open(&options.data.path)?;
        report = verify_all(&store, options)?;
        if let Some(log) = &options.anchor {
            let exports = export_file::index_all(&options.pruned)?;
            anchor::compare_store(log, &store, exports.as_ref(), &mut report, options.all)?;
        }
    }
    report.write(options.json, out)
}

/// Examines everything that is on record.
pub(super) fn verify_all(store: &OperatorStore, options: &VerifyOptions) -> Result<AuditReport> {
    let resume = options.resume.as_deref();
    let (mut place, mut cursor, mut report) = KeptPlace::open(resume, store.name())?;
    let bar = deploy_bar(store)?;
    bar.set_position(report.deploys);
    loop {
        let part = store.examine(cursor.as_deref())?;
        report.deploys += part.deploys;
        report.events += part.events;
        report.add(part.findings, options.all);
        bar.inc(part.deploys);
        cursor = part.next;
        if cursor.is_none() {
            break;
        }
        place.keep(cursor.as_deref(), &report)?;
    }
    place.done();
    bar.finish_and_clear();
    Ok(report)
}

/// The progress over all deploys, on a terminal.
pub(super) fn deploy_bar(store: &OperatorStore) -> Result<ProgressBar> {
    let is_shown = std::io::stderr().is_terminal();
    let total = if is_shown {
        store.count_deploys()?
    } else {
        None
    };
    Ok(progress_bar(total).with_prefix("deploys"))
}
