//! The contract suites against AWS, over its real wire protocol.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::duration_suboptimal_units,
    reason = "everything here is a test"
)]

mod adversity;
mod fixtures;
mod price;
mod secrets;

use crate::fixtures::suite;

chatops_testkit::contract_suites!(suite);
