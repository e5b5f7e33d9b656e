//! A state in a line.

use std::fmt::Write;

use super::decision_cache::DecisionCache;
use super::worker_state::{FOREVER, PostEffect, WorkerState};

/// The deploys, the lock and the runs.
pub(super) fn describe_state(cache: &mut DecisionCache<'_>, at: &WorkerState) -> String {
    let mut line = String::new();
    for (n, number) in at
        .deploys
        .iter()
        .enumerate()
        .filter(|(_, number)| **number != 0)
    {
        let state = cache
            .facts(*number)
            .state
            .map_or("requested", |state| state.as_str());
        let effect = match at.post_effect[n] {
            PostEffect::Nothing => "",
            PostEffect::Pending => " (POST out)",
            PostEffect::Created => " (pipeline)",
        };
        let _ = write!(line, "{} {state}{effect}; ", n + 1);
    }
    for (n, tickets) in at.tickets.iter().enumerate() {
        for (is, place) in [(tickets.in_dlq, "dead"), (tickets.redriven, "redriven")] {
            if is {
                let _ = write!(line, "ticket {} {place}; ", n + 1);
            }
        }
    }
    if at.holder > 0 {
        let until = if at.until == FOREVER {
            ""
        } else {
            " for a while"
        };
        let _ = write!(line, "lock {}{until}; ", at.holder);
    }
    for run in at.runs.iter().filter(|run| !run.is_idle()) {
        let phase = cache.facts(run.run).phase;
        let stale = if run.stale { ", overtaken" } else { "" };
        let _ = write!(line, "[{phase:?} {}{stale}] ", run.deploy + 1);
    }
    line.trim_end().to_owned()
}
