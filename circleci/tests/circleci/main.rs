//! The CircleCI client over real connections: the meaning of each answer, and of each missing one.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the exemption for tests does not reach their helper functions"
)]

mod build_lookup;
mod builds;
mod cancel;
mod ends;
mod faults;
mod jobs;
mod large;
mod malformed;
mod pause;
mod pipeline_lookup;
mod pipeline_run;
mod poll;
mod raw_server;
mod refusals;
mod retried_builds;
mod support;
mod surprising_lists;
mod trigger;
mod unknown_outcome;
