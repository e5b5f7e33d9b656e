//! What tests stand on: the contract suites of the ports, ports in memory, configurations, how to wait;
//! and for AWS an emulator, what an account holds, ways to it that fail, a stand-in of Lambda, and the
//! programs that are tested.
//!
//! Nothing of the product may depend on this. Whatever goes wrong here ends the test.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    missing_docs,
    async_fn_in_trait,
    reason = "everything here is for tests"
)]

#[cfg(feature = "aws")]
pub mod account;
pub mod address;
pub mod config;
#[cfg(feature = "aws")]
pub mod emulator;
pub mod memory;
#[cfg(feature = "aws")]
pub mod programs;
#[cfg(feature = "aws")]
pub mod proxy;
#[cfg(feature = "aws")]
pub mod python;
#[cfg(feature = "aws")]
pub mod runtime_api;
pub mod suites;
pub mod thread_log;

use std::collections::BTreeMap;
use std::time::Duration;

use chatops_core::id::DeployId;
use chatops_sandbox::slack::CommandRequest;

/// The longest that a single call takes, even on a busy machine.
pub const WAIT_TIMEOUT: Duration = Duration::from_mins(5);

/// The space between two questions.
const QUESTION_INTERVAL: Duration = Duration::from_millis(20);

/// So many questions may find nothing while nothing moves. They are counted, and not the time, since on
/// a busy machine both who asks and what is asked for are slow.
const MAX_STILL_QUESTIONS: u32 = 3_000;

/// So many questions may find nothing although something moves.
const MAX_QUESTIONS: u32 = 20 * MAX_STILL_QUESTIONS;

/// A wait: it lasts as long as something still moves.
#[derive(Debug)]
pub struct Patience {
    what: String,
    seen: u64,
    still: u32,
    asked: u32,
}

impl Patience {
    /// A wait for `what`.
    #[must_use]
    pub fn new(what: &str) -> Self {
        Self {
            what: what.to_owned(),
            seen: 0,
            still: 0,
            asked: 0,
        }
    }

    /// Pauses before the next question. `moved` is any number that changes as long as something moves.
    pub async fn pause(&mut self, moved: u64) {
        if moved != self.seen {
            (self.seen, self.still) = (moved, 0);
        }
        self.still += 1;
        self.asked += 1;
        let goes_on = self.still < MAX_STILL_QUESTIONS && self.asked < MAX_QUESTIONS;
        assert!(goes_on, "waited in vain for {}", self.what);
        tokio::time::sleep(QUESTION_INTERVAL).await;
    }
}

/// Asks again and again until there is an answer.
pub async fn wait_until<T>(what: &str, found: impl AsyncFnMut() -> Option<T>) -> T {
    wait_while_moving(what, || 0, found).await
}

/// Asks again and again until there is an answer, for as long as `moved` changes.
pub async fn wait_while_moving<T>(
    what: &str,
    moved: impl Fn() -> u64,
    mut found: impl AsyncFnMut() -> Option<T>,
) -> T {
    let mut patience = Patience::new(what);
    loop {
        if let Some(found) = found().await {
            return found;
        }
        patience.pause(moved()).await;
    }
}

/// The id of the deploy that a command asks for.
pub fn deploy_id(sent: &CommandRequest) -> DeployId {
    let form = form_urlencoded::parse(sent.signed.body.as_bytes());
    let form: BTreeMap<String, String> = form.into_owned().collect();
    DeployId::of_request(&form["team_id"], &form["api_app_id"], &form["trigger_id"])
}
