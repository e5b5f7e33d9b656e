//! Logs: one readable line per event on standard output, or JSON.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::ChronoUtc;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For a person.
    Text,
    /// For a machine: one JSON object per line.
    Json,
}

/// Starts logging for the whole process. `level` is a filter such as `info` or
/// `chatops_worker=debug`.
pub(crate) fn init_logging(format: LogFormat, level: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(level)
        .map_err(|error| anyhow::anyhow!("'{level}' is not a log level such as info: {error}"))?;
    // These libraries could log requests, and secrets with them.
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
        LogFormat::Text => lines.compact().with_ansi(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging could not be started: {error}"))
}
