//! One contract suite per port, run against every adapter: what the handlers rely on, and nothing
//! about how an adapter does it. No check sleeps; the clock is moved.
//!
//! A test binary includes this module beside one called `fixtures`, which has the adapters and the
//! macro `suite!` that makes each check a test of its own for each of them.

mod due;
mod ledger;
pub(crate) mod listing;
mod locks;
mod notifications;
mod queue;
pub(crate) mod retries;
pub(crate) mod support;
