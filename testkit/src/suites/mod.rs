//! One contract suite per port, run against every adapter: what the handlers rely on, and nothing
//! about how an adapter does it. No check sleeps; the clock is moved.
//!
//! Each suite exports a macro, such as [`ledger_checks!`](crate::ledger_checks), that calls a macro of the
//! test binary with the names of its checks; that one makes each check a test for each of its adapters.

pub mod actions;
pub mod clock;
pub mod due;
pub mod full;
pub mod ledger;
pub mod listing;
pub mod locks;
pub mod notifications;
pub mod projects;
pub mod queue;
pub mod releases;
pub mod retries;
pub mod support;

/// Names the checks of a suite. The first token is a dollar sign, which the exported macro needs.
macro_rules! suite {
    ($d:tt $name:ident: $($check:ident),* $(,)?) => {
        #[macro_export]
        macro_rules! $name {
            ($d with:ident) => {
                $d with! { $($check),* }
            };
        }
    };
}
use suite;

/// Makes the checks of every suite tests of the binary that calls it: by its macro, for its adapters.
/// Where the adapters keep time by a clock of ours, `and own_clock` adds the checks of that.
#[macro_export]
macro_rules! contract_suites {
    ($with:ident) => {
        $crate::contract_suites! { @ $with
            actions: actions_checks, due: due_checks, ledger: ledger_checks, listing: listing_checks, locks: locks_checks,
            notifications: notifications_checks, projects: projects_checks, queue: queue_checks, releases: releases_checks, retries: retries_checks
        }
    };
    ($with:ident and own_clock) => {
        $crate::contract_suites! { $with }
        $crate::contract_suites! { @ $with clock: clock_checks }
    };
    (@ $with:ident $($module:ident: $checks:ident),*) => { $(
        mod $module {
            use super::$with;
            use $crate::suites::$module::*;
            $crate::$checks!($with);
        }
    )* };
}
