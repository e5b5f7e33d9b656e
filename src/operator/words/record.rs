//! What is on record, in words for a terminal.

use std::fmt::Display;

use chatops_core::audit::{Actor, Change, Entry};
use chatops_core::config::TriggerCall;
use chatops_core::deploy::{By, Pipeline, Proof, Reason, RunKind};
use chatops_core::policy::Refusal;

use crate::operator::out::{iso, plain};

/// Who made something happen.
pub(in crate::operator) fn actor(actor: &Actor) -> String {
    match actor {
        Actor::Person(user) => user.to_string(),
        Actor::Operator(name) => format!("operator {}", plain(name)),
        Actor::Worker(_) => "worker".to_owned(),
    }
}

/// Who wished something.
pub(in crate::operator) fn by(by: &By) -> String {
    match by {
        By::Person(user) => user.to_string(),
        By::Operator(name) => format!("operator {}", plain(name)),
    }
}

/// The pipeline or build, by number.
pub(in crate::operator) fn run(pipeline: &Pipeline) -> String {
    let kind = match pipeline.kind {
        RunKind::Pipeline => "pipeline",
        RunKind::Build => "build",
    };
    format!("{kind} {}", pipeline.number)
}

/// What happened, with the lines that belong below it.
pub(in crate::operator) fn event(entry: &Entry) -> (String, Vec<String>) {
    let none = Vec::new;
    match &entry.change {
        Change::Requested { ask, retry_of } => {
            let project = ask.project.as_ref().map_or("(no project)", |p| p.as_str());
            let what = format!(
                "asked for {} on {} of {project}, in {}",
                ask.job, ask.branch, ask.channel
            );
            match retry_of {
                Some(old) => (
                    format!("{what}, for {}", ask.user),
                    vec![format!("repeats {old}")],
                ),
                None => (what, none()),
            }
        }
        Change::Armed {
            attempt,
            armed,
            target,
            config,
        } => {
            let lock = target.as_ref().map_or_else(
                || "no lock".to_owned(),
                |target| format!("lock on {target}"),
            );
            let what = format!(
                "allowed by configuration {config}, {lock}; attempt {attempt} may send until {}",
                iso(armed.send_by)
            );
            (what, vec![call(&armed.call).to_owned()])
        }
        Change::Disarmed {
            obstacle, again_at, ..
        } => (
            format!("not sent: {}", plain(obstacle)),
            vec![format!("to be tried again at {}", iso(*again_at))],
        ),
        Change::Doubted { doubt } => (
            format!("sent, but the answer was lost: {}", plain(doubt)),
            none(),
        ),
        Change::Triggered { pipeline, proof } => {
            let how = match proof {
                Proof::Answer => "CircleCI answered with it",
                Proof::CarriesId => "it carries this deploy's id",
            };
            let what = format!("{} is ours: {how}", run(pipeline));
            (what, vec![plain(pipeline.url.as_str())])
        }
        Change::Started { workflows } => (format!("running: {}", list(workflows)), none()),
        Change::Held { workflows } => {
            let what = format!("waits for an approval at CircleCI: {}", list(workflows));
            (what, none())
        }
        Change::Ended { state, reason } => (
            format!("ended {state}: {}", self::reason(reason)),
            candidates(reason),
        ),
        Change::CancelWished { .. } => ("wishes it canceled".to_owned(), none()),
        Change::Retried { by } => (format!("tried again as {by}"), none()),
        Change::Noted { note } => (format!("noted: {}", plain(note)), none()),
    }
}

fn call(call: &TriggerCall) -> &'static str {
    match call {
        TriggerCall::Pipeline => "by a new pipeline (API v2)",
        TriggerCall::PipelineRun { .. } => "by a new pipeline (API v2, pipeline/run)",
        TriggerCall::Job => "by a single job (API v1.1)",
    }
}

fn list(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| plain(name)).collect();
    names.join(", ")
}

/// Where an unproven deploy may be found.
pub(in crate::operator) fn candidates(reason: &Reason) -> Vec<String> {
    match reason {
        Reason::Unproven { candidates, .. } => candidates
            .iter()
            .map(|one| format!("it may be {}: {}", run(one), plain(one.url.as_str())))
            .collect(),
        _ => vec![],
    }
}

/// Why a deploy ended as it did, in one line.
pub(in crate::operator) fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Workflows { decided_by } => {
            let one =
                |(name, status): &(String, String)| format!("{} {}", plain(name), plain(status));
            let all: Vec<String> = decided_by.iter().map(one).collect();
            if all.is_empty() {
                return "CircleCI says so".to_owned();
            }
            all.join(", ")
        }
        Reason::Refused(refusal) => self::refusal(refusal),
        Reason::TriggerRefused { status, message } => {
            said(&format!("CircleCI said no ({status})"), message)
        }
        Reason::TriggerGaveUp { attempts, last } => {
            let times = if *attempts == 1 { "time" } else { "times" };
            said(&format!("tried {attempts} {times}, the last one met"), last)
        }
        Reason::ConfigErrors { messages } => said(
            "CircleCI could not make a workflow of the project's configuration",
            &messages.join("; "),
        ),
        Reason::NoWorkflow => "CircleCI made a pipeline without a workflow".to_owned(),
        Reason::CanceledBefore { by } => {
            format!("canceled before anything was sent, by {}", self::by(by))
        }
        Reason::Unproven { doubt, .. } => {
            said("whether CircleCI started it could not be learned", doubt)
        }
        Reason::TrackedTooLong => "followed for as long as times.track_for allows".to_owned(),
    }
}

fn said(what: &str, words: &str) -> String {
    match words.trim() {
        "" => what.to_owned(),
        words => format!("{what}: {}", plain(words)),
    }
}

/// What a rule says.
pub(in crate::operator) fn refusal(refusal: &Refusal) -> String {
    let rule = |project: &dyn Display, job: &dyn Display, key: &str| {
        format!("(rule projects.{project}.jobs.{job}.{key})")
    };
    match refusal {
        Refusal::Team { team } => format!("workspace {team} is not listened to (rule slack.teams)"),
        Refusal::NoProject { .. } => {
            "no project was named, and there is no default (rule default_project)".to_owned()
        }
        Refusal::UnknownProject { project, .. } => {
            format!("there is no project {project} (rule projects)")
        }
        Refusal::UnknownJob { project, job, .. } => {
            format!("project {project} has no job {job} (rule projects.{project}.jobs)")
        }
        Refusal::Channel {
            project,
            job,
            channel,
            ..
        } => format!("not run from {channel} {}", rule(project, job, "channels")),
        Refusal::Person { project, job, user } => {
            format!(
                "{user} may not run this job {}",
                rule(project, job, "people")
            )
        }
        Refusal::Branch {
            project,
            job,
            branch,
            ..
        } => format!("not run on {branch} {}", rule(project, job, "branches")),
        Refusal::Stale { asked_at } => format!(
            "asked at {}, too long ago to be started (rule times.stale_after)",
            iso(*asked_at)
        ),
        Refusal::Busy {
            target,
            short,
            user,
            since,
            ..
        } => format!(
            "{target} is taken by deploy {short} of {user} since {} (rule exclusive)",
            iso(*since)
        ),
    }
}

#[cfg(test)]
mod tests {
    use chatops_core::id::UserId;

    use super::*;
    use crate::operator::example;

    #[test]
    fn each_end_says_why() {
        let said = |reason| self::reason(&reason);
        insta::assert_snapshot!(said(Reason::TriggerGaveUp { attempts: 3, last: "HTTP 503".into() }), @"tried 3 times, the last one met: HTTP 503");
        insta::assert_snapshot!(said(Reason::ConfigErrors { messages: vec!["one".into(), "two".into()] }), @"CircleCI could not make a workflow of the project's configuration: one; two");
        insta::assert_snapshot!(said(Reason::NoWorkflow), @"CircleCI made a pipeline without a workflow");
        let by = By::Operator("ada".into());
        insta::assert_snapshot!(said(Reason::CanceledBefore { by }), @"canceled before anything was sent, by operator ada");
        insta::assert_snapshot!(said(Reason::Unproven { doubt: " ".into(), candidates: vec![] }), @"whether CircleCI started it could not be learned");
        insta::assert_snapshot!(said(Reason::TrackedTooLong), @"followed for as long as times.track_for allows");
        insta::assert_snapshot!(said(Reason::Workflows { decided_by: vec![] }), @"CircleCI says so");
    }

    #[test]
    fn each_no_names_its_rule() {
        let ask = example::ask("main");
        let (project, job) = (ask.project.clone().unwrap(), ask.job.clone());
        let said = |refusal| self::refusal(&refusal);
        insta::assert_snapshot!(said(Refusal::Team { team: ask.team.clone() }), @"workspace T012ABCDEF is not listened to (rule slack.teams)");
        insta::assert_snapshot!(said(Refusal::NoProject { known: vec![] }), @"no project was named, and there is no default (rule default_project)");
        insta::assert_snapshot!(said(Refusal::UnknownProject { project: project.clone(), known: vec![] }), @"there is no project web (rule projects)");
        insta::assert_snapshot!(said(Refusal::UnknownJob { project: project.clone(), job: job.clone(), branch: ask.branch.clone(), usable: vec![] }), @"project web has no job deploy (rule projects.web.jobs)");
        insta::assert_snapshot!(said(Refusal::Channel { project: project.clone(), job: job.clone(), channel: ask.channel.clone(), allowed: vec![] }), @"not run from C012ABCDEF (rule projects.web.jobs.deploy.channels)");
        insta::assert_snapshot!(said(Refusal::Person { project: project.clone(), job: job.clone(), user: ask.user.clone() }), @"U012ABCDEF may not run this job (rule projects.web.jobs.deploy.people)");
        insta::assert_snapshot!(said(Refusal::Branch { project, job, branch: ask.branch.clone(), patterns: vec![] }), @"not run on main (rule projects.web.jobs.deploy.branches)");
        insta::assert_snapshot!(said(Refusal::Stale { asked_at: ask.asked_at }), @"asked at 2027-01-15T08:00:00Z, too long ago to be started (rule times.stale_after)");
        let open = example::open();
        let target = chatops_core::deploy::Target("web/production".into());
        let user = UserId::parse("U034GHIJKL").unwrap();
        let busy = Refusal::Busy {
            target,
            holder: open.id,
            short: open.short,
            user,
            since: ask.asked_at,
            until: None,
        };
        insta::assert_snapshot!(said(busy), @"web/production is taken by deploy 50176d64 of U034GHIJKL since 2027-01-15T08:00:00Z (rule exclusive)");
    }
}
