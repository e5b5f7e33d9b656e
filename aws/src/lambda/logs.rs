//! Logs: one JSON object per line on standard output, which Lambda puts into the function's log
//! group. An event has the fields of its spans, too, so that every line of an invocation carries its
//! `request_id`.

use anyhow::{Result, anyhow};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::env::env_var;
use crate::settings::read_var;

/// The variable with the log level.
const LOG_LEVEL: &str = "CHATOPS_LOG_LEVEL";

/// Starts logging for the life of the process.
pub(super) fn start_logs() -> Result<()> {
    let level = read_var(env_var, LOG_LEVEL)?;
    let level = level.as_deref().unwrap_or("info");
    let level: LevelFilter = level.parse().map_err(|_| {
        anyhow!("{LOG_LEVEL} is '{level}': it has to be off, error, warn, info, debug or trace")
    })?;
    // Libraries could log requests, so their messages are never shown.
    let ours = ["chatops_aws", "chatops_core", "chatops_ingest"];
    let services = ["chatops_worker", "chatops_notifier"];
    let targets = ours.into_iter().chain(services).map(|name| (name, level));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false);
    tracing_subscriber::registry()
        .with(Targets::new().with_targets(targets))
        .with(lines)
        .try_init()
        .map_err(|error| anyhow!("logging could not be started: {error}"))
}
