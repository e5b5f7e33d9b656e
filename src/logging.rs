//! Logs: one readable line per event on standard output, or JSON.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::ChronoUtc;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For a person.
    Text,
    /// For a machine: one JSON object per line.
    Json,
}

/// Starts logging for the life of the process. `level` is a filter such as `info` or
/// `chatops_worker=debug`.
pub fn start(format: Format, level: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(level)
        .map_err(|error| anyhow::anyhow!("'{level}' is not a log level such as info: {error}"))?;
    // Libraries below could log requests; what they say is never shown.
    let quiet = ["hyper", "hyper_util", "reqwest", "rustls", "h2"];
    let filter = quiet.iter().try_fold(filter, |filter, library| {
        format!("{library}=off")
            .parse()
            .map(|off| filter.add_directive(off))
    })?;
    let time = ChronoUtc::new("%Y-%m-%dT%H:%M:%S%.3fZ".to_owned());
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(time);
    let started = match format {
        Format::Text => lines.compact().with_ansi(false).try_init(),
        Format::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging could not be started: {error}"))
}
