//! The operator's commands beside a real server, each a process of its own. Here is how they are run, and
//! the deploys that they are about; the tests are in the rooms.

mod actions;
mod anchor;
mod data_file;
mod ledger;
mod terminal;
mod widths;

use std::process::Command;

use chatops_core::deploy::DeployRecord;
use chatops_core::deploy::DeployState::{Succeeded, TriggerFailed};
use serde_json::Value;

use crate::support::{ProcessExit, ServeWorld, ServerProcess, chatops, run, wait_until};

/// A command on the world's data file, in an environment that holds nothing else.
pub(crate) fn command(world: &ServeWorld, arguments: &[&str]) -> Command {
    let mut command = chatops(arguments[0]);
    command
        .args(&arguments[1..])
        .arg("--data")
        .arg(world.data())
        // The configuration lies here as chatops.toml.
        .current_dir(world.dir());
    command
}

async fn operate(world: &ServeWorld, arguments: &[&str]) -> ProcessExit {
    run(command(world, arguments)).await
}

/// What a command printed, if it ended well.
async fn success(world: &ServeWorld, arguments: &[&str]) -> String {
    operate(world, arguments).await.success()
}

/// Why a command ended with that code.
async fn failure(world: &ServeWorld, arguments: &[&str], code: i32) -> String {
    operate(world, arguments).await.failure(code)
}

pub(crate) fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// A deploy that succeeded, and then one that was not triggered. Nothing is left to do about them.
async fn two_deploys(world: &ServeWorld, server: &ServerProcess) -> (DeployRecord, DeployRecord) {
    world.deploy(server, "main deploy", Succeeded).await;
    world.reject_next_trigger();
    world.deploy(server, "feature/a e2e", TriggerFailed).await;
    wait_until("both ends", || {
        let records = world.records().records;
        let of = |state| {
            let mut records = records.values().filter(|record| record.due_at.is_none());
            records.find(|record| record.state == state).cloned()
        };
        Some((of(Succeeded)?, of(TriggerFailed)?))
    })
    .await
}
