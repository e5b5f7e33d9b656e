//! Both servers over real connections.

#![expect(
    clippy::unwrap_used,
    reason = "the exemption for tests does not reach their helper functions"
)]

mod bot;
mod builds;
mod circleci;
mod page;
mod say;
mod schema;
mod slack;
mod support;
mod webhooks;
