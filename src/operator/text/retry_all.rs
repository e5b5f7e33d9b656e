//! The summary of `chatops retry --all`.

use super::plural;
use crate::operator::action::retry_all::{RetrySummary, SkipReason, SkippedDeploy};

/// The result for everything that waits for a retry.
pub(in crate::operator) fn retry_summary(summary: &RetrySummary, call: &str) -> String {
    if summary.waiting == 0 {
        return "Nothing waits for a retry.\n".to_owned();
    }
    let enqueued = if summary.dry_run {
        "would be retried"
    } else {
        "enqueued for a retry"
    };
    let waiting = plural(summary.waiting, "deploy");
    let mut said = vec![
        format!(
            "{waiting} waiting for a retry, as operator {}",
            summary.operator
        ),
        format!("{:>6}  {enqueued}", summary.enqueued.len()),
    ];
    if !summary.skipped.is_empty() {
        said.push(format!("{:>6}  left as they are:", summary.skipped.len()));
        said.extend(summary.skipped.iter().map(|one| skipped_line(one, call)));
    }
    if !summary.enqueued.is_empty() && !summary.dry_run {
        said.push(format!("The outcome: {call} history since:1h"));
    }
    said.push(String::new());
    said.join("\n")
}

/// Why a deploy is left as it is, and what to do about it.
fn skipped_line(skipped: &SkippedDeploy, call: &str) -> String {
    let id = &skipped.short_id;
    let why = match &skipped.reason {
        SkipReason::NewerWaits { by } => {
            format!("superseded by {by}, which waits, too; {call} dismiss {id}")
        }
        SkipReason::Superseded { by } => {
            format!("superseded by {by}, which has succeeded; {call} dismiss {id}")
        }
        SkipReason::Busy { by } => format!("its target is taken by {by}; retry it after that"),
        SkipReason::NeedsConfirm => {
            format!("may run at CircleCI; look there, then {call} retry {id} --confirm")
        }
        SkipReason::TooOld => "ended too long ago; --max-age takes older ones".to_owned(),
        SkipReason::NotAllowed => format!("not allowed; {call} retry {id} says why"),
        SkipReason::AlreadyRetried => "retried already".to_owned(),
        SkipReason::NotSent => "the action could not be sent; run this again".to_owned(),
    };
    format!("        {id}  {why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::example;

    #[test]
    fn what_became_of_each_is_shown() {
        let other = example::unresolved().short_id;
        let reasons = [
            SkipReason::NewerWaits { by: other.clone() },
            SkipReason::Superseded { by: other.clone() },
            SkipReason::Busy { by: other },
            SkipReason::NeedsConfirm,
            SkipReason::TooOld,
            SkipReason::NotAllowed,
            SkipReason::AlreadyRetried,
            SkipReason::NotSent,
        ];
        let skipped = |reason| SkippedDeploy {
            deploy: example::not_started().id,
            short_id: example::not_started().short_id,
            reason,
        };
        let mut summary = RetrySummary {
            waiting: 9,
            enqueued: vec![example::requested().id],
            skipped: reasons.map(skipped).to_vec(),
            dry_run: false,
            operator: "ada".to_owned(),
        };
        insta::assert_snapshot!(retry_summary(&summary, "chatops"), @"
        9 deploys waiting for a retry, as operator ada
             1  enqueued for a retry
             8  left as they are:
                136fea10  superseded by 136fea10, which waits, too; chatops dismiss 136fea10
                136fea10  superseded by 136fea10, which has succeeded; chatops dismiss 136fea10
                136fea10  its target is taken by 136fea10; retry it after that
                136fea10  may run at CircleCI; look there, then chatops retry 136fea10 --confirm
                136fea10  ended too long ago; --max-age takes older ones
                136fea10  not allowed; chatops retry 136fea10 says why
                136fea10  retried already
                136fea10  the action could not be sent; run this again
        The outcome: chatops history since:1h
        ");
        summary.dry_run = true;
        summary.skipped.clear();
        insta::assert_snapshot!(retry_summary(&summary, "chatops"), @"
        9 deploys waiting for a retry, as operator ada
             1  would be retried
        ");
        summary.waiting = 0;
        insta::assert_snapshot!(retry_summary(&summary, "chatops"), @"Nothing waits for a retry.");
    }
}
