//! Commands as raw requests: who is believed, what is queued, and what is answered.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the exemption for tests does not reach their helper functions"
)]

mod actions;
mod body;
mod certificate;
mod deploys;
mod encoding;
mod form_presses;
mod fuzz;
mod headers;
mod immediate_replies;
mod legacy;
mod log;
mod names;
mod other_workspaces;
mod presses;
mod queries;
mod random_input;
mod requests;
mod routes;
mod secrets;
mod sending;
mod signature;
mod support;
mod webhook;
