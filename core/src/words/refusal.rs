//! A reason for every no: the rule, the way out, and the ids to paste into the configuration.

use super::Line;
use crate::id::{ChannelId, ShortId, UserId};
use crate::name::{JobName, ProjectName};
use crate::policy::Refusal;

/// At most two lines: what the rule says, and how to get out.
pub(super) fn lines(refusal: &Refusal) -> Vec<Line> {
    match refusal {
        Refusal::Team { team } => vec![
            Line::new("Commands from this workspace are not listened to (rule `slack.teams`)."),
            Line::new("An operator can add ")
                .code(team)
                .and(" to `teams` in `chatops.toml`."),
        ],
        Refusal::NoProject { known } => vec![
            Line::new("No project was named, and there is no default (rule `default_project`)."),
            projects(known),
        ],
        Refusal::UnknownProject { project, known } => vec![
            Line::new("There is no project ")
                .code(project)
                .and(" (rule `projects`)."),
            projects(known),
        ],
        Refusal::UnknownJob {
            project,
            job,
            usable,
        } => vec![
            Line::new("Project ")
                .code(project)
                .and(" has no job ")
                .code(job)
                .and(" (rule ")
                .code(format!("projects.{project}.jobs"))
                .and(")."),
            if usable.is_empty() {
                Line::new("It has no job that you may run here.")
            } else {
                Line::new("Here you may run ").codes(usable).and(".")
            },
        ],
        Refusal::Channel {
            project,
            job,
            channel,
            allowed,
        } => vec![
            ruled("This job is not run from here", project, job, "channels"),
            other_channels(channel, allowed),
        ],
        Refusal::Person { project, job, user } => vec![
            ruled("You may not run this job", project, job, "people"),
            Line::new("An operator can add ")
                .code(user)
                .and(" to its `people` in `chatops.toml`."),
        ],
        Refusal::Branch {
            project,
            job,
            branch: _,
            patterns,
        } => vec![
            ruled(
                "This job is not run on that branch",
                project,
                job,
                "branches",
            ),
            if patterns.is_empty() {
                Line::new("An operator has to list its `branches` in `chatops.toml` first.")
            } else {
                Line::new("It runs on ").codes(patterns).and(".")
            },
        ],
        Refusal::Stale { asked_at } => vec![
            Line::new("It was asked too long ago to be started now: ")
                .moment(*asked_at)
                .and(" (rule `times.stale_after`)."),
            Line::new("Type it again if it is still wanted."),
        ],
        Refusal::Busy {
            target,
            short,
            user,
            since,
            ..
        } => vec![
            holder(target, short, user)
                .and(", since ")
                .moment(*since)
                .and("."),
            Line::new("One deploy at a time: type it again when that one has ended."),
        ],
    }
}

/// What the rule says, and where it stands.
fn ruled(what: &'static str, project: &ProjectName, job: &JobName, key: &str) -> Line {
    Line::new(what)
        .and(" (rule ")
        .code(format!("projects.{project}.jobs.{job}.{key}"))
        .and(").")
}

fn projects(known: &[ProjectName]) -> Line {
    if known.is_empty() {
        Line::new("An operator has to add a project to `chatops.toml` first.")
    } else {
        Line::new("Put one of these in front of the branch: ")
            .codes(known)
            .and(".")
    }
}

fn other_channels(here: &ChannelId, allowed: &[ChannelId]) -> Line {
    let mut line = Line::default();
    for (i, channel) in allowed.iter().take(10).enumerate() {
        line = line
            .and(if i == 0 { "Try " } else { ", " })
            .channel(channel);
    }
    line.and(if allowed.is_empty() { "An" } else { "; or an" })
        .and(" operator can add ")
        .code(here)
        .and(" to its `channels` in `chatops.toml`.")
}

fn holder(target: &crate::deploy::Target, short: &ShortId, user: &UserId) -> Line {
    Line::default()
        .code(target)
        .and(" is taken by deploy ")
        .code(short)
        .and(" of ")
        .user(user)
}
