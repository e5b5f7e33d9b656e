//! What a deploy would do.

use super::deploy::job_on_branch;
use super::label::label_of;
use super::parameters::shown_pair;
use super::slack_message::reply;
use super::{Button, Mrkdwn, SlackMessage, commit, end_reason, rejection, usage};
use crate::command::{ButtonVerb, DeployCommand};
use crate::config::{Config, Repository, TriggerCall, WorkflowSelector, value_text};
use crate::deploy::decide::{self, DeployPlan};
use crate::deploy::{DeployRecord, DeployState};
use crate::id::RequestId;
use crate::name::{GitRef, ProjectName};
use crate::ports::{TargetLock, TriggerRequest};
use crate::rejection::Rejection;
use crate::release::{Release, ReleaseHistory};

/// What it would ship: what is there and what would change, the rules that do not allow it, who holds the
/// target, and what would be sent.
pub fn plan_report(
    plan: &DeployPlan,
    holder: Option<(&TargetLock, &DeployRecord)>,
    releases: &ReleaseHistory,
    asked: Option<PlanRequest>,
    config: &Config,
) -> SlackMessage {
    let starts = plan.trigger.is_some() && holder.is_none();
    let headline = Mrkdwn::new(if starts {
        "*Plan:* would start: "
    } else {
        "*Plan:* would not start: "
    });
    let denied = plan.checks.iter().flat_map(|check| match &check.verdict {
        Ok(()) => vec![],
        Err(rejection) => rejected_lines(rejection, plan, config),
    });
    let mut message = reply(job_on_branch(headline, &plan.request))
        .rows(release_lines(plan, releases, config))
        .rows(denied)
        .rows(target_lines(plan, holder, config));
    if let Some(trigger) = &plan.trigger {
        message = message
            .detail(trigger_line(trigger))
            .detail(decided_by_line(plan, trigger));
        if trigger.call != TriggerCall::Job {
            let others = Mrkdwn::new("Other workflows of the pipeline may run, too. ");
            message = message.detail(others.and(match trigger.git_ref {
                GitRef::Branch(_) => {
                    "On a branch other than the default one, CircleCI may cancel it when the branch \
                     gets another pipeline (auto-cancel)."
                }
                GitRef::Tag(_) => end_reason::TAG_FILTERS,
            }));
        }
    }
    if starts {
        let line = Mrkdwn::new("To start it: ").code(usage::start_again(config, &plan.request));
        message = message.detail(line);
    }
    let message = message.detail(Mrkdwn::new(
        "Nothing was triggered. Which commit would be built is decided when it starts.",
    ));
    match asked {
        Some(asked) => with_start_button(message, plan, starts, asked, config),
        None => message,
    }
}

/// The request of a plan, for the buttons below it.
#[derive(Debug, Clone, Copy)]
pub struct PlanRequest {
    /// Which request.
    pub id: RequestId,
    /// Whether it came from the form, to which one can go back.
    pub from_form: bool,
}

/// The report with the button that starts the deploy, where it would start and the app has an address for presses.
pub(super) fn with_start_button(
    mut report: SlackMessage,
    plan: &DeployPlan,
    starts: bool,
    asked: PlanRequest,
    config: &Config,
) -> SlackMessage {
    if !config.slack.interactivity {
        return report;
    }
    let request = &plan.request;
    let deploy = DeployCommand {
        project: request.project.clone(),
        git_ref: request.git_ref.clone(),
        job: request.job.clone(),
        parameters: request.parameters.clone(),
    };
    if starts {
        let words = ButtonVerb::planned(asked.id, &deploy);
        let place = request.environment.as_deref().unwrap_or_default();
        let what = deploy.project.as_ref().map_or("", ProjectName::as_str);
        let question = format!(
            "Run {} on {} for {what}/{place}?",
            request.job, request.git_ref
        );
        let button = Button::ask(ButtonVerb::Deploy, "Deploy it", words).confirm(question);
        report = report.button(button);
    }
    if asked.from_form {
        report = report.button(Button::ask(ButtonVerb::Back, "Back", deploy.words()));
    }
    report
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

/// What is there, what would come, and how long that usually takes.
fn release_lines(plan: &DeployPlan, releases: &ReleaseHistory, config: &Config) -> Vec<Mrkdwn> {
    let Some(project) = plan
        .request
        .project
        .as_ref()
        .filter(|_| plan.place.is_some())
    else {
        return vec![];
    };
    let project = config.project(project).map(|(_, project)| project);
    let repository = project.and_then(|project| project.repository.as_ref());
    let mut lines = vec![];
    if let Some(release) = releases.current() {
        lines.extend(there_now(release, repository, config));
        let base = release.revision.as_deref();
        let head = plan.request.git_ref.name();
        let compare = base.and_then(|base| Some((base, repository?.compare_url(base, head)?)));
        if let Some((base, url)) = compare {
            let label = format!("{}...{head}", commit::short_commit(base));
            lines.push(
                Mrkdwn::new("What would change: ")
                    .link(&url, label)
                    .and("."),
            );
        }
    } else {
        lines.push(Mrkdwn::new("No deploy to it is on record yet."));
    }
    if let Some(last) = &releases.last
        && last.state != DeployState::Succeeded
    {
        let (emoji, label) = label_of(last.state);
        let line = Mrkdwn::new("The last deploy there: ").and(emoji).and(" *");
        let line = line.and(label).and("* · ").code(&last.short_id);
        lines.push(line.and(" · ").since(last.at));
    }
    if let Some(usual) = releases.usual(&plan.request.job) {
        lines.push(Mrkdwn::new("It usually takes ").about(usual).and("."));
    }
    lines
}

/// What is there, and since when.
fn there_now(release: &Release, repository: Option<&Repository>, config: &Config) -> Vec<Mrkdwn> {
    let line = Mrkdwn::new("There now: ");
    let line = match release.revision.as_deref() {
        Some(revision) => {
            let url = repository.and_then(|one| one.commit_url(revision));
            line.linked(url.as_ref(), commit::short_commit(revision))
                .and(" of ")
        }
        None => line,
    };
    let line = line
        .git_ref(&release.git_ref)
        .and(" · ")
        .code(&release.short_id);
    let line = line.and(" · ").person(&release.by, config).and(" · ");
    let line = line.since(release.at);
    let subject = release.subject.as_deref();
    let subject = subject.map(|subject| Mrkdwn::new("› ").append(&commit::subject(subject)));
    [Some(line), subject].into_iter().flatten().collect()
}

/// What would be locked, and who holds the lock.
fn target_lines(
    plan: &DeployPlan,
    holder: Option<(&TargetLock, &DeployRecord)>,
    config: &Config,
) -> Vec<Mrkdwn> {
    match (&plan.target, holder) {
        (Some(target), Some((lock, record))) => {
            let busy = decide::busy(target.clone(), lock, record, plan.request.requested_at);
            rejected_lines(&busy, plan, config)
        }
        (Some(_), None) if plan.trigger.is_some() => {
            vec![Mrkdwn::new(
                "All rules allow it, and nobody is deploying there.",
            )]
        }
        (None, _) if plan.trigger.is_some() => {
            vec![Mrkdwn::new(
                "All rules allow it. It takes no lock: other deploys may run at the same time.",
            )]
        }
        _ => vec![],
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
    let parameters = trigger.parameters.iter();
    let parameters = parameters.map(|(name, value)| shown_pair(name, &value_text(value)));
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
