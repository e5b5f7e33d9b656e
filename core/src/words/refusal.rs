//! A reason for every no: the rule, the way out, and the ids to paste into the configuration.

use super::Line;
use crate::policy::Refusal;

/// At most two lines: what the rule says, and how to get out.
pub(super) fn lines(refusal: &Refusal) -> Vec<Line> {
    match refusal {
        Refusal::Team { team } => vec![
            Line::new("This workspace is not listened to (rule `slack.teams`)."),
            Line::new("An operator can add ").code(team).and(" to `teams` in `chatops.toml`."),
        ],
        Refusal::NoProject { known } => vec![
            Line::new("No project was named and there is no default (rule `default_project`)."),
            Line::new("Name one of ").codes(known).and(" in front of the branch."),
        ],
        Refusal::UnknownProject { project, known } => vec![
            Line::new("There is no project ").code(project).and(" (rule `projects`)."),
            Line::new("There is ").codes(known).and("."),
        ],
        Refusal::UnknownJob { project, job, usable } => {
            let first = Line::new("Project ")
                .code(project)
                .and(" has no job ")
                .code(job)
                .and(" (rule `projects.")
                .foreign(project.as_str())
                .and(".jobs`).");
            let second = if usable.is_empty() {
                Line::new("There is no job of it that you may run here.")
            } else {
                Line::new("You may run ").codes(usable).and(" here.")
            };
            vec![first, second]
        }
        Refusal::Channel { project, job, channel, allowed } => {
            let rule = rule(project.as_str(), job.as_str(), "channels");
            let first = Line::new("This job is not run from this channel ")
                .code(channel)
                .and(" (")
                .code(rule)
                .and(").");
            let mut second = Line::new("");
            for (i, allowed) in allowed.iter().take(10).enumerate() {
                second = second.and(if i == 0 { "Try " } else { ", " }).channel(allowed);
            }
            let or = if allowed.is_empty() { "An" } else { ", or an" };
            let second = second
                .and(or)
                .and(" operator can add ")
                .code(channel)
                .and(" to its `channels` in `chatops.toml`.");
            vec![first, second]
        }
        Refusal::Person { project, job, user } => vec![
            Line::new("You may not run this job (")
                .code(rule(project.as_str(), job.as_str(), "people"))
                .and(")."),
            Line::new("An operator can add ").code(user).and(" to its `people` in `chatops.toml`."),
        ],
        Refusal::Branch { project, job, branch, patterns } => {
            let first = Line::new("Branch ")
                .code(branch)
                .and(" may not be used for this job (")
                .code(rule(project.as_str(), job.as_str(), "branches"))
                .and(").");
            let second = if patterns.is_empty() {
                Line::new("No branch may: an operator has to list some in `chatops.toml`.")
            } else {
                Line::new("What may be used: ").codes(patterns).and(".")
            };
            vec![first, second]
        }
        Refusal::Stale { .. } => vec![
            Line::new("It was asked too long ago to be started now (rule `times.stale_after`)."),
            Line::new("Type it again if it is still wanted."),
        ],
        Refusal::Busy { target, short, user, since, .. } => vec![
            Line::new("")
                .code(target)
                .and(" is taken by deploy ")
                .code(short)
                .and(" of ")
                .user(user)
                .and(", since ")
                .moment(*since)
                .and(" (one deploy per target at a time)."),
            Line::new("Type it again when that deploy has ended."),
        ],
    }
}

fn rule(project: &str, job: &str, key: &str) -> String {
    format!("projects.{project}.jobs.{job}.{key}")
}
