//! `template.yaml` held against the code: what a function reads is set, what it calls is allowed and
//! nothing else, the table is the one that the ledger makes, the API has the paths that are answered.
//!
//! Nothing is deployed here. The linter and the SAM transform run in the tests' own environment.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the exemption for tests does not reach their helper functions"
)]

mod access;
mod alarms;
mod api;
mod document;
mod functions;
mod lint;
mod outputs;
mod queues;
mod samples;
mod storage;
