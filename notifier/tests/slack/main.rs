//! Slack over real connections: what each answer, and each missing one, means.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the exemption for tests does not reach their helper functions"
)]

mod bot;
mod log;
mod open;
mod refused;
mod shown;
mod support;
mod token;
mod unsent;
