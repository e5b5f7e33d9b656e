//! Every time of the state machine, with its default and the checks that keep them consistent.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::shape::{self, Key, Kind};
use crate::deploy::LONGEST_PAUSE;

macro_rules! timeouts {
    ($($(#[doc = $doc:literal])* $name:ident = $seconds:literal),* $(,)?) => {
        /// The `[timeouts]` table. Each value is written like `"90s"`, `"10m"` or `"24h"`.
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Timeouts {
            $($(#[doc = $doc])* #[serde(deserialize_with = "deserialize_duration")] pub $name: Duration,)*
        }

        impl Default for Timeouts {
            fn default() -> Self {
                Self { $($name: Duration::from_secs($seconds),)* }
            }
        }

        impl Timeouts {
            /// Name and value of each.
            fn all(&self) -> Vec<NamedTime> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }

        /// The keys of the table.
        pub(super) static KEYS: &[Key] = &[$(Key {
            name: stringify!($name),
            kind: Kind::Duration,
            is_required: false,
            default: shape::Default::Seconds($seconds),
            example: "\"90s\"",
            doc: concat!($($doc),*),
        }),*];
    };
}

timeouts! {
    /// No deploy starts later than this after it was requested.
    request_ttl = 600,
    /// Time to connect to CircleCI or Slack.
    connect_timeout = 2,
    /// Time for one whole request to CircleCI or Slack.
    request_timeout = 10,
    /// To send a trigger and receive the answer; longer than `request_timeout`.
    trigger_window = 15,
    /// For how long lookups that find nothing are repeated: CircleCI's listing may still lack a
    /// pipeline that exists.
    lookup_timeout = 120,
    /// For how long lookups that fail are repeated.
    lookup_give_up = 900,
    /// How long the job's workflow may be missing before the deploy counts as running nothing; where
    /// no workflow is listed at all, people are told then.
    workflow_start_timeout = 180,
    /// How long a pipeline may list no workflow at all before the deploy ends.
    empty_pipeline_timeout = 7_200,
    /// How long a pipeline may take to go on after its setup workflow failed or was canceled, and a job
    /// to end after its workflow.
    settle_time = 120,
    /// How long an automatic rerun is waited for.
    rerun_timeout = 300,
    /// The first pause between two polls of a run.
    poll_interval_min = 5,
    /// The longest pause between two polls.
    poll_interval_max = 60,
    /// The longest pause between two polls where the project's webhooks arrive.
    poll_interval_webhook = 300,
    /// The pause between two polls of a run that is older than a day.
    poll_interval_old = 3_600,
    /// How often the jobs of a run are read for their progress on its card, at most.
    progress_interval = 60,
    /// The first pause before a trigger is sent again after CircleCI said "not now".
    retry_backoff = 5,
    /// For how long polls that fail are repeated before the run is given up.
    follow_timeout = 86_400,
    /// How long a deploy may be retried after its end.
    retry_window = 86_400,
    /// How long a deploy of which something may still run keeps its target locked after its end.
    lock_ttl = 900,
    /// When people are told that a trigger is delayed, or that CircleCI cannot be read.
    trouble_after = 30,
    /// How long Slack's response URL is used; Slack closes it after 30 minutes.
    response_url_ttl = 1_740,
    /// How long one post to Slack may take before its outcome counts as unknown; longer than
    /// `request_timeout`.
    delivery_lease = 30,
    /// On AWS: how long a secret's version before the last rotation still counts.
    previous_secret_ttl = 86_400,
    /// How often the sweeper looks for what is due.
    sweep_interval = 60,
}

impl Timeouts {
    /// What does not hold between the times, all of it: the keys to blame, the first one first, and what to
    /// change.
    pub(super) fn check(&self) -> Vec<([&'static str; 2], String)> {
        let mut wrong = vec![];
        for (name, value) in self.all() {
            let bound = if value.is_zero() {
                "must be longer than zero"
            } else if value > Duration::from_hours(2160) {
                "must be at most 90 days"
            } else if PAUSES.contains(&name) && value > LONGEST_PAUSE {
                // A longer one looks like the work of a clock that was wrong, and counts as over.
                "must be at most one hour"
            } else if name == "response_url_ttl" && value > Duration::from_mins(30) {
                "must be at most 30m: then Slack closes the response URL"
            } else {
                continue;
            };
            wrong.push(([name; 2], format!("{name} {bound}")));
        }
        if !wrong.is_empty() {
            return wrong;
        }
        let request = ("request_timeout", self.request_timeout);
        let longer = [
            (("trigger_window", self.trigger_window), request),
            (("delivery_lease", self.delivery_lease), request),
            (request, ("connect_timeout", self.connect_timeout)),
        ];
        let pair = |(long, a): NamedTime, (short, b): NamedTime, how| {
            let (a, b) = (humantime::format_duration(a), humantime::format_duration(b));
            (
                [long, short],
                format!("{long} ({a}) must be {how} {short} ({b})"),
            )
        };
        for (long, short) in longer.into_iter().filter(|(a, b)| a.1 <= b.1) {
            wrong.push(pair(long, short, "longer than"));
        }
        let give_up = ("lookup_give_up", self.lookup_give_up);
        let lookup = ("lookup_timeout", self.lookup_timeout);
        if give_up.1 < lookup.1 {
            wrong.push(pair(give_up, lookup, "at least as long as"));
        }
        wrong
    }
}

/// The pauses of the state machine.
const PAUSES: [&str; 6] = [
    "trigger_window",
    "poll_interval_min",
    "poll_interval_max",
    "poll_interval_webhook",
    "poll_interval_old",
    "retry_backoff",
];

type NamedTime = (&'static str, Duration);

fn deserialize_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    struct DurationVisitor;

    impl Visitor<'_> for DurationVisitor {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration such as \"90s\", \"10m\" or \"24h\"")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
            humantime::parse_duration(text)
                .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
        }
    }

    deserializer.deserialize_str(DurationVisitor)
}
