//! The summary of `chatops retry --all`.

use super::plural;
use crate::operator::action::retry_all::{RetrySummary, SkipReason};

/// The result for every dead letter.
pub(in crate::operator) fn retry_summary(summary: &RetrySummary, call: &str) -> String {
    let dead_letters = match summary.dead_letters {
        0 => return "The dead-letter queue is empty.\n".to_owned(),
        n => plural(n, "dead letter"),
    };
    let enqueued = if summary.dry_run {
        "would be retried"
    } else {
        "enqueued for a retry"
    };
    let line = |n: usize, what: &str| format!("{n:>6}  {what}");
    let mut said = vec![
        format!("{dead_letters}, as operator {}", summary.operator),
        line(summary.enqueued.len(), enqueued),
    ];
    said.extend(
        summary
            .skipped
            .iter()
            .map(|(why, n)| line(*n, &skip_reason(*why, call))),
    );
    if !summary.enqueued.is_empty() && !summary.dry_run {
        said.push(format!("The outcome: {call} history since:1h"));
    }
    said.push(String::new());
    said.join("\n")
}

/// Why dead letters are skipped, and what to do about them.
fn skip_reason(why: SkipReason, call: &str) -> String {
    match why {
        SkipReason::Duplicate => "for the same deploy as another dead letter".to_owned(),
        SkipReason::AlreadyRetried => "retried already: the worker removes them".to_owned(),
        SkipReason::NotATicket => {
            "skipped: no retry tickets but other messages that failed; examine them".to_owned()
        }
        SkipReason::UnknownDeploy => "skipped: their deploys are not on record".to_owned(),
        SkipReason::TooOld => {
            "skipped: they ended too long ago; --max-age takes older ones".to_owned()
        }
        SkipReason::NotAllowed => format!("skipped: not allowed; {call} retry <ID> says why"),
        SkipReason::NotSent => "skipped: the action could not be sent; run this again".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray;

    use super::*;
    use crate::operator::example;

    #[test]
    fn what_became_of_the_dead_letters_is_shown() {
        let mut summary = RetrySummary {
            dead_letters: 9,
            enqueued: vec![example::requested().id, example::not_started().id],
            skipped: SkipReason::VARIANTS.iter().map(|why| (*why, 1)).collect(),
            dry_run: false,
            operator: "ada".to_owned(),
        };
        insta::assert_snapshot!(retry_summary(&summary, "chatops"), @"
        9 dead letters, as operator ada
             2  enqueued for a retry
             1  for the same deploy as another dead letter
             1  retried already: the worker removes them
             1  skipped: no retry tickets but other messages that failed; examine them
             1  skipped: their deploys are not on record
             1  skipped: they ended too long ago; --max-age takes older ones
             1  skipped: not allowed; chatops retry <ID> says why
             1  skipped: the action could not be sent; run this again
        The outcome: chatops history since:1h
        ");
        summary.dry_run = true;
        summary.skipped.clear();
        insta::assert_snapshot!(retry_summary(&summary, "chatops"), @"
        9 dead letters, as operator ada
             2  would be retried
        ");
        summary.dead_letters = 0;
        insta::assert_snapshot!(retry_summary(&summary, "chatops"), @"The dead-letter queue is empty.");
    }
}
