//! What is logged: a level for everything, or for single parts of the program.
//!
//! A word that is neither would be taken for the name of a part, and nothing would be logged.

use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The levels, for those who mistyped one.
const LEVELS: &str = "off, error, warn, info, debug and trace";

/// The parts of the program that log.
const PARTS: [&str; 9] = [
    "chatops",
    "chatops_circleci",
    "chatops_core",
    "chatops_http",
    "chatops_ingest",
    "chatops_local",
    "chatops_notifier",
    "chatops_slack",
    "chatops_worker",
];

/// These libraries could log requests, and secrets with them.
const QUIET: [&str; 5] = ["hyper", "hyper_util", "reqwest", "rustls", "h2"];

/// A filter such as `info` or `info,chatops_worker=debug`.
#[derive(Debug, Clone)]
pub(crate) struct LogFilter(String);

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',').try_for_each(check_directive)?;
        EnvFilter::try_new(text).map_err(|error| format!("it cannot be read: {error}"))?;
        Ok(Self(text.to_owned()))
    }
}

impl LogFilter {
    pub(crate) fn to_env_filter(&self) -> anyhow::Result<EnvFilter> {
        let filter = EnvFilter::try_new(&self.0)?;
        QUIET.iter().try_fold(filter, |filter, library| {
            Ok(filter.add_directive(format!("{library}=off").parse()?))
        })
    }
}

/// Checks one part of a filter: a level, `part=level` or `part`.
fn check_directive(directive: &str) -> Result<(), String> {
    let (part, level) = match directive.split_once('=') {
        // A bare name of a part has everything of it logged.
        None if is_part(directive) => return Ok(()),
        None => (None, directive),
        Some((part, level)) => (Some(part), level),
    };
    if level.is_empty() || LevelFilter::from_str(level).is_err() {
        return Err(format!(
            "'{level}' is not a level: there are {LEVELS}; a part of the program may have its own, as in \
             info,chatops_worker=debug"
        ));
    }
    match part {
        Some(part) if !is_part(part) => Err(format!(
            "'{part}' is not a part that logs: there are {}",
            PARTS.join(", ")
        )),
        _ => Ok(()),
    }
}

/// Whether this is a part of the program, or a module or span of one.
fn is_part(name: &str) -> bool {
    let name = name.split(['[', ':']).next().unwrap_or_default();
    PARTS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_log_nothing_is_refused() {
        for good in [
            "info",
            "WARN",
            "off",
            "3",
            "chatops_worker=debug",
            "chatops_worker",
            "info,chatops_local::serve=trace",
        ] {
            let filter: LogFilter = good.parse().unwrap();
            assert!(filter.to_env_filter().is_ok(), "{good}");
        }
        for (bad, words) in [
            (
                "warning",
                "'warning' is not a level: there are off, error, warn",
            ),
            ("loud", "'loud' is not a level"),
            ("", "'' is not a level"),
            ("info,", "'' is not a level"),
            ("chatops=loud", "'loud' is not a level"),
            ("chatops_worker=", "'' is not a level"),
            (
                "chatops_wroker=debug",
                "'chatops_wroker' is not a part that logs",
            ),
            ("info, warn", "' warn' is not a level"),
        ] {
            let said = bad.parse::<LogFilter>().unwrap_err();
            assert!(said.contains(words), "{bad}: {said}");
        }
    }
}
