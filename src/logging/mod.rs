//! Logs: one readable line per event on standard output, or JSON.

mod filter;
mod writer;

use tracing_subscriber::fmt::time::ChronoUtc;

pub(crate) use self::filter::LogFilter;
pub(crate) use self::writer::LogWriter;

/// The times of log lines.
const TIME_FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.3fZ";

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For a person.
    Text,
    /// For a machine: one JSON object per line.
    Json,
}

/// Starts logging for the whole process. Lines are written until what this returns is dropped, which
/// waits for those that are left, but not for long.
pub(crate) fn init_logging(format: LogFormat, filter: &LogFilter) -> anyhow::Result<LogWriter> {
    let writer = LogWriter::start(format)?;
    let time = ChronoUtc::new(TIME_FORMAT.to_owned());
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter.to_env_filter()?)
        .with_timer(time)
        .log_internal_errors(false)
        .with_writer(writer.lines());
    let started = match format {
        LogFormat::Text => lines.compact().with_ansi(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging could not be started: {error}"))?;
    Ok(writer)
}
