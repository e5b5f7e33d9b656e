//! The texts of the operator's commands, except their help.

mod config;
mod end;
mod labels;
mod record;
mod rejection;
mod retry_all;
mod unlock;

use std::time::Duration;

use chatops_core::command::{DeployAction, FILTER_KEYS, Verb};
use chatops_core::deploy::decide::RetryDecision;
use chatops_core::deploy::{CancelRequest, DeployRecord, DeployState};
use chatops_core::notification::Undelivered;
use chatops_core::text::untold_kind;

pub(super) use self::config::{
    STILL_TO_FILL_IN, config_is_right, config_is_written, file_exists, shared_target,
    strict_warnings,
};
pub(super) use self::end::{candidate_lines, end_reason};
pub(super) use self::labels::{actor_label, replaced_release, requester_label, run_label};
pub(super) use self::record::{UNSIGNED_REQUEST, event_text, repeated};
pub(super) use self::rejection::rejection_text;
pub(super) use self::retry_all::retry_summary;
pub(super) use self::unlock::{
    not_locked, unknown_target, unlock_enqueued, unlock_in_progress, unlock_needs_confirm,
};
use super::Installation;
use crate::output::{iso_time, sanitize};

/// `user:me`, at a terminal.
pub(super) const NOBODY_IS_ME: &str =
    "user:me is not known here: name a user, such as user:@ana or user:U012ABCDEF";

/// Filters longer than any command in Slack.
pub(super) const FILTERS_TOO_LONG: &str =
    "the filters are longer than 1024 characters: remove some";

/// An empty history.
pub(super) const NO_DEPLOYS: &str = "No deploy found.";

/// Below a list of deploys that wait for a retry.
pub(super) fn how_to_retry(call: &str) -> String {
    format!("To retry one: {call} retry <ID>. An UNRESOLVED one may run: look at CircleCI first.")
}

/// A command that works on this machine only.
pub(super) const NOT_ON_AWS: &str = "--aws is for status, history, show, failed, retry, dismiss, cancel, \
                                     unlock, doctor and audit: leave it out here";

/// Two records at the same time.
pub(super) const FILE_OR_AWS: &str =
    "the record is in a data file or on AWS: leave one of --data and --aws out";

/// A name beside the credentials.
pub(super) const AS_ON_AWS: &str = "with --aws your name in the audit is the session of your \
                                    credentials: leave --as out";

/// A build without the feature.
#[cfg(not(feature = "aws"))]
pub(super) const BUILT_WITHOUT_AWS: &str = "this chatops was built without AWS: build it with \
                                            `cargo build --release --features aws`";

pub(super) fn needs_aws(option: &str) -> String {
    format!("{option} is about an installation on AWS: add --aws, or leave it out")
}

/// Nothing waits for a retry.
pub(super) const NO_FAILED: &str = "No deploy waits for a retry.";

pub(super) fn filter_twice(filter: &str) -> String {
    format!("the filter '{filter}' is given twice: keep one")
}

pub(super) fn not_a_number(text: &str) -> String {
    format!(
        "'{}' is not a number of deploys: give one of at least 1",
        sanitize(text)
    )
}

pub(super) fn bare_filter(word: &str) -> String {
    let word = sanitize(word);
    format!("'{word}' is not a filter: write one as key:value, such as branch:main")
}

pub(super) fn unknown_filter(key: &str, near: Option<&str>) -> String {
    let meant = near.map_or_else(String::new, |near| format!(": did you mean '{near}'?"));
    format!(
        "there is no filter '{}'{meant} ({})",
        sanitize(key),
        FILTER_KEYS.join(", ")
    )
}

pub(super) fn bad_filter(key: &str, value: &str, expected: &str) -> String {
    format!(
        "{key}:{} cannot be read: it takes {expected}",
        sanitize(value)
    )
}

pub(super) fn unknown_deploy(deploy: &impl std::fmt::Display, call: &str) -> String {
    format!(
        "there is no deploy {deploy} on record: `{call} history` lists them, and an id has 8 or 16 \
         digits or is a full one"
    )
}

/// Below a list that has more.
pub(super) fn more_deploys(shown: usize, again: &str) -> String {
    format!("{shown} shown. Older ones: {again}, or all with --all")
}

/// Below a list that stopped at the limit of reads.
pub(super) fn searched_back_to(moment: &str, again: &str) -> String {
    format!("Searched back to {moment}. To continue: {again}, or all with --all")
}

/// An operator without a name.
/// A name that was typed, beside the one that the system knows.
pub(super) fn unverified_name(login: &str, typed: &str) -> String {
    format!("{login} as \"{typed}\" (unverified)")
}

pub(super) fn bad_name(name: &str) -> String {
    format!(
        "'{}' cannot be a name in the audit: give one with --as NAME, of at most 64 letters, \
         digits and . _ - @ +",
        sanitize(name)
    )
}

/// An action is in the queue.
pub(super) fn action_enqueued(
    action: &DeployAction,
    record: &DeployRecord,
    name: &str,
    show: &str,
    stale: Duration,
    installation: &Installation,
) -> String {
    let verb = action.verb().as_str();
    let within = match action {
        DeployAction::Cancel { .. }
        | DeployAction::Dismiss { .. }
        | DeployAction::Unlock { .. } => String::new(),
        // A retry is a deploy: it expires.
        DeployAction::Retry { .. } => format!(", at most {}", humantime::format_duration(stale)),
    };
    let taken_up = taken_up(installation);
    format!(
        "Enqueued: {verb} {}, {} on {}, {}, as operator {name}\n\
         {taken_up}{within}.\n\
         The outcome: {} show {show}\n",
        record.short_id,
        record.request.job,
        record.request.git_ref,
        record.state,
        installation.command_prefix(),
    )
}

/// What becomes of an action in the queue.
fn taken_up(installation: &Installation) -> &'static str {
    if installation.is_aws() {
        "The worker carries it out within seconds; until then it waits"
    } else {
        "A running `chatops serve` carries it out within a second or two; without one it waits"
    }
}

/// A cancel that comes too late.
pub(super) fn already_ended(record: &DeployRecord) -> String {
    format!(
        "{} has ended, {}: there is nothing to cancel",
        record.short_id, record.state
    )
}

/// A cancel that was requested before.
pub(super) fn already_canceling(
    record: &DeployRecord,
    earlier: &CancelRequest,
    call: &str,
) -> String {
    let id = &record.short_id;
    format!(
        "{id} is being canceled already: requested at {} by {}; see `{call} show {id}`",
        iso_time(earlier.at),
        requester_label(&earlier.by)
    )
}

/// A dismiss of what does not wait for a retry.
pub(super) fn not_dismissed(record: &DeployRecord) -> String {
    let id = &record.short_id;
    match &record.dismissed_by {
        Some(by) => format!("{id} was dismissed before, by {}", requester_label(by)),
        None => format!("{id} is {} and does not wait for a retry", record.state),
    }
}

/// A retry that the rules do not allow.
pub(super) fn retry_rejected(record: &DeployRecord, why: &RetryDecision, call: &str) -> String {
    let (id, state) = (&record.short_id, record.state);
    let (branch, job) = (&record.request.git_ref, &record.request.job);
    let set = sanitize(&record.request.parameters.to_string());
    let anew = format!("type `{branch} {job}{set}` in Slack for a new one");
    match why {
        RetryDecision::Yes | RetryDecision::Retried => {
            format!("{id} is already being retried; see `{call} show {id}`")
        }
        RetryDecision::InProgress => {
            format!("{id} has not ended, it is {state}: wait, or `{call} cancel {id}`")
        }
        RetryDecision::HasRun => match state {
            DeployState::Canceled => {
                format!("{id} was canceled, so there is nothing to retry: {anew}")
            }
            _ => format!("{id} reached CircleCI and ended there, {state}: {anew}"),
        },
        RetryDecision::NeedsConfirm => {
            let candidates = record.end.as_ref().map(|end| candidate_lines(&end.reason));
            let mut lines = String::new();
            for line in candidates.unwrap_or_default() {
                lines.push_str("\n  ");
                lines.push_str(&line);
            }
            format!(
                "whether CircleCI started {id} is not known, and it must not run twice. Look at \
                 CircleCI; if it did not start there: {call} retry {id} --confirm{lines}"
            )
        }
        RetryDecision::NotAllowed { rejection } => {
            format!(
                "{id} is not retried and waits as before: {}",
                rejection_text(rejection)
            )
        }
        RetryDecision::Superseded(newer) => format!(
            "a newer deploy there has succeeded, {}: `{call} retry {id} --confirm` puts this one in \
             its place",
            newer.short_id
        ),
        RetryDecision::Dismissed => format!("{id} was dismissed"),
        RetryDecision::TooOld => format!(
            "{id} ended too long ago (rule timeouts.retry_window): {anew}, or \
             `{call} retry {id} --force` for this one"
        ),
    }
}

/// A stored event that is not one.
pub(super) fn unreadable_event(n: u64) -> String {
    format!("event {n} cannot be read; `chatops audit verify` checks every deploy")
}

/// A number of things.
pub(super) fn plural(n: impl TryInto<u64>, one: &str) -> String {
    match n.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    }
}

/// The manual page of an unknown command.
pub(super) fn no_command(name: &str) -> String {
    format!(
        "there is no command '{}': `chatops --help` lists them",
        sanitize(name)
    )
}

/// The default configuration has an error.
pub(super) fn config_is_not_used(error: &anyhow::Error) -> String {
    format!("names and aliases are unknown: {error:#}")
}

/// What `announce` needs, which a configuration cannot show.
pub(super) const ANNOUNCE_NEEDS_BOT: &str = "Note: announce needs a bot token with the scope chat:write, and the bot in \
     each of these channels; chatops doctor looks";

/// A command that is typed in Slack only.
pub(super) fn only_in_slack(verb: Verb) -> String {
    let word = verb.as_str();
    format!(
        "`{word}` is typed in Slack: `/chatops {word} <branch> <job>`. What may be deployed depends on who types it \
         and where; `chatops config check` shows the rules"
    )
}

/// An action that is not sent.
pub(super) fn would_enqueue(verb: Verb, record: &DeployRecord, name: &str) -> String {
    format!(
        "Would be enqueued: {} {}, {} on {}, {}, as operator {name}. Nothing was done.",
        verb.as_str(),
        record.short_id,
        record.request.job,
        record.request.git_ref,
        record.state,
    )
}

/// No deploy is in progress.
pub(super) const NOTHING_IN_PROGRESS: &str = "No deploy is in progress.";

/// A list, or the text for an empty one.
pub(super) fn join_or(list: impl Iterator<Item = String>, none: &str) -> String {
    let list: Vec<String> = list.collect();
    match list.as_slice() {
        [] => none.to_owned(),
        list => list.join(", "),
    }
}

/// What Slack could not be told, why and when.
pub(super) fn undelivered(undelivered: &Undelivered) -> String {
    let what = untold_kind(undelivered.kind);
    let (reason, at) = (sanitize(&undelivered.reason), iso_time(undelivered.at));
    let later = if undelivered.told_later {
        "; made up for later"
    } else {
        ""
    };
    let place = match undelivered.channels.as_slice() {
        [] => String::new(),
        channels => format!(
            " in {}",
            join_or(channels.iter().map(ToString::to_string), "")
        ),
    };
    format!("{what}{place}: {reason}, {at}{later}")
}

/// The heading of what Slack could not be told.
pub(super) const UNTOLD: &str = "Slack could not be told, in the last week:";

/// That there is something Slack could not be told, beside a list for programs.
pub(super) fn untold_count(count: usize, prefix: &str) -> String {
    format!("{count} of the last week could not be told in Slack: {prefix} failed")
}

#[cfg(test)]
mod tests {
    use chatops_core::id::DeployRef;

    use super::super::example;
    use super::*;

    #[test]
    fn actions_are_answered() {
        let here = Installation::default();
        let stale = Duration::from_mins(10);
        let deploy = DeployRef::Full(example::requested().id);
        let retry = DeployAction::Retry {
            deploy: deploy.clone(),
            confirm: false,
            force: false,
        };
        let cancel = DeployAction::Cancel { deploy };
        insta::assert_snapshot!(action_enqueued(&retry, &example::not_started(), "ada", "1a2b3c4d", stale, &here), @"
        Enqueued: retry 136fea10, deploy on main, TRIGGER_FAILED, as operator ada
        A running `chatops serve` carries it out within a second or two; without one it waits, at most 10m.
        The outcome: chatops show 1a2b3c4d
        ");
        insta::assert_snapshot!(action_enqueued(&cancel, &example::requested(), "ada", "1a2b3c4d", stale, &here), @"
        Enqueued: cancel 50176d64, deploy on main, REQUESTED, as operator ada
        A running `chatops serve` carries it out within a second or two; without one it waits.
        The outcome: chatops show 1a2b3c4d
        ");
        insta::assert_snapshot!(already_ended(&example::canceled()), @"1aee4c77 has ended, CANCELED: there is nothing to cancel");
        let action = example::canceled().cancel.unwrap();
        insta::assert_snapshot!(already_canceling(&example::requested(), &action, "chatops"), @"50176d64 is being canceled already: requested at 2027-01-15T08:01:40Z by operator ada; see `chatops show 50176d64`");
    }

    #[test]
    fn a_rejected_retry_says_why_and_what_to_do() {
        let no = |record: &DeployRecord, why| retry_rejected(record, why, "chatops");
        insta::assert_snapshot!(no(&example::not_started(), &RetryDecision::Retried), @"136fea10 is already being retried; see `chatops show 136fea10`");
        insta::assert_snapshot!(no(&example::requested(), &RetryDecision::InProgress), @"50176d64 has not ended, it is REQUESTED: wait, or `chatops cancel 50176d64`");
        insta::assert_snapshot!(no(&example::canceled(), &RetryDecision::HasRun), @"1aee4c77 was canceled, so there is nothing to retry: type `feature/login deploy` in Slack for a new one");
        insta::assert_snapshot!(no(&example::unresolved(), &RetryDecision::NeedsConfirm), @"
        whether CircleCI started 136fea10 is not known, and it must not run twice. Look at CircleCI; if it did not start there: chatops retry 136fea10 --confirm
          it may be pipeline 7: https://app.circleci.com/pipelines/github/acme/web/7
        ");
        insta::assert_snapshot!(no(&example::not_started(), &RetryDecision::TooOld), @"136fea10 ended too long ago (rule timeouts.retry_window): type `main deploy` in Slack for a new one, or `chatops retry 136fea10 --force` for this one");
        let failed = DeployRecord {
            state: DeployState::Failed,
            ..example::canceled()
        };
        insta::assert_snapshot!(no(&failed, &RetryDecision::HasRun), @"1aee4c77 reached CircleCI and ended there, FAILED: type `feature/login deploy` in Slack for a new one");
    }
}
