//! The ledger behind `DynamoDB`'s faults.

use std::sync::{Arc, Mutex};

use chatops_core::ports::{Conflict, Ledger, NotificationStore};

use crate::crash_points::{CrashPoints, drive, unavailable};
use crate::fault_injector::FaultKind;
use crate::memory::{MemoryLedger, lock_mutex};
use crate::port_methods::prelude::*;

/// How often the adapter sends a transaction that conflicts with others.
const MAX_ATTEMPTS: usize = 8;

/// How many calls a write that comes late may take, at most.
const MAX_CALLS_LATE: usize = 8;

/// The ledger as the adapter of `DynamoDB` shows it.
#[derive(Debug)]
pub struct CloudLedger {
    port: Arc<MemoryLedger>,
    points: CrashPoints,
    /// The writes that are still on their way, and for how many more calls.
    late_writes: Mutex<Vec<(usize, LateWrite)>>,
}

#[derive(Debug)]
enum LateWrite {
    Commit(Box<Commit>),
    Save(Box<NotificationRecord>),
}

impl CloudLedger {
    /// The ledger in `store`.
    #[must_use]
    pub fn new(store: &Arc<MemoryLedger>, points: &CrashPoints) -> Self {
        Self {
            port: Arc::clone(store),
            points: points.clone(),
            late_writes: Mutex::default(),
        }
    }

    /// Applies every write that is still on its way.
    pub fn flush_late_writes(&self) {
        let all = std::mem::take(&mut *lock_mutex(&self.late_writes));
        for (_, write) in all {
            self.apply_write(write);
        }
    }

    /// A call: the writes on their way come nearer.
    fn count_call(&self) {
        let mut arrived = vec![];
        let on_their_way = &mut *lock_mutex(&self.late_writes);
        for (calls, write) in std::mem::take(on_their_way) {
            match calls.checked_sub(1) {
                None | Some(0) => arrived.push(write),
                Some(calls) => on_their_way.push((calls, write)),
            }
        }
        for write in arrived {
            self.apply_write(write);
        }
    }

    /// Whether its conditions held is lost.
    fn apply_write(&self, write: LateWrite) {
        match write {
            LateWrite::Commit(commit) => drop(drive(self.port.commit(*commit))),
            LateWrite::Save(notification) => {
                drop(drive(self.port.save_notification(*notification)));
            }
        }
    }

    /// What happens to a transaction before it is done. If it comes late, that is its answer.
    async fn before_write(
        &self,
        name: &'static str,
        write: impl FnOnce() -> LateWrite,
    ) -> Result<(), LedgerError> {
        self.count_call();
        if self.points.should_fail(FaultKind::WriteWaits) {
            for _ in 0..=self.points.below(MAX_ATTEMPTS - 1) {
                self.points.pass("between tries of", name).await;
                self.count_call();
            }
        }
        if self.points.should_fail(FaultKind::WriteArrivesLate) {
            // Where faults are placed, the next read does not see it.
            let calls = if self.points.has_placed_faults() {
                2
            } else {
                1 + self.points.below(MAX_CALLS_LATE)
            };
            lock_mutex(&self.late_writes).push((calls, write()));
            return Err(unavailable("no answer came in time"));
        }
        Ok(())
    }

    /// What the answer to a transaction is that was done.
    fn after_write(&self) -> Result<(), CommitError> {
        if self.points.should_fail(FaultKind::WriteSelfConflict) {
            return Err(Conflict::StaleVersion.into());
        }
        Ok(())
    }
}

/// A read, at which what is on its way comes nearer.
macro_rules! counted {
    ($name:ident($($arg:ident: $ty:ty),*) -> $out:ty) => {
        async fn $name(&self, $($arg: $ty),*) -> $out {
            self.count_call();
            self.port.$name($($arg),*).await
        }
    };
}

impl Ledger for CloudLedger {
    port_methods!(counted: read_deploy, read_events, read_lock, pipeline_owner, find_by_short_id);

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let write = || LateWrite::Commit(Box::new(commit.clone()));
        self.before_write("commit", write).await?;
        self.port.commit(commit).await?;
        self.after_write()
    }

    async fn list_deploys(
        &self,
        filter: &DeployFilter,
        before: Option<LedgerPosition>,
        limit: usize,
    ) -> Result<DeployPage, LedgerError> {
        self.count_call();
        let mut page = self.port.list_deploys(filter, before, limit).await?;
        if !page.deploys.is_empty() && self.points.should_fail(FaultKind::ListMissing) {
            page.deploys.remove(self.points.below(page.deploys.len()));
        }
        Ok(page)
    }

    async fn list_due(&self, now: Time, limit: usize) -> Result<Vec<DueItem>, LedgerError> {
        self.count_call();
        let mut due = self.port.list_due(now, limit).await?;
        if !due.is_empty() && self.points.should_fail(FaultKind::DueMissing) {
            due.truncate(self.points.below(due.len()));
        }
        if !self.points.is_on_aws() {
            return Ok(due);
        }
        let records = self.port.records().into_iter();
        let notifications = self.port.notifications().into_iter();
        let stale: Vec<DueItem> = records
            .map(|record| DueItem::Deploy(record.id))
            .chain(notifications.map(|notification| DueItem::Notification(notification.deploy)))
            .filter(|thing| !due.contains(thing))
            .collect();
        if !stale.is_empty() && self.points.should_fail(FaultKind::DueStale) {
            due.extend(stale);
            due.truncate(limit);
        }
        Ok(due)
    }
}

impl NotificationStore for CloudLedger {
    port_methods!(counted: read_notified_deploy, read_notification);

    async fn save_notification(&self, notification: NotificationRecord) -> Result<(), CommitError> {
        let write = || LateWrite::Save(Box::new(notification.clone()));
        self.before_write("save_notification", write).await?;
        self.port.save_notification(notification).await?;
        self.after_write()
    }
}
