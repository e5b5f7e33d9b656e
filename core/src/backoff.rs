//! Pauses that grow: the one formula of everything that is tried again.

use std::time::Duration;

/// How the pauses between tries grow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The factor from each pause to the next.
    pub growth: f64,
    /// No pause is longer, not even the first.
    pub longest: Duration,
}

impl Backoff {
    /// The pause after `earlier` pauses.
    #[must_use]
    pub fn pause(&self, earlier: u32) -> Duration {
        // By the 40th pause every growth that is of use has reached the longest.
        let grown = self.first.as_secs_f64() * self.growth.powi(earlier.min(40).cast_signed());
        Duration::from_secs_f64(grown.min(self.longest.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_the_first_to_the_longest() {
        let backoff = Backoff {
            first: Duration::from_millis(500),
            growth: 3.0,
            longest: Duration::from_secs(10),
        };
        let pauses = [0, 1, 2, 3, 41, u32::MAX].map(|n| backoff.pause(n).as_millis());
        assert_eq!(pauses, [500, 1_500, 4_500, 10_000, 10_000, 10_000]);
        let short = Backoff {
            longest: Duration::from_millis(200),
            ..backoff
        };
        assert_eq!(short.pause(0), Duration::from_millis(200));
    }
}
