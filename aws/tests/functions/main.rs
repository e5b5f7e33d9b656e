//! The functions' own programs, with stand-ins for Lambda on one side, and on the other the emulator for
//! AWS and the sandbox for Slack and CircleCI.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the exemption for tests does not reach their helper functions"
)]

mod added_secrets;
mod card;
mod frozen;
mod function;
mod gateway;
mod killed;
mod mapping;
mod outages;
mod rejected;
mod relay;
mod settings;
mod setup;
mod stories;
mod throttled;
mod twice;
mod world;
