//! Commands as they are typed, under the installed name.

use std::fmt::Display;

use super::Mrkdwn;
use crate::command::{self, Verb};
use crate::config::Config;
use crate::deploy::{DeployRequest, Target};
use crate::name::ProjectName;

/// A command with the installed name.
pub(super) fn full_command(config: &Config, rest: impl Display) -> String {
    format!("{} {rest}", config.slack.command)
}

/// A command about one deploy or target.
pub(super) fn command_for(config: &Config, verb: Verb, id: impl Display) -> String {
    full_command(config, format_args!("{} {id}", verb.as_str()))
}

/// The command that says who holds a target, and frees it with `confirm`.
pub(super) fn unlock_command(config: &Config, target: &Target) -> String {
    command_for(config, Verb::Unlock, config.target_name(target))
}

/// The shortest command that starts this job on this branch or tag.
pub(super) fn start_command(
    config: &Config,
    project: Option<&ProjectName>,
    git_ref: &str,
    job: &str,
) -> String {
    let default = config.default_project.as_ref();
    let rest = match project {
        Some(project) if default != Some(project) => format!("deploy {project} {git_ref} {job}"),
        None if default.is_none() => format!("deploy <project> {git_ref} {job}"),
        // A first word that is a command is the command.
        _ if Verb::parse(git_ref).is_some() => format!("deploy {git_ref} {job}"),
        _ => format!("{git_ref} {job}"),
    };
    full_command(config, rest)
}

/// The command that requests the same as a new deploy.
pub(super) fn start_again(config: &Config, request: &DeployRequest) -> String {
    let git_ref = request.git_ref.to_string();
    let job = format!("{}{}", request.job, request.parameters);
    start_command(config, request.project.as_ref(), &git_ref, &job)
}

/// The syntax of a command.
pub(super) fn syntax(config: &Config, verb: Verb) -> String {
    let project = match &config.default_project {
        Some(_) => "[project]",
        None => "<project>",
    };
    let word = verb.as_str();
    let rest = match verb {
        Verb::Deploy | Verb::Plan => format!("{word} {project} <branch> <job>"),
        Verb::Status => format!("{word} [id]"),
        Verb::History => format!("{word} [filter:value …]"),
        Verb::Failed => format!("{word} [before:<id>]"),
        Verb::Retry => format!("{word} <id> [confirm]"),
        Verb::Show | Verb::Cancel | Verb::Dismiss => format!("{word} <id>"),
        Verb::Unlock => format!("{word} <target> [confirm]"),
        Verb::Help => format!("{word} [command]"),
    };
    full_command(config, rest)
}

/// `<branch> <job>`, where there is a default project.
pub(super) fn short_syntax(config: &Config) -> Option<String> {
    let default = config.default_project.is_some();
    default.then(|| full_command(config, "<branch> <job>"))
}

/// Every name and alias of a project.
pub(super) fn project_words(config: &Config) -> impl Iterator<Item = &str> {
    let names = config.projects.keys().chain(config.project_aliases.keys());
    names.map(ProjectName::as_str)
}

/// "Did you mean …?", if that is a command.
pub(super) fn did_you_mean(config: &Config, rest: &str) -> Option<Mrkdwn> {
    command::parse(rest).ok()?;
    let line = Mrkdwn::new("Did you mean ").code(full_command(config, rest));
    Some(line.and("?"))
}
