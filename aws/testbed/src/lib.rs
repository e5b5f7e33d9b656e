//! What the tests of AWS stand on: an emulator of it, what an account holds, ways to it that fail, and
//! the programs that are tested.
//!
//! Nothing of the product may depend on this. Whatever goes wrong here ends the test.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "everything here is for tests"
)]

pub mod account;
pub mod emulator;
pub mod programs;
pub mod proxy;
pub mod python;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chatops_core::id::DeployId;
use chatops_sandbox::slack::CommandRequest;

/// What is waited for comes within this time even on a busy machine.
pub const WAIT_TIMEOUT: Duration = Duration::from_mins(1);

/// Asks again and again until there is an answer.
pub async fn wait_until<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = found().await {
            return found;
        }
        assert!(begun.elapsed() < WAIT_TIMEOUT, "waited in vain for {what}");
        // Only the space between two questions.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The id of the deploy that a command asks for.
pub fn deploy_id(sent: &CommandRequest) -> DeployId {
    let form = form_urlencoded::parse(sent.signed.body.as_bytes());
    let form: BTreeMap<String, String> = form.into_owned().collect();
    DeployId::of_request(&form["team_id"], &form["api_app_id"], &form["trigger_id"])
}
