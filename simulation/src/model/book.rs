//! Small numbers for large values, and the canonical form of deploys.
//!
//! All times in a state are relative to the present, which is always [`now`]: when time passes, it
//! is the heads that move into the past. The decisions depend on differences of times alone, so
//! nothing is lost, and a moment so far back that every comparison has been decided is pulled up to
//! the last one that still differs. So time never runs out, and the states are finite.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::Hash;
use chatops_core::config::{Config, Times};
use chatops_core::deploy::{End, Head, Proof, Reason, State};
use chatops_core::id::{DeployId, Invocation, PipelineId};
use chatops_core::ports::LockChange;
use chrono::DateTime;

use super::shard::FastMap;

/// The step of time.
pub(super) const TICK: Duration = Duration::from_secs(10);

/// How far back a moment at which a lock was taken is told apart, in ticks.
pub(super) const FAR: u32 = 3;

/// The version of every stored head; only "the one after" matters.
pub(super) const VERSION: u64 = 10;

/// The configuration of the model: all times short, their order as in the product's defaults.
const CONFIG: &str = r#"
version = 1
default_project = "web"
[times]
stale_after = "13s"
connect_timeout = "2s"
request_timeout = "10s"
send_window = "15s"
horizon = "10s"
search_for = "20s"
grace = "10s"
poll_first = "5s"
poll_longest = "5s"
retry_first = "5s"
track_for = "20s"
unresolved_lock = "10s"
[slack]
teams = ["T0001"]
[projects.web]
slug = "gh/acme/web"
[projects.web.jobs.deploy]
branches = ["main"]
channels = ["C0001"]
people = ["*"]
"#;

pub(super) static PARSED: LazyLock<Config> = LazyLock::new(|| {
    Config::parse(CONFIG, "model.toml").unwrap_or_else(|error| unreachable!("{error}"))
});

pub(super) fn times() -> &'static Times {
    &PARSED.times
}

/// The present.
pub(super) fn now() -> Time {
    DateTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

/// Deploys a state has room for.
pub(super) const PLACES: usize = 4;

/// The deploys of the model: two that are asked for, the retry of the first, and the retry of that.
pub(super) static DEPLOYS: LazyLock<[DeployId; PLACES]> = LazyLock::new(|| {
    let first = DeployId::of_request("T0001", "A0001", "first");
    let second = DeployId::of_request("T0001", "A0001", "second");
    let retry = DeployId::of_retry(first);
    [first, second, retry, DeployId::of_retry(retry)]
});

pub(super) fn place_of(id: DeployId) -> usize {
    DEPLOYS.iter().position(|known| *known == id).unwrap_or(0)
}

/// The place of the retry of a deploy, if there is room for one.
pub(super) fn retry_of(place: usize) -> Option<usize> {
    match place {
        0 => Some(2),
        2 => Some(3),
        _ => None,
    }
}

/// The place of the deploy that the one in `place` repeats, if it is a retry.
pub(super) fn repeated_by(place: usize) -> Option<usize> {
    (0..PLACES).find(|old| retry_of(*old) == Some(place))
}

/// The one pipeline that carries a deploy's id.
pub(super) fn pipeline_of(deploy: usize) -> PipelineId {
    PipelineId(uuid::Uuid::from_u128(deploy as u128 + 1))
}

/// What a run in a slot is called, and what one that is no more.
pub(super) fn run_name(slot: Option<usize>) -> Invocation {
    Invocation::new(slot.map_or("gone".to_owned(), |slot| format!("run {}", slot + 1)))
}

/// Somebody's wish to try a deploy again, as it lies in the queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Press {
    /// Whose: 0 or 1.
    pub who: usize,
    /// The place of the deploy that they name.
    pub named: usize,
    /// Whether they say that they have looked.
    pub confirm: bool,
    /// How much of its time is left.
    pub left: Duration,
}

/// A commit that was decided and not written; the heads in it are in canonical form, and what a
/// store does not need to know whether it goes through is put aside.
#[derive(Debug, Clone)]
pub(super) struct Decided {
    pub head: Head,
    pub lock: Option<LockChange>,
    /// The deploy that it repeats, in its next version.
    pub old: Option<Head>,
}

/// A value that states refer to by number.
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// A command that was queued and is not on record; that much of its time is left.
    Asked(Duration),
    /// A wish to try again that was queued.
    Pressed(Press),
    /// A deploy on record.
    Head(Box<Head>),
    /// A commit to come.
    Commit(Box<Decided>),
}

/// All items, shared by the threads. Number 0 is no item.
#[derive(Debug, Default)]
pub(super) struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    numbers: FastMap<String, u16>,
    items: Vec<Arc<Item>>,
}

impl Book {
    /// The number of an item.
    pub(super) fn number(&self, item: Item) -> u16 {
        let key = match &item {
            Item::Asked(left) => format!("asked {left:?}"),
            Item::Pressed(press) => format!("{press:?}"),
            Item::Head(head) => format!("{head:?}"),
            Item::Commit(commit) => format!("{commit:?}"),
        };
        let pages = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = u16::try_from(pages.items.len() + 1);
        let next = next.unwrap_or_else(|_| unreachable!("more items than can be numbered"));
        *pages.numbers.entry(key).or_insert_with(|| {
            pages.items.push(Arc::new(item));
            next
        })
    }

    /// The item of a number.
    pub(super) fn item(&self, number: u16) -> Arc<Item> {
        let pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&pages.items[usize::from(number) - 1])
    }
}

/// `at` with what lies too far back pulled up to `oldest` before now.
fn since(at: Time, oldest: Duration) -> Time {
    at.max(now() - oldest)
}

/// `at` put off to the next tick, or now if it is past: timers are only compared with ticks.
pub(super) fn timer(at: Time) -> Time {
    let left = (at - now()).to_std().unwrap_or_default();
    let ticks = u32::try_from(left.as_millis().div_ceil(TICK.as_millis())).unwrap_or(u32::MAX);
    now() + TICK * ticks
}

/// The head with everything put aside that no decision depends on any more.
pub(super) fn canonical(mut head: Head) -> Head {
    use State::{Armed, Requested};
    let times = times();
    head.version = VERSION;
    head.events = VERSION;
    head.last_hash = Hash::START;
    head.looks = 0;
    head.attempts = head.attempts.min(1);
    head.ask.asked_at = now();
    head.due_at = head.due_at.map(timer);
    let before_proof = matches!(head.state, Requested | Armed);
    head.valid_until = if before_proof {
        head.valid_until.max(now())
    } else {
        now()
    };
    head.last_obstacle = head
        .last_obstacle
        .filter(|_| before_proof)
        .map(|_| "met".to_owned());
    head.token_refused &= before_proof;
    if let Some(armed) = &mut head.armed {
        armed.at = now();
        armed.doubt = armed.doubt.take().map(|_| "lost".to_owned());
        armed.send_by = since(armed.send_by, times.search_for);
        if head.state != Armed {
            armed.by = run_name(None);
            armed.send_by = now();
            armed.doubt = None;
        }
    }
    if let Some(run) = &mut head.run {
        run.proof = Proof::Answer;
        run.revision = None;
        run.since = since(run.since, times.track_for);
        run.created = run.created.map(|created| since(created, times.grace));
        if head.state.is_terminal() {
            (run.since, run.created) = (now(), None);
        }
    }
    if let Some(wish) = &mut head.cancel {
        wish.at = now();
    }
    if head.state.is_terminal() {
        head.cancel = None;
        head.armed = None;
        head.attempts = 1;
        head.end = head.end.map(|_| End {
            at: now(),
            reason: Reason::NoWorkflow,
        });
    }
    head
}

/// The head a tick later.
pub(super) fn ticked(mut head: Head) -> Head {
    head.valid_until -= TICK;
    head.due_at = head.due_at.map(|due| due - TICK);
    if let Some(armed) = &mut head.armed {
        armed.send_by -= TICK;
    }
    if let Some(run) = &mut head.run {
        run.since -= TICK;
        run.created = run.created.map(|created| created - TICK);
    }
    canonical(head)
}

/// The item a tick later.
pub(super) fn later(item: &Item) -> Item {
    match item {
        Item::Asked(left) => Item::Asked(left.saturating_sub(TICK)),
        Item::Pressed(press) => Item::Pressed(Press {
            left: press.left.saturating_sub(TICK),
            ..*press
        }),
        Item::Head(head) => Item::Head(Box::new(ticked(head.as_ref().clone()))),
        Item::Commit(commit) => {
            let mut commit = commit.clone();
            commit.head = ticked(commit.head);
            commit.old = commit.old.map(ticked);
            match &mut commit.lock {
                Some(LockChange::Take { now, .. }) => *now = since(*now - TICK, TICK * FAR),
                Some(LockChange::Expire { until, .. }) => *until = since(*until - TICK, TICK * FAR),
                _ => {}
            }
            Item::Commit(commit)
        }
    }
}

/// The item with the name of the run that may send replaced.
pub(super) fn renamed(item: &Item, name: impl Fn(&Invocation) -> Option<Invocation>) -> Item {
    let rename = |head: &mut Head| {
        if let Some(armed) = &mut head.armed
            && let Some(new) = name(&armed.by)
        {
            armed.by = new;
        }
    };
    let mut item = item.clone();
    match &mut item {
        Item::Asked(_) | Item::Pressed(_) => {}
        Item::Head(head) => rename(head),
        Item::Commit(commit) => rename(&mut commit.head),
    }
    item
}
