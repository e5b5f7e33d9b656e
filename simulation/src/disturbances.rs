//! What disturbs a whole run: wrong clocks, long stops, a CircleCI that cannot be read; and the look
//! at the ledger after every write.

use std::time::Duration;

use chatops_core::ports::Clock;
use chrono::TimeDelta;

use crate::outside::Dependency;
use crate::violation::{Invariant, Violation};
use crate::world::World;

impl World {
    /// Something crashed or failed since there were so many crashes.
    pub(crate) fn note_crashes_since(&mut self, count: usize) {
        if self.points.crash_count() != count {
            let now = self.clock.now();
            self.history.note_disturbance(now, now);
        }
    }

    /// From now on the clock of the process is wrong by so much.
    pub fn set_process_clock(&mut self, skew: TimeDelta) {
        let now = self.clock.now();
        self.process_skew = skew;
        self.history.note_disturbance(now, now);
        if !skew.is_zero() {
            for record in self.ledger.records() {
                self.history.note_wrong_clock(record.id);
            }
        }
    }

    /// Nothing runs for so long.
    pub fn stand_still(&mut self, time: Duration) {
        let since = self.clock.now();
        self.clock.advance(time);
        self.history.note_disturbance(since, self.clock.now());
    }

    /// CircleCI refuses every read for so long.
    pub fn refuse_reads(&mut self, time: Duration) {
        let now = self.clock.now();
        self.circleci.refuse_reads_until(now + time);
        self.history.note_disturbance(now, now + time);
    }

    /// Nothing that depends on something works for so long.
    pub fn begin_outage(&mut self, of: Dependency, time: Duration) {
        let now = self.clock.now();
        self.outages.begin(of, now + time);
        self.history.note_outage(now, now + time);
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
