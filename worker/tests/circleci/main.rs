//! The CircleCI client over real connections: what each answer, and each missing one, means.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the exemption for tests does not reach their helper functions"
)]

mod cancel;
mod doubt;
mod faults;
mod look;
mod raw;
mod search;
mod support;
mod trigger;
