//! The system's clock as a port.

use chatops_core::Time;
use chatops_core::ports::Clock;
use chrono::SubsecRound;

/// The system's clock, in microseconds as the record keeps them: with finer times, an item could be
/// due by its column and not yet due by its record.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "the real clock")]
    fn now(&self) -> Time {
        chrono::Utc::now().trunc_subsecs(6)
    }
}
