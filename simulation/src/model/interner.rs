//! Small numbers for large values, which all threads share.
//!
//! All times of an item are relative to the present, which is always [`now`](super::clock::now): when
//! time passes, the item moves into the past. The decisions depend on differences of times alone, so
//! nothing is lost, and a moment so far back that every comparison has been decided becomes the last
//! one that still differs. So time never runs out, and the states are finite. An item never changes
//! once it has its number.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chatops_core::deploy::handler::DeployRun;
use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::id::InvocationId;
use chatops_core::ports::LockChange;

use super::canonical::tick_record;
use super::clock::{FAR, TICK, not_before};
use super::config::timeouts;
use super::messages::QueuedRetry;
use super::run_value::{action_of, change_records, commit_of};
use super::shard::FastMap;
use chatops_testkit::memory::lock_mutex;

/// A commit that was decided and not written: its records in canonical form, and what a store
/// checks.
#[derive(Debug, Clone)]
pub(super) struct DecidedCommit {
    pub record: DeployRecord,
    pub lock: Option<LockChange>,
}

/// A value that states refer to by number.
#[derive(Debug, Clone)]
pub(super) enum ModelItem {
    /// A command that was queued and is not on record; that much of its time is left.
    Request(Duration),
    /// A retry request that was queued.
    Retry(QueuedRetry),
    /// A deploy on record.
    Record(Box<DeployRecord>),
    /// A commit of somebody who is no run.
    Commit(Box<DecidedCommit>),
    /// A run of the worker: the product's own value.
    Run(Box<DeployRun>),
}

impl ModelItem {
    fn key(&self) -> String {
        match self {
            ModelItem::Request(left) => format!("requested {left:?}"),
            ModelItem::Retry(retry) => format!("{retry:?}"),
            ModelItem::Record(record) => format!("{record:?}"),
            ModelItem::Commit(commit) => format!("{commit:?}"),
            ModelItem::Run(run) => format!("{run:?}"),
        }
    }
}

/// Small numbers for large values, shared by the threads. Number 0 is no item.
#[derive(Debug)]
pub(super) struct Interner<T>(Mutex<InternedItems<T>>);

/// The items of the worker's side.
pub(super) type ItemInterner = Interner<ModelItem>;

#[derive(Debug)]
struct InternedItems<T> {
    numbers: FastMap<String, u32>,
    items: Vec<Arc<T>>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self(Mutex::new(InternedItems {
            numbers: FastMap::default(),
            items: vec![],
        }))
    }
}

impl<T> Interner<T> {
    /// The number of an item, which `key` tells from all others.
    pub(super) fn intern_by(&self, key: String, item: T) -> u32 {
        let interned = &mut *lock_mutex(&self.0);
        let next = u32::try_from(interned.items.len() + 1);
        let next = next.unwrap_or_else(|_| unreachable!("more items than can be numbered"));
        *interned.numbers.entry(key).or_insert_with(|| {
            interned.items.push(Arc::new(item));
            next
        })
    }

    /// The item of a number.
    pub(super) fn get(&self, number: u32) -> Arc<T> {
        let interned = lock_mutex(&self.0);
        Arc::clone(&interned.items[number as usize - 1])
    }
}

impl ItemInterner {
    /// The states of all deploys on record.
    pub(super) fn deploy_states(&self) -> BTreeSet<DeployState> {
        let interned = lock_mutex(&self.0);
        let state = |item: &Arc<ModelItem>| match item.as_ref() {
            ModelItem::Record(record) => Some(record.state),
            _ => None,
        };
        interned.items.iter().filter_map(state).collect()
    }

    /// The number of an item.
    pub(super) fn intern(&self, item: ModelItem) -> u32 {
        self.intern_by(item.key(), item)
    }
}

/// The item a tick later.
pub(super) fn tick_item(item: &ModelItem) -> ModelItem {
    match item {
        ModelItem::Request(left) => ModelItem::Request(left.saturating_sub(TICK)),
        ModelItem::Retry(retry) => ModelItem::Retry(QueuedRetry {
            left: retry.left.saturating_sub(TICK),
            ..*retry
        }),
        ModelItem::Record(record) => {
            ModelItem::Record(Box::new(tick_record(record.as_ref().clone())))
        }
        ModelItem::Commit(commit) => {
            let mut commit = commit.clone();
            commit.record = tick_record(commit.record);
            tick_lock(&mut commit.lock);
            ModelItem::Commit(commit)
        }
        ModelItem::Run(run) => {
            let mut run = run.clone();
            change_records(&mut run, |record| *record = tick_record(record.clone()));
            if let Some(commit) = commit_of(&mut run) {
                tick_lock(&mut commit.lock);
            }
            if let Some(action) = action_of(&mut run) {
                let oldest = timeouts().request_ttl;
                action.requested_at = not_before(action.requested_at - TICK, oldest);
            }
            ModelItem::Run(run)
        }
    }
}

fn tick_lock(lock: &mut Option<LockChange>) {
    match lock {
        Some(LockChange::Take { now, .. }) => *now = not_before(*now - TICK, TICK * FAR),
        Some(LockChange::Expire { until, .. }) => {
            *until = not_before(*until - TICK, TICK * FAR);
        }
        _ => {}
    }
}

/// The item with the name of the run that may send replaced.
pub(super) fn rename_runs(
    item: &ModelItem,
    name: impl Fn(&InvocationId) -> Option<InvocationId>,
) -> ModelItem {
    let rename = |record: &mut DeployRecord| {
        if let Some(intent) = &mut record.trigger_intent
            && let Some(new) = name(&intent.by)
        {
            intent.by = new;
        }
    };
    let mut item = item.clone();
    match &mut item {
        ModelItem::Request(_) | ModelItem::Retry(_) => {}
        ModelItem::Record(record) => rename(record),
        ModelItem::Commit(commit) => rename(&mut commit.record),
        ModelItem::Run(run) => change_records(run, rename),
    }
    item
}
