//! `chatops audit export`.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use chatops_core::Time;
use chatops_core::audit::export::{
    EXPORT_VERSION, ExportEnd, ExportFooter, ExportHeader, ExportedDeploy,
};
use chatops_core::audit::hash::RunningHash;
use chatops_core::deploy::DeployRecord;
use serde::Serialize;

use super::{ExportOptions, text, verify};
use crate::operator::store::OperatorStore;
use crate::operator::{Installation, now};
use crate::output::{CommandOutput, print_remark};

pub(super) fn export_deploys(
    options: &ExportOptions,
    installation: &Installation,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    let store = installation.open(&options.data.path)?;
    let path = &options.output;
    let name = path.display().to_string();
    if name == "-" {
        let end = write_export(&store, options, &mut *out)?;
        ensure!(
            !out.is_closed(),
            "standard output was closed before the end"
        );
        print_remark(&text::exported(end.deploys, end.events, "standard output"));
        return Ok(ExitCode::SUCCESS);
    }
    ensure!(
        fs::symlink_metadata(path).is_err(),
        "{name} exists and is not replaced: name another file"
    );
    let dir = match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    let failed = || format!("{name} cannot be written");
    // Readable for its owner alone, as the data file.
    let file = tempfile::NamedTempFile::new_in(dir).with_context(failed)?;
    let mut writer = BufWriter::new(file);
    let end = write_export(&store, options, &mut writer)?;
    let file = writer.into_inner().with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    file.persist_noclobber(path).with_context(failed)?;
    writeln!(out, "{}", text::exported(end.deploys, end.events, &name))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the lines; returns what the last one says.
fn write_export(
    store: &OperatorStore,
    options: &ExportOptions,
    to: &mut impl Write,
) -> Result<ExportEnd> {
    let mut lines = HashedLines {
        to,
        digest: RunningHash::default(),
    };
    lines.write(&ExportHeader {
        chatops_audit_export: EXPORT_VERSION,
        exported_at: now(),
        since: options.since,
        before: options.before,
    })?;
    let bar = verify::deploy_bar(store)?;
    let (mut deploys, mut events, mut cursor) = (0, 0, None::<String>);
    loop {
        let (chains, next) = store.read_chains(cursor.as_deref())?;
        bar.inc(chains.len() as u64);
        for chain in &chains {
            let exported = ExportedDeploy::of(chain);
            let exported = exported.with_context(|| cannot_export(&chain.deploy))?;
            let record: DeployRecord = serde_json::from_value(exported.record.clone())
                .with_context(|| cannot_export(&chain.deploy))?;
            if is_asked_for(record.request.requested_at, options) {
                deploys += 1;
                events += chain.events.len() as u64;
                lines.write(&exported)?;
            }
        }
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    bar.finish_and_clear();
    let sha256 = lines.digest.so_far().to_string();
    let end = ExportEnd {
        deploys,
        events,
        sha256,
    };
    lines.write(&ExportFooter { end: end.clone() })?;
    lines.to.flush()?;
    Ok(end)
}

fn is_asked_for(requested_at: Time, options: &ExportOptions) -> bool {
    options.since.is_none_or(|since| requested_at >= since)
        && options.before.is_none_or(|before| requested_at < before)
}

fn cannot_export(deploy: &str) -> String {
    format!("deploy {deploy} cannot be read; `chatops audit verify` says why")
}

struct HashedLines<W> {
    to: W,
    digest: RunningHash,
}

impl<W: Write> HashedLines<W> {
    fn write(&mut self, value: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.digest.add(&line);
        self.to
            .write_all(&line)
            .context("the export cannot be written")
    }
}
