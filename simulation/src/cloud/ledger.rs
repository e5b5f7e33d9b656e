//! The ledger behind `DynamoDB`'s faults.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chatops_core::Time;
use chatops_core::audit::AuditEvent;
use chatops_core::deploy::{DeployRecord, Target};
use chatops_core::id::{DeployId, PipelineId, ShortId};
use chatops_core::notification::NotificationRecord;
use chatops_core::ports::{
    Commit, CommitError, Conflict, DeployFilter, DeployPage, DueItem, Ledger, LedgerError,
    LedgerPosition, NotificationStore, PortErrorKind, TargetLock,
};

use crate::crash_points::{CrashPoints, drive};
use crate::fault_injector::FaultKind;
use crate::memory::MemoryLedger;

/// How often the adapter sends a transaction that others are in the way of.
const MAX_ATTEMPTS: usize = 8;

/// How many calls a write that comes late may take, at most.
const MAX_CALLS_LATE: usize = 8;

/// The ledger as the adapter of `DynamoDB` shows it.
#[derive(Debug)]
pub struct CloudLedger {
    ledger: Arc<MemoryLedger>,
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
            ledger: Arc::clone(store),
            points: points.clone(),
            late_writes: Mutex::default(),
        }
    }

    fn lock_late_writes(&self) -> MutexGuard<'_, Vec<(usize, LateWrite)>> {
        self.late_writes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets everything arrive that is still on its way: no request travels while nobody does
    /// anything.
    pub fn flush_late_writes(&self) {
        let all = std::mem::take(&mut *self.lock_late_writes());
        for (_, write) in all {
            self.apply_write(write);
        }
    }

    /// A call: what is on its way comes nearer, and first does what comes first.
    fn count_call(&self) {
        let mut arrived = vec![];
        let on_their_way = &mut *self.lock_late_writes();
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

    /// Nobody hears whether its conditions held.
    fn apply_write(&self, write: LateWrite) {
        match write {
            LateWrite::Commit(commit) => drop(drive(self.ledger.commit(*commit))),
            LateWrite::Save(notification) => {
                drop(drive(self.ledger.save_notification(*notification)));
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
            // Where nothing is left to chance, whoever reads at once does not see it.
            let calls = if self.points.has_placed_faults() {
                2
            } else {
                1 + self.points.below(MAX_CALLS_LATE)
            };
            self.lock_late_writes().push((calls, write()));
            return Err(LedgerError::new(
                PortErrorKind::Unavailable,
                "no answer came in time",
            ));
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

impl Ledger for CloudLedger {
    async fn read_deploy(&self, id: DeployId) -> Result<Option<DeployRecord>, LedgerError> {
        self.count_call();
        self.ledger.read_deploy(id).await
    }

    async fn read_events(&self, id: DeployId) -> Result<Vec<AuditEvent>, LedgerError> {
        self.count_call();
        self.ledger.read_events(id).await
    }

    async fn read_lock(&self, target: &Target) -> Result<Option<TargetLock>, LedgerError> {
        self.count_call();
        self.ledger.read_lock(target).await
    }

    async fn pipeline_owner(&self, pipeline: PipelineId) -> Result<Option<DeployId>, LedgerError> {
        self.count_call();
        self.ledger.pipeline_owner(pipeline).await
    }

    async fn find_by_short_id(&self, short: &ShortId) -> Result<Option<DeployId>, LedgerError> {
        self.count_call();
        self.ledger.find_by_short_id(short).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let write = || LateWrite::Commit(Box::new(commit.clone()));
        self.before_write("store.commit", write).await?;
        self.ledger.commit(commit).await?;
        self.after_write()
    }

    async fn list_deploys(
        &self,
        filter: &DeployFilter,
        before: Option<LedgerPosition>,
        limit: usize,
    ) -> Result<DeployPage, LedgerError> {
        self.count_call();
        let mut page = self.ledger.list_deploys(filter, before, limit).await?;
        if !page.deploys.is_empty() && self.points.should_fail(FaultKind::ListMissing) {
            page.deploys.remove(self.points.below(page.deploys.len()));
        }
        Ok(page)
    }

    async fn list_due(&self, now: Time, limit: usize) -> Result<Vec<DueItem>, LedgerError> {
        self.count_call();
        let mut due = self.ledger.list_due(now, limit).await?;
        if !due.is_empty() && self.points.should_fail(FaultKind::DueMissing) {
            due.truncate(self.points.below(due.len()));
        }
        if !self.points.is_on_aws() {
            return Ok(due);
        }
        let records = self.ledger.records().into_iter();
        let notifications = self.ledger.notifications().into_iter();
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
    async fn read_notified_deploy(
        &self,
        id: DeployId,
    ) -> Result<Option<DeployRecord>, LedgerError> {
        self.read_deploy(id).await
    }

    async fn read_notification(
        &self,
        id: DeployId,
    ) -> Result<Option<NotificationRecord>, LedgerError> {
        self.count_call();
        self.ledger.read_notification(id).await
    }

    async fn save_notification(&self, notification: NotificationRecord) -> Result<(), CommitError> {
        let write = || LateWrite::Save(Box::new(notification.clone()));
        self.before_write("replies.save", write).await?;
        self.ledger.save_notification(notification).await?;
        self.after_write()
    }
}
