//! Why a deploy ended as it did.

use super::{Mrkdwn, rejection};
use crate::config::Config;
use crate::deploy::{CiPipeline, CiRunKind, DeployRecord, DeployRequest, EndReason, MAX_NAMED};
use crate::ports::{PipelineError, PipelineErrorKind};

/// The most workflows that are named.
const MAX_WORKFLOWS: usize = 10;

/// The reason in full.
pub(super) fn explain_end(
    reason: &EndReason,
    record: &DeployRecord,
    config: &Config,
) -> Vec<Mrkdwn> {
    let request = &record.request;
    match reason {
        EndReason::Workflows {
            decided_by,
            beside,
            jobs,
        } => {
            let run = record.run.as_ref();
            let is_build = run.is_some_and(|run| run.pipeline.kind == CiRunKind::Build);
            workflow_lines(decided_by, beside, jobs, is_build)
        }
        EndReason::Rejected(rejection) => {
            rejection::explain_rejection(rejection, config, Some(request))
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
        EndReason::PipelineErrors { errors } => pipeline_errors(errors),
        EndReason::NoWorkflow => {
            let line = Mrkdwn::new(
                "CircleCI created a pipeline and listed no workflow of it. The usual causes: a `when` \
                 condition that this job's parameter does not meet, or a branch filter.",
            );
            [line].into_iter().chain(tag_filters(request)).collect()
        }
        EndReason::WorkflowMissing { wanted, listed } => {
            let lines = workflow_missing(wanted, listed).into_iter();
            lines.chain(tag_filters(request)).collect()
        }
        EndReason::CanceledBeforeWorkflow { by } => {
            let line = Mrkdwn::new("Canceled before any job had started, by ");
            vec![
                line.other_actor(by, request, config).and("."),
                Mrkdwn::new("A workflow that still appears at CircleCI is canceled there."),
            ]
        }
        EndReason::CanceledBeforeTrigger { by } => {
            let line = Mrkdwn::new("Canceled before anything was started, by ");
            vec![line.other_actor(by, request, config).and(".")]
        }
        EndReason::OutcomeUnknown {
            because,
            candidates,
        } => {
            let line = Mrkdwn::new("Could not find out whether CircleCI started it");
            let line = [append_quote(line, because)].into_iter();
            line.chain(candidate_links(candidates)).collect()
        }
        EndReason::Unreadable { error } => {
            let line = Mrkdwn::new("CircleCI could not be read for too long; last error");
            vec![
                append_quote(line, error),
                Mrkdwn::new("Look there for how it ended."),
            ]
        }
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

fn pipeline_errors(errors: &[PipelineError]) -> Vec<Mrkdwn> {
    let Some(first) = errors.first() else {
        return vec![Mrkdwn::new(
            "CircleCI could not make a workflow of the project's configuration, and did not say \
             why.",
        )];
    };
    let says = |error: &PipelineError| append_quote(Mrkdwn::new("CircleCI says"), &error.message);
    let more = match errors.len().saturating_sub(2) {
        0 => None,
        _ if errors.len() >= MAX_NAMED => Some(Mrkdwn::new("… and more.")),
        more => Some(Mrkdwn::new("… and ").number(more as u64).and(" more.")),
    };
    let cause = match first.kind {
        PipelineErrorKind::Plan => Some("The usual cause: the plan's credits are spent."),
        PipelineErrorKind::Permission => {
            Some("The usual cause: the token's user may not build this project.")
        }
        _ => None,
    };
    let lines = errors.iter().take(2).map(says).chain(more);
    lines.chain(cause.map(Mrkdwn::new)).collect()
}

fn workflow_lines(
    decided_by: &[(String, String)],
    beside: &[(String, String)],
    jobs: &[(String, String)],
    is_build: bool,
) -> Vec<Mrkdwn> {
    let mut lines = vec![];
    let has = |wanted: &str| decided_by.iter().any(|(_, status)| status == wanted);
    let all_green = decided_by.iter().all(|(_, status)| status == "success");
    if !all_green {
        let line = Mrkdwn::new(match decided_by.len() {
            // Its build stands for the workflow.
            _ if is_build => "Job ",
            1 => "Workflow ",
            _ => "Workflows ",
        });
        lines.push(named_statuses(line, decided_by));
    }
    if !jobs.is_empty() {
        let line = Mrkdwn::new(if jobs.len() == 1 { "Job " } else { "Jobs " });
        lines.push(named_statuses(line, jobs));
    }
    if has("unauthorized") {
        lines.push(Mrkdwn::new(
            "The usual cause: the token's user is not in the group of a restricted context.",
        ));
    }
    if !all_green && !beside.is_empty() {
        lines.push(named_statuses(Mrkdwn::new("Beside it: "), beside));
    }
    lines
}

/// Why CircleCI runs nothing on a tag.
pub(super) const TAG_FILTERS: &str = "On a tag CircleCI runs only jobs whose `filters` allow tags, and only if \
     those of the jobs that they require do, too.";

fn tag_filters(request: &DeployRequest) -> Option<Mrkdwn> {
    let tag = request.git_ref.tag();
    tag.map(|_| Mrkdwn::new(TAG_FILTERS))
}

fn workflow_missing(wanted: &[String], listed: &[(String, String)]) -> Vec<Mrkdwn> {
    let line = match wanted {
        [] => Mrkdwn::new("No workflow ran"),
        [one] => Mrkdwn::new("The workflow ").code(one).and(" did not run"),
        more => Mrkdwn::new("None of the workflows ")
            .codes(more)
            .and(" ran"),
    };
    let line = match listed {
        [] => line.and("."),
        _ => named_statuses(line.and("; CircleCI lists "), listed).and("."),
    };
    vec![
        line,
        Mrkdwn::new(
            "The usual causes: a `when` condition that is not met, a branch filter, or another name: \
             then set `workflow =` of this job in `chatops.toml`.",
        ),
    ]
}

/// Names with CircleCI's status, the first ones.
pub(super) fn named_statuses(line: Mrkdwn, all: &[(String, String)]) -> Mrkdwn {
    let shown = all.iter().take(MAX_WORKFLOWS).map(|(name, status)| {
        let line = Mrkdwn::default().code(name).and(" ");
        line.escaped(&status.replace(['_', '-'], " "))
    });
    let line = line.and_lines(&shown.collect::<Vec<_>>(), ", ");
    match all.len().saturating_sub(MAX_WORKFLOWS) {
        0 => line,
        // The record keeps no more, so their number is not known.
        _ if all.len() >= MAX_NAMED => line.and(", … and more"),
        n => line.and(", … and ").number(n as u64).and(" more"),
    }
}

/// What usually causes CircleCI's answer.
fn usual_cause(status: u16) -> Mrkdwn {
    Mrkdwn::new(match status {
        401 => "The CircleCI token is not valid, or no longer: an operator has to renew it.",
        403 => {
            "The usual cause: the token's user may not run this project. Nothing was started at CircleCI."
        }
        404 => {
            "The usual causes: the project's slug in `chatops.toml`, a token that may not see the \
             project, or a parameter that the project does not declare."
        }
        400 | 422 => {
            "The usual causes: a branch or tag that does not exist, or an undeclared parameter."
        }
        _ => "Nothing was started at CircleCI.",
    })
}
