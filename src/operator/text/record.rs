//! The texts about what is on record.

use std::fmt::Display;

use chatops_core::audit::{AuditActor, AuditChange, AuditEntry};
use chatops_core::config::TriggerCall;
use chatops_core::deploy::{ActedBy, CiPipeline, CiRunKind, EndReason, MatchedBy};
use chatops_core::policy::Rejection;

use crate::operator::output::{iso_time, sanitize};

/// Who caused an event.
pub(in crate::operator) fn actor_label(actor: &AuditActor) -> String {
    match actor {
        AuditActor::User(user) => user.to_string(),
        AuditActor::Operator(name) => format!("operator {}", sanitize(name)),
        AuditActor::Worker(_) => "worker".to_owned(),
    }
}

/// Who requested an action.
pub(in crate::operator) fn requester_label(by: &ActedBy) -> String {
    match by {
        ActedBy::User(user) => user.to_string(),
        ActedBy::Operator(name) => format!("operator {}", sanitize(name)),
    }
}

/// The pipeline or build, by number.
pub(in crate::operator) fn run_label(pipeline: &CiPipeline) -> String {
    let kind = match pipeline.kind {
        CiRunKind::Pipeline => "pipeline",
        CiRunKind::Build => "build",
    };
    format!("{kind} {}", pipeline.number)
}

/// The text of an event, and the lines below it.
pub(in crate::operator) fn event_text(entry: &AuditEntry) -> (String, Vec<String>) {
    let none = Vec::new;
    match &entry.change {
        AuditChange::Requested { request, retry_of } => {
            let project = request
                .project
                .as_ref()
                .map_or("(no project)", |p| p.as_str());
            let (job, branch, channel) = (&request.job, &request.branch, &request.channel);
            let what = format!("requested {job} on {branch} of {project}, in {channel}");
            match retry_of {
                Some(old) => {
                    let what = format!("{what}, for {}", request.user);
                    (what, vec![format!("retry of {old}")])
                }
                None => (what, none()),
            }
        }
        AuditChange::TriggerBegun {
            attempt,
            intent,
            target,
            config,
        } => {
            let lock = target.as_ref().map(|target| format!("lock on {target}"));
            let lock = lock.unwrap_or_else(|| "no lock".to_owned());
            let until = iso_time(intent.send_by);
            let allowed = format!("allowed by configuration {config}, {lock}");
            let what = format!("{allowed}; attempt {attempt} may send until {until}");
            (what, vec![trigger_label(&intent.call).to_owned()])
        }
        AuditChange::TriggerRolledBack {
            error, again_at, ..
        } => {
            let what = format!("not sent: {}", sanitize(error));
            (what, vec![format!("next try at {}", iso_time(*again_at))])
        }
        AuditChange::OutcomeUnknown { because } => {
            let what = format!("sent, but the answer was lost: {}", sanitize(because));
            (what, none())
        }
        AuditChange::Triggered {
            pipeline,
            matched_by,
        } => {
            let how = match matched_by {
                MatchedBy::Response => "CircleCI's answer names it",
                MatchedBy::DeployId => "it carries this deploy's id",
            };
            let what = format!("triggered {}: {how}", run_label(pipeline));
            (what, vec![sanitize(pipeline.url.as_str())])
        }
        AuditChange::Started { workflows } => {
            (format!("running: {}", name_list(workflows)), none())
        }
        AuditChange::Held { workflows } => {
            let names = name_list(workflows);
            let what = format!("waits for an approval at CircleCI: {names}");
            (what, none())
        }
        AuditChange::Ended { state, reason } => {
            let what = format!("ended {state}: {}", end_reason(reason));
            (what, candidate_lines(reason))
        }
        AuditChange::CancelRequested { .. } => ("cancel requested".to_owned(), none()),
        AuditChange::Retried { by } => (format!("retried as {by}"), none()),
        AuditChange::Notified {
            notification,
            delivery,
        } => {
            let what = format!("notification {notification:?}: {delivery:?}");
            (what, none())
        }
        AuditChange::Noted { note } => (format!("noted: {}", sanitize(note)), none()),
    }
}

fn trigger_label(call: &TriggerCall) -> &'static str {
    match call {
        TriggerCall::Pipeline => "by a new pipeline (API v2)",
        TriggerCall::PipelineRun { .. } => "by a new pipeline (API v2, pipeline/run)",
        TriggerCall::Job => "by a single job (API v1.1)",
    }
}

fn name_list(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| sanitize(name)).collect();
    names.join(", ")
}

/// The pipelines that a deploy with an unknown outcome may have started.
pub(in crate::operator) fn candidate_lines(reason: &EndReason) -> Vec<String> {
    let EndReason::OutcomeUnknown { candidates, .. } = reason else {
        return vec![];
    };
    let line = |one: &CiPipeline| {
        let url = sanitize(one.url.as_str());
        format!("it may be {}: {url}", run_label(one))
    };
    candidates.iter().map(line).collect()
}

/// Why a deploy ended as it did, in one line.
pub(in crate::operator) fn end_reason(reason: &EndReason) -> String {
    match reason {
        EndReason::Workflows { decided_by } => {
            let one = |(name, status): &(String, String)| {
                format!("{} {}", sanitize(name), sanitize(status))
            };
            let all: Vec<String> = decided_by.iter().map(one).collect();
            if all.is_empty() {
                return "by CircleCI's status".to_owned();
            }
            all.join(", ")
        }
        EndReason::Rejected(rejection) => rejection_text(rejection),
        EndReason::TriggerRefused { status, message } => {
            with_message(&format!("CircleCI said no ({status})"), message)
        }
        EndReason::TriggerGivenUp {
            attempts,
            last_error,
        } => {
            let times = if *attempts == 1 { "time" } else { "times" };
            with_message(&format!("tried {attempts} {times}; last error"), last_error)
        }
        EndReason::ConfigErrors { messages } => with_message(
            "CircleCI rejected the project's configuration",
            &messages.join("; "),
        ),
        EndReason::NoWorkflow => "CircleCI created a pipeline without a workflow".to_owned(),
        EndReason::CanceledBeforeTrigger { by } => {
            let by = requester_label(by);
            format!("canceled before anything was sent, by {by}")
        }
        EndReason::OutcomeUnknown { because, .. } => {
            with_message("could not find out whether CircleCI started it", because)
        }
        EndReason::FollowTimeout => {
            "followed until the time limit (rule timeouts.follow_timeout)".to_owned()
        }
    }
}

fn with_message(what: &str, message: &str) -> String {
    match message.trim() {
        "" => what.to_owned(),
        message => format!("{what}: {}", sanitize(message)),
    }
}

/// Why a rule rejects a deploy.
pub(in crate::operator) fn rejection_text(rejection: &Rejection) -> String {
    let rule = |project: &dyn Display, job: &dyn Display, key: &str| {
        format!("(rule projects.{project}.jobs.{job}.{key})")
    };
    match rejection {
        Rejection::Team { team } => {
            format!("commands from workspace {team} are not accepted (rule slack.teams)")
        }
        Rejection::NoProject { .. } => {
            "no project was named, and there is no default (rule default_project)".to_owned()
        }
        Rejection::UnknownProject { project, .. } => {
            format!("there is no project {project} (rule projects)")
        }
        Rejection::UnknownJob { project, job, .. } => {
            format!("project {project} has no job {job} (rule projects.{project}.jobs)")
        }
        Rejection::Channel {
            project,
            job,
            channel,
            ..
        } => {
            let rule = rule(project, job, "channels");
            format!("this job cannot be run from {channel} {rule}")
        }
        Rejection::User { project, job, user } => {
            let rule = rule(project, job, "users");
            format!("{user} may not run this job {rule}")
        }
        Rejection::Branch {
            project,
            job,
            branch,
            ..
        } => {
            let rule = rule(project, job, "branches");
            format!("this job cannot be run on {branch} {rule}")
        }
        Rejection::Expired { requested_at } => format!(
            "requested at {}, too long ago to be started (rule timeouts.request_ttl)",
            iso_time(*requested_at)
        ),
        Rejection::Busy {
            target,
            short_id,
            user,
            since,
            ..
        } => format!(
            "{target} is taken by deploy {short_id} of {user} since {} (rule exclusive)",
            iso_time(*since)
        ),
    }
}

#[cfg(test)]
mod tests {
    use chatops_core::id::UserId;

    use super::*;
    use crate::operator::example;

    #[test]
    fn each_end_has_a_reason() {
        let said = |reason| end_reason(&reason);
        insta::assert_snapshot!(said(EndReason::TriggerGivenUp { attempts: 3, last_error: "HTTP 503".into() }), @"tried 3 times; last error: HTTP 503");
        insta::assert_snapshot!(said(EndReason::ConfigErrors { messages: vec!["one".into(), "two".into()] }), @"CircleCI rejected the project's configuration: one; two");
        insta::assert_snapshot!(said(EndReason::NoWorkflow), @"CircleCI created a pipeline without a workflow");
        let by = ActedBy::Operator("ada".into());
        insta::assert_snapshot!(said(EndReason::CanceledBeforeTrigger { by }), @"canceled before anything was sent, by operator ada");
        insta::assert_snapshot!(said(EndReason::OutcomeUnknown { because: " ".into(), candidates: vec![] }), @"could not find out whether CircleCI started it");
        insta::assert_snapshot!(said(EndReason::FollowTimeout), @"followed until the time limit (rule timeouts.follow_timeout)");
        insta::assert_snapshot!(said(EndReason::Workflows { decided_by: vec![] }), @"by CircleCI's status");
    }

    #[test]
    fn each_rejection_names_its_rule() {
        let request = example::request("main");
        let (project, job) = (request.project.clone().unwrap(), request.job.clone());
        let said = |rejection| rejection_text(&rejection);
        insta::assert_snapshot!(said(Rejection::Team { team: request.team.clone() }), @"commands from workspace T012ABCDEF are not accepted (rule slack.teams)");
        insta::assert_snapshot!(said(Rejection::NoProject { known: vec![] }), @"no project was named, and there is no default (rule default_project)");
        insta::assert_snapshot!(said(Rejection::UnknownProject { project: project.clone(), known: vec![] }), @"there is no project web (rule projects)");
        insta::assert_snapshot!(said(Rejection::UnknownJob { project: project.clone(), job: job.clone(), branch: request.branch.clone(), usable: vec![] }), @"project web has no job deploy (rule projects.web.jobs)");
        insta::assert_snapshot!(said(Rejection::Channel { project: project.clone(), job: job.clone(), channel: request.channel.clone(), allowed: vec![] }), @"this job cannot be run from C012ABCDEF (rule projects.web.jobs.deploy.channels)");
        insta::assert_snapshot!(said(Rejection::User { project: project.clone(), job: job.clone(), user: request.user.clone() }), @"U012ABCDEF may not run this job (rule projects.web.jobs.deploy.users)");
        insta::assert_snapshot!(said(Rejection::Branch { project, job, branch: request.branch.clone(), patterns: vec![] }), @"this job cannot be run on main (rule projects.web.jobs.deploy.branches)");
        insta::assert_snapshot!(said(Rejection::Expired { requested_at: request.requested_at }), @"requested at 2027-01-15T08:00:00Z, too long ago to be started (rule timeouts.request_ttl)");
        let open = example::requested();
        let target = chatops_core::deploy::Target("web/production".into());
        let user = UserId::parse("U034GHIJKL").unwrap();
        let busy = Rejection::Busy {
            target,
            holder: open.id,
            short_id: open.short_id,
            user,
            since: request.requested_at,
            until: None,
        };
        insta::assert_snapshot!(said(busy), @"web/production is taken by deploy 50176d64 of U034GHIJKL since 2027-01-15T08:00:00Z (rule exclusive)");
    }
}
