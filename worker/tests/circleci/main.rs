//! The CircleCI client over real connections: what each answer, and each missing one, means.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the exemption for tests does not reach their helper functions"
)]

mod builds;
mod cancel;
mod doubt;
mod ends;
mod faults;
mod look;
mod malformed;
mod pause;
mod proof;
mod raw;
mod run;
mod search;
mod support;
mod trigger;
