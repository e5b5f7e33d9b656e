//! One contract suite per port, run against every adapter: what the handlers rely on, and nothing
//! about how an adapter does it. No check sleeps; the clock is moved.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "everything here is a test"
)]

mod due;
mod listing;
mod locks;
mod queue;
mod repeats;
mod replies;
mod sqlite;
mod sqlite_sharing;
mod store;
mod support;
