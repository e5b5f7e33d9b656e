//! The ledger: deploys, their audit, locks, claimed pipelines, and what is owed to people.

use std::future::Future;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::audit::AuditEvent;
use crate::deploy::{DeployRecord, Target};
use crate::id::{DeployId, PipelineId, ShortId};
use crate::notification::{NotificationKind, NotificationRecord};
use crate::ports::{DeployFilter, DeployPage, LedgerError, LedgerPosition};

/// Who holds a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetLock {
    /// The deploy.
    pub deploy: DeployId,
    /// Since when.
    pub since: Time,
    /// Until when; `None` until it is freed.
    pub until: Option<Time>,
}

impl TargetLock {
    /// Whether the lock keeps `deploy` from the target at `now`.
    #[must_use]
    pub fn blocks(&self, deploy: DeployId, now: Time) -> bool {
        self.deploy != deploy && self.is_held(now)
    }

    /// Whether anybody holds it at `now`.
    #[must_use]
    pub fn is_held(&self, now: Time) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// What a commit does to the target's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockChange {
    /// Takes it, if it does not [`bar`](Lock::bars) this deploy at `now`. Taking it again keeps
    /// `since`.
    Take {
        /// The target.
        target: Target,
        /// The moment the condition is about.
        now: Time,
    },
    /// Frees it; it has to be this deploy's.
    Free {
        /// The target.
        target: Target,
    },
    /// Leaves it until a moment; it has to be this deploy's.
    Expire {
        /// The target.
        target: Target,
        /// The moment.
        until: Time,
    },
}

/// One transaction: all of it or nothing.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The deploy's next version. Version 1 may not exist yet; any other replaces the one before.
    pub record: DeployRecord,
    /// What happened; `None` if only the timer moved.
    pub event: Option<AuditEvent>,
    /// The target's lock.
    pub lock: Option<LockChange>,
    /// A pipeline to claim: nobody's before, or this deploy's.
    pub claim: Option<PipelineId>,
    /// What is owed to the asker from now on.
    pub notifications: Vec<NotificationKind>,
    /// The reply item to open, in the first transaction and only there.
    pub open_notifications: Option<NotificationRecord>,
    /// The deploy that this one repeats, in its next version and with the event that says so; in
    /// the first transaction and only there.
    pub retried: Option<Box<RetriedDeploy>>,
}

/// A deploy that another one repeats.
#[derive(Debug, Clone)]
pub struct RetriedDeploy {
    /// Its next version.
    pub record: DeployRecord,
    /// What happened to it.
    pub event: AuditEvent,
}

/// Which condition of a commit did not hold. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The deploy, or the one that it repeats, is not at the version before this one.
    #[error("the deploy has moved on")]
    StaleVersion,
    /// Another deploy is known by this short id.
    #[error("the short id is taken")]
    ShortId,
    /// The target is another deploy's.
    #[error("the target is held by deploy {}", .0.deploy)]
    Lock(TargetLock),
    /// The pipeline is another deploy's.
    #[error("the pipeline is claimed by deploy {0}")]
    Claim(DeployId),
}

/// Why a commit did not (certainly) happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// A condition did not hold; nothing was written.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The store failed. Whether the commit happened is unknown: read again.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Something whose timer has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DueItem {
    /// A deploy to look at.
    Deploy(DeployId),
    /// A reply item to look at.
    Notification(DeployId),
}

/// The ledger as the worker uses it.
pub trait Ledger: Send + Sync {
    /// A deploy as it stands.
    fn read_deploy(
        &self,
        id: DeployId,
    ) -> impl Future<Output = Result<Option<DeployRecord>, LedgerError>> + Send;

    /// A deploy's audit, in order.
    fn read_events(
        &self,
        id: DeployId,
    ) -> impl Future<Output = Result<Vec<AuditEvent>, LedgerError>> + Send;

    /// The lock of a target, if it was ever taken and not freed (it may have run out).
    fn read_lock(
        &self,
        target: &Target,
    ) -> impl Future<Output = Result<Option<TargetLock>, LedgerError>> + Send;

    /// The deploy that claimed a pipeline.
    fn pipeline_owner(
        &self,
        pipeline: PipelineId,
    ) -> impl Future<Output = Result<Option<DeployId>, LedgerError>> + Send;

    /// The deploy people call by this short id.
    fn find_by_short_id(
        &self,
        short: &ShortId,
    ) -> impl Future<Output = Result<Option<DeployId>, LedgerError>> + Send;

    /// The one write.
    fn commit(&self, commit: Commit) -> impl Future<Output = Result<(), CommitError>> + Send;

    /// At most `limit` deploys of a kind, newest first, all older than `before`.
    fn list_deploys(
        &self,
        filter: &DeployFilter,
        before: Option<LedgerPosition>,
        limit: usize,
    ) -> impl Future<Output = Result<DeployPage, LedgerError>> + Send;

    /// At most `limit` things that are due, the longest due first.
    fn list_due(
        &self,
        now: Time,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<DueItem>, LedgerError>> + Send;
}

/// The ledger as the notifier uses it: it reads deploys and writes reply items, nothing else.
pub trait NotificationStore: Send + Sync {
    /// A deploy as it stands.
    fn read_notified_deploy(
        &self,
        id: DeployId,
    ) -> impl Future<Output = Result<Option<DeployRecord>, LedgerError>> + Send;

    /// A deploy's reply item.
    fn read_notification(
        &self,
        id: DeployId,
    ) -> impl Future<Output = Result<Option<NotificationRecord>, LedgerError>> + Send;

    /// Writes an item over the version before its own; a [`Conflict::Version`] otherwise.
    fn save_notification(
        &self,
        reply: NotificationRecord,
    ) -> impl Future<Output = Result<(), CommitError>> + Send;
}
