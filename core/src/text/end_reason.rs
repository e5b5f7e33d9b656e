//! Why a deploy ended as it did.

use super::label::append_actor;
use super::{Mrkdwn, rejection};
use crate::config::Config;
use crate::deploy::{CiPipeline, DeployRequest, EndReason};

/// The most workflows that are named.
const MAX_WORKFLOWS: usize = 10;

/// The reason in full.
pub(super) fn explain_end(
    reason: &EndReason,
    request: &DeployRequest,
    config: &Config,
) -> Vec<Mrkdwn> {
    match reason {
        EndReason::Workflows { decided_by } => workflow_lines(decided_by),
        EndReason::Rejected(rejection) => {
            rejection::explain_rejection(rejection, Some((request, config)))
        }
        EndReason::TriggerRefused { status, message } => {
            let line = Mrkdwn::new("CircleCI said no (").number(*status).and(")");
            vec![append_quote(line, message), usual_cause(*status)]
        }
        EndReason::TriggerGivenUp {
            attempts,
            last_error: last,
        } => {
            let line = append_attempts(Mrkdwn::default(), *attempts);
            let line = line.and(" until the request expired; last error");
            vec![
                append_quote(line, last),
                Mrkdwn::new("Nothing was started at CircleCI."),
            ]
        }
        EndReason::ConfigErrors { messages } => config_errors(messages),
        EndReason::NoWorkflow => vec![Mrkdwn::new(
            "CircleCI created a pipeline without a workflow. The usual causes: a `when` condition \
             that this job's parameter does not meet, or a branch filter.",
        )],
        EndReason::CanceledBeforeTrigger { by } => {
            let line = Mrkdwn::new("Canceled before anything was started, by ");
            vec![append_actor(line, by, request).and(".")]
        }
        EndReason::OutcomeUnknown {
            because,
            candidates,
        } => {
            let line = Mrkdwn::new("Could not find out whether CircleCI started it");
            let line = [append_quote(line, because)].into_iter();
            line.chain(candidate_links(candidates)).collect()
        }
        EndReason::FollowTimeout => vec![Mrkdwn::new(
            "It was followed until the time limit (rule `timeouts.follow_timeout`); CircleCI shows how \
             it ended.",
        )],
    }
}

/// Why a deploy was not started, in a few words.
pub(super) fn summarize_end(reason: &EndReason) -> Mrkdwn {
    match reason {
        EndReason::TriggerRefused { status, .. } => {
            Mrkdwn::new("CircleCI said no (").number(*status).and(")")
        }
        EndReason::TriggerGivenUp { attempts, .. } => {
            let line = Mrkdwn::new("given up after ").number(*attempts);
            line.and(if *attempts == 1 { " try" } else { " tries" })
        }
        EndReason::OutcomeUnknown { .. } => {
            Mrkdwn::new("CircleCI's answer was lost: look there first")
        }
        _ => Mrkdwn::new("it did not start"),
    }
}

/// The pipelines that a deploy whose outcome is unknown may have started.
pub(super) fn candidate_links(candidates: &[CiPipeline]) -> Option<Mrkdwn> {
    let links = candidates.iter().take(5).map(|pipeline| {
        let label = format!("pipeline {}", pipeline.number);
        Mrkdwn::default().link(&pipeline.url, label)
    });
    let line = Mrkdwn::new("It may be one of these: ");
    let line = line.and_lines(&links.collect::<Vec<_>>(), ", ");
    (!candidates.is_empty()).then_some(line)
}

/// A quoted error, if there is one.
pub(super) fn append_quote(line: Mrkdwn, words: &str) -> Mrkdwn {
    if words.trim().is_empty() {
        line.and(".")
    } else {
        line.and(": ").code(words)
    }
}

/// "Tried 3 times".
pub(super) fn append_attempts(line: Mrkdwn, attempts: u32) -> Mrkdwn {
    let line = line.and("Tried ").number(attempts);
    line.and(if attempts == 1 { " time" } else { " times" })
}

fn config_errors(messages: &[String]) -> Vec<Mrkdwn> {
    if messages.is_empty() {
        return vec![Mrkdwn::new(
            "CircleCI could not make a workflow of the project's configuration, and did not say \
             why.",
        )];
    }
    let says = |message: &String| append_quote(Mrkdwn::new("CircleCI says"), message);
    let more = messages.len().saturating_sub(2) as u64;
    let more = (more > 0).then(|| Mrkdwn::new("… and ").number(more).and(" more."));
    messages.iter().take(2).map(says).chain(more).collect()
}

fn workflow_lines(decided_by: &[(String, String)]) -> Vec<Mrkdwn> {
    if decided_by.iter().all(|(_, status)| status == "success") {
        return vec![];
    }
    let shown = decided_by.iter().take(MAX_WORKFLOWS).map(|(name, status)| {
        let line = Mrkdwn::default().code(name).and(" ");
        line.escaped(&status.replace('_', " "))
    });
    let line = Mrkdwn::default().and_lines(&shown.collect::<Vec<_>>(), ", ");
    match decided_by.len().saturating_sub(MAX_WORKFLOWS) {
        0 => vec![line],
        n => vec![line.and(", … and ").number(n as u64).and(" more")],
    }
}

/// What usually causes CircleCI's answer.
fn usual_cause(status: u16) -> Mrkdwn {
    Mrkdwn::new(match status {
        401 => "The CircleCI token is not valid, or no longer: an operator has to renew it.",
        404 => {
            "The usual causes: the project's slug in `chatops.toml`, a token that may not see the \
             project, or a parameter that the project does not declare."
        }
        400 | 422 => "The usual causes: a branch that does not exist, or an undeclared parameter.",
        _ => "Nothing was started at CircleCI.",
    })
}
