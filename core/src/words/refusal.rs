//! A reason for every no: the rule, the way out, and the ids to paste into the configuration.

use super::{Line, typed};
use crate::command::{self, Verb, near};
use crate::config::Config;
use crate::deploy::{Ask, Target};
use crate::id::{ChannelId, ShortId, UserId};
use crate::name::{BranchName, JobName, ProjectName};
use crate::policy::Refusal;

/// What was asked for, and the configuration of the moment: for ready commands.
pub(super) type Asked<'a> = (&'a Ask, &'a Config);

/// What the rule says, and how to get out.
pub(super) fn lines(refusal: &Refusal, asked: Option<Asked<'_>>) -> Vec<Line> {
    let mut lines = vec![why(refusal)];
    let meant = asked.and_then(|asked| meant(refusal, asked));
    // One ready command is enough.
    let asked = asked.filter(|_| meant.is_none());
    lines.extend(meant);
    lines.push(way_out(refusal, asked));
    lines
}

/// What the rule says.
pub(super) fn why(refusal: &Refusal) -> Line {
    match refusal {
        Refusal::Team { .. } => {
            Line::new("Commands from this workspace are not listened to (rule `slack.teams`).")
        }
        Refusal::NoProject { .. } => {
            Line::new("No project was named, and there is no default (rule `default_project`).")
        }
        Refusal::UnknownProject { project, .. } => Line::new("There is no project ")
            .code(project)
            .and(" (rule `projects`)."),
        Refusal::UnknownJob { project, job, .. } => Line::new("Project ")
            .code(project)
            .and(" has no job ")
            .code(job)
            .and(" (rule ")
            .code(format!("projects.{project}.jobs"))
            .and(")."),
        Refusal::Channel { project, job, .. } => {
            ruled("This job is not run from here", project, job, "channels")
        }
        Refusal::Person { project, job, .. } => {
            ruled("You may not run this job", project, job, "people")
        }
        Refusal::Branch {
            project,
            job,
            branch,
            ..
        } => {
            let what = Line::new("This job is not run on ").code(branch);
            under(what, project, job, "branches")
        }
        Refusal::Stale { asked_at } => Line::new("It was asked too long ago to be started now: ")
            .moment(*asked_at)
            .and(" (rule `times.stale_after`)."),
        Refusal::Busy {
            target,
            short,
            user,
            since,
            ..
        } => holder(target, short, user)
            .and(", since ")
            .moment(*since)
            .and(" (rule `exclusive`)."),
    }
}

/// How to get out.
pub(super) fn way_out(refusal: &Refusal, asked: Option<Asked<'_>>) -> Line {
    match refusal {
        Refusal::Team { team } => add(Line::default(), team, "`teams`"),
        Refusal::NoProject { known } | Refusal::UnknownProject { known, .. } => {
            projects(known, asked)
        }
        Refusal::UnknownJob { usable, .. } if usable.is_empty() => {
            let line = Line::new("You may run none of its jobs here");
            match asked {
                Some((ask, _)) => line
                    .and("; an operator can add ")
                    .code(&ask.user)
                    .and(" to the `people` and ")
                    .code(&ask.channel)
                    .and(" to the `channels` of a job in `chatops.toml`."),
                None => line.and(" (rules `channels` and `people` of each job)."),
            }
        }
        Refusal::UnknownJob { usable, .. } => Line::new("Here you may run ").codes(usable).and("."),
        Refusal::Channel {
            channel, allowed, ..
        } => add(channels(allowed), channel, "its `channels`"),
        Refusal::Person { user, .. } => add(Line::default(), user, "its `people`"),
        Refusal::Branch {
            branch, patterns, ..
        } => {
            let line = match patterns.as_slice() {
                [] => Line::default(),
                patterns => Line::new("It runs on ").codes(patterns),
            };
            add(line, branch, "its `branches`")
        }
        Refusal::Stale { .. } => again(asked, "If it is still wanted, type").and(" again."),
        Refusal::Busy {
            short, until: None, ..
        } => {
            let line = again(asked, "Type").and(" again when that one has ended");
            match asked {
                Some((_, config)) => line
                    .and(", or cancel it: ")
                    .code(typed::about(config, Verb::Cancel, short))
                    .and("."),
                None => line.and("."),
            }
        }
        Refusal::Busy {
            until: Some(until), ..
        } => {
            let line =
                Line::new("Nobody knows whether that one was started, so it stays locked until ")
                    .moment(*until)
                    .and(". ");
            line.then(&again(asked, "Type")).and(" again after that.")
        }
    }
}

/// What was probably meant, as a ready command.
fn meant(refusal: &Refusal, (ask, config): Asked<'_>) -> Option<Line> {
    let instead = |project: &ProjectName, branch: &str, job: &str| {
        let typed = typed::deploy(config, Some(project), branch, job);
        Some(Line::new("Did you mean ").code(typed).and("?"))
    };
    match refusal {
        Refusal::UnknownProject { project, .. } => {
            let names = config.projects.keys().chain(config.project_aliases.keys());
            let meant = near(project.as_str(), names.map(ProjectName::as_str))?;
            let meant = ProjectName::parse(meant).ok()?;
            instead(&meant, ask.branch.as_str(), ask.job.as_str())
        }
        Refusal::UnknownJob {
            project,
            job,
            branch,
            usable,
        } => {
            if let Some(slip) = slip(branch, job, config) {
                return Some(slip);
            }
            let swapped = usable
                .iter()
                .find(|known| known.as_str() == branch.as_str());
            if let Some(known) = swapped
                && BranchName::parse(job.as_str()).is_ok()
            {
                return instead(project, job.as_str(), known.as_str());
            }
            let (_, known) = config.project(project)?;
            let aliases = known.job_aliases.iter();
            let aliases = aliases.filter(|(_, name)| usable.contains(name));
            let names = usable.iter().chain(aliases.map(|(alias, _)| alias));
            let meant = near(job.as_str(), names.map(JobName::as_str))?;
            instead(project, branch.as_str(), meant)
        }
        Refusal::Branch { branch, job, .. } => slip(branch, job, config),
        _ => None,
    }
}

/// A slip of a command in the place of the branch: `retyr 1a2b3c4d`.
fn slip(branch: &BranchName, job: &JobName, config: &Config) -> Option<Line> {
    let verb = Verb::near(branch.as_str())?.word();
    let rest = format!("{verb} {job}");
    command::parse(&rest).ok()?;
    typed::meant(config, &rest)
}

/// The command, to be typed again.
fn again(asked: Option<Asked<'_>>, type_it: &'static str) -> Line {
    let line = Line::new(type_it).and(" ");
    match asked {
        Some((ask, config)) => line.code(typed::again(config, ask)),
        None => line.and("it"),
    }
}

/// What an operator can add, behind what else can be done.
fn add(first: Line, id: impl std::fmt::Display, list: &'static str) -> Line {
    let an = if first.is_empty() { "An" } else { "; or an" };
    first
        .and(an)
        .and(" operator can add ")
        .code(id)
        .and(" to ")
        .and(list)
        .and(" in `chatops.toml`.")
}

/// What the rule says, and where it stands.
fn ruled(what: &'static str, project: &ProjectName, job: &JobName, key: &str) -> Line {
    under(Line::new(what), project, job, key)
}

fn under(what: Line, project: &ProjectName, job: &JobName, key: &str) -> Line {
    what.and(" (rule ")
        .code(format!("projects.{project}.jobs.{job}.{key}"))
        .and(").")
}

fn projects(known: &[ProjectName], asked: Option<Asked<'_>>) -> Line {
    if known.is_empty() {
        return Line::new("An operator has to add a project to `chatops.toml` first.");
    }
    let line = Line::new("The projects are ").codes(known);
    let Some((Ask { branch, job, .. }, config)) = asked else {
        return line.and(".");
    };
    let has_it = |name: &&ProjectName| {
        let project = config.project(name);
        project.is_some_and(|(_, project)| project.job(job).is_some())
    };
    let name = known
        .iter()
        .find(has_it)
        .map_or("<project>", |name| name.as_str());
    let command = typed::command(config, format_args!("deploy {name} {branch} {job}"));
    line.and("; name one: ").code(command).and(".")
}

fn channels(allowed: &[ChannelId]) -> Line {
    let mut line = Line::default();
    for (i, channel) in allowed.iter().take(10).enumerate() {
        let first = i == 0;
        line = line.and(if first { "Try " } else { ", " }).channel(channel);
    }
    line
}

/// Who has the target.
pub(super) fn holder(target: &Target, short: &ShortId, user: &UserId) -> Line {
    Line::default()
        .code(target)
        .and(" is taken by deploy ")
        .code(short)
        .and(" of ")
        .user(user)
}
