//! One contract suite per port, run against every adapter: what the handlers rely on, and nothing
//! about how an adapter does it. No check sleeps; the clock is moved.

mod queue;
mod replies;
mod sqlite;
mod store;
mod support;
