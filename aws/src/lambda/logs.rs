//! Logs: one JSON object per line on standard output, which Lambda puts into the function's log
//! group. The fields of the spans around an event stand beside its own, so that every line of an
//! invocation carries its `request_id`.

use anyhow::{Result, anyhow};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::setting::environment;
use crate::settings::get;

/// The variable that says how much is logged.
const LEVEL: &str = "CHATOPS_LOG_LEVEL";

/// Starts logging for the life of the process.
pub(super) fn start() -> Result<()> {
    let level = get(environment, LEVEL)?;
    let level = level.as_deref().unwrap_or("info");
    let level: LevelFilter = level.parse().map_err(|_| {
        anyhow!("{LEVEL} is '{level}': it has to be off, error, warn, info, debug or trace")
    })?;
    // Libraries below could log requests; what they say is never shown.
    let ours = ["chatops_aws", "chatops_core", "chatops_ingest"];
    let stages = ["chatops_worker", "chatops_notifier"];
    let targets = ours.into_iter().chain(stages).map(|name| (name, level));
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
