//! A state in a line.

use std::fmt::Write;

use super::desk::Desk;
use super::work::{At, FOREVER, State, Wire};

/// The deploys, the lock and the runs.
pub(super) fn state(desk: &mut Desk<'_>, at: &State) -> String {
    let mut line = String::new();
    for (n, number) in at
        .deploys
        .iter()
        .enumerate()
        .filter(|(_, number)| **number != 0)
    {
        let stands = desk
            .facts(*number)
            .state
            .map_or("asked", |state| state.word());
        let wire = match at.wire[n] {
            Wire::Nothing => "",
            Wire::Out => " (POST out)",
            Wire::Real => " (pipeline)",
        };
        let _ = write!(line, "{} {stands}{wire}; ", n + 1);
    }
    for (n, orders) in at.orders.iter().enumerate() {
        for (is, place) in [(orders.dead, "dead"), (orders.back, "sent back")] {
            if is {
                let _ = write!(line, "order {} {place}; ", n + 1);
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
    for run in at.runs.iter().filter(|run| run.at != At::Idle) {
        let stale = if run.stale { ", overtaken" } else { "" };
        let _ = write!(line, "[{:?} {}{stale}] ", run.at, run.deploy + 1);
    }
    line.trim_end().to_owned()
}
