//! Commands as somebody would type them, under the installed name.

use std::fmt::Display;

use super::Line;
use crate::command::{self, Verb};
use crate::config::Config;
use crate::deploy::Ask;
use crate::name::ProjectName;

/// What is typed, with the installed name in front.
pub(super) fn command(config: &Config, rest: impl Display) -> String {
    format!("{} {rest}", config.slack.command)
}

/// A command about one deploy.
pub(super) fn about(config: &Config, verb: Verb, id: impl Display) -> String {
    command(config, format_args!("{} {id}", verb.word()))
}

/// The shortest command that starts this job on this branch.
pub(super) fn deploy(
    config: &Config,
    project: Option<&ProjectName>,
    branch: &str,
    job: &str,
) -> String {
    let default = config.default_project.as_ref();
    let rest = match project {
        Some(project) if default != Some(project) => format!("deploy {project} {branch} {job}"),
        None if default.is_none() => format!("deploy <project> {branch} {job}"),
        // A first word that is a command is the command.
        _ if Verb::parse(branch).is_some() => format!("deploy {branch} {job}"),
        _ => format!("{branch} {job}"),
    };
    command(config, rest)
}

/// The command that asks for the same as a new deploy.
pub(super) fn again(config: &Config, ask: &Ask) -> String {
    let (branch, job) = (ask.branch.as_str(), ask.job.as_str());
    deploy(config, ask.project.as_ref(), branch, job)
}

/// The full form of a command.
pub(super) fn form(config: &Config, verb: Verb) -> String {
    let project = match &config.default_project {
        Some(_) => "[project]",
        None => "<project>",
    };
    let word = verb.word();
    let rest = match verb {
        Verb::Deploy | Verb::Plan => format!("{word} {project} <branch> <job>"),
        Verb::Status => format!("{word} [id]"),
        Verb::History => format!("{word} [filter:value …]"),
        Verb::Failed => format!("{word} [before:<id>]"),
        Verb::Retry => format!("{word} <id> [confirm]"),
        Verb::Cancel => format!("{word} <id>"),
        Verb::Help => format!("{word} [command]"),
    };
    command(config, rest)
}

/// `<branch> <job>`, where there is a default project.
pub(super) fn short_form(config: &Config) -> Option<String> {
    let default = config.default_project.is_some();
    default.then(|| command(config, "<branch> <job>"))
}

/// "Did you mean …?", if that is a command.
pub(super) fn meant(config: &Config, rest: &str) -> Option<Line> {
    command::parse(rest).ok()?;
    let line = Line::new("Did you mean ").code(command(config, rest));
    Some(line.and("?"))
}
