//! What a suite needs of an adapter, and the smallest commits there are.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::{self, AuditActor, AuditChange, AuditEvent};
use chatops_core::deploy::machine;
use chatops_core::deploy::{DeployRecord, DeployRequest, Target};
use chatops_core::id::{ChannelId, DeployId, InvocationId, PipelineId, ShortId, TeamId, UserId};
use chatops_core::message::MessageBody;
use chatops_core::name::{GitRef, JobName};
use chatops_core::notification::NotificationRecord;
use chatops_core::parameters::Parameters;
use chatops_core::ports::{
    ActionStore, Commit, CommitError, Conflict, DeployFilter, DeployPage, DeployReader, DueItem,
    Ledger, LockChange, MessageQueue, NotificationStore, ProjectStore, TargetLock,
};
use chrono::TimeDelta;
use uuid::Uuid;

/// How often the queues under test hand a message out.
pub const MAX_RECEIVES: u32 = 3;

/// Fresh adapters over one clock.
pub trait PortFixture: 'static {
    type Store: Ledger + ActionStore + NotificationStore + ProjectStore + 'static;
    /// What a second program reads the same deploys with.
    type Reader: DeployReader + 'static;
    type Queue: MessageQueue + 'static;
    /// Of so many filters of a list one is tried. Where a request takes long it is 11, which still
    /// tries every three values of three parts together.
    const FILTER_STEP: usize = 1;

    fn fresh() -> impl Future<Output = Self>;
    /// Moves the clock of the queues.
    fn advance(&self, by: Duration) -> impl Future<Output = ()>;
    fn store(&self) -> Arc<Self::Store>;
    fn reader(&self) -> Arc<Self::Reader>;
    fn queue(&self) -> Arc<Self::Queue>;
}

/// Adapters whose queues keep time by a clock that a test can set.
pub trait OwnClockFixture: PortFixture {
    /// Sets the clock of the queues back.
    fn turn_back(&self, by: Duration) -> impl Future<Output = ()>;
}

/// Runs a check on one thread.
pub fn block_on<F: Future>(check: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(check)
}

/// A moment, in seconds since the tests began.
pub fn at(seconds: i64) -> Time {
    Time::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::seconds(seconds)
}

pub fn id(n: u32) -> DeployId {
    DeployId::of_request("T1", "A1", &n.to_string())
}

pub fn pipeline(n: u128) -> PipelineId {
    PipelineId(Uuid::from_u128(n))
}

pub fn target() -> Target {
    Target("web/production".to_owned())
}

pub fn body(text: &str) -> MessageBody {
    MessageBody::from_wire(text.to_owned())
}

/// The first commit of deploy `n`, with its notification record, due at once.
pub fn first_commit(n: u32) -> Commit {
    let request = DeployRequest {
        team: TeamId::parse("T01").unwrap(),
        channel: ChannelId::parse("C01").unwrap(),
        user: UserId::parse("U01").unwrap(),
        user_name: None,
        project: None,
        git_ref: GitRef::parse("main").unwrap(),
        job: JobName::parse("deploy").unwrap(),
        parameters: Parameters::default(),
        environment: None,
        requested_at: at(0),
        unsigned: false,
        refused: None,
        press: None,
    };
    let by = AuditActor::User(request.qualified_user());
    let ids = (id(n), id(n).short_id(8));
    let (record, event) = machine::begin_deploy(ids, request, None, at(600), by, at(0));
    Commit {
        open_notifications: Some(NotificationRecord::open(id(n), None, at(1_800))),
        ..bare_commit(record, Some(event))
    }
}

/// The next commit over `record`, with an event of that moment and nothing else.
pub fn noted_commit(record: &DeployRecord, now: Time) -> Commit {
    let by = AuditActor::Worker(InvocationId::new("test"));
    let change = AuditChange::Noted {
        note: "ünïcode \u{1f680}\n".to_owned(),
    };
    let (record, event) = machine::apply_change(record, change, by, now).unwrap();
    bare_commit(record, Some(event))
}

/// The next commit over `record` that only moves the timer.
pub fn timer_commit(record: &DeployRecord, due_at: Option<Time>) -> Commit {
    let mut record = record.clone();
    record.version += 1;
    record.due_at = due_at;
    Commit::of(record)
}

pub fn bare_commit(record: DeployRecord, event: Option<AuditEvent>) -> Commit {
    Commit {
        events: event.into_iter().collect(),
        ..Commit::of(record)
    }
}

/// Commits the first version of deploy `n`.
pub async fn begin_deploy<S: Ledger + ?Sized>(store: &S, n: u32) -> DeployRecord {
    let first = first_commit(n);
    store.commit(first.clone()).await.unwrap();
    first.record
}

/// Commits; the new record, or the condition that did not hold.
pub async fn try_commit<S: Ledger + ?Sized>(
    store: &S,
    commit: Commit,
) -> Result<DeployRecord, Conflict> {
    let record = commit.record.clone();
    match Box::pin(store.commit(commit)).await {
        Ok(()) => Ok(record),
        Err(CommitError::Conflict(conflict)) => Err(conflict),
        Err(error) => panic!("{error}"),
    }
}

/// What the checks ask of a store. Whatever the store cannot do ends the check.
pub trait StoreExt: Ledger + NotificationStore {
    async fn record(&self, n: u32) -> Option<DeployRecord> {
        self.read_deploy(id(n)).await.unwrap()
    }

    async fn events(&self, n: u32) -> Vec<AuditEvent> {
        self.read_events(id(n)).await.unwrap()
    }

    async fn notification(&self, n: u32) -> Option<NotificationRecord> {
        self.read_notification(id(n)).await.unwrap()
    }

    /// The lock of [`target`].
    async fn lock(&self) -> Option<TargetLock> {
        self.read_lock(&target()).await.unwrap()
    }

    async fn by_short_id(&self, short: &ShortId) -> Option<DeployId> {
        self.find_by_short_id(short).await.unwrap()
    }

    async fn owner(&self, n: u128) -> Option<DeployId> {
        self.pipeline_owner(pipeline(n)).await.unwrap()
    }

    async fn due(&self, second: i64, limit: usize) -> Vec<DueItem> {
        self.list_due(at(second), limit).await.unwrap()
    }

    async fn begin(&self, n: u32) -> DeployRecord {
        begin_deploy(self, n).await
    }

    /// Commits; the condition holds.
    async fn put(&self, commit: Commit) -> DeployRecord {
        try_commit(self, commit).await.unwrap()
    }

    /// Commits; the condition that does not hold.
    async fn conflict(&self, commit: Commit) -> Conflict {
        try_commit(self, commit).await.unwrap_err()
    }

    /// Commits an event of that second.
    async fn note(&self, record: &DeployRecord, second: i64) -> DeployRecord {
        self.put(noted_commit(record, at(second))).await
    }

    /// The record reads as this one, and its audit is complete.
    async fn assert_stored(&self, record: &DeployRecord) {
        let read = self.read_deploy(record.id).await.unwrap();
        assert_eq!(read.as_ref(), Some(record));
        let events = self.read_events(record.id).await.unwrap();
        let chain = audit::verify_chain(record.id, &events, record.last_hash);
        assert_eq!(chain, Ok(()));
    }
}

impl<S: Ledger + NotificationStore + ?Sized> StoreExt for S {}

/// The newest page of a list.
pub async fn first_page<R: DeployReader>(
    reader: &R,
    filter: &DeployFilter,
    limit: usize,
) -> DeployPage {
    reader.list_deploys(filter, None, limit).await.unwrap()
}

pub fn take_lock(now: Time) -> LockChange {
    LockChange::Take {
        target: target(),
        now,
        inherits: None,
    }
}

/// The same; the lock of deploy `from` does not block.
pub fn inherit_lock(now: Time, from: u32) -> LockChange {
    LockChange::Take {
        target: target(),
        now,
        inherits: Some(id(from)),
    }
}
