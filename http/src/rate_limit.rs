//! The pause that a vendor asks for. All calls of this process that go the same way share it, so that
//! many deploys do not hammer a throttled API.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chatops_core::ports::MAX_ASKED_PAUSE;

/// The pause if the vendor names none.
const DEFAULT_PAUSE: Duration = Duration::from_secs(2);

/// Until when nothing is sent. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct RateLimitPause(Arc<Mutex<Option<Instant>>>);

impl RateLimitPause {
    /// How much of the pause is left.
    #[must_use]
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = until.and_then(|until| until.checked_duration_since(now));
        left.filter(|left| !left.is_zero())
    }

    /// Extends the pause; a shorter one never shortens it.
    pub fn extend(&self, after: Option<Duration>, now: Instant) {
        let pause = after.unwrap_or(DEFAULT_PAUSE);
        let until = now + pause.clamp(DEFAULT_PAUSE, MAX_ASKED_PAUSE);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none_or(|earlier| earlier < until) {
            *kept = Some(until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_holds_for_all_and_ends() {
        let (pause, now) = (RateLimitPause::default(), Instant::now());
        let secs = Duration::from_secs;
        assert_eq!(pause.remaining(now), None);
        pause.extend(Some(secs(10)), now);
        assert_eq!(pause.remaining(now + secs(4)), Some(secs(6)));
        pause.extend(Some(secs(3)), now);
        assert_eq!(pause.remaining(now), Some(secs(10)));
        assert_eq!(pause.remaining(now + secs(10)), None);
    }

    #[test]
    fn the_pause_has_a_minimum_and_a_maximum() {
        let (pause, now) = (RateLimitPause::default(), Instant::now());
        pause.extend(None, now);
        assert_eq!(pause.remaining(now), Some(DEFAULT_PAUSE));
        pause.extend(Some(Duration::from_secs(u64::MAX)), now);
        assert_eq!(pause.remaining(now), Some(MAX_ASKED_PAUSE));
    }
}
