//! Removing old deploys that were exported: `chatops audit prune`, beside a running server or without one.
//!
//! What is removed leaves a mark with the hash of its last event and of the export, and the trigger on events
//! lets nothing go without one. A chain of retries goes as a whole. Each deploy or chain is removed in one
//! transaction, so nothing is half gone, whenever the program is stopped.

use std::path::Path;
use std::time::Duration;

use chatops_core::Time;
use chatops_core::deploy::DeployRecord;
use chatops_core::id::DeployId;
use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};

use super::attest::select_mark;
use super::failure::{FileResult, LedgerResult, SqliteFailure};
use super::ledger::{self, notifications};
use super::schema::{to_i64, to_micros};
use super::{OpenError, read_only};

/// How long a transaction waits for the server's.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A longer chain of retries is kept.
const MAX_CHAIN: usize = 1_000;

/// What an export says of a deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedTip {
    /// How many events it had.
    pub events: u64,
    /// The hash of the last one.
    pub last_hash: String,
}

/// Why a deploy was not removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
pub enum Kept {
    /// It is not in the file any more.
    #[strum(serialize = "not in the data file any more")]
    Gone,
    /// It has not ended, or is still looked at.
    #[strum(serialize = "not over yet")]
    InProgress,
    /// It ended too recently.
    #[strum(serialize = "ended later")]
    TooNew,
    /// It is not in the export as it is in the file.
    #[strum(serialize = "changed since the export, or not in it")]
    NotExported,
    /// It waits for a retry.
    #[strum(serialize = "waiting for a retry; retry or dismiss them first")]
    AwaitsRetry,
    /// It holds a lock.
    #[strum(serialize = "holding a lock")]
    HoldsLock,
    /// It is among the latest releases of its target.
    #[strum(serialize = "among the latest releases of a target")]
    IsRelease,
    /// A deploy in progress replaces it.
    #[strum(serialize = "being replaced by a deploy in progress")]
    IsReplaced,
    /// Slack is still to be told of it.
    #[strum(serialize = "with a message to Slack that is still to be sent")]
    IsUntold,
    /// Its chain of retries is too long, or does not fit together.
    #[strum(serialize = "in a chain of retries that does not fit together")]
    BrokenChain,
}

/// A data file from which deploys are removed.
#[derive(Debug)]
pub struct PrunableFile(Connection);

impl PrunableFile {
    /// Opens an existing file for writing.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let db = read_only::open_connection(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let failed = |e| OpenError::sqlite(path, &e);
        if db.is_readonly("main").map_err(failed)? {
            let path = path.to_owned();
            return Err(OpenError::ReadOnly { path });
        }
        db.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        db.pragma_update(None, "foreign_keys", true)
            .map_err(failed)?;
        db.pragma_update(None, "synchronous", "full")
            .map_err(failed)?;
        Ok(Self(db))
    }

    /// Removes a deploy with its chain of retries, if all of it ended before `before`, is in the export and is
    /// referred to by nothing that lives; returns the deploys, which with `dry` stay.
    ///
    /// `tip` says what the export has of a deploy, and `export` is the SHA-256 of the file.
    pub fn prune(
        &mut self,
        deploy: DeployId,
        (before, now): (Time, Time),
        tip: &dyn Fn(DeployId) -> Option<ExportedTip>,
        export: &str,
        dry: bool,
    ) -> LedgerResult<Result<Vec<DeployId>, Kept>> {
        let run = || -> FileResult<Result<Vec<DeployId>, Kept>> {
            let tx = Transaction::new_unchecked(&self.0, TransactionBehavior::Immediate)?;
            let chain = match prunable_chain(&tx, deploy, (before, now), tip)? {
                Ok(chain) => chain,
                Err(kept) => return Ok(Err(kept)),
            };
            if !dry {
                for record in &chain {
                    remove(&tx, record, export, now)?;
                }
                tx.commit().map_err(|e| SqliteFailure::at_commit(&e))?;
            }
            Ok(Ok(chain.iter().map(|record| record.id).collect()))
        };
        Ok(run()?)
    }
}

type Chain = Result<Vec<DeployRecord>, Kept>;

fn prunable_chain(
    db: &Connection,
    deploy: DeployId,
    (before, now): (Time, Time),
    tip: &dyn Fn(DeployId) -> Option<ExportedTip>,
) -> FileResult<Chain> {
    let Some(record) = ledger::select_record(db, deploy)? else {
        return Ok(Err(Kept::Gone));
    };
    let mut chain = vec![record];
    // Back to the first one, then on to the last.
    while let Some(old) = chain.last().and_then(|record| record.retry_of) {
        match ledger::select_record(db, old)? {
            Some(record) if chain.len() < MAX_CHAIN => chain.push(record),
            _ => return Ok(Err(Kept::BrokenChain)),
        }
    }
    chain.reverse();
    while let Some(new) = chain.last().and_then(|record| record.retried_by) {
        match ledger::select_record(db, new)? {
            Some(record) if chain.len() < MAX_CHAIN => chain.push(record),
            _ => return Ok(Err(Kept::BrokenChain)),
        }
    }
    for record in &chain {
        if let Some(kept) = reason_to_keep(db, record, (before, now), tip)? {
            return Ok(Err(kept));
        }
    }
    Ok(Ok(chain))
}

fn reason_to_keep(
    db: &Connection,
    record: &DeployRecord,
    (before, now): (Time, Time),
    tip: &dyn Fn(DeployId) -> Option<ExportedTip>,
) -> FileResult<Option<Kept>> {
    let id = record.id.to_string();
    let Some(end) = &record.end else {
        return Ok(Some(Kept::InProgress));
    };
    if record.due_at.is_some() || record.watch.is_some() || record.owes_ticket {
        return Ok(Some(Kept::InProgress));
    }
    if end.at >= before || record.request.requested_at >= before {
        return Ok(Some(Kept::TooNew));
    }
    let stored = ExportedTip {
        events: record.events,
        last_hash: record.last_hash.to_string(),
    };
    let sql = "SELECT hash FROM event WHERE deploy = ?1 AND n = ?2";
    let last: Option<String> = db
        .query_row(sql, params![id, to_i64(record.events)], |row| row.get(0))
        .optional()?;
    if tip(record.id) != Some(stored) || last != Some(record.last_hash.to_string()) {
        return Ok(Some(Kept::NotExported));
    }
    if record.awaits_retry() {
        return Ok(Some(Kept::AwaitsRetry));
    }
    if let Some(target) = record.target() {
        let held = ledger::select_lock(db, &target)?;
        if held.is_some_and(|lock| lock.deploy == record.id && lock.is_held(now)) {
            return Ok(Some(Kept::HoldsLock));
        }
        let history = ledger::select_releases(db, &target)?;
        let is_last = history.last.is_some_and(|last| last.deploy == record.id);
        let listed = history.releases.iter().any(|one| one.deploy == record.id);
        if is_last || listed {
            return Ok(Some(Kept::IsRelease));
        }
    }
    let notification = notifications::select_notification(db, record.id)?;
    if notification.is_some_and(|one| one.due_at().is_some()) {
        return Ok(Some(Kept::IsUntold));
    }
    // Few deploys are in progress.
    let sql = "SELECT 1 FROM deploy INDEXED BY deploy_state WHERE state IN \
               ('REQUESTED', 'TRIGGERING', 'TRIGGERED', 'RUNNING') \
               AND body ->> '$.before.replaced.deploy' = ?1";
    let replaced = db.prepare_cached(sql)?.exists([id])?;
    Ok(replaced.then_some(Kept::IsReplaced))
}

fn remove(db: &Connection, record: &DeployRecord, export: &str, now: Time) -> FileResult<()> {
    let id = record.id.to_string();
    if select_mark(db, &id)?.is_none() {
        let sql = "INSERT INTO pruned (deploy, events, last_hash, export, at) \
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        let (events, hash) = (to_i64(record.events), record.last_hash.to_string());
        ledger::execute(db, sql, params![id, events, hash, export, to_micros(now)])?;
    }
    if let Some(target) = record.target() {
        // It has expired.
        let sql = "DELETE FROM lock WHERE target = ?1 AND deploy = ?2";
        ledger::execute(db, sql, params![target.0, id])?;
    }
    if let Some(run) = &record.run {
        let sql = "DELETE FROM pipeline WHERE id = ?1 AND deploy = ?2";
        ledger::execute(db, sql, params![run.pipeline.id.to_string(), id])?;
    }
    if let Some(request) = record.retry_request {
        ledger::execute(
            db,
            "DELETE FROM action WHERE id = ?1",
            [request.to_string()],
        )?;
    }
    for sql in [
        "DELETE FROM event WHERE deploy = ?1",
        "DELETE FROM short_id WHERE deploy = ?1 AND id = ?2",
        "DELETE FROM notification WHERE deploy = ?1",
        "DELETE FROM retry_chain WHERE root = ?1",
        "DELETE FROM deploy WHERE id = ?1",
    ] {
        if sql.contains("?2") {
            ledger::execute(db, sql, params![id, record.short_id.as_str()])?;
        } else {
            ledger::execute(db, sql, [&id])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
