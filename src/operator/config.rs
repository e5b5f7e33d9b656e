//! `chatops config check`: whether the configuration is valid, and what it allows to whom.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use chatops_core::config::{
    AllowList, Config, JobConfig, ParameterRule, TriggerCall, WorkflowSelector, value_text,
};
use chatops_core::id::QualifiedUser;
use clap::{Args, Subcommand};
use owo_colors::OwoColorize;

use super::{ConfigFile, text};
use crate::output::CommandOutput;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration and show what it allows, or where it is wrong
    #[command(after_help = "\
Example, before a change is merged:
  chatops config check --config chatops.toml

Exit codes: 0 it is valid, 1 it is not: the error names the line and column.")]
    Check(ConfigCheckOptions),
}

#[derive(Debug, Args)]
pub(crate) struct ConfigCheckOptions {
    #[command(flatten)]
    config: ConfigFile,
}

pub(super) fn check_config(
    options: &ConfigCheckOptions,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    let path = &options.config.path;
    let config = crate::config_file::read_config(path)?;
    write_config(&config, &path.display().to_string(), out)?;
    Ok(ExitCode::SUCCESS)
}

fn write_config(config: &Config, file: &str, out: &mut impl Write) -> Result<()> {
    writeln!(out, "{}", text::config_is_right(file, &config.revision))?;
    let teams = allow_list(&config.slack.teams, "every workspace", "no workspace");
    writeln!(out, "Slack     {} from {teams}", config.slack.command)?;
    writeln!(out, "CircleCI  {}", config.circleci.api)?;
    match &config.default_project {
        Some(name) => writeln!(out, "Default   project {name}")?,
        None => writeln!(out, "Default   none: people name one")?,
    }
    for (name, project) in &config.projects {
        let aliases = config.project_aliases.iter();
        let aliases = aliases.filter(|(_, meant)| *meant == name);
        let aliases = alias_list(aliases.map(|(alias, _)| alias.as_str()));
        let slug = &project.slug;
        let name = name.bold();
        writeln!(out, "\nProject {name}{aliases}, {slug} at CircleCI")?;
        if project.read != AllowList::Listed(vec![]) {
            writeln!(out, "  read also by {}", user_list(&project.read, config))?;
        }
        for (name, job) in &project.jobs {
            let aliases = project.job_aliases.iter();
            let aliases = aliases.filter(|(_, meant)| *meant == name);
            let aliases = alias_list(aliases.map(|(alias, _)| alias.as_str()));
            writeln!(out, "  {}{aliases}: {}", name.bold(), job_summary(job))?;
            if job.trigger.call != TriggerCall::Job {
                writeln!(out, "    workflow  {}", workflow_summary(job))?;
            }
            let branches = job.branches.iter().map(ToString::to_string);
            let branches = text::join_or(branches, "no branch");
            let never = job.branches.is_empty() && job.tags.is_empty();
            let never = if never {
                ", and no tag: it can never run"
            } else {
                ""
            };
            writeln!(out, "    branches  {branches}{never}")?;
            if !job.tags.is_empty() {
                let tags = job.tags.iter().map(ToString::to_string);
                writeln!(out, "    tags      {}", text::join_or(tags, ""))?;
            }
            for (name, rule) in &job.trigger.settable {
                writeln!(out, "    parameter {name}: {}", parameter_summary(rule))?;
            }
            let channels = match &job.channels {
                AllowList::Any => "everywhere".to_owned(),
                AllowList::Listed(list) => {
                    text::join_or(list.iter().map(|id| config.written_id(id)), "nowhere")
                }
            };
            writeln!(out, "    channels  {channels}")?;
            writeln!(out, "    users     {}", user_list(&job.users, config))?;
            if !job.announce.is_empty() {
                let feeds = job.announce.iter().map(|id| config.written_id(id));
                writeln!(out, "    announce  {}", text::join_or(feeds, ""))?;
            }
        }
    }
    let everyone = EveryoneRights::of(config);
    if let Some(note) = text::everyone_may(&everyone.run, &everyone.read) {
        writeln!(out, "\n{note}")?;
    }
    if !config.feeds().is_empty() {
        writeln!(out, "\n{}", text::ANNOUNCE_NEEDS_BOT)?;
    }
    for (target, projects) in config.shared_targets() {
        let projects = text::join_or(projects.into_iter().map(ToString::to_string), "");
        writeln!(out, "\n{}", text::shared_target(&target, &projects))?;
    }
    Ok(())
}

/// What people may set a parameter to.
fn parameter_summary(rule: &ParameterRule) -> String {
    let accepts = &rule.accepts;
    match &rule.default {
        Some(default) => format!("{accepts} (otherwise {})", value_text(default)),
        None if rule.required => format!("{accepts} (required)"),
        None => accepts.to_string(),
    }
}

/// What `"*"` gives to everybody of the allowed workspaces.
#[derive(Default)]
struct EveryoneRights {
    /// The jobs, as `project/job`.
    run: Vec<String>,
    /// The projects.
    read: Vec<String>,
}

impl EveryoneRights {
    fn of(config: &Config) -> Self {
        let mut rights = Self::default();
        for (name, project) in &config.projects {
            let jobs = project.jobs.iter();
            let open = jobs.filter(|(_, job)| job.users == AllowList::Any);
            let open: Vec<String> = open.map(|(job, _)| format!("{name}/{job}")).collect();
            if project.read == AllowList::Any || !open.is_empty() {
                rights.read.push(name.to_string());
            }
            rights.run.extend(open);
        }
        rights
    }
}

/// Which workflows decide how a deploy ends, and what must run in them.
fn workflow_summary(job: &JobConfig) -> String {
    let decides = match &job.workflow {
        WorkflowSelector::All(_) => "all of the pipeline decide".to_owned(),
        WorkflowSelector::Named(names) => names.join(", "),
    };
    match job.must_run.as_slice() {
        [] => decides,
        jobs => format!("{decides}; must run: {}", jobs.join(", ")),
    }
}

fn alias_list<'a>(aliases: impl Iterator<Item = &'a str>) -> String {
    let aliases: Vec<&str> = aliases.collect();
    match aliases.as_slice() {
        [] => String::new(),
        aliases => format!(" (also {})", aliases.join(", ")),
    }
}

fn allow_list<T: ToString>(allow: &AllowList<T>, any: &str, none: &str) -> String {
    match allow {
        AllowList::Any => any.to_owned(),
        AllowList::Listed(list) => text::join_or(list.iter().map(ToString::to_string), none),
    }
}

/// Ids, with the configured name where it means one person.
fn user_list(allow: &AllowList<QualifiedUser>, config: &Config) -> String {
    let name = |id: &QualifiedUser| match config.user_names.get(id) {
        Some(name) => format!("{name} ({})", config.written_id(id)),
        None => config.written_id(id),
    };
    match allow {
        AllowList::Any => "everyone".to_owned(),
        AllowList::Listed(list) => text::join_or(list.iter().map(name), "nobody"),
    }
}

/// What a job does, in short.
fn job_summary(job: &JobConfig) -> String {
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
    let matched_by = match job.trigger.deploy_id_parameter {
        Some(_) => "",
        None => ", without a deploy id: a lost answer ends UNRESOLVED",
    };
    let config_branch = match &job.trigger.config_branch {
        Some(branch) => format!(", configured by {branch}"),
        None => String::new(),
    };
    format!(
        "{}, {exclusive}, by {call}{config_branch}{matched_by}",
        job.environment
    )
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
[users]
ada = "U012ABCDEF"
release = ["U012ABCDEF", "U034GHIJKL"]
[projects.web]
slug = "gh/acme/web"
aliases = ["site"]
read = ["ada"]
[projects.web.jobs.deploy]
aliases = ["ship"]
environment = "production"
branches = ["main", "release/*"]
tags = ["v*"]
parameters.notify = true
parameters.version = { pattern = "v*", required = true }
parameters.size = { values = [1, 2], default = 1 }
channels = ["deploys"]
users = ["release"]
[projects.web.jobs.test]
deploy_id_parameter = false
exclusive = false
branches = ["*"]
channels = ["*"]
users = ["*"]
[projects.mobile]
slug = "gh/acme/web"
[projects.mobile.jobs.release]
environment = "production"
workflow = ["release", "notify"]
must_run = ["upload"]
trigger = "pipeline-run"
config_branch = "main"
branches = ["main"]
channels = ["deploys"]
users = ["ada"]
[projects.api]
slug = "gh/acme/api"
read = ["*"]
[projects.api.jobs.migrate]
trigger = "job"
branches = []
channels = []
users = []
"#;

    #[test]
    fn what_is_allowed_to_whom_is_shown() {
        let config = Config::parse(CONFIG, "chatops.toml").unwrap();
        let mut text = Vec::new();
        write_config(&config, "chatops.toml", &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        insta::assert_snapshot!(strip_str(&text).to_string(), @"
        chatops.toml is valid, revision bd47268da26a
        Slack     /chatops from T012ABCDEF
        CircleCI  https://circleci.com/
        Default   project web

        Project api, gh/acme/api at CircleCI
          read also by everyone
          migrate: migrate, one at a time, by a single job (API v1.1)
            branches  no branch, and no tag: it can never run
            channels  nowhere
            users     nobody

        Project mobile, gh/acme/web at CircleCI
          release: production, one at a time, by a new pipeline (pipeline/run, the default definition), configured by main
            workflow  release, notify; must run: upload
            branches  main
            channels  C012ABCDEF
            users     ada (U012ABCDEF)

        Project web (also site), gh/acme/web at CircleCI
          read also by ada (U012ABCDEF)
          deploy (also ship): production, one at a time, by a new pipeline (pipeline/run, the default definition)
            workflow  deploy
            branches  main, release/*
            tags      v*
            parameter size: 1, 2 (otherwise 1)
            parameter version: v* (required)
            channels  C012ABCDEF
            users     ada (U012ABCDEF), U034GHIJKL
          test: test, any number at a time, by a new pipeline (pipeline/run, the default definition), without a deploy id: a lost answer ends UNRESOLVED
            workflow  test
            branches  *
            channels  everywhere
            users     everyone

        Note: everyone of the allowed workspaces may run web/test and read the deploys of api, web: guests, too, and whoever in a shared channel Slack lets type commands under such a workspace

        Note: gh/acme/web/production is one target of mobile, web: one deploy at a time
        ");
    }
}
