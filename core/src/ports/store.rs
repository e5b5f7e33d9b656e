//! The ledger: deploys, their audit, locks, claimed pipelines and notification records.

use std::future::Future;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::audit::AuditEvent;
use crate::deploy::{DeployRecord, Target};
use crate::id::{DeployId, PipelineId, ShortId};
use crate::notification::{NotificationKind, NotificationRecord, Undelivered};
use crate::ports::{ActionRecord, DeployFilter, DeployPage, LedgerError, LedgerPosition};
use crate::release::{ReleaseHistory, TargetEnd};

/// The lock of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetLock {
    /// The deploy.
    pub deploy: DeployId,
    /// Since when.
    pub since: Time,
    /// When it expires; `None` if only its deploy frees it.
    pub until: Option<Time>,
}

impl TargetLock {
    /// Whether another deploy than `deploy` holds it at `now`.
    #[must_use]
    pub fn blocks(&self, deploy: DeployId, now: Time) -> bool {
        self.deploy != deploy && self.is_held(now)
    }

    /// Whether it keeps `deploy` from taking the target at `now`. The lock of the deploy that this one
    /// `inherits` from does not.
    #[must_use]
    pub fn blocks_take(&self, deploy: DeployId, inherits: Option<DeployId>, now: Time) -> bool {
        self.blocks(deploy, now) && inherits != Some(self.deploy)
    }

    /// The lock of a target, where `held` is the one before, once `deploy` has taken it at `now`; a
    /// [`Conflict::Lock`] if `held` [blocks](Self::blocks_take) that. Only its own `since` is kept.
    pub fn take(
        held: Option<Self>,
        deploy: DeployId,
        inherits: Option<DeployId>,
        now: Time,
    ) -> Result<Self, Conflict> {
        let since = match held {
            Some(lock) if lock.blocks_take(deploy, inherits, now) => {
                return Err(Conflict::Lock(lock));
            }
            Some(lock) if lock.deploy == deploy => lock.since,
            _ => now,
        };
        Ok(Self {
            deploy,
            since,
            until: None,
        })
    }

    /// Whether it is held at `now`.
    #[must_use]
    pub fn is_held(&self, now: Time) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// What a commit does to the target's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockChange {
    /// Takes it, unless it [blocks](TargetLock::blocks_take) this deploy at `now`. Taking it again
    /// keeps `since`; taking it from another deploy does not.
    Take {
        /// The target.
        target: Target,
        /// The time of the check.
        now: Time,
        /// The deploy that this one repeats: its lock does not block.
        inherits: Option<DeployId>,
    },
    /// Frees it; this deploy has to hold it.
    Free {
        /// The target.
        target: Target,
    },
    /// Lets it expire; this deploy has to hold it.
    Expire {
        /// The target.
        target: Target,
        /// When it expires.
        until: Time,
    },
}

/// One transaction.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The deploy's next version. Version 1 must not exist; any other replaces the previous one.
    pub record: DeployRecord,
    /// The audit events, in order; none if only the timer changed.
    pub events: Vec<AuditEvent>,
    /// The target's lock.
    pub lock: Option<LockChange>,
    /// A pipeline to claim; no other deploy may have claimed it.
    pub claim: Option<PipelineId>,
    /// The end of the deploy, for the release history of its target.
    pub release: Option<Box<TargetEnd>>,
    /// The notifications to request.
    pub notifications: Vec<NotificationKind>,
    /// From when on the deploy's card shows something else; `None` if it does not.
    pub redraw: Option<Time>,
    /// The notification record to create, only in the first transaction.
    pub open_notifications: Option<NotificationRecord>,
    /// The deploy that this one repeats, only in the first transaction. This one is the last of their
    /// [chain](DeployRecord::chain_root) from then on.
    pub retried: Option<Box<RetriedDeploy>>,
    /// What became of the action that it carries out; none may be on record of it.
    pub action: Option<ActionRecord>,
}

impl Commit {
    /// The next version of a deploy, and nothing beside it.
    #[must_use]
    pub fn of(record: DeployRecord) -> Self {
        Self {
            record,
            events: vec![],
            lock: None,
            claim: None,
            release: None,
            notifications: vec![],
            redraw: None,
            open_notifications: None,
            retried: None,
            action: None,
        }
    }

    /// Whether it leaves the notifier something to do.
    #[must_use]
    pub fn wakes_notifier(&self) -> bool {
        let is_due = |opened: &NotificationRecord| opened.due_at().is_some();
        self.requests_deliveries() || self.open_notifications.as_ref().is_some_and(is_due)
    }

    /// Whether it requests something in the deploy's notification record.
    #[must_use]
    pub fn requests_deliveries(&self) -> bool {
        !self.notifications.is_empty() || self.redraw.is_some()
    }

    /// Requests its notifications and its redraw in the deploy's notification record, as of the time of
    /// its event; the error says that the event cannot be read.
    pub fn request_deliveries(
        &self,
        record: &mut NotificationRecord,
    ) -> Result<(), serde_json::Error> {
        if let Some(at) = self.redraw {
            record.request_redraw(at);
        }
        if let (Some(event), false) = (self.events.last(), self.notifications.is_empty()) {
            let at = event.entry()?.at;
            for kind in &self.notifications {
                record.request_delivery(*kind, at);
            }
        }
        Ok(())
    }
}

/// A deploy that another one repeats.
#[derive(Debug, Clone)]
pub struct RetriedDeploy {
    /// Its next version.
    pub record: DeployRecord,
    /// Its audit event.
    pub event: AuditEvent,
    /// From when on its card shows something else.
    pub redraw: Option<Time>,
}

/// The failed condition of a commit. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The deploy, or the one that it repeats, does not have the previous version, or its action was
    /// carried out before.
    #[error("the deploy has moved on")]
    StaleVersion,
    /// Another deploy has this short id.
    #[error("the short id is taken")]
    ShortId,
    /// Another deploy holds the target.
    #[error("the target is held by deploy {}", .0.deploy)]
    Lock(TargetLock),
    /// Another deploy has claimed the pipeline.
    #[error("the pipeline is claimed by deploy {0}")]
    Claim(DeployId),
}

/// Why a commit did not (certainly) happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// A condition did not hold; nothing was written.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The ledger failed. Whether the commit happened is unknown: read again.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Something that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DueItem {
    /// A deploy.
    Deploy(DeployId),
    /// A notification record.
    Notification(DeployId),
}

/// Deploys, their audit and their locks, to read: for services and for the command line.
pub trait DeployReader: Send + Sync {
    /// The record of a deploy.
    fn read_deploy(
        &self,
        id: DeployId,
    ) -> impl Future<Output = Result<Option<DeployRecord>, LedgerError>> + Send;

    /// A deploy's audit, in order.
    fn read_events(
        &self,
        id: DeployId,
    ) -> impl Future<Output = Result<Vec<AuditEvent>, LedgerError>> + Send;

    /// The lock of a target, unless it was freed; it may have expired.
    fn read_lock(
        &self,
        target: &Target,
    ) -> impl Future<Output = Result<Option<TargetLock>, LedgerError>> + Send;

    /// The release history of a target; empty if nothing was released to it.
    fn read_releases(
        &self,
        target: &Target,
    ) -> impl Future<Output = Result<ReleaseHistory, LedgerError>> + Send;

    /// The deploy with this short id.
    fn find_by_short_id(
        &self,
        short: &ShortId,
    ) -> impl Future<Output = Result<Option<DeployId>, LedgerError>> + Send;

    /// The last deploy of the chain of retries that begins with `root`; `None` if `root` was never
    /// retried.
    fn find_last_retry(
        &self,
        root: DeployId,
    ) -> impl Future<Output = Result<Option<DeployId>, LedgerError>> + Send;

    /// What could not be delivered last about a deploy.
    fn read_undelivered(
        &self,
        id: DeployId,
    ) -> impl Future<Output = Result<Option<Undelivered>, LedgerError>> + Send;

    /// At most `limit` of what was given up after `since` and not made up for, the oldest first.
    fn list_undelivered(
        &self,
        since: Time,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Undelivered>, LedgerError>> + Send;

    /// At most `limit` matching deploys, newest first, all older than `before`.
    fn list_deploys(
        &self,
        filter: &DeployFilter,
        before: Option<LedgerPosition>,
        limit: usize,
    ) -> impl Future<Output = Result<DeployPage, LedgerError>> + Send;
}

/// The ledger as the worker uses it.
pub trait Ledger: DeployReader {
    /// The deploy that claimed a pipeline.
    fn pipeline_owner(
        &self,
        pipeline: PipelineId,
    ) -> impl Future<Output = Result<Option<DeployId>, LedgerError>> + Send;

    /// Writes a commit, all of it or nothing.
    fn commit(&self, commit: Commit) -> impl Future<Output = Result<(), CommitError>> + Send;

    /// At most `limit` due items, the longest due first. After them comes what has a timer past the
    /// [`latest_timer`](crate::deploy::latest_timer), the earliest first: a clock that was wrong has
    /// set it.
    fn list_due(
        &self,
        now: Time,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<DueItem>, LedgerError>> + Send;
}

/// The notification records.
pub trait NotificationStore: Send + Sync {
    /// The notification record of a deploy.
    fn read_notification(
        &self,
        id: DeployId,
    ) -> impl Future<Output = Result<Option<NotificationRecord>, LedgerError>> + Send;

    /// Writes a record over its previous version; a [`Conflict::StaleVersion`] otherwise.
    fn save_notification(
        &self,
        notification: NotificationRecord,
    ) -> impl Future<Output = Result<(), CommitError>> + Send;
}
