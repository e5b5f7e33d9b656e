//! Counts what anybody outside can cause as often as they like, so that the log says it once a minute
//! and forgets none of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;

use crate::Time;

/// How long a kind is only counted after it was said.
const PAUSE: TimeDelta = TimeDelta::minutes(1);

/// How many of each kind there were since it was last said.
#[derive(Debug)]
pub struct LogTally<K>(Mutex<BTreeMap<K, Counted>>);

#[derive(Debug, Clone, Copy)]
struct Counted {
    said_at: Time,
    unsaid: u64,
}

impl Counted {
    /// Whether a line is due. A clock that is set back makes one due.
    fn is_due(self, now: Time) -> bool {
        now < self.said_at || now - self.said_at >= PAUSE
    }
}

impl<K> Default for LogTally<K> {
    fn default() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }
}

impl<K: Ord + Copy> LogTally<K> {
    /// Counts one. If a line is due: how many it is about, this one included.
    pub fn count(&self, kind: K, now: Time) -> Option<u64> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kinds.get_mut(&kind) {
            Some(counted) if !counted.is_due(now) => {
                counted.unsaid += 1;
                None
            }
            known => {
                let unsaid = known.map_or(0, |counted| counted.unsaid);
                let said = Counted {
                    said_at: now,
                    unsaid: 0,
                };
                kinds.insert(kind, said);
                Some(unsaid + 1)
            }
        }
    }

    /// What was counted and not said, of each kind whose line is due: to be said now, since nothing
    /// may follow that would.
    pub fn take_due(&self, now: Time) -> Vec<(K, u64)> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        for (kind, counted) in kinds.iter_mut() {
            if counted.unsaid > 0 && counted.is_due(now) {
                due.push((*kind, counted.unsaid));
                counted.said_at = now;
                counted.unsaid = 0;
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_and_nothing_is_forgotten() {
        let tally = LogTally::default();
        let at = |second| Time::from_timestamp(second, 0).unwrap();
        let count = |second| tally.count("a", at(second));
        assert_eq!([0, 1, 59].map(count), [Some(1), None, None]);
        // Each kind has its own minute.
        assert_eq!(tally.count("b", at(59)), Some(1));
        assert_eq!(count(60), Some(3));
        assert_eq!(count(61), None);
        assert_eq!(tally.take_due(at(119)), []);
        assert_eq!(tally.take_due(at(120)), [("a", 1)]);
        assert_eq!(tally.take_due(at(300)), []);
        // A clock that is set back makes one line more.
        assert_eq!(count(30), Some(1));
    }
}
