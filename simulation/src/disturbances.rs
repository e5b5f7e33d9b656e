//! What disturbs a whole run: wrong clocks, long stops, a CircleCI that cannot be read; and the look
//! at the ledger after every write.

use std::time::Duration;

use chatops_core::ports::Clock;
use chrono::TimeDelta;

use crate::invariants::{Invariant, Violation};
use crate::world::World;

impl World {
    /// Something crashed or failed since there were so many crashes.
    pub(crate) fn note_crashes_since(&mut self, count: usize) {
        if self.points.crash_count() != count {
            self.history.note_disturbance(self.clock.now());
        }
    }

    /// From now on the clock of the process is wrong by so much.
    pub fn set_process_clock(&mut self, skew: TimeDelta) {
        self.process_skew = skew;
        self.history.note_disturbance(self.clock.now());
        if !skew.is_zero() {
            for record in self.ledger.records() {
                self.history.note_wrong_clock(record.id);
            }
        }
    }

    /// Nothing runs for so long.
    pub fn stand_still(&mut self, time: Duration) {
        self.clock.advance(time);
        self.history.note_disturbance(self.clock.now());
    }

    /// CircleCI refuses every read for so long.
    pub fn refuse_reads(&mut self, time: Duration) {
        let until = self.clock.now() + time;
        self.circleci.refuse_reads_until(until);
        self.history.note_disturbance(until);
    }

    /// Looks at the deploys and the locks after something was written.
    pub(crate) fn watch_ledger(&mut self) {
        if !self.history.has_news(self.cloud_ledger.write_count()) {
            return;
        }
        let (now, records) = (self.clock.now(), self.ledger.records());
        let (locks, timeouts) = (self.ledger.locks(), &self.config.timeouts);
        for far in self.history.observe(now, &records, locks, timeouts) {
            self.violations
                .push(Violation::new(Invariant::NearTimer, far));
        }
    }
}
