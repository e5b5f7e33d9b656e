//! The functions' own programs: Lambda is stood in for on one side, AWS by the emulator and Slack
//! and CircleCI by the sandbox on the other.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the exemption for tests does not reach their helper functions"
)]

#[path = "../contract/emulator.rs"]
#[allow(dead_code, reason = "the clock of the queues is the real one here")]
mod emulator;
mod frozen;
mod function;
mod gateway;
mod killed;
mod mapping;
#[path = "../deployed/programs.rs"]
mod programs;
#[path = "../contract/proxy.rs"]
#[allow(dead_code, reason = "not everything is made use of here")]
mod proxy;
mod refused;
mod relay;
mod runtime_api;
mod settings;
mod setup;
mod stories;
mod throttled;
mod twice;
mod world;
