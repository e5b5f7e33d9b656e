//! The ledger behind `DynamoDB`'s faults.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chatops_core::notification::NotificationRecord;
use chatops_core::ports::{
    Commit, CommitError, Conflict, DueItem, Ledger, LedgerError, ListDeploys, ListDue,
    NotificationStore, Perform, Request, SaveNotification,
};

use crate::crash_points::{CrashPoints, drive, unavailable};
use crate::fault_injector::FaultKind;
use chatops_testkit::memory::{MemoryLedger, lock_mutex};

/// How often the adapter sends a transaction that conflicts with others.
const MAX_ATTEMPTS: usize = 8;

/// How many calls a write that comes late may take, at most.
const MAX_CALLS_LATE: usize = 8;

/// The ledger as the adapter of `DynamoDB` shows it.
#[derive(Debug)]
pub struct CloudLedger {
    port: Arc<MemoryLedger>,
    points: CrashPoints,
    /// How many writes were tried.
    writes: AtomicUsize,
    /// The writes that are still on their way, and for how many more calls.
    late_writes: Mutex<Vec<(usize, LateWrite)>>,
}

#[derive(Debug)]
pub(crate) enum LateWrite {
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
            writes: AtomicUsize::default(),
            late_writes: Mutex::default(),
        }
    }

    /// How many writes were tried so far.
    pub(crate) fn write_count(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
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
        self.writes.fetch_add(1, Ordering::Relaxed);
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

impl CloudLedger {
    /// A read, at which what is on its way comes nearer.
    pub(crate) async fn read<R: Request>(&self, request: R) -> R::Answer
    where
        MemoryLedger: Perform<R>,
    {
        self.count_call();
        self.port.perform(request).await
    }

    /// A read of a list, whose index may lag.
    pub(crate) async fn list<R: ListRequest>(&self, request: R) -> R::Answer
    where
        MemoryLedger: Perform<R>,
    {
        let limit = request.limit();
        let mut answer = self.read(request).await;
        R::lag(&mut answer, limit, self);
        answer
    }

    /// A write.
    pub(crate) async fn write<R: WriteRequest>(&self, request: R) -> Result<(), CommitError>
    where
        MemoryLedger: Perform<R>,
    {
        let late = || request.clone().into_late_write();
        self.before_write(R::NAME, late).await?;
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.port.perform(request).await?;
        self.after_write()
    }
}

/// A write, which may come late.
pub(crate) trait WriteRequest: Request<Answer = Result<(), CommitError>> {
    fn into_late_write(self) -> LateWrite;
}

impl WriteRequest for Commit {
    fn into_late_write(self) -> LateWrite {
        LateWrite::Commit(Box::new(self))
    }
}

impl WriteRequest for SaveNotification {
    fn into_late_write(self) -> LateWrite {
        LateWrite::Save(Box::new(self.0))
    }
}

/// A list, whose index may lag.
pub(crate) trait ListRequest: Request {
    fn limit(&self) -> usize;
    fn lag(answer: &mut Self::Answer, limit: usize, ledger: &CloudLedger);
}

impl ListRequest for ListDeploys {
    fn limit(&self) -> usize {
        self.limit
    }

    fn lag(answer: &mut Self::Answer, _: usize, ledger: &CloudLedger) {
        let Ok(page) = answer else { return };
        if !page.deploys.is_empty() && ledger.points.should_fail(FaultKind::ListMissing) {
            page.deploys.remove(ledger.points.below(page.deploys.len()));
        }
    }
}

impl ListRequest for ListDue {
    fn limit(&self) -> usize {
        self.limit
    }

    fn lag(answer: &mut Self::Answer, limit: usize, ledger: &CloudLedger) {
        let Ok(due) = answer else { return };
        if !due.is_empty() && ledger.points.should_fail(FaultKind::DueMissing) {
            due.truncate(ledger.points.below(due.len()));
        }
        if !ledger.points.is_on_aws() {
            return;
        }
        let records = ledger.port.records().into_iter();
        let notifications = ledger.port.notifications().into_iter();
        let stale: Vec<DueItem> = records
            .map(|record| DueItem::Deploy(record.id))
            .chain(notifications.map(|notification| DueItem::Notification(notification.deploy)))
            .filter(|thing| !due.contains(thing))
            .collect();
        if !stale.is_empty() && ledger.points.should_fail(FaultKind::DueStale) {
            due.extend(stale);
            due.truncate(limit);
        }
    }
}
