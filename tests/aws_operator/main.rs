//! The operator's commands on AWS: the real binary against the emulator.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "everything here is a test"
)]

mod account;
mod actions;
mod doctor;
mod reading;
mod support;
mod verify;
