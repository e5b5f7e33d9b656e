//! The contract suites against the adapters of this machine, and what only the file promises.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "everything here is a test"
)]

mod fixtures;
mod sqlite;
mod sqlite_listing;
mod sqlite_retries;
mod sqlite_sharing;

use crate::fixtures::suite;

chatops_testkit::contract_suites!(suite and own_clock);
