//! The texts about what is on record.

use std::fmt::{Display, Write as _};

use chatops_core::audit::{AuditActor, AuditChange, AuditEntry};
use chatops_core::config::TriggerCall;
use chatops_core::deploy::{ActedBy, CiPipeline, CiRunKind, EndReason, MatchedBy, Notice};
use chatops_core::id::QualifiedUser;
use chatops_core::name::GitRef;
use chatops_core::ports::PipelineError;
use chatops_core::rejection::Rejection;
use chatops_core::release::ReplacedRelease;

use crate::output::{iso_time, sanitize};

/// The mark of a request that no signature vouches for.
pub(in crate::operator) const UNSIGNED_REQUEST: &str =
    "unsigned: accepted by the verification token, which proves neither the user nor the channel";

/// Who caused an event.
pub(in crate::operator) fn actor_label(actor: &AuditActor) -> String {
    match actor {
        AuditActor::User(user) => user.to_string(),
        AuditActor::UnsignedUser(user) => unsigned_label(user),
        AuditActor::Operator(name) => format!("operator {}", sanitize(name)),
        AuditActor::Worker(_) => "worker".to_owned(),
    }
}

/// Who requested an action.
pub(in crate::operator) fn requester_label(by: &ActedBy) -> String {
    match by {
        ActedBy::User(user) => user.id.to_string(),
        ActedBy::UnsignedUser(user) => unsigned_label(&user.id),
        ActedBy::Operator { name } => format!("operator {}", sanitize(name)),
    }
}

fn unsigned_label(user: &QualifiedUser) -> String {
    format!("{user} (unsigned)")
}

/// The pipeline or build, by number.
pub(in crate::operator) fn run_label(pipeline: &CiPipeline) -> String {
    let kind = match pipeline.kind {
        CiRunKind::Pipeline => "pipeline",
        CiRunKind::Build => "build",
    };
    format!("{kind} {}", pipeline.number)
}

/// What a deploy has replaced.
pub(in crate::operator) fn replaced_release(replaced: &ReplacedRelease) -> String {
    match &replaced.revision {
        Some(commit) => format!("{} of deploy {}", sanitize(commit), replaced.short_id),
        None => format!("deploy {}", replaced.short_id),
    }
}

/// After the text of an event that others in a row repeat, of which `last` is the last one.
pub(in crate::operator) fn repeated(times: usize, last: &AuditEntry) -> String {
    format!(
        " ({times} times, up to event {} at {})",
        last.n,
        iso_time(last.at)
    )
}

/// What is known once more was learned.
fn learned_text(entry: &AuditEntry) -> String {
    let facts = entry.facts.as_ref();
    let mut known = vec![];
    known.extend(
        entry
            .revision
            .as_ref()
            .map(|commit| format!("commit {}", sanitize(commit))),
    );
    let replaced = facts.and_then(|facts| facts.before.as_ref()?.replaced.as_ref());
    known.extend(replaced.map(|replaced| format!("replaces {}", replaced_release(replaced))));
    let holds = facts.map_or(&[][..], |facts| &facts.holds);
    if !holds.is_empty() {
        let waits = holds.iter().filter(|hold| hold.waits).count();
        known.push(format!(
            "{waits} of {} approvals still awaited",
            holds.len()
        ));
    }
    match &*known {
        [] => "the pipeline is there".to_owned(),
        known => format!("seen: {}", known.join("; ")),
    }
}

/// The text of an event, and the lines below it.
pub(in crate::operator) fn event_text(entry: &AuditEntry) -> (String, Vec<String>) {
    let none = Vec::new;
    match &entry.change {
        AuditChange::Requested {
            request, retry_of, ..
        } => {
            let project = request
                .project
                .as_ref()
                .map_or("(no project)", |p| p.as_str());
            let (job, branch, channel) = (&request.job, &request.git_ref, &request.channel);
            let set = sanitize(&request.parameters.to_string());
            let what = format!("requested {job}{set} on {branch} of {project}, in {channel}");
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
        AuditChange::Held { workflows, jobs } => {
            let mut what = format!(
                "waits for an approval at CircleCI: {}",
                name_list(workflows)
            );
            if !jobs.is_empty() {
                let _ = write!(what, ", job {}", name_list(jobs));
            }
            (what, none())
        }
        AuditChange::Ended { state, reason } => {
            let what = format!("ended {state}: {}", end_reason(reason));
            (what, candidate_lines(reason))
        }
        AuditChange::CancelRequested { .. } => ("cancel requested".to_owned(), none()),
        AuditChange::Retried { by } => (format!("retried as {by}"), none()),
        AuditChange::Dismissed { .. } => ("dismissed".to_owned(), none()),
        AuditChange::Notified {
            notification,
            delivery,
        } => {
            let what = format!("notification {notification:?}: {delivery:?}");
            (what, none())
        }
        AuditChange::Learned => (learned_text(entry), none()),
        AuditChange::Noticed { notice } => (notice_text(notice), none()),
        AuditChange::Unlocked { by: Some(_) } => {
            let what = "freed the lock of its target by request".to_owned();
            (what, none())
        }
        AuditChange::Unlocked { by: None } => {
            let what = "freed the lock of its target: nothing of it can run any more".to_owned();
            (what, none())
        }
        AuditChange::Noted { note } => (format!("noted: {}", sanitize(note)), none()),
    }
}

/// What people were told at once.
fn notice_text(notice: &Notice) -> String {
    match notice {
        Notice::TriggerDelayed { error } => with_message("told: it could not be sent yet", error),
        Notice::Unreadable { error } => with_message("told: CircleCI cannot be read", error),
        Notice::NothingStarted => "told: CircleCI lists no workflow yet".to_owned(),
        Notice::MayRerun { workflow } => {
            let workflow = sanitize(workflow);
            format!("told: workflow {workflow} failed, and CircleCI may rerun it")
        }
        Notice::AfterEnd { workflows } => {
            format!(
                "told: after its end, CircleCI shows {}",
                named_statuses(workflows)
            )
        }
        Notice::Unlocked { by } => {
            format!("told: its lock was freed by {}", requester_label(by))
        }
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
        EndReason::Workflows {
            decided_by,
            beside,
            jobs,
        } => workflows_text(decided_by, beside, jobs),
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
        EndReason::PipelineErrors { errors } => pipeline_errors(errors),
        EndReason::NoWorkflow => "CircleCI listed no workflow of the pipeline".to_owned(),
        EndReason::WorkflowMissing { wanted, listed } => {
            let wanted = name_list(wanted);
            let listed = named_statuses(listed);
            format!("no workflow {wanted} ran; CircleCI listed {listed}")
        }
        EndReason::CanceledBeforeWorkflow { by } => {
            let by = requester_label(by);
            format!("canceled before any job had started, by {by}")
        }
        EndReason::CanceledBeforeTrigger { by } => {
            let by = requester_label(by);
            format!("canceled before anything was sent, by {by}")
        }
        EndReason::OutcomeUnknown { because, .. } => {
            with_message("could not find out whether CircleCI started it", because)
        }
        EndReason::Unreadable { error } => with_message(
            "CircleCI could not be read until the time limit (rule timeouts.follow_timeout); last \
             error",
            error,
        ),
    }
}

/// Which workflows decided, with the jobs that did not succeed and what ran beside.
fn workflows_text(
    decided_by: &[(String, String)],
    beside: &[(String, String)],
    jobs: &[(String, String)],
) -> String {
    let mut text = match decided_by {
        [] => "by CircleCI's status".to_owned(),
        decided_by => named_statuses(decided_by),
    };
    for (what, names) in [("jobs", jobs), ("beside it", beside)] {
        if !names.is_empty() {
            text = format!("{text}; {what}: {}", named_statuses(names));
        }
    }
    text
}

/// Names with CircleCI's status.
fn named_statuses(all: &[(String, String)]) -> String {
    let one =
        |(name, status): &(String, String)| format!("{} {}", sanitize(name), sanitize(status));
    let all: Vec<String> = all.iter().map(one).collect();
    all.join(", ")
}

fn pipeline_errors(errors: &[PipelineError]) -> String {
    let one = |error: &PipelineError| {
        let kind: &str = error.kind.into();
        with_message(kind, &error.message)
    };
    let all: Vec<String> = errors.iter().map(one).collect();
    match all.as_slice() {
        [] => "CircleCI made no workflow, and did not say why".to_owned(),
        all => format!("errors of the pipeline: {}", all.join("; ")),
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
            git_ref,
            ..
        } => {
            let key = match git_ref {
                GitRef::Branch(_) => "branches",
                GitRef::Tag(_) => "tags",
            };
            let rule = rule(project, job, key);
            format!("this job cannot be run on {git_ref} {rule}")
        }
        Rejection::UnknownParameter {
            project,
            job,
            name,
            fixed,
            ..
        } => {
            let rule = rule(project, job, "parameters");
            let what = if *fixed {
                "is fixed"
            } else {
                "is no parameter"
            };
            format!("{} {what} for this job {rule}", sanitize(name))
        }
        Rejection::MissingParameter {
            project, job, name, ..
        } => {
            let rule = rule(project, job, &format!("parameters.{name}"));
            format!("this job needs {name}= {rule}")
        }
        Rejection::Parameter {
            project,
            job,
            name,
            value,
            ..
        } => {
            let rule = rule(project, job, &format!("parameters.{name}"));
            format!("{name}={} is not accepted {rule}", sanitize(value))
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
    use chatops_core::ports::PipelineErrorKind;

    use super::*;
    use crate::operator::example;

    #[test]
    fn each_end_has_a_reason() {
        let said = |reason| end_reason(&reason);
        insta::assert_snapshot!(said(EndReason::TriggerGivenUp { attempts: 3, last_error: "HTTP 503".into() }), @"tried 3 times; last error: HTTP 503");
        let error = |kind, message: &str| PipelineError {
            kind,
            message: message.into(),
        };
        let errors = vec![
            error(PipelineErrorKind::Config, "one"),
            error(PipelineErrorKind::ConfigFetch, "two"),
        ];
        insta::assert_snapshot!(said(EndReason::PipelineErrors { errors }), @"errors of the pipeline: config: one; config-fetch: two");
        insta::assert_snapshot!(said(EndReason::PipelineErrors { errors: vec![] }), @"CircleCI made no workflow, and did not say why");
        insta::assert_snapshot!(said(EndReason::NoWorkflow), @"CircleCI listed no workflow of the pipeline");
        let named = |name: &str, status: &str| vec![(name.to_owned(), status.to_owned())];
        let (wanted, listed) = (vec!["deploy".into()], named("build", "success"));
        insta::assert_snapshot!(said(EndReason::WorkflowMissing { wanted, listed }), @"no workflow deploy ran; CircleCI listed build success");
        let by = ActedBy::Operator { name: "ada".into() };
        let canceled = EndReason::CanceledBeforeWorkflow { by: by.clone() };
        insta::assert_snapshot!(said(canceled), @"canceled before any job had started, by operator ada");
        insta::assert_snapshot!(said(EndReason::CanceledBeforeTrigger { by }), @"canceled before anything was sent, by operator ada");
        insta::assert_snapshot!(said(EndReason::OutcomeUnknown { because: " ".into(), candidates: vec![] }), @"could not find out whether CircleCI started it");
        insta::assert_snapshot!(said(EndReason::Unreadable { error: "401".into() }), @"CircleCI could not be read until the time limit (rule timeouts.follow_timeout); last error: 401");
        let none = EndReason::Workflows {
            decided_by: vec![],
            beside: vec![],
            jobs: vec![],
        };
        insta::assert_snapshot!(said(none), @"by CircleCI's status");
        let all = EndReason::Workflows {
            decided_by: named("deploy", "failed"),
            beside: named("build", "success"),
            jobs: named("deploy-prod", "not_run"),
        };
        insta::assert_snapshot!(said(all), @"deploy failed; jobs: deploy-prod not_run; beside it: build success");
    }

    #[test]
    fn each_notice_is_in_the_audit() {
        let said = |notice| notice_text(&notice);
        let error = || "HTTP 503".to_owned();
        insta::assert_snapshot!(said(Notice::TriggerDelayed { error: error() }), @"told: it could not be sent yet: HTTP 503");
        insta::assert_snapshot!(said(Notice::Unreadable { error: error() }), @"told: CircleCI cannot be read: HTTP 503");
        insta::assert_snapshot!(said(Notice::NothingStarted), @"told: CircleCI lists no workflow yet");
        insta::assert_snapshot!(said(Notice::MayRerun { workflow: "deploy".into() }), @"told: workflow deploy failed, and CircleCI may rerun it");
        let workflows = vec![("deploy".to_owned(), "running".to_owned())];
        insta::assert_snapshot!(said(Notice::AfterEnd { workflows }), @"told: after its end, CircleCI shows deploy running");
        let by = ActedBy::Operator { name: "ada".into() };
        insta::assert_snapshot!(said(Notice::Unlocked { by }), @"told: its lock was freed by operator ada");
    }

    #[test]
    fn each_rejection_names_its_rule() {
        let request = example::request("main");
        let (project, job) = (request.project.clone().unwrap(), request.job.clone());
        let said = |rejection| rejection_text(&rejection);
        insta::assert_snapshot!(said(Rejection::Team { team: request.team.clone() }), @"commands from workspace T012ABCDEF are not accepted (rule slack.teams)");
        insta::assert_snapshot!(said(Rejection::NoProject { known: vec![] }), @"no project was named, and there is no default (rule default_project)");
        insta::assert_snapshot!(said(Rejection::UnknownProject { project: project.clone(), known: vec![] }), @"there is no project web (rule projects)");
        insta::assert_snapshot!(said(Rejection::UnknownJob { project: project.clone(), job: job.clone(), git_ref: request.git_ref.clone(), usable: vec![] }), @"project web has no job deploy (rule projects.web.jobs)");
        insta::assert_snapshot!(said(Rejection::Channel { project: project.clone(), job: job.clone(), channel: request.channel.clone(), allowed: vec![] }), @"this job cannot be run from C012ABCDEF (rule projects.web.jobs.deploy.channels)");
        insta::assert_snapshot!(said(Rejection::User { project: project.clone(), job: job.clone(), user: request.user.clone() }), @"U012ABCDEF may not run this job (rule projects.web.jobs.deploy.users)");
        insta::assert_snapshot!(said(Rejection::Branch { project, job, git_ref: request.git_ref.clone(), patterns: vec![] }), @"this job cannot be run on main (rule projects.web.jobs.deploy.branches)");
        insta::assert_snapshot!(said(Rejection::Expired { requested_at: request.requested_at }), @"requested at 2027-01-15T08:00:00Z, too long ago to be started (rule timeouts.request_ttl)");
        let open = example::requested();
        let target = chatops_core::deploy::Target("gh/acme/web/production".into());
        let user = UserId::parse("U034GHIJKL").unwrap();
        let busy = Rejection::Busy {
            target,
            holder: open.id,
            short_id: open.short_id,
            user,
            held_by: None,
            since: request.requested_at,
            until: None,
            unlockable: false,
        };
        insta::assert_snapshot!(said(busy), @"gh/acme/web/production is taken by deploy 50176d64 of U034GHIJKL since 2027-01-15T08:00:00Z (rule exclusive)");
    }
}
