//! The wall clock, behind the port.

use chatops_core::Time;
use chatops_core::ports::Clock;

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the port's one real adapter")]
    fn now(&self) -> Time {
        chrono::Utc::now()
    }
}
