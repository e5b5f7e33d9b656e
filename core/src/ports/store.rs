//! The ledger: deploys, their audit, locks, claimed pipelines, and what is owed to people.

use std::future::Future;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::audit::Event;
use crate::deploy::{Head, Target};
use crate::id::{DeployId, PipelineId, ShortId};
use crate::ports::{Filter, Page, Position};
use crate::reply::{Kind, Reply};

/// The store could not answer. Nothing is known about the cause but its words.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the ledger cannot be read or written: {0}")]
pub struct StoreError(pub String);

/// Who holds a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The deploy.
    pub deploy: DeployId,
    /// Since when.
    pub since: Time,
    /// Until when; `None` until it is freed.
    pub until: Option<Time>,
}

impl Lock {
    /// Whether the lock keeps `deploy` from the target at `now`.
    #[must_use]
    pub fn bars(&self, deploy: DeployId, now: Time) -> bool {
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
    pub head: Head,
    /// What happened; `None` if only the timer moved.
    pub event: Option<Event>,
    /// The target's lock.
    pub lock: Option<LockChange>,
    /// A pipeline to claim: nobody's before, or this deploy's.
    pub claim: Option<PipelineId>,
    /// What is owed to the asker from now on.
    pub owe: Vec<Kind>,
    /// The reply item to open, in the first transaction and only there.
    pub open: Option<Reply>,
    /// The deploy that this one repeats, in its next version and with the event that says so; in
    /// the first transaction and only there.
    pub repeats: Option<Box<Repeated>>,
}

/// A deploy that another one repeats.
#[derive(Debug, Clone)]
pub struct Repeated {
    /// Its next version.
    pub head: Head,
    /// What happened to it.
    pub event: Event,
}

/// Which condition of a commit did not hold. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The deploy, or the one that it repeats, is not at the version before this one.
    #[error("the deploy has moved on")]
    Version,
    /// Another deploy is known by this short id.
    #[error("the short id is taken")]
    Short,
    /// The target is another deploy's.
    #[error("the target is held by deploy {}", .0.deploy)]
    Lock(Lock),
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
    Store(#[from] StoreError),
}

/// Something whose timer has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// A deploy to look at.
    Deploy(DeployId),
    /// A reply item to look at.
    Reply(DeployId),
}

/// The ledger as the worker uses it.
pub trait Store: Send + Sync {
    /// A deploy as it stands.
    fn head(&self, id: DeployId) -> impl Future<Output = Result<Option<Head>, StoreError>> + Send;

    /// A deploy's audit, in order.
    fn events(&self, id: DeployId) -> impl Future<Output = Result<Vec<Event>, StoreError>> + Send;

    /// The lock of a target, if it was ever taken and not freed (it may have run out).
    fn lock(
        &self,
        target: &Target,
    ) -> impl Future<Output = Result<Option<Lock>, StoreError>> + Send;

    /// The deploy that claimed a pipeline.
    fn owner(
        &self,
        pipeline: PipelineId,
    ) -> impl Future<Output = Result<Option<DeployId>, StoreError>> + Send;

    /// The deploy people call by this short id.
    fn by_short(
        &self,
        short: &ShortId,
    ) -> impl Future<Output = Result<Option<DeployId>, StoreError>> + Send;

    /// The one write.
    fn commit(&self, commit: Commit) -> impl Future<Output = Result<(), CommitError>> + Send;

    /// At most `limit` deploys of a kind, newest first, all older than `before`.
    fn list(
        &self,
        filter: &Filter,
        before: Option<Position>,
        limit: usize,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// At most `limit` things that are due, the longest due first.
    fn due(
        &self,
        now: Time,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Due>, StoreError>> + Send;
}

/// The ledger as the notifier uses it: it reads deploys and writes reply items, nothing else.
pub trait Replies: Send + Sync {
    /// A deploy as it stands.
    fn told_head(
        &self,
        id: DeployId,
    ) -> impl Future<Output = Result<Option<Head>, StoreError>> + Send;

    /// A deploy's reply item.
    fn reply(&self, id: DeployId)
    -> impl Future<Output = Result<Option<Reply>, StoreError>> + Send;

    /// Writes an item over the version before its own; a [`Conflict::Version`] otherwise.
    fn save(&self, reply: Reply) -> impl Future<Output = Result<(), CommitError>> + Send;
}
