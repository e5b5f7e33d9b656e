//! What a suite needs of an adapter, and the smallest commits there are.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::{Actor, Change, Event};
use chatops_core::deploy::{Ask, Head, Target};
use chatops_core::id::{ChannelId, DeployId, Invocation, PipelineId, TeamId, UserId};
use chatops_core::machine;
use chatops_core::message::Body;
use chatops_core::name::{BranchName, JobName};
use chatops_core::ports::{Commit, Conflict, LockChange, Queue, Replies, Store};
use chatops_core::reply::Reply;
use chrono::TimeDelta;
use uuid::Uuid;

/// How often the queues under test hand a message out.
pub(crate) const MAX_RECEIVES: u32 = 3;

/// Fresh adapters over one clock.
pub(crate) trait Fixture: 'static {
    type Store: Store + Replies + 'static;
    type Queue: Queue + 'static;

    fn fresh() -> impl Future<Output = Self>;
    /// Moves the clock of the queues.
    fn advance(&self, by: Duration) -> impl Future<Output = ()>;
    fn store(&self) -> Arc<Self::Store>;
    fn queue(&self) -> Arc<Self::Queue>;
}

/// Runs a check on one thread.
pub(crate) fn block_on<F: Future>(check: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(check)
}

/// A moment, in seconds since the tests began.
pub(crate) fn at(seconds: i64) -> Time {
    Time::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::seconds(seconds)
}

pub(crate) fn id(n: u32) -> DeployId {
    DeployId::of_request("T1", "A1", &n.to_string())
}

pub(crate) fn pipeline(n: u128) -> PipelineId {
    PipelineId(Uuid::from_u128(n))
}

pub(crate) fn target() -> Target {
    Target("web/production".to_owned())
}

pub(crate) fn body(text: &str) -> Body {
    Body::from_wire(text.to_owned())
}

/// The first commit of deploy `n`, with its reply item, due at once.
pub(crate) fn first(n: u32) -> Commit {
    let ask = Ask {
        team: TeamId::parse("T01").unwrap(),
        channel: ChannelId::parse("C01").unwrap(),
        user: UserId::parse("U01").unwrap(),
        user_name: None,
        project: None,
        branch: BranchName::parse("main").unwrap(),
        job: JobName::parse("deploy").unwrap(),
        asked_at: at(0),
    };
    let by = Actor::Person(ask.user.clone());
    let (head, event) = machine::begin((id(n), id(n).short(8)), ask, None, at(600), by, at(0));
    let open = Some(Reply::open(id(n), None, at(1_800)));
    Commit {
        open,
        ..bare(head, Some(event))
    }
}

/// The next commit over `head`, with an event of that moment and nothing else.
pub(crate) fn noted(head: &Head, now: Time) -> Commit {
    let by = Actor::Worker(Invocation::new("test"));
    let change = Change::Noted {
        note: "ünïcode \u{1f680}\n".to_owned(),
    };
    let (head, event) = machine::apply(head, change, by, now).unwrap();
    bare(head, Some(event))
}

/// The next commit over `head` that only moves the timer.
pub(crate) fn timer(head: &Head, due_at: Option<Time>) -> Commit {
    let mut head = head.clone();
    head.version += 1;
    head.due_at = due_at;
    bare(head, None)
}

pub(crate) fn bare(head: Head, event: Option<Event>) -> Commit {
    Commit {
        head,
        event,
        lock: None,
        claim: None,
        owe: vec![],
        open: None,
        repeats: None,
    }
}

/// Commits the first version of deploy `n`.
pub(crate) async fn begun<S: Store>(store: &S, n: u32) -> Head {
    let first = first(n);
    store.commit(first.clone()).await.unwrap();
    first.head
}

/// Commits an event of `now` with a change of the lock.
pub(crate) async fn relock<S: Store>(
    store: &S,
    head: &Head,
    now: Time,
    change: LockChange,
) -> Result<Head, Conflict> {
    let commit = Commit {
        lock: Some(change),
        ..noted(head, now)
    };
    done(store, commit).await
}

/// Commits; the new head, or the condition that did not hold.
pub(crate) async fn done<S: Store>(store: &S, commit: Commit) -> Result<Head, Conflict> {
    let head = commit.head.clone();
    match store.commit(commit).await {
        Ok(()) => Ok(head),
        Err(chatops_core::ports::CommitError::Conflict(conflict)) => Err(conflict),
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn take(now: Time) -> LockChange {
    LockChange::Take {
        target: target(),
        now,
    }
}

pub(crate) fn free() -> LockChange {
    LockChange::Free { target: target() }
}

pub(crate) fn expire(until: Time) -> LockChange {
    LockChange::Expire {
        target: target(),
        until,
    }
}
