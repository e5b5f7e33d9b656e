//! `chatops config check`: whether the configuration is right, and what it allows to whom.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use chatops_core::config::{Allow, Config, Job, Slug, TriggerCall};
use chatops_core::id::UserId;
use clap::{Args, Subcommand};
use owo_colors::OwoColorize;

use super::out::Out;
use super::words;

/// `chatops config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read the configuration and show what it allows, or where it is wrong
    #[command(after_help = "\
Example, before a change is merged:
  chatops config check --config chatops.toml

Exit codes: 0 it is right, 1 it is not; then the line and column are named.")]
    Check(Check),
}

/// The options of `chatops config check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The configuration file
    #[arg(
        long,
        value_name = "FILE",
        env = "CHATOPS_CONFIG",
        default_value = "chatops.toml"
    )]
    config: PathBuf,
}

/// Checks it.
pub(super) fn check(options: &Check, out: &mut Out) -> Result<ExitCode> {
    let config = crate::cli::read_config(&options.config)?;
    write(&config, &options.config.display().to_string(), out)?;
    Ok(ExitCode::SUCCESS)
}

fn write(config: &Config, file: &str, out: &mut impl Write) -> Result<()> {
    writeln!(out, "{}", words::config_is_right(file, &config.revision))?;
    let teams = listed(&config.slack.teams, "every workspace", "no workspace");
    writeln!(out, "Slack     {} from {teams}", config.slack.command)?;
    writeln!(out, "CircleCI  {}", config.circleci.api)?;
    match &config.default_project {
        Some(name) => writeln!(out, "Default   project {name}")?,
        None => writeln!(out, "Default   no project: people name one")?,
    }
    for (name, project) in &config.projects {
        let aliases = config.project_aliases.iter();
        let aliases = aliases.filter(|(_, meant)| *meant == name);
        let aliases = also(aliases.map(|(alias, _)| alias.as_str()));
        let slug = slug(&project.slug);
        writeln!(
            out,
            "\nProject {}{aliases}, {slug} at CircleCI",
            name.bold()
        )?;
        for (name, job) in &project.jobs {
            let aliases = project.job_aliases.iter();
            let aliases = aliases.filter(|(_, meant)| *meant == name);
            let aliases = also(aliases.map(|(alias, _)| alias.as_str()));
            writeln!(out, "  {}{aliases}: {}", name.bold(), does(job))?;
            let branches = job.branches.iter().map(ToString::to_string);
            let branches = words::or_none(branches, "no branch");
            writeln!(out, "    branches  {branches}")?;
            let channels = listed(&job.channels, "everywhere", "nowhere");
            writeln!(out, "    channels  {channels}")?;
            writeln!(out, "    people    {}", people(&job.people, config))?;
        }
    }
    Ok(())
}

pub(super) fn slug(slug: &Slug) -> String {
    format!("{}/{}/{}", slug.vcs, slug.org, slug.repo)
}

fn also<'a>(aliases: impl Iterator<Item = &'a str>) -> String {
    let aliases: Vec<&str> = aliases.collect();
    match aliases.as_slice() {
        [] => String::new(),
        aliases => format!(" (also {})", aliases.join(", ")),
    }
}

fn listed<T: ToString>(allow: &Allow<T>, any: &str, none: &str) -> String {
    match allow {
        Allow::Any => any.to_owned(),
        Allow::Listed(list) => words::or_none(list.iter().map(ToString::to_string), none),
    }
}

/// Ids with the names that the file gives to single people.
fn people(allow: &Allow<UserId>, config: &Config) -> String {
    let name = |id: &UserId| {
        let mut names = config.people.iter();
        let name = names.find(|(_, ids)| matches!(ids.as_slice(), [one] if one == id));
        match name {
            Some((name, _)) => format!("{name} ({id})"),
            None => id.to_string(),
        }
    };
    match allow {
        Allow::Any => "everybody".to_owned(),
        Allow::Listed(list) => words::or_none(list.iter().map(name), "nobody"),
    }
}

/// What a job does, in short.
fn does(job: &Job) -> String {
    let exclusive = if job.exclusive {
        "one at a time"
    } else {
        "any number at a time"
    };
    let call = match &job.trigger.call {
        TriggerCall::Pipeline => "a new pipeline".to_owned(),
        TriggerCall::PipelineRun { definition: None } => {
            "a new pipeline (pipeline/run, the default definition)".to_owned()
        }
        TriggerCall::PipelineRun {
            definition: Some(id),
        } => format!("a new pipeline (pipeline/run, definition {id})"),
        TriggerCall::Job => "a single job (API v1.1)".to_owned(),
    };
    let proof = match job.trigger.deploy_id_parameter {
        Some(_) => "",
        None => ", without a deploy id: an answer that gets lost ends UNRESOLVED",
    };
    format!("{}, {exclusive}, by {call}{proof}", job.environment)
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    const CONFIG: &str = r#"
version = 1
default_project = "web"
[slack]
teams = ["T012ABCDEF"]
[channels]
deploys = "C012ABCDEF"
[people]
ada = "U012ABCDEF"
release = ["U012ABCDEF", "U034GHIJKL"]
[projects.web]
slug = "gh/acme/web"
aliases = ["site"]
[projects.web.jobs.deploy]
aliases = ["ship"]
environment = "production"
branches = ["main", "release/*"]
channels = ["deploys"]
people = ["release"]
[projects.web.jobs.test]
deploy_id_parameter = false
exclusive = false
branches = ["*"]
channels = ["*"]
people = ["*"]
[projects.api]
slug = "gh/acme/api"
[projects.api.jobs.migrate]
trigger = "job"
branches = []
channels = []
people = []
"#;

    #[test]
    fn what_is_allowed_to_whom_is_shown_in_short() {
        let config = Config::parse(CONFIG, "chatops.toml").unwrap();
        let mut text = Vec::new();
        write(&config, "chatops.toml", &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        insta::assert_snapshot!(strip_str(&text).to_string(), @"
        chatops.toml is right, revision 50543d00e46b
        Slack     /chatops from T012ABCDEF
        CircleCI  https://circleci.com/
        Default   project web

        Project api, gh/acme/api at CircleCI
          migrate: migrate, one at a time, by a single job (API v1.1)
            branches  no branch
            channels  nowhere
            people    nobody

        Project web (also site), gh/acme/web at CircleCI
          deploy (also ship): production, one at a time, by a new pipeline
            branches  main, release/*
            channels  C012ABCDEF
            people    ada (U012ABCDEF), U034GHIJKL
          test: test, any number at a time, by a new pipeline, without a deploy id: an answer that gets lost ends UNRESOLVED
            branches  *
            channels  everywhere
            people    everybody
        ");
    }
}
