//! The place of a verification that was stopped.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::report::AuditReport;

/// How often the place is written.
const PAUSE: Duration = Duration::from_secs(2);

/// What the file holds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Saved {
    /// Which record it is about.
    record: String,
    cursor: Option<String>,
    report: AuditReport,
}

/// A place that is kept in a file, or nowhere.
pub(super) struct KeptPlace {
    file: Option<PathBuf>,
    record: String,
    written: Instant,
}

impl KeptPlace {
    /// Reads where to go on in `record`; at the start if there is no file.
    pub(super) fn open(
        file: Option<&Path>,
        record: String,
    ) -> Result<(Self, Option<String>, AuditReport)> {
        let place = Self {
            file: file.map(Path::to_owned),
            record,
            written: Instant::now(),
        };
        let Some(path) = file.filter(|path| path.exists()) else {
            return Ok((place, None, AuditReport::default()));
        };
        let named = || path.display().to_string();
        let text = fs::read_to_string(path).with_context(named)?;
        let saved: Saved = serde_json::from_str(&text).with_context(|| {
            format!("{} is no place of audit verify: name another file", named())
        })?;
        ensure!(
            saved.record == place.record,
            "{} is the place in {}: name another file, or remove it",
            named(),
            saved.record
        );
        Ok((place, saved.cursor, saved.report))
    }

    /// Keeps the place, now and then.
    pub(super) fn keep(&mut self, cursor: Option<&str>, report: &AuditReport) -> Result<()> {
        if self.file.is_none() || self.written.elapsed() < PAUSE {
            return Ok(());
        }
        self.written = Instant::now();
        self.write(cursor, report)
    }

    fn write(&self, cursor: Option<&str>, report: &AuditReport) -> Result<()> {
        let Some(path) = &self.file else {
            return Ok(());
        };
        let saved = Saved {
            record: self.record.clone(),
            cursor: cursor.map(str::to_owned),
            report: report.clone(),
        };
        let dir = match path.parent() {
            Some(dir) if dir != Path::new("") => dir,
            _ => Path::new("."),
        };
        let written = || -> Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(dir)?;
            serde_json::to_writer(&mut file, &saved)?;
            file.flush()?;
            file.persist(path)?;
            Ok(())
        };
        written().with_context(|| format!("the place cannot be kept in {}", path.display()))
    }

    /// Forgets it: the end was reached.
    pub(super) fn done(self) {
        if let Some(path) = self.file {
            // A file that stays is overwritten, or says so.
            let _ = fs::remove_file(path);
        }
    }
}
