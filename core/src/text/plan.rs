//! What a deploy would do.

use serde_json::Value;

use super::deploy::job_on_branch;
use super::slack_message::reply;
use super::{Mrkdwn, SlackMessage, rejection, usage};
use crate::config::{Config, TriggerCall, WorkflowSelector};
use crate::deploy::DeployRecord;
use crate::deploy::decide::{DeployPlan, unlock_cause};
use crate::policy::PolicyRule;
use crate::ports::{TargetLock, TriggerRequest};
use crate::rejection::Rejection;

/// The longest parameter that is shown in full.
const MAX_PARAMETER: usize = 100;

/// Every rule's verdict, who holds the target, and what would be sent.
pub fn plan_report(
    plan: &DeployPlan,
    holder: Option<(&TargetLock, &DeployRecord)>,
    config: &Config,
) -> SlackMessage {
    let starts = plan.trigger.is_some() && holder.is_none();
    let headline = Mrkdwn::new(if starts {
        "*Plan:* would start: "
    } else {
        "*Plan:* would not start: "
    });
    let checks = plan.checks.iter().flat_map(|check| match &check.verdict {
        Ok(()) => vec![passed_line(check.rule, plan)],
        Err(rejection) => rejected_lines(rejection, plan, config),
    });
    let mut message = reply(job_on_branch(headline, &plan.request))
        .rows(checks)
        .rows(target_lines(plan, holder, config));
    if let Some(trigger) = &plan.trigger {
        message = message
            .detail(trigger_line(trigger))
            .detail(decided_by_line(plan, trigger));
        if trigger.call != TriggerCall::Job {
            message = message.detail(Mrkdwn::new(
                "Other workflows of the pipeline may run, too. On a branch other than the default \
                 one, CircleCI may cancel it when the branch gets another pipeline (auto-cancel).",
            ));
        }
    }
    if starts {
        let line = Mrkdwn::new("To start it: ").code(usage::start_again(config, &plan.request));
        message = message.detail(line);
    }
    message.detail(Mrkdwn::new(
        "Nothing was triggered. Which commit would be built is decided when it starts.",
    ))
}

/// Why a rule rejects it, and the way out.
fn rejected_lines(rejection: &Rejection, plan: &DeployPlan, config: &Config) -> Vec<Mrkdwn> {
    let lines = rejection::explain_rejection(rejection, config, Some(&plan.request));
    let bullets = [":x: "].into_iter().chain(std::iter::repeat("› "));
    let lines = bullets.zip(&lines);
    lines
        .map(|(bullet, line)| Mrkdwn::new(bullet).append(line))
        .collect()
}

fn passed_line(rule: PolicyRule, plan: &DeployPlan) -> Mrkdwn {
    let line = Mrkdwn::new(":white_check_mark: ");
    match rule {
        PolicyRule::Team => line.and("Commands from this workspace are accepted (`slack.teams`)."),
        PolicyRule::Project => match &plan.request.project {
            Some(project) => line.and("There is a project ").code(project),
            None => line.and("There is such a project"),
        }
        .and(" (`projects`)."),
        PolicyRule::Job => {
            let line = line.and("It has a job ").code(&plan.request.job);
            line.and(" (`jobs`).")
        }
        PolicyRule::Channel => line.and("The job can be run from this channel (`channels`)."),
        PolicyRule::User => line.and("You may run it (`users`)."),
        PolicyRule::Branch => {
            let line = line.and("It can be run on ").git_ref(&plan.request.git_ref);
            line.and(" (")
                .code(rejection::ref_rule(&plan.request.git_ref))
                .and(").")
        }
    }
}

/// What would be locked, and who holds the lock.
fn target_lines(
    plan: &DeployPlan,
    holder: Option<(&TargetLock, &DeployRecord)>,
    config: &Config,
) -> Vec<Mrkdwn> {
    match (&plan.target, holder) {
        (Some(target), Some((lock, record))) => {
            let busy = Rejection::Busy {
                target: target.clone(),
                holder: lock.deploy,
                short_id: record.short_id.clone(),
                user: record.request.user.clone(),
                requester: Some(record.request.slack_user()),
                since: lock.since,
                until: lock.until,
                unlockable: unlock_cause(record, plan.request.requested_at).is_some(),
            };
            rejected_lines(&busy, plan, config)
        }
        (Some(target), None) => {
            let line = Mrkdwn::new(":white_check_mark: ").code(config.target_name(target));
            vec![line.and(" is free (`exclusive`).")]
        }
        (None, _) if plan.checks.iter().any(|check| check.rule > PolicyRule::Job) => {
            vec![Mrkdwn::new(
                ":white_check_mark: It takes no lock: other deploys may run at the same time (`exclusive`).",
            )]
        }
        (None, _) => vec![],
    }
}

/// The request that CircleCI would get.
fn trigger_line(trigger: &TriggerRequest) -> Mrkdwn {
    let line = Mrkdwn::new("CircleCI would be asked for ").and(match trigger.call {
        TriggerCall::Pipeline => "a pipeline",
        TriggerCall::PipelineRun { .. } => "a pipeline (`pipeline/run`)",
        TriggerCall::Job => "a single build (API v1.1)",
    });
    let line = line.and(" of ").code(&trigger.slug).and(" on ");
    let line = line.git_ref(&trigger.git_ref);
    let line = match &trigger.config_branch {
        Some(branch) => line.and(" by the configuration of ").code(branch),
        None => line,
    };
    if trigger.parameters.is_empty() {
        return line.and(", without parameters.");
    }
    let parameters = trigger.parameters.iter().map(|(name, value)| {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let pair = format!("{name}={value}");
        if pair.chars().count() <= MAX_PARAMETER {
            return pair;
        }
        pair.chars().take(MAX_PARAMETER - 1).chain(['…']).collect()
    });
    let parameters: Vec<String> = parameters.collect();
    line.and(" with ").codes(&parameters).and(".")
}

/// What would decide how it ends.
fn decided_by_line(plan: &DeployPlan, trigger: &TriggerRequest) -> Mrkdwn {
    let line = match plan.workflow.as_ref().map(WorkflowSelector::names) {
        _ if trigger.call == TriggerCall::Job => {
            return Mrkdwn::new("That build decides how it ends.");
        }
        None | Some([]) => Mrkdwn::new("All workflows of the pipeline decide how it ends"),
        Some([one]) => Mrkdwn::new("Its workflow ")
            .code(one)
            .and(" decides how it ends"),
        Some(names) => Mrkdwn::new("Its workflows ")
            .codes(names)
            .and(" decide how it ends"),
    };
    match plan.must_run.as_slice() {
        [] => line.and("."),
        jobs => line.and("; there, ").codes(jobs).and(" must succeed."),
    }
}
