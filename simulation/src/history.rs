//! What was seen of the ledger from outside while a run went on, by the true clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::config::Timeouts;
use chatops_core::deploy::{DeployRecord, Target};
use chatops_core::id::DeployId;
use chatops_core::ports::TargetLock;
use chrono::TimeDelta;

/// The longest pause before the next poll of an open deploy, and of one whose run is older than a
/// day.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
const LONGEST_PAUSE_LATER: Duration = Duration::from_hours(1);
const YOUNG: Duration = Duration::from_hours(24);

/// By how much a clock that counts as right may be off.
const ALLOWED_SKEW: Duration = Duration::from_secs(10);

/// The locks as they stood from one moment on.
type LockTable = BTreeMap<Target, TargetLock>;

/// What was seen so far.
#[derive(Debug, Default)]
pub struct History {
    writes: usize,
    versions: BTreeMap<DeployId, u64>,
    opened_at: BTreeMap<DeployId, Time>,
    ended_at: BTreeMap<DeployId, Time>,
    locks: Vec<(Time, LockTable)>,
    disturbances: Vec<(Time, Time)>,
    outages: Vec<(Time, Time)>,
    /// The deploys that a process with a wrong clock has handled.
    mistimed: BTreeSet<DeployId>,
}

impl History {
    /// Whether there were writes since the last look.
    pub(crate) fn has_news(&mut self, writes: usize) -> bool {
        std::mem::replace(&mut self.writes, writes) != writes
    }

    /// Something went wrong or somebody did something: what follows is no quiet time.
    pub(crate) fn note_disturbance(&mut self, from: Time, until: Time) {
        self.disturbances.push((from, until));
    }

    /// Something does not work for a while.
    pub(crate) fn note_outage(&mut self, from: Time, until: Time) {
        self.outages.push((from, until));
    }

    /// A process with a wrong clock handles a deploy.
    pub(crate) fn note_wrong_clock(&mut self, deploy: DeployId) {
        self.mistimed.insert(deploy);
    }

    /// Looks at the ledger; returns the timers that are set too far ahead.
    pub(crate) fn observe(
        &mut self,
        now: Time,
        records: &[DeployRecord],
        locks: LockTable,
        timeouts: &Timeouts,
    ) -> Vec<String> {
        if self.locks.last().is_none_or(|(_, known)| *known != locks) {
            self.locks.push((now, locks));
        }
        let mut far = vec![];
        for record in records {
            let known = self.versions.insert(record.id, record.version);
            if known == Some(record.version) {
                continue;
            }
            self.opened_at.entry(record.id).or_insert(now);
            if record.state.is_terminal() {
                self.ended_at.entry(record.id).or_insert(now);
            } else if let Some(due) = record
                .due_at
                .filter(|_| !self.mistimed.contains(&record.id))
            {
                let limit = longest_pause(record, now, timeouts);
                if due > now + limit + ALLOWED_SKEW {
                    let (id, state) = (record.id, record.state);
                    far.push(format!("{id} is {state} at {now} and due only at {due}"));
                }
            }
        }
        far
    }

    /// When a deploy was first seen on record.
    #[must_use]
    pub fn opened_at(&self, deploy: DeployId) -> Option<Time> {
        self.opened_at.get(&deploy).copied()
    }

    /// When a deploy was first seen ended.
    #[must_use]
    pub fn ended_at(&self, deploy: DeployId) -> Option<Time> {
        self.ended_at.get(&deploy).copied()
    }

    /// Whether a process with a wrong clock has handled a deploy.
    #[must_use]
    pub fn is_mistimed(&self, deploy: DeployId) -> bool {
        self.mistimed.contains(&deploy)
    }

    /// The last disturbance up to a moment.
    #[must_use]
    pub fn last_disturbance(&self, until: Time) -> Option<Time> {
        let all = self.disturbances.iter().chain(&self.outages);
        let begun = all.filter(|(from, _)| *from <= until);
        begun.map(|(_, to)| *to.min(&until)).max()
    }

    /// How long the longest outage was.
    #[must_use]
    pub fn longest_outage(&self) -> TimeDelta {
        let outages = self.outages.iter();
        let longest = outages.map(|(from, until)| *until - *from).max();
        longest.unwrap_or_default()
    }

    /// The lock of a target at a moment, if it had not expired.
    #[must_use]
    pub fn lock_at(&self, target: &Target, at: Time) -> Option<&TargetLock> {
        let known = self.locks.partition_point(|(since, _)| *since <= at);
        let (_, locks) = self.locks.get(known.checked_sub(1)?)?;
        let lock = locks.get(target)?;
        lock.until.is_none_or(|until| until > at).then_some(lock)
    }

    /// The moments after `from` and before `until` at which a lock may cease to be held.
    #[must_use]
    pub fn lock_changes(&self, from: Time, until: Time) -> BTreeSet<Time> {
        let expiries = self.locks.iter().flat_map(|(_, locks)| locks.values());
        let expiries = expiries.filter_map(|lock| lock.until);
        let changes = self.locks.iter().map(|(at, _)| *at).chain(expiries);
        changes.filter(|at| *at > from && *at < until).collect()
    }
}

/// The longest pause that a record may make at `now`, unless the configuration has longer ones.
fn longest_pause(record: &DeployRecord, now: Time, timeouts: &Timeouts) -> Duration {
    let begun = record.run.as_ref().map(|run| run.triggered_at);
    let is_old = begun.is_some_and(|begun| now >= begun + YOUNG);
    let longest = if is_old {
        LONGEST_PAUSE_LATER
    } else {
        LONGEST_PAUSE
    };
    longest.max(timeouts.poll_interval_max)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn at(seconds: i64) -> Time {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn deploy(name: &str) -> DeployId {
        DeployId::of_request("T0001", "A0001", name)
    }

    fn target() -> Target {
        Target("web/deploy".to_owned())
    }

    fn locked(by: DeployId, until: Option<Time>) -> LockTable {
        let lock = TargetLock {
            deploy: by,
            since: at(0),
            until,
        };
        BTreeMap::from([(target(), lock)])
    }

    #[test]
    fn a_lock_is_held_until_it_is_freed_or_expires() {
        let (mut history, timeouts) = (History::default(), Timeouts::default());
        let mut see = |seconds, locks| history.observe(at(seconds), &[], locks, &timeouts);
        see(10, locked(deploy("one"), None));
        see(20, LockTable::new());
        see(30, locked(deploy("two"), Some(at(40))));
        let holder = |seconds| {
            let lock = history.lock_at(&target(), at(seconds));
            lock.map(|lock| lock.deploy)
        };
        let (one, two) = (Some(deploy("one")), Some(deploy("two")));
        let held = [9, 10, 19, 20, 30, 39, 40].map(holder);
        assert_eq!(held, [None, one, one, None, two, two, None]);
        let changes = history.lock_changes(at(10), at(50));
        assert_eq!(Vec::from_iter(changes), [at(20), at(30), at(40)]);
    }

    #[test]
    fn only_a_disturbance_before_a_moment_counts() {
        let mut history = History::default();
        history.note_disturbance(at(5), at(7));
        history.note_disturbance(at(3), at(3));
        let last = [2, 4, 6, 9].map(|seconds| history.last_disturbance(at(seconds)));
        assert_eq!(last, [None, Some(at(3)), Some(at(6)), Some(at(7))]);
    }

    #[test]
    fn a_change_is_seen_once() {
        let mut history = History::default();
        let news = [0, 1, 1, 2].map(|writes| history.has_news(writes));
        assert_eq!(news, [false, true, false, true]);
    }
}
