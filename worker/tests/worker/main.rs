//! The worker over ports in memory.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the exemption for tests does not reach their helper functions"
)]

mod audit_log;
mod dead_letters;
mod entry;
mod reading;
mod support;
