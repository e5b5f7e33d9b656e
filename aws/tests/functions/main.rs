//! The functions' own programs: Lambda is stood in for on one side, AWS by the emulator and Slack
//! and CircleCI by the sandbox on the other.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the exemption for tests does not reach their helper functions"
)]

mod frozen;
mod function;
mod gateway;
mod killed;
mod mapping;
mod refused;
mod relay;
mod runtime_api;
mod settings;
mod setup;
mod stories;
mod throttled;
mod twice;
mod world;
