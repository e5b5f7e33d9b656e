//! The operator's commands on AWS: the real binary against the emulator.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "everything here is a test"
)]

mod account;
mod doctor;
#[expect(dead_code, reason = "it serves the tests of the adapters as well")]
#[path = "../../aws/tests/contract/emulator.rs"]
mod emulator;
mod reading;
mod support;
mod verify;
mod wishes;
