//! Commands as raw requests: who is believed, what is queued, and what is answered.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the exemption for tests does not reach their helper functions"
)]

mod anything;
mod at_once;
mod body;
mod certificate;
mod deploys;
mod encoding;
mod headers;
mod legacy;
mod listening;
mod log;
mod names;
mod questions;
mod requests;
mod routes;
mod secrets;
mod sending;
mod signature;
mod support;
mod webhook;
mod wishes;
