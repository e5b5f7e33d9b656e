//! The ledger in memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Mutex;

use chatops_core::Time;
use chatops_core::audit::AuditEvent;
use chatops_core::config::ProjectSlug;
use chatops_core::deploy::{DeployRecord, Target, latest_timer};
use chatops_core::id::{DeployId, PipelineId, QualifiedUser, RequestId, ShortId};
use chatops_core::name::ProjectName;
use chatops_core::notification::{NotificationRecord, Undelivered};
use chatops_core::ports::{
    ActionCount, ActionRecord, ActionStore, Commit, CommitError, Conflict, DeployFilter,
    DeployPage, DeployReader, DueItem, Ledger, LedgerError, LedgerPosition, LockChange,
    NotificationStore, PAGE_READ_LIMIT, PageEnd, PortErrorKind, ProjectFacts, ProjectNote,
    ProjectStore, TargetLock,
};

use super::lock_mutex;
use chatops_core::release::ReleaseHistory;

/// A write that was done.
#[derive(Debug, Clone)]
pub enum LedgerWrite {
    /// The worker's.
    Commit(Box<Commit>),
    /// The notifier's.
    Notification(Box<NotificationRecord>),
    /// An action that has changed no deploy.
    Action(Box<ActionRecord>),
}

#[derive(Debug, Default)]
struct LedgerTables {
    /// The writes that were done, if they are kept.
    writes: Option<Vec<LedgerWrite>>,
    records: BTreeMap<DeployId, DeployRecord>,
    events: BTreeMap<DeployId, Vec<AuditEvent>>,
    locks: BTreeMap<Target, TargetLock>,
    owners: BTreeMap<PipelineId, DeployId>,
    short_ids: BTreeMap<ShortId, DeployId>,
    notifications: BTreeMap<DeployId, NotificationRecord>,
    chains: BTreeMap<DeployId, DeployId>,
    actions: BTreeMap<RequestId, ActionRecord>,
    action_counts: BTreeMap<QualifiedUser, ActionCount>,
    projects: BTreeMap<String, ProjectFacts>,
    releases: BTreeMap<Target, ReleaseHistory>,
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

    /// Keeps every write from now on.
    pub fn keep_writes(&self) {
        lock_mutex(&self.0).writes.get_or_insert_default();
    }

    /// The writes that were kept, in order.
    #[must_use]
    pub fn kept_writes(&self) -> Vec<LedgerWrite> {
        lock_mutex(&self.0).writes.clone().unwrap_or_default()
    }

    /// Every lock that was taken and not freed.
    #[must_use]
    pub fn locks(&self) -> BTreeMap<Target, TargetLock> {
        lock_mutex(&self.0).locks.clone()
    }

    /// The release history of a target.
    #[must_use]
    pub fn releases(&self, target: &Target) -> ReleaseHistory {
        let tables = lock_mutex(&self.0);
        tables.releases.get(target).cloned().unwrap_or_default()
    }

    /// Every notification record.
    #[must_use]
    pub fn notifications(&self) -> Vec<NotificationRecord> {
        let tables = lock_mutex(&self.0);
        tables.notifications.values().cloned().collect()
    }
}

fn defect(what: String) -> LedgerError {
    LedgerError::new(PortErrorKind::Defect, what)
}

/// What a lock becomes: nothing if `None`.
type NextLock = (Target, Option<TargetLock>);

impl LedgerTables {
    fn keep(&mut self, write: impl FnOnce() -> LedgerWrite) {
        if let Some(writes) = &mut self.writes {
            writes.push(write());
        }
    }

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
        if let Some(retried) = &commit.retried {
            let old = &retried.record;
            let stored = self.records.get(&old.id).map(|record| record.version);
            if stored.is_none() || old.version.checked_sub(1) != stored {
                return Err(Conflict::StaleVersion.into());
            }
        }
        let change = commit.lock.as_ref();
        let lock = change.map(|change| self.next_lock(record.id, change));
        let lock = lock.transpose()?;
        if let Some(pipeline) = &commit.claim
            && let Some(owner) = self.owners.get(pipeline)
            && *owner != record.id
        {
            return Err(Conflict::Claim(*owner).into());
        }
        let action = commit.action.as_ref();
        if action.is_some_and(|action| self.actions.contains_key(&action.id)) {
            return Err(Conflict::StaleVersion.into());
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
            (LockChange::Take { now, inherits, .. }, held) => {
                Some(TargetLock::take(held.cloned(), deploy, *inherits, *now)?)
            }
            (_, None) => return Err(defect(format!("no deploy holds '{target}'")).into()),
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
        let (id, version) = (commit.record.id, commit.record.version);
        let recorded = self.events.get(&id).map_or(0, Vec::len) as u64;
        for (n, event) in (recorded + 1..).zip(&commit.events) {
            if event.deploy != id || event.n != n {
                let what = format!("event {} of {id} cannot follow event {recorded}", event.n);
                return Err(defect(what));
            }
        }
        if commit.events.is_empty() && !commit.notifications.is_empty() {
            let what = format!("a pending notification of {id} needs an event");
            return Err(defect(what));
        }
        if let Some(retried) = &commit.retried {
            let old = retried.record.id;
            let recorded = self.events.get(&old).map_or(0, Vec::len) as u64;
            let event = &retried.event;
            if version != 1 || old == id || event.deploy != old || event.n != recorded + 1 {
                let what = format!("only its first commit says that {id} is a retry");
                return Err(defect(what));
            }
        }
        if let Some(notification) = &commit.open_notifications
            && (version != 1 || notification.deploy != id)
        {
            let what = format!("only its first commit opens the notification record of {id}");
            return Err(defect(what));
        }
        Ok(())
    }

    fn apply_commit(&mut self, commit: Commit, lock: Option<NextLock>) -> Result<(), LedgerError> {
        let id = commit.record.id;
        let opened = commit.open_notifications.clone();
        let stored = || self.notifications.get(&id).cloned();
        let mut notification = opened.or_else(stored);
        if let Some(notification) = &mut notification {
            let requested = commit.request_deliveries(notification);
            requested.map_err(|e| defect(format!("an event cannot be read: {e}")))?;
        }
        if commit.record.version == 1 {
            self.short_ids.insert(commit.record.short_id.clone(), id);
        }
        if let Some(retried) = commit.retried {
            let old = retried.record.id;
            self.chains.insert(commit.record.chain_root(), id);
            self.events.entry(old).or_default().push(retried.event);
            if let (Some(at), Some(notification)) =
                (retried.redraw, self.notifications.get_mut(&old))
            {
                notification.request_redraw(at);
            }
            self.records.insert(old, retried.record);
        }
        self.records.insert(id, commit.record);
        self.events.entry(id).or_default().extend(commit.events);
        let action = commit.action.into_iter().map(|action| (action.id, action));
        self.actions.extend(action);
        match lock {
            Some((target, Some(lock))) => drop(self.locks.insert(target, lock)),
            Some((target, None)) => drop(self.locks.remove(&target)),
            None => {}
        }
        if let Some(end) = &commit.release {
            let history = self.releases.entry(end.target.clone()).or_default();
            *history = std::mem::take(history).after(end);
        }
        self.owners
            .extend(commit.claim.map(|pipeline| (pipeline, id)));
        self.notifications.extend(notification.map(|one| (id, one)));
        Ok(())
    }
}

impl DeployReader for MemoryLedger {
    async fn read_deploy(&self, id: DeployId) -> Result<Option<DeployRecord>, LedgerError> {
        Ok(lock_mutex(&self.0).records.get(&id).cloned())
    }

    async fn read_events(&self, id: DeployId) -> Result<Vec<AuditEvent>, LedgerError> {
        let tables = lock_mutex(&self.0);
        Ok(tables.events.get(&id).cloned().unwrap_or_default())
    }

    async fn find_by_short_id(&self, short: &ShortId) -> Result<Option<DeployId>, LedgerError> {
        Ok(lock_mutex(&self.0).short_ids.get(short).copied())
    }

    async fn find_last_retry(&self, root: DeployId) -> Result<Option<DeployId>, LedgerError> {
        Ok(lock_mutex(&self.0).chains.get(&root).copied())
    }

    async fn read_lock(&self, target: &Target) -> Result<Option<TargetLock>, LedgerError> {
        Ok(lock_mutex(&self.0).locks.get(target).cloned())
    }

    async fn read_releases(&self, target: &Target) -> Result<ReleaseHistory, LedgerError> {
        Ok(self.releases(target))
    }

    async fn read_undelivered(&self, id: DeployId) -> Result<Option<Undelivered>, LedgerError> {
        let tables = lock_mutex(&self.0);
        let notification = tables.notifications.get(&id);
        Ok(notification.and_then(|one| one.undelivered.clone()))
    }

    async fn list_undelivered(
        &self,
        since: Time,
        limit: usize,
    ) -> Result<Vec<Undelivered>, LedgerError> {
        let tables = lock_mutex(&self.0);
        let untold = tables.notifications.values();
        let untold = untold.filter_map(NotificationRecord::untold);
        let mut untold: Vec<_> = untold.filter(|one| one.at > since).cloned().collect();
        untold.sort_unstable_by_key(|one| (one.at, one.deploy));
        untold.truncate(limit);
        Ok(untold)
    }

    async fn list_deploys(
        &self,
        filter: &DeployFilter,
        before: Option<LedgerPosition>,
        limit: usize,
    ) -> Result<DeployPage, LedgerError> {
        let limit = limit.max(1);
        let tables = lock_mutex(&self.0);
        let records = tables.records.values();
        let older = |record| before.is_none_or(|before| LedgerPosition::of(record) < before);
        let reads = |record: &&DeployRecord| {
            filter.reads(record.request.project.as_ref().map(ProjectName::as_str))
        };
        let records = records.filter(reads);
        let mut read: Vec<&DeployRecord> = records.filter(|record| older(record)).collect();
        read.sort_unstable_by_key(|record| Reverse(LedgerPosition::of(record)));
        let cut = read.len() > PAGE_READ_LIMIT;
        read.truncate(PAGE_READ_LIMIT);
        let more = |last: &DeployRecord, full| PageEnd {
            before: last.short_id.clone(),
            read_back_to: last.request.requested_at,
            full,
        };
        let fitting = read.iter().filter(|record| filter.matches(record));
        let mut fitting: Vec<&DeployRecord> = fitting.copied().collect();
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
}

impl Ledger for MemoryLedger {
    async fn pipeline_owner(&self, pipeline: PipelineId) -> Result<Option<DeployId>, LedgerError> {
        Ok(lock_mutex(&self.0).owners.get(&pipeline).copied())
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let tables = &mut *lock_mutex(&self.0);
        let lock = tables.check_conditions(&commit)?;
        tables.keep(|| LedgerWrite::Commit(Box::new(commit.clone())));
        Ok(tables.apply_commit(commit, lock)?)
    }

    async fn list_due(&self, now: Time, limit: usize) -> Result<Vec<DueItem>, LedgerError> {
        let tables = lock_mutex(&self.0);
        let (records, notifications) = (tables.records.values(), tables.notifications.values());
        let deploys = records.map(|one| (one.due_at, DueItem::Deploy(one.id)));
        let others = notifications.map(|one| (one.due_at(), DueItem::Notification(one.deploy)));
        let all = deploys.chain(others);
        let latest = latest_timer(now);
        let due = all.filter_map(|(at, what)| {
            let at = at.filter(|at| *at <= now || *at > latest)?;
            Some((at, what))
        });
        let mut due: Vec<_> = due.collect();
        // What is too far ahead comes after what is due, as it does in time.
        due.sort_unstable();
        Ok(due.into_iter().map(|(_, what)| what).take(limit).collect())
    }
}

impl NotificationStore for MemoryLedger {
    async fn read_notification(
        &self,
        id: DeployId,
    ) -> Result<Option<NotificationRecord>, LedgerError> {
        Ok(lock_mutex(&self.0).notifications.get(&id).cloned())
    }

    async fn save_notification(&self, notification: NotificationRecord) -> Result<(), CommitError> {
        let tables = &mut *lock_mutex(&self.0);
        let stored = tables.notifications.get(&notification.deploy);
        let stored = stored.map(|stored| stored.version);
        if stored.is_none() || notification.version.checked_sub(1) != stored {
            return Err(Conflict::StaleVersion.into());
        }
        tables.keep(|| LedgerWrite::Notification(Box::new(notification.clone())));
        tables
            .notifications
            .insert(notification.deploy, notification);
        Ok(())
    }
}

impl ActionStore for MemoryLedger {
    async fn read_action(&self, id: RequestId) -> Result<Option<ActionRecord>, LedgerError> {
        Ok(lock_mutex(&self.0).actions.get(&id).cloned())
    }

    async fn record_action(&self, action: ActionRecord) -> Result<(), LedgerError> {
        let tables = &mut *lock_mutex(&self.0);
        tables.keep(|| LedgerWrite::Action(Box::new(action.clone())));
        tables.actions.entry(action.id).or_insert(action);
        Ok(())
    }

    async fn count_action(
        &self,
        user: &QualifiedUser,
        now: Time,
    ) -> Result<ActionCount, LedgerError> {
        let counts = &mut lock_mutex(&self.0).action_counts;
        let count = ActionCount::next(counts.get(user).copied(), now);
        counts.insert(user.clone(), count);
        Ok(count)
    }
}

impl ProjectStore for MemoryLedger {
    async fn read_project(&self, slug: &ProjectSlug) -> Result<ProjectFacts, LedgerError> {
        let projects = &lock_mutex(&self.0).projects;
        Ok(projects.get(&slug.to_string()).cloned().unwrap_or_default())
    }

    async fn note_project(&self, slug: &ProjectSlug, note: ProjectNote) -> Result<(), LedgerError> {
        let projects = &mut lock_mutex(&self.0).projects;
        let facts = projects.entry(slug.to_string()).or_default();
        *facts = std::mem::take(facts).with(note);
        Ok(())
    }
}
