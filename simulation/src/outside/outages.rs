//! Outages: for hours nothing that depends on something works.

use std::collections::BTreeMap;
use std::sync::Mutex;

use chatops_core::Time;
use chatops_core::ports::Clock;

use chatops_testkit::memory::{ManualClock, lock_mutex};

/// What the handlers depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependency {
    /// The ledger.
    Ledger,
    /// The queues.
    Queue,
    /// The secret store.
    Secrets,
    /// CircleCI.
    CircleCi,
    /// Slack.
    Slack,
}

/// What is out, and until when.
#[derive(Debug)]
pub struct Outages {
    clock: ManualClock,
    until: Mutex<BTreeMap<Dependency, Time>>,
}

impl Outages {
    /// Everything works.
    #[must_use]
    pub fn new(clock: &ManualClock) -> Self {
        Self {
            clock: clock.clone(),
            until: Mutex::default(),
        }
    }

    /// Something is out until a moment.
    pub fn begin(&self, dependency: Dependency, until: Time) {
        lock_mutex(&self.until).insert(dependency, until);
    }

    /// Whether it is out now.
    #[must_use]
    pub fn is_out(&self, dependency: Dependency) -> bool {
        let end = self.end_of(dependency);
        end.is_some_and(|end| self.clock.now() < end)
    }

    /// Whether anything is out now.
    #[must_use]
    pub fn are_any(&self) -> bool {
        let now = self.clock.now();
        lock_mutex(&self.until).values().any(|end| now < *end)
    }

    /// When its last outage ends.
    #[must_use]
    pub fn end_of(&self, dependency: Dependency) -> Option<Time> {
        lock_mutex(&self.until).get(&dependency).copied()
    }
}
