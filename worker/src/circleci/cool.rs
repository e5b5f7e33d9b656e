//! The pause that CircleCI asked for, shared by every call of this process: what one deploy was told
//! with a 429 holds for all of them, so that many deploys do not hammer a throttled API.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chatops_core::ports::CiError;

/// The longest pause that is kept. A wrong `Retry-After` must not silence a process for hours.
const LONGEST: Duration = Duration::from_mins(5);

/// The pause where CircleCI names none.
const USUAL: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct CoolDown(Mutex<Option<Instant>>);

impl CoolDown {
    /// How much of the pause is left.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until
            .and_then(|until| until.checked_duration_since(now))
            .filter(|left| !left.is_zero())
    }

    /// CircleCI has asked for a pause; a shorter one never cuts a longer one.
    pub(super) fn asked(&self, after: Option<Duration>, now: Instant) {
        let until = now + after.unwrap_or(USUAL).clamp(USUAL, LONGEST);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none_or(|earlier| earlier < until) {
            *kept = Some(until);
        }
    }

    /// What a call that does not even begin is told.
    pub(super) fn refusal(left: Duration) -> CiError {
        CiError {
            after: Some(left),
            ..CiError::met(SAID)
        }
    }
}

/// Why nothing was sent.
pub(super) const SAID: &str = "CircleCI has asked for a pause (HTTP 429)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_holds_for_all_and_ends() {
        let (cool, now) = (CoolDown::default(), Instant::now());
        let secs = Duration::from_secs;
        assert_eq!(cool.left(now), None);
        cool.asked(Some(secs(10)), now);
        assert_eq!(cool.left(now + secs(4)), Some(secs(6)));
        cool.asked(Some(secs(3)), now);
        assert_eq!(cool.left(now), Some(secs(10)));
        assert_eq!(cool.left(now + secs(10)), None);
    }

    #[test]
    fn no_pause_and_an_absurd_one_are_made_sane() {
        let (cool, now) = (CoolDown::default(), Instant::now());
        cool.asked(None, now);
        assert_eq!(cool.left(now), Some(USUAL));
        cool.asked(Some(Duration::from_secs(u64::MAX)), now);
        assert_eq!(cool.left(now), Some(LONGEST));
    }
}
