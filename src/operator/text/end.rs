//! The texts of how deploys end.

use chatops_core::deploy::{CiPipeline, EndReason};
use chatops_core::ports::PipelineError;

use super::labels::{name_list, named_statuses, requester_label, run_label, with_message};
use super::rejection::rejection_text;
use crate::output::sanitize;

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

#[cfg(test)]
mod tests {
    use chatops_core::deploy::ActedBy;
    use chatops_core::ports::PipelineErrorKind;

    use super::*;

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
}
