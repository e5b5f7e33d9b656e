//! The texts about what is on record.

use std::fmt::Write as _;

use chatops_core::audit::{AuditChange, AuditEntry};
use chatops_core::config::TriggerCall;
use chatops_core::deploy::{MatchedBy, Notice};

use super::end::{candidate_lines, end_reason};
use super::labels::{
    name_list, named_statuses, replaced_release, requester_label, run_label, with_message,
};
use crate::output::{iso_time, sanitize};

/// The mark of a request that no signature vouches for.
pub(in crate::operator) const UNSIGNED_REQUEST: &str =
    "unsigned: accepted by the verification token, which proves neither the user nor the channel";

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

#[cfg(test)]
mod tests {
    use chatops_core::deploy::ActedBy;

    use super::*;

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
}
