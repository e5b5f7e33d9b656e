//! Small numbers for large values, and the canonical form of deploys.
//!
//! All times in a state are relative to the present, which is always [`now`]: when time passes, the
//! records move into the past. The decisions depend on differences of times alone, so nothing is
//! lost, and a moment so far back that every comparison has been decided becomes the last one that
//! still differs. So time never runs out, and the states are finite.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::EventHash;
use chatops_core::config::{Config, Timeouts};
use chatops_core::deploy::handler::DeployRun;
use chatops_core::deploy::{
    DeployEnd, DeployRecord, DeployState, EndReason, MatchedBy, Notice, ReadEfforts,
};
use chatops_core::id::{DeployId, InvocationId, PipelineId};
use chatops_core::ports::LockChange;
use chrono::DateTime;

use super::actions::request_id;
use super::run_value::{action_of, change_records, commit_of};
use super::shard::FastMap;
use chatops_testkit::config::{TestConfig, TestJob};
use chatops_testkit::memory::lock_mutex;

/// The step of time.
pub(super) const TICK: Duration = Duration::from_secs(10);

/// How far back the moments at which a lock was taken differ, in ticks.
pub(super) const FAR: u32 = 3;

/// The version of every stored record; only "the one after" matters.
pub(super) const VERSION: u64 = 10;

/// The times of the model: all short, their order as in the product's defaults.
const TIMEOUTS: &str = r#"
request_ttl = "13s"
connect_timeout = "2s"
request_timeout = "10s"
trigger_window = "15s"
lookup_timeout = "10s"
lookup_give_up = "20s"
workflow_start_timeout = "10s"
empty_pipeline_timeout = "20s"
poll_interval_min = "10s"
poll_interval_max = "10s"
retry_backoff = "5s"
follow_timeout = "20s"
lock_ttl = "10s"
"#;

pub(super) static MODEL_CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let job = TestJob::limited("deploy", &["main"], &["C0001"], &["*"]);
    let config = TestConfig::new().timeouts(TIMEOUTS);
    config.project("web", &[job]).parse()
});

pub(super) fn timeouts() -> &'static Timeouts {
    &MODEL_CONFIG.timeouts
}

/// The present.
pub(super) fn now() -> Time {
    DateTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

/// Deploys a state has room for.
pub(super) const PLACES: usize = 4;

/// The deploys of the model: two that are requested, the retry of the first, and the retry of that.
pub(super) static DEPLOYS: LazyLock<[DeployId; PLACES]> = LazyLock::new(|| {
    let first = DeployId::of_request("T0001", "A0001", "first");
    let second = DeployId::of_request("T0001", "A0001", "second");
    let retry = DeployId::of_retry(first, None);
    [first, second, retry, DeployId::of_retry(retry, None)]
});

/// The places of all ids: those of retries say what caused them, and that of the deploy before.
static ALL_PLACES: LazyLock<BTreeMap<DeployId, usize>> = LazyLock::new(|| {
    let causes = [None, Some(request_id(0)), Some(request_id(1))];
    let [first, second, ..] = *DEPLOYS;
    let mut places = BTreeMap::from([(first, 0), (second, 1)]);
    for cause in causes {
        let retry = DeployId::of_retry(first, cause);
        places.insert(retry, 2);
        for cause in causes {
            places.insert(DeployId::of_retry(retry, cause), 3);
        }
    }
    places
});

/// The place of a deploy, if there is room for it.
pub(super) fn known_place(id: DeployId) -> Option<usize> {
    ALL_PLACES.get(&id).copied()
}

pub(super) fn place_of(id: DeployId) -> usize {
    known_place(id).unwrap_or(0)
}

/// The place of the retry of a deploy, if there is room for one.
pub(super) fn retry_of(place: usize) -> Option<usize> {
    match place {
        0 => Some(2),
        2 => Some(3),
        _ => None,
    }
}

/// The place of the deploy that the one in `place` retries, if it is a retry.
pub(super) fn repeated_by(place: usize) -> Option<usize> {
    (0..PLACES).find(|old| retry_of(*old) == Some(place))
}

/// The one pipeline that carries a deploy's id.
pub(super) fn pipeline_of(deploy: usize) -> PipelineId {
    PipelineId(uuid::Uuid::from_u128(deploy as u128 + 1))
}

/// What a run in a slot is called, and what one that is no more.
pub(super) fn run_name(slot: Option<usize>) -> InvocationId {
    InvocationId::new(slot.map_or("gone".to_owned(), |slot| format!("run {}", slot + 1)))
}

/// A retry request in the queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueuedRetry {
    /// Whose: 0 or 1.
    pub who: usize,
    /// The deploy that they name.
    pub named: DeployId,
    /// Whether they confirm that it was not started.
    pub confirm: bool,
    /// Whether it is on record what became of it.
    pub handled: bool,
    /// How much of its time is left.
    pub left: Duration,
}

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

/// `at`, but at most `oldest` before now.
fn not_before(at: Time, oldest: Duration) -> Time {
    at.max(now() - oldest)
}

/// `at` put off to the next tick, or now if it is past: timers are only compared with ticks.
pub(super) fn next_tick(at: Time) -> Time {
    let left = (at - now()).to_std().unwrap_or_default();
    let ticks = u32::try_from(left.as_millis().div_ceil(TICK.as_millis())).unwrap_or(u32::MAX);
    now() + TICK * ticks
}

/// The record without what no decision depends on any more.
pub(super) fn canonical(mut record: DeployRecord) -> DeployRecord {
    use DeployState::{Requested, Triggering};
    let timeouts = timeouts();
    record.version = VERSION;
    record.events = VERSION;
    record.last_hash = EventHash::START;
    settle_reads(&mut record);
    // What was seen after the end is told once.
    record.notice = record
        .notice
        .take()
        .filter(|notice| record.watch.is_some() && matches!(notice, Notice::AfterEnd { .. }));
    record.attempts = record.attempts.min(1);
    record.request.requested_at = now();
    record.due_at = record.due_at.map(next_tick);
    let unmatched = matches!(record.state, Requested | Triggering);
    record.valid_until = if unmatched {
        record.valid_until.max(now())
    } else {
        now()
    };
    record.last_error = record
        .last_error
        .filter(|_| unmatched)
        .map(|_| "met".to_owned());
    record.token_refused &= unmatched;
    if let Some(intent) = &mut record.trigger_intent {
        intent.at = now();
        intent.unknown_because = intent.unknown_because.take().map(|_| "lost".to_owned());
        intent.send_by = not_before(intent.send_by, timeouts.lookup_give_up);
        if record.state != Triggering {
            intent.by = run_name(None);
            intent.send_by = now();
            intent.unknown_because = None;
        }
    }
    if let Some(run) = &mut record.run {
        run.matched_by = MatchedBy::Response;
        run.revision = None;
        // No run of the model is older than a day.
        run.triggered_at = now();
        run.created_at = run.created_at.map(|_| now());
    }
    if let Some(cancel) = &mut record.cancel {
        cancel.at = now();
    }
    if record.state.is_terminal() {
        record.cancel = None;
        record.attempts = 1;
        if record.watch.is_none() {
            record.trigger_intent = None;
            record.reads = ReadEfforts::default();
            if let Some(run) = &mut record.run {
                run.created_at = None;
            }
        }
        // A confirmation counts if it was requested after the end.
        let oldest = if needs_confirmation(&record) {
            timeouts.request_ttl + TICK
        } else {
            Duration::ZERO
        };
        record.end = record.end.map(|end| DeployEnd {
            at: not_before(end.at, oldest),
            reason: match end.reason {
                early @ EndReason::CanceledBeforeWorkflow { .. } => early,
                _ => EndReason::NoWorkflow,
            },
        });
    }
    record
}

/// Whether a retry of it has to be confirmed.
fn needs_confirmation(record: &DeployRecord) -> bool {
    record.state == DeployState::Unresolved
        || (record.state == DeployState::TriggerFailed && record.unresolved_before.is_some())
}

/// The reads without what no decision depends on. A pause counts as a whole or not at all, since the
/// clock of the model moves by ticks, and none is shorter.
fn settle_reads(record: &mut DeployRecord) {
    let timeouts = timeouts();
    let longest = timeouts.lookup_give_up.max(timeouts.empty_pipeline_timeout);
    let reads = &mut record.reads;
    if let Some(failed) = &mut reads.failed {
        failed.last = if failed.last == reads.count {
            0
        } else {
            u32::MAX
        };
    }
    reads.count = 0;
    reads.at = reads.at.map(|at| not_before(at, reads.pause));
    reads.waited = reads.waited.min(longest);
    if let Some(failed) = &mut reads.failed {
        failed.count = failed.count.min(5);
        failed.waited = failed.waited.min(longest);
        failed.since = now();
        "met".clone_into(&mut failed.error);
    }
    if let Some(wait) = &mut reads.wait {
        wait.waited = wait.waited.min(longest);
    }
    if let Some(watch) = &mut record.watch {
        watch.waited = watch.waited.min(timeouts.lock_ttl);
    }
}

/// The record a tick later.
pub(super) fn tick_record(mut record: DeployRecord) -> DeployRecord {
    record.valid_until -= TICK;
    record.due_at = record.due_at.map(|due| due - TICK);
    if let Some(intent) = &mut record.trigger_intent {
        intent.send_by -= TICK;
    }
    record.reads.at = record.reads.at.map(|at| at - TICK);
    if let Some(end) = &mut record.end {
        end.at -= TICK;
    }
    canonical(record)
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
