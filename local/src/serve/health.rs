//! Whether a command could be kept if one came now: the data file is there, whole, and can be written.
//!
//! Who asks often does not write often: what was found good counts for a few seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chatops_core::ports::{Clock, Ledger};
use tokio::sync::Mutex;
use tracing::{error, info};

use crate::clock::WallClock;
use crate::sqlite::Sqlite;

/// How long a write that worked counts.
const GOOD_FOR: Duration = Duration::from_secs(5);

/// How long a write that failed counts.
const BAD_FOR: Duration = Duration::from_secs(1);

/// Between two lines about the same trouble.
const LINE_EVERY: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct Health {
    db: Sqlite,
    lost_log_lines: Arc<AtomicU64>,
    /// The last probe: of those who ask at the same time one makes it.
    last: Mutex<Option<(Instant, Result<(), String>)>>,
}

impl Health {
    pub(super) fn new(db: Sqlite, lost_log_lines: Arc<AtomicU64>) -> Self {
        Self {
            db,
            lost_log_lines,
            last: Mutex::new(None),
        }
    }

    /// Why nothing can be kept, if so.
    pub(super) async fn check(&self) -> Result<(), String> {
        let mut last = self.last.lock().await;
        match &*last {
            Some((at, Ok(()))) if at.elapsed() < GOOD_FOR => {
                return self.db.check_file().await;
            }
            Some((at, failed @ Err(_))) if at.elapsed() < BAD_FOR => return failed.clone(),
            _ => {}
        }
        let found = self.probe().await;
        *last = Some((Instant::now(), found.clone()));
        found
    }

    async fn probe(&self) -> Result<(), String> {
        self.db.probe_write().await?;
        // Reads have a connection of their own.
        let read = self.db.list_due(WallClock.now(), 1).await;
        read.map(drop).map_err(|error| error.to_string())
    }

    /// How many lines of the log could not be written.
    pub(super) fn lost_log_lines(&self) -> u64 {
        self.lost_log_lines.load(Ordering::Relaxed)
    }
}

/// Says that nothing can be kept, once a minute, and when that is over.
#[derive(Debug, Default)]
pub(super) struct HealthLog {
    said: Option<Instant>,
}

impl HealthLog {
    pub(super) fn note(&mut self, found: Result<(), String>) {
        match (found, self.said) {
            (Ok(()), None) => {}
            (Ok(()), Some(_)) => {
                self.said = None;
                info!("the data file can be written again");
            }
            (Err(_), Some(at)) if at.elapsed() < LINE_EVERY => {}
            (Err(error), _) => {
                self.said = Some(Instant::now());
                error!(error, "not healthy: no command is accepted");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chatops_testkit::thread_log;

    use super::*;

    #[test]
    fn what_lasts_is_said_once_and_so_is_its_end() {
        thread_log::install();
        let mut log = HealthLog::default();
        log.note(Ok(()));
        for _ in 0..3 {
            log.note(Err("the disk is full".to_owned()));
        }
        for _ in 0..2 {
            log.note(Ok(()));
        }
        let said = thread_log::take();
        assert_eq!(said.matches("no command is accepted").count(), 1, "{said}");
        assert_eq!(said.matches("can be written again").count(), 1, "{said}");
    }
}
