//! Every time of the state machine, with its default and the checks that keep them consistent.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

macro_rules! times {
    ($($(#[$doc:meta])* $name:ident = $seconds:literal),* $(,)?) => {
        /// The `[times]` table. Each value is written like `"90s"`, `"10m"` or `"24h"`.
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Times {
            $($(#[$doc])* #[serde(deserialize_with = "human")] pub $name: Duration,)*
        }

        impl Default for Times {
            fn default() -> Self {
                Self { $($name: Duration::from_secs($seconds),)* }
            }
        }

        impl Times {
            /// Name and value of each.
            fn all(&self) -> Vec<(&'static str, Duration)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }
    };
}

times! {
    /// No deploy starts later than this after it was asked.
    stale_after = 600,
    /// Time to connect to CircleCI or Slack.
    connect_timeout = 2,
    /// Time for one whole request to CircleCI or Slack.
    request_timeout = 10,
    /// How long an armed deploy has to send its POST and hear the answer; longer than
    /// `request_timeout`.
    send_window = 15,
    /// How long after `send_window` CircleCI's listing may still lack a pipeline that exists.
    horizon = 120,
    /// When a look-up that keeps failing is given up, counted like `horizon`.
    search_for = 900,
    /// How long a pipeline may be without workflows before it counts as running nothing.
    grace = 180,
    /// The first pause between two looks at CircleCI.
    poll_first = 5,
    /// The longest pause between two looks.
    poll_longest = 60,
    /// The first pause before a refused-for-now trigger is tried again.
    retry_first = 5,
    /// How long a run is followed.
    track_for = 86_400,
    /// How long UNRESOLVED keeps its target locked.
    unresolved_lock = 900,
    /// How long Slack's reply address is used; Slack closes it after 30 minutes.
    reply_for = 1_740,
    /// How long one post to Slack may be under way before its outcome counts as unknown; longer
    /// than `request_timeout`.
    reply_lease = 30,
    /// How often the sweeper looks for what is due.
    sweep_every = 60,
}

impl Times {
    /// Checks what has to hold between the times; the error names the keys to blame, the first
    /// one first, and says how to put it right.
    pub(super) fn check(&self) -> Result<(), ([&'static str; 2], String)> {
        for (name, value) in self.all() {
            if value.is_zero() {
                return Err(([name, name], format!("{name} must be longer than zero")));
            }
            if value > Duration::from_hours(2160) {
                return Err(([name, name], format!("{name} must be at most 90 days")));
            }
        }
        let longer = [
            (
                "send_window",
                self.send_window,
                "request_timeout",
                self.request_timeout,
            ),
            (
                "reply_lease",
                self.reply_lease,
                "request_timeout",
                self.request_timeout,
            ),
            (
                "request_timeout",
                self.request_timeout,
                "connect_timeout",
                self.connect_timeout,
            ),
        ];
        let wrong = |(long, a, short, b): (&'static str, Duration, &'static str, Duration), how| {
            let (a, b) = (humantime::format_duration(a), humantime::format_duration(b));
            Err((
                [long, short],
                format!("{long} ({a}) must be {how} {short} ({b})"),
            ))
        };
        if let Some(pair) = longer.into_iter().find(|(_, a, _, b)| a <= b) {
            return wrong(pair, "longer than");
        }
        if self.search_for < self.horizon {
            let pair = ("search_for", self.search_for, "horizon", self.horizon);
            return wrong(pair, "at least as long as");
        }
        if self.reply_for > Duration::from_mins(30) {
            let why = "reply_for must be at most 30m: then Slack closes its reply address";
            return Err((["reply_for", "reply_for"], why.to_owned()));
        }
        Ok(())
    }
}

fn human<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    struct Read;

    impl Visitor<'_> for Read {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration such as \"90s\", \"10m\" or \"24h\"")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
            humantime::parse_duration(text)
                .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
        }
    }

    deserializer.deserialize_str(Read)
}
