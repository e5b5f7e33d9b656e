//! An export, read: each line is checked, and the hashes are put into a temporary file, so that a large
//! one needs no memory.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use chatops_core::audit;
use chatops_core::audit::export::{EXPORT_VERSION, ExportFooter, ExportHeader, ExportedDeploy};
use chatops_core::audit::finding::Finding;
use chatops_core::audit::hash::RunningHash;
use chatops_core::id::DeployId;
use chatops_local::sqlite::prune::ExportedTip;
use rusqlite::{Connection, OptionalExtension, params};

use super::report::AuditReport;

/// The longest line; a deploy has some tens of events of some kilobytes.
const MAX_LINE: u64 = 1 << 28;

/// The hashes of the events of an export.
pub(super) struct ExportIndex {
    db: Connection,
    /// The SHA-256 of everything before the last line.
    pub(super) sha256: String,
}

impl ExportIndex {
    fn new() -> Result<Self> {
        // SQLite keeps it in a temporary file, which nobody else sees.
        let db = Connection::open("")?;
        db.execute_batch(
            "PRAGMA synchronous = off; PRAGMA journal_mode = off; BEGIN;
             CREATE TABLE event (deploy TEXT, n INTEGER, hash TEXT, PRIMARY KEY (deploy, n)) \
             WITHOUT ROWID;",
        )?;
        let sha256 = String::new();
        Ok(Self { db, sha256 })
    }

    /// The hash of an event; `None` if it is not in the export.
    pub(super) fn hash(&self, deploy: DeployId, n: u64) -> Result<Option<String>> {
        let sql = "SELECT hash FROM event WHERE deploy = ?1 AND n = ?2";
        let key = params![deploy.to_string(), i64::try_from(n).unwrap_or(i64::MAX)];
        let mut query = self.db.prepare_cached(sql)?;
        Ok(query.query_row(key, |row| row.get(0)).optional()?)
    }

    /// The last event of a deploy; `None` if that is not in the export.
    pub(super) fn tip(&self, deploy: DeployId) -> Result<Option<ExportedTip>> {
        let sql = "SELECT n, hash FROM event WHERE deploy = ?1 ORDER BY n DESC LIMIT 1";
        let mut query = self.db.prepare_cached(sql)?;
        let tip = query.query_row([deploy.to_string()], |row| {
            Ok(ExportedTip {
                events: row.get::<_, i64>(0)?.cast_unsigned(),
                last_hash: row.get(1)?,
            })
        });
        Ok(tip.optional()?)
    }

    /// Its deploys, in the order of their ids, after `after`.
    pub(super) fn next_deploy(&self, after: &str) -> Result<Option<String>> {
        let sql = "SELECT deploy FROM event WHERE deploy > ?1 ORDER BY deploy LIMIT 1";
        let mut query = self.db.prepare_cached(sql)?;
        Ok(query.query_row([after], |row| row.get(0)).optional()?)
    }
}

/// Several exports as one; `None` of none.
pub(super) fn index_all(paths: &[PathBuf]) -> Result<Option<ExportIndex>> {
    if paths.is_empty() {
        return Ok(None);
    }
    let mut index = ExportIndex::new()?;
    let mut report = AuditReport::default();
    for path in paths {
        read_export(path, &mut index, &mut report, false)?;
        ensure_sound(path, &report)?;
    }
    Ok(Some(index))
}

/// An export that must be sound.
pub(super) fn index_sound(path: &Path) -> Result<ExportIndex> {
    let mut report = AuditReport::default();
    let index = verify(path, &mut report, false)?;
    ensure_sound(path, &report)?;
    Ok(index)
}

fn ensure_sound(path: &Path, report: &AuditReport) -> Result<()> {
    let name = path.display();
    ensure!(
        report.found == 0,
        "{name} is not sound: `chatops audit verify --export {name}` says why"
    );
    Ok(())
}

/// Checks an export from the first to the last line.
pub(super) fn verify(path: &Path, report: &mut AuditReport, all: bool) -> Result<ExportIndex> {
    let mut index = ExportIndex::new()?;
    read_export(path, &mut index, report, all)?;
    Ok(index)
}

fn read_export(
    path: &Path,
    index: &mut ExportIndex,
    report: &mut AuditReport,
    all: bool,
) -> Result<()> {
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("{name} cannot be opened"))?;
    let mut lines = Lines {
        reader: BufReader::with_capacity(1 << 16, file),
        digest: RunningHash::default(),
        name: name.clone(),
    };
    let first = lines.next()?.unwrap_or_default();
    let header: ExportHeader = serde_json::from_slice(&first).with_context(|| {
        format!("{name} is no export: its first line should say chatops_audit_export")
    })?;
    ensure!(
        header.chatops_audit_export == EXPORT_VERSION,
        "{name} has version {} of the format, and this chatops knows {EXPORT_VERSION}: use a newer one",
        header.chatops_audit_export
    );
    let (mut deploys, mut events) = (0, 0);
    let mut before = lines.digest_now();
    while let Some(line) = lines.next()? {
        if let Ok(footer) = serde_json::from_slice::<ExportFooter>(&line) {
            let end = footer.end;
            if (deploys, events, &before) != (end.deploys, end.events, &end.sha256) {
                let why = "was changed after it was written: its checksum is another";
                report.add([Finding::about(&name, why)], all);
            }
            if lines.next()?.is_some() {
                report.add([Finding::about(&name, "goes on after its last line")], all);
            }
            index.sha256 = end.sha256;
            return Ok(());
        }
        let exported: ExportedDeploy = serde_json::from_slice(&line)
            .with_context(|| format!("line {} of {name} is no deploy", deploys + 2))?;
        let chain = exported.into_chain();
        deploys += 1;
        events += chain.events.len() as u64;
        report.add(audit::examine(&chain).findings, all);
        for event in &chain.events {
            let sql = "INSERT OR REPLACE INTO event (deploy, n, hash) VALUES (?1, ?2, ?3)";
            let values = params![chain.deploy, event.n, event.hash];
            index.db.prepare_cached(sql)?.execute(values)?;
        }
        report.deploys += 1;
        report.events += chain.events.len() as u64;
        before = lines.digest_now();
    }
    bail!("{name} has no last line: it is not complete")
}

struct Lines {
    reader: BufReader<File>,
    digest: RunningHash,
    name: String,
}

impl Lines {
    /// The next line; `None` at the end.
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let read = self
            .reader
            .by_ref()
            .take(MAX_LINE)
            .read_until(b'\n', &mut line);
        let read = read.with_context(|| format!("{} cannot be read", self.name))?;
        self.digest.add(&line);
        Ok((read > 0).then_some(line))
    }

    /// The digest of everything that was read.
    fn digest_now(&self) -> String {
        self.digest.so_far().to_string()
    }
}
