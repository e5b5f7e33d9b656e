//! The wall clock, behind the port.

use chatops_core::Time;
use chatops_core::ports::Clock;
use chrono::SubsecRound;

/// The system's clock, in the microseconds that the record keeps: with finer ones, a thing could be
/// due by the table and not yet due by the record.
#[derive(Debug, Clone, Copy, Default)]
pub struct LambdaClock;

impl Clock for LambdaClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the port's one real adapter on AWS"
    )]
    fn now(&self) -> Time {
        chrono::Utc::now().trunc_subsecs(6)
    }
}
