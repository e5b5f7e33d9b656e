//! The contract suites against AWS, over its real wire protocol.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "everything here is a test"
)]

mod emulator;
mod fixtures;
#[path = "../../../tests/suites/mod.rs"]
mod suites;
