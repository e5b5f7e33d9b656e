//! The ledger in memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Mutex;

use chatops_core::Time;
use chatops_core::audit::AuditEvent;
use chatops_core::deploy::{DeployRecord, Target};
use chatops_core::id::{DeployId, PipelineId, ShortId};
use chatops_core::notification::NotificationRecord;
use chatops_core::ports::{
    Commit, CommitError, Conflict, DeployFilter, DeployPage, DueItem, Ledger, LedgerError,
    LedgerPosition, LockChange, NotificationStore, PAGE_READ_LIMIT, PageEnd, PortErrorKind,
    TargetLock,
};

use super::lock_mutex;

#[derive(Debug, Default)]
struct LedgerTables {
    records: BTreeMap<DeployId, DeployRecord>,
    events: BTreeMap<DeployId, Vec<AuditEvent>>,
    locks: BTreeMap<Target, TargetLock>,
    owners: BTreeMap<PipelineId, DeployId>,
    short_ids: BTreeMap<ShortId, DeployId>,
    notifications: BTreeMap<DeployId, NotificationRecord>,
}

/// The ledger in memory.
#[derive(Debug, Default)]
pub struct MemoryLedger(Mutex<LedgerTables>);

impl MemoryLedger {
    /// An empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every deploy as it stands.
    #[must_use]
    pub fn records(&self) -> Vec<DeployRecord> {
        lock_mutex(&self.0).records.values().cloned().collect()
    }

    /// Every lock that was taken and not freed.
    #[must_use]
    pub fn locks(&self) -> BTreeMap<Target, TargetLock> {
        lock_mutex(&self.0).locks.clone()
    }

    /// Every claimed pipeline and its deploy.
    #[must_use]
    pub fn owners(&self) -> BTreeMap<PipelineId, DeployId> {
        lock_mutex(&self.0).owners.clone()
    }

    /// Every reply item.
    #[must_use]
    pub fn notifications(&self) -> Vec<NotificationRecord> {
        lock_mutex(&self.0)
            .notifications
            .values()
            .cloned()
            .collect()
    }
}

/// What a lock becomes: nothing if `None`.
type NextLock = (Target, Option<TargetLock>);

impl LedgerTables {
    /// The conditions of a commit in their order; nothing is written before all of them hold.
    fn check_conditions(&self, commit: &Commit) -> Result<Option<NextLock>, CommitError> {
        let record = &commit.record;
        let stored = self.records.get(&record.id).map(|record| record.version);
        if record.version.checked_sub(1) != Some(stored.unwrap_or(0)) {
            return Err(Conflict::StaleVersion.into());
        }
        if record.version == 1 && self.short_ids.contains_key(&record.short_id) {
            return Err(Conflict::ShortId.into());
        }
        if let Some(repeated) = &commit.retried {
            let old = &repeated.record;
            let stored = self.records.get(&old.id).map(|record| record.version);
            if stored.is_none() || old.version.checked_sub(1) != stored {
                return Err(Conflict::StaleVersion.into());
            }
        }
        let lock = commit
            .lock
            .as_ref()
            .map(|change| self.next_lock(record.id, change))
            .transpose()?;
        if let Some(pipeline) = &commit.claim
            && let Some(owner) = self.owners.get(pipeline)
            && *owner != record.id
        {
            return Err(Conflict::Claim(*owner).into());
        }
        self.check_invariants(commit)?;
        Ok(lock)
    }

    fn next_lock(&self, deploy: DeployId, change: &LockChange) -> Result<NextLock, CommitError> {
        let (LockChange::Take { target, .. }
        | LockChange::Free { target }
        | LockChange::Expire { target, .. }) = change;
        let held = self.locks.get(target);
        let next = match (change, held) {
            (LockChange::Take { now, .. }, Some(lock)) if lock.blocks(deploy, *now) => {
                return Err(Conflict::Lock(lock.clone()).into());
            }
            (LockChange::Take { now, .. }, held) => {
                let since = held
                    .filter(|lock| lock.deploy == deploy)
                    .map_or(*now, |l| l.since);
                Some(TargetLock {
                    deploy,
                    since,
                    until: None,
                })
            }
            (_, None) => {
                return Err(LedgerError::new(
                    PortErrorKind::Unavailable,
                    format!("no deploy holds '{target}'"),
                )
                .into());
            }
            (_, Some(lock)) if lock.deploy != deploy => {
                return Err(Conflict::Lock(lock.clone()).into());
            }
            (LockChange::Free { .. }, Some(_)) => None,
            (LockChange::Expire { until, .. }, Some(lock)) => Some(TargetLock {
                until: Some(*until),
                ..lock.clone()
            }),
        };
        Ok((target.clone(), next))
    }

    /// What only a defect can break.
    fn check_invariants(&self, commit: &Commit) -> Result<(), LedgerError> {
        let defect = |what: String| Err(LedgerError::new(PortErrorKind::Unavailable, what));
        let (id, version) = (commit.record.id, commit.record.version);
        let recorded = self.events.get(&id).map_or(0, Vec::len) as u64;
        if let Some(event) = &commit.event
            && (event.deploy != id || event.n != recorded + 1)
        {
            return defect(format!(
                "event {} cannot follow event {recorded} of {id}",
                event.n
            ));
        }
        if commit.event.is_none() && !commit.notifications.is_empty() {
            return defect(format!(
                "what is owed about {id} needs an event that says so"
            ));
        }
        if let Some(repeated) = &commit.retried {
            let old = repeated.record.id;
            let recorded = self.events.get(&old).map_or(0, Vec::len) as u64;
            let event = &repeated.event;
            if version != 1 || old == id || event.deploy != old || event.n != recorded + 1 {
                return defect(format!(
                    "only its first commit says that {id} repeats another"
                ));
            }
        }
        if let Some(notification) = &commit.open_notifications
            && (version != 1 || notification.deploy != id)
        {
            return defect(format!(
                "only its first commit opens the reply item of {id}"
            ));
        }
        Ok(())
    }

    fn apply_commit(&mut self, commit: Commit, lock: Option<NextLock>) -> Result<(), LedgerError> {
        let id = commit.record.id;
        let told = commit
            .event
            .as_ref()
            .filter(|_| !commit.notifications.is_empty());
        let moment = told.map(AuditEvent::entry).transpose();
        let moment = moment.map_err(|e| {
            LedgerError::new(
                PortErrorKind::Unavailable,
                format!("an event cannot be read: {e}"),
            )
        })?;
        if commit.record.version == 1 {
            self.short_ids.insert(commit.record.short_id.clone(), id);
        }
        if let Some(repeated) = commit.retried {
            let old = repeated.record.id;
            self.events.entry(old).or_default().push(repeated.event);
            self.records.insert(old, repeated.record);
        }
        self.records.insert(id, commit.record);
        self.events.entry(id).or_default().extend(commit.event);
        match lock {
            Some((target, Some(lock))) => drop(self.locks.insert(target, lock)),
            Some((target, None)) => drop(self.locks.remove(&target)),
            None => {}
        }
        self.owners
            .extend(commit.claim.map(|pipeline| (pipeline, id)));
        self.notifications.extend(
            commit
                .open_notifications
                .map(|notification| (id, notification)),
        );
        if let (Some(notification), Some(entry)) = (self.notifications.get_mut(&id), moment) {
            for kind in commit.notifications {
                notification.request_delivery(kind, entry.at);
            }
        }
        Ok(())
    }
}

impl Ledger for MemoryLedger {
    async fn read_deploy(&self, id: DeployId) -> Result<Option<DeployRecord>, LedgerError> {
        Ok(lock_mutex(&self.0).records.get(&id).cloned())
    }

    async fn read_events(&self, id: DeployId) -> Result<Vec<AuditEvent>, LedgerError> {
        Ok(lock_mutex(&self.0)
            .events
            .get(&id)
            .cloned()
            .unwrap_or_default())
    }

    async fn read_lock(&self, target: &Target) -> Result<Option<TargetLock>, LedgerError> {
        Ok(lock_mutex(&self.0).locks.get(target).cloned())
    }

    async fn pipeline_owner(&self, pipeline: PipelineId) -> Result<Option<DeployId>, LedgerError> {
        Ok(lock_mutex(&self.0).owners.get(&pipeline).copied())
    }

    async fn find_by_short_id(&self, short: &ShortId) -> Result<Option<DeployId>, LedgerError> {
        Ok(lock_mutex(&self.0).short_ids.get(short).copied())
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let tables = &mut *lock_mutex(&self.0);
        let lock = tables.check_conditions(&commit)?;
        Ok(tables.apply_commit(commit, lock)?)
    }

    async fn list_deploys(
        &self,
        filter: &DeployFilter,
        before: Option<LedgerPosition>,
        limit: usize,
    ) -> Result<DeployPage, LedgerError> {
        let limit = limit.max(1);
        let tables = lock_mutex(&self.0);
        let older = |record: &&DeployRecord| {
            before.is_none_or(|before| LedgerPosition::of(record) < before)
        };
        let mut read: Vec<&DeployRecord> = tables.records.values().filter(older).collect();
        read.sort_unstable_by_key(|record| Reverse(LedgerPosition::of(record)));
        let cut = read.len() > PAGE_READ_LIMIT;
        read.truncate(PAGE_READ_LIMIT);
        let more = |last: &DeployRecord, full| PageEnd {
            before: last.short_id.clone(),
            read_back_to: last.request.requested_at,
            full,
        };
        let mut fitting: Vec<&DeployRecord> =
            read.iter().copied().filter(|h| filter.matches(h)).collect();
        let full = fitting.len() > limit;
        fitting.truncate(limit);
        let last = if full {
            fitting.last()
        } else {
            read.last().filter(|_| cut)
        };
        Ok(DeployPage {
            more: last.map(|last| more(last, full)),
            deploys: fitting.into_iter().cloned().collect(),
        })
    }

    async fn list_due(&self, now: Time, limit: usize) -> Result<Vec<DueItem>, LedgerError> {
        let tables = lock_mutex(&self.0);
        let deploys = tables
            .records
            .values()
            .map(|record| (record.due_at, DueItem::Deploy(record.id)));
        let notifications = tables
            .notifications
            .values()
            .map(|r| (r.due_at(), DueItem::Notification(r.deploy)));
        let mut due: Vec<_> = deploys
            .chain(notifications)
            .filter_map(|(at, what)| at.filter(|at| *at <= now).map(|at| (at, what)))
            .collect();
        due.sort_unstable();
        Ok(due.into_iter().map(|(_, what)| what).take(limit).collect())
    }
}

impl NotificationStore for MemoryLedger {
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
        Ok(lock_mutex(&self.0).notifications.get(&id).cloned())
    }

    async fn save_notification(&self, notification: NotificationRecord) -> Result<(), CommitError> {
        let notifications = &mut lock_mutex(&self.0).notifications;
        let stored = notifications
            .get(&notification.deploy)
            .map(|notification| notification.version);
        if stored.is_none() || notification.version.checked_sub(1) != stored {
            return Err(Conflict::StaleVersion.into());
        }
        notifications.insert(notification.deploy, notification);
        Ok(())
    }
}
