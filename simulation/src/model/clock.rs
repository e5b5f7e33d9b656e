//! The clock of the worker's side: the present, which stands still, and the step of time.
//!
//! Nothing here knows what a moment is about.

use std::time::Duration;

use chatops_core::Time;
use chrono::DateTime;

/// The step of time.
pub(super) const TICK: Duration = Duration::from_secs(10);

/// How far back the moments at which a lock was taken differ, in ticks.
pub(super) const FAR: u32 = 3;

/// The present.
pub(super) fn now() -> Time {
    DateTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

/// `at`, but at most `oldest` before now.
pub(super) fn not_before(at: Time, oldest: Duration) -> Time {
    at.max(now() - oldest)
}

/// `at` put off to the next tick, or now if it is past: timers are only compared with ticks.
pub(super) fn next_tick(at: Time) -> Time {
    let left = (at - now()).to_std().unwrap_or_default();
    let ticks = u32::try_from(left.as_millis().div_ceil(TICK.as_millis())).unwrap_or(u32::MAX);
    now() + TICK * ticks
}
