//! What a deploy would do.

use serde_json::Value;

use super::deploy::what;
use super::intake::to_asker;
use super::{Line, Post, refusal, typed};
use crate::config::{Config, Slug};
use crate::decide::Plan;
use crate::deploy::Head;
use crate::policy::{Check, Rule};
use crate::ports::{Lock, Trigger};

/// The longest parameter that is shown in full.
const LONG: usize = 100;

/// Every rule's answer, who holds the target, and what would be sent.
#[must_use]
pub fn plan(plan: &Plan, holder: Option<(&Lock, &Head)>, config: &Config) -> Post {
    let starts = plan.trigger.is_some() && holder.is_none();
    let headline = if starts {
        Line::new(":mag: *Plan:* would start: ")
    } else {
        Line::new(":mag: *Plan:* would be refused: ")
    };
    let mut post = to_asker(what(headline, &plan.ask))
        .rows(
            plan.checks
                .iter()
                .flat_map(|check| checked(check, plan, config)),
        )
        .rows(target(plan, holder, config));
    if let Some(trigger) = &plan.trigger {
        post = post.detail(sent(trigger));
    }
    if starts {
        let line = Line::new("To start it: ").code(typed::again(config, &plan.ask));
        post = post.detail(line);
    }
    post.detail(Line::new(
        "Nothing was triggered. Which commit would be built is decided when it starts.",
    ))
}

/// A rule's answer, and the way out of its no.
fn checked(check: &Check, plan: &Plan, config: &Config) -> Vec<Line> {
    match &check.verdict {
        Ok(()) => vec![passed(check.rule, plan)],
        Err(refusal) => {
            let mut lines = refusal::lines(refusal, Some((&plan.ask, config))).into_iter();
            let first = lines.next().unwrap_or_default();
            let rest = lines.map(|line| Line::new("› ").then(&line));
            [Line::new(":x: ").then(&first)]
                .into_iter()
                .chain(rest)
                .collect()
        }
    }
}

fn passed(rule: Rule, plan: &Plan) -> Line {
    let line = Line::new(":white_check_mark: ");
    match rule {
        Rule::Team => line.and("This workspace is listened to (`slack.teams`)."),
        Rule::Project => match &plan.ask.project {
            Some(project) => line
                .and("There is a project ")
                .code(project)
                .and(" (`projects`)."),
            None => line.and("There is such a project (`projects`)."),
        },
        Rule::Job => line
            .and("It has a job ")
            .code(&plan.ask.job)
            .and(" (`jobs`)."),
        Rule::Channel => line.and("The job is run from here (`channels`)."),
        Rule::Person => line.and("You may run it (`people`)."),
        Rule::Branch => line
            .and("It is run on ")
            .code(&plan.ask.branch)
            .and(" (`branches`)."),
    }
}

/// What would be locked, and by whom it is.
fn target(plan: &Plan, holder: Option<(&Lock, &Head)>, config: &Config) -> Vec<Line> {
    match (&plan.target, holder) {
        (Some(target), Some((lock, head))) => {
            let busy = crate::policy::Refusal::Busy {
                target: target.clone(),
                holder: lock.deploy,
                short: head.short.clone(),
                user: head.ask.user.clone(),
                since: lock.since,
                until: lock.until,
            };
            let check = Check {
                rule: Rule::Branch,
                verdict: Err(busy),
            };
            checked(&check, plan, config)
        }
        (Some(target), None) => vec![
            Line::new(":white_check_mark: ")
                .code(target)
                .and(" is free (`exclusive`)."),
        ],
        (None, _) if plan.checks.iter().any(|check| check.rule > Rule::Job) => vec![Line::new(
            ":white_check_mark: It takes no lock: others may run beside it (`exclusive`).",
        )],
        (None, _) => vec![],
    }
}

/// The one request that CircleCI would get.
fn sent(trigger: &Trigger) -> Line {
    let Slug { vcs, org, repo } = &trigger.slug;
    let line = Line::new("CircleCI would be asked for a pipeline of ")
        .code(format!("{vcs}/{org}/{repo}"))
        .and(" on ")
        .code(&trigger.branch);
    if trigger.parameters.is_empty() {
        return line.and(", without parameters.");
    }
    let parameters = trigger.parameters.iter().map(|(name, value)| {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let pair = format!("{name}={value}");
        if pair.chars().count() <= LONG {
            return pair;
        }
        pair.chars().take(LONG - 1).chain(['…']).collect()
    });
    let parameters: Vec<String> = parameters.collect();
    line.and(" with ").codes(&parameters).and(".")
}
