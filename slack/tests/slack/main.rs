//! Slack over real connections: the meaning of each answer, and of each missing one.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the exemption for tests does not reach their helper functions"
)]

mod bot;
mod card;
mod log;
mod rejected;
mod shown;
mod support;
mod unknown_result;
mod unsent;
