//! A clock that is set by hand.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::ports::Clock;

use super::lock_mutex;

/// A clock set by hand. Clones show the same time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Time>>);

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Sets it, backwards too.
    pub fn set(&self, now: Time) {
        *lock_mutex(&self.0) = now;
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        *lock_mutex(&self.0) += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        *lock_mutex(&self.0)
    }
}
