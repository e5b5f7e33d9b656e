//! What a configuration allows to whom, in words and as JSON.

use std::io::Write;

use anyhow::Result;
use chatops_core::config::{
    AllowList, Config, JobConfig, ParameterRule, TriggerCall, WorkflowSelector, value_text,
};
use chatops_core::id::{QualifiedChannel, QualifiedUser};
use owo_colors::OwoColorize;
use serde_json::{Value, json};

use crate::operator::text;

pub(super) fn write_summary(config: &Config, file: &str, out: &mut impl Write) -> Result<()> {
    writeln!(out, "{}", text::config_is_right(file, &config.revision))?;
    let teams = allow_list(&config.slack.teams, "every workspace", "no workspace");
    let command = &config.slack.command;
    writeln!(out, "Slack            {command} from {teams}")?;
    writeln!(out, "CircleCI         {}", config.circleci.api)?;
    match &config.default_project {
        Some(name) => writeln!(out, "Default project  {name}")?,
        None => writeln!(out, "Default project  none: people name one")?,
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
            writeln!(out, "    branches  {branches}")?;
            if !job.tags.is_empty() {
                let tags = job.tags.iter().map(ToString::to_string);
                writeln!(out, "    tags      {}", text::join_or(tags, ""))?;
            }
            for (name, rule) in &job.trigger.settable {
                writeln!(out, "    parameter {name}: {}", parameter_summary(rule))?;
            }
            let channels = match &job.channels {
                AllowList::Any => "everywhere".to_owned(),
                AllowList::Listed(list) => channel_list(list, config, "nowhere"),
            };
            writeln!(out, "    channels  {channels}")?;
            writeln!(out, "    users     {}", user_list(&job.users, config))?;
            if !job.announce.is_empty() {
                let feeds = channel_list(&job.announce, config, "nowhere");
                writeln!(out, "    announce  {feeds}")?;
            }
        }
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

/// Channels, with their configured names.
fn channel_list(list: &[QualifiedChannel], config: &Config, none: &str) -> String {
    let name = |id: &QualifiedChannel| {
        let mut named = config.channels.iter();
        match named.find(|(_, known)| *known == id) {
            Some((name, _)) => format!("{name} ({})", config.written_id(id)),
            None => config.written_id(id),
        }
    };
    text::join_or(list.iter().map(name), none)
}

/// The summary for programs: ids alone, since names are the file's own.
pub(super) fn summary_json(config: &Config) -> Value {
    let texts = |list: &mut dyn Iterator<Item = String>| list.collect::<Vec<_>>();
    let projects = config.projects.iter().map(|(name, project)| {
        let jobs = project.jobs.iter().map(|(name, job)| {
            let job = json!({
                "environment": job.environment,
                "exclusive": job.exclusive,
                "branches": texts(&mut job.branches.iter().map(ToString::to_string)),
                "tags": texts(&mut job.tags.iter().map(ToString::to_string)),
                "channels": allow_json(&job.channels),
                "users": allow_json(&job.users),
                "announce": texts(&mut job.announce.iter().map(ToString::to_string)),
                "workflow": job.workflow,
                "must_run": job.must_run,
            });
            (name.to_string(), job)
        });
        let project = json!({
            "slug": project.slug.to_string(),
            "read": allow_json(&project.read),
            "jobs": jobs.collect::<serde_json::Map<_, _>>(),
        });
        (name.to_string(), project)
    });
    json!({
        "revision": config.revision,
        "command": config.slack.command,
        "teams": allow_json(&config.slack.teams),
        "circleci": config.circleci.api,
        "default_project": config.default_project.as_ref().map(ToString::to_string),
        "projects": projects.collect::<serde_json::Map<_, _>>(),
    })
}

/// A list, or `["*"]` for everything.
fn allow_json<T: ToString>(allow: &AllowList<T>) -> Vec<String> {
    match allow {
        AllowList::Any => vec!["*".to_owned()],
        AllowList::Listed(list) => list.iter().map(ToString::to_string).collect(),
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
        write_summary(&config, "chatops.toml", &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        insta::assert_snapshot!(strip_str(&text).to_string(), @"
        chatops.toml is valid, revision bd47268da26a
        Slack            /chatops from T012ABCDEF
        CircleCI         https://circleci.com/
        Default project  web

        Project api, gh/acme/api at CircleCI
          read also by everyone
          migrate: migrate, one at a time, by a single job (API v1.1)
            branches  no branch
            channels  nowhere
            users     nobody

        Project mobile, gh/acme/web at CircleCI
          release: production, one at a time, by a new pipeline (pipeline/run, the default definition), configured by main
            workflow  release, notify; must run: upload
            branches  main
            channels  deploys (C012ABCDEF)
            users     ada (U012ABCDEF)

        Project web (also site), gh/acme/web at CircleCI
          read also by ada (U012ABCDEF)
          deploy (also ship): production, one at a time, by a new pipeline (pipeline/run, the default definition)
            workflow  deploy
            branches  main, release/*
            tags      v*
            parameter size: 1, 2 (otherwise 1)
            parameter version: v* (required)
            channels  deploys (C012ABCDEF)
            users     ada (U012ABCDEF), U034GHIJKL
          test: test, any number at a time, by a new pipeline (pipeline/run, the default definition), without a deploy id: a lost answer ends UNRESOLVED
            workflow  test
            branches  *
            channels  everywhere
            users     everyone

        Note: gh/acme/web/production is one target of mobile, web: one deploy at a time
        ");
    }
}
