//! Every sentence that the operator's commands say, but for their help; what is on record is put
//! into words in `record`.

mod letters;
mod record;

use std::time::Duration;

use chatops_core::command::{KEYS, Wish};
use chatops_core::decide::Retryable;
use chatops_core::deploy::{CancelWish, Head, State};

pub(super) use self::letters::{bar, retried_all};
pub(super) use self::record::{actor, by, candidates, event, reason, refusal, run};
use super::Place;
use super::out::{iso, plain};

/// `user:me`, at a terminal.
pub(super) const NOBODY_IS_ME: &str =
    "user:me means nobody here: name somebody, such as user:@ana or user:U012ABCDEF";

/// A text that nobody types.
pub(super) const FILTERS_TOO_LONG: &str =
    "the filters are longer than 1024 characters: take some out";

/// Nothing in the list.
pub(super) const NOTHING: &str = "Nothing found.";

/// Below what waits for a retry.
pub(super) fn how_to_retry(call: &str) -> String {
    format!(
        "To try one again: {call} retry <ID>. One that is UNRESOLVED may run: look at CircleCI first."
    )
}

/// A command that works on this machine only.
pub(super) const NOT_ON_AWS: &str = "--aws is for history, show, failed, retry, cancel, doctor and \
                                     audit verify: leave it out here";

/// Two records at once.
pub(super) const FILE_OR_AWS: &str =
    "the record is in a data file or on AWS: leave one of --data and --aws out";

/// A name beside the credentials.
pub(super) const AS_ON_AWS: &str = "with --aws your name in the audit is the one of your credentials, \
                                    as AWS says it: leave --as out";

/// A build without the feature.
#[cfg(not(feature = "aws"))]
pub(super) const BUILT_WITHOUT_AWS: &str = "this chatops was built without AWS: build it with \
                                            `cargo build --release --features aws`";

pub(super) fn needs_aws(option: &str) -> String {
    format!("{option} is about a deployment on AWS: add --aws, or leave it out")
}

/// Nothing waits for a retry.
pub(super) const NOTHING_FAILED: &str = "Nothing waits for a retry.";

pub(super) fn twice(filter: &str) -> String {
    format!("the filter '{filter}' is given twice: keep one")
}

pub(super) fn not_a_number(text: &str) -> String {
    format!(
        "'{}' is not a number of deploys: write one from 1 on",
        plain(text)
    )
}

pub(super) fn bare_filter(word: &str) -> String {
    let word = plain(word);
    format!("'{word}' is not a filter: write one as key:value, such as branch:main")
}

pub(super) fn unknown_filter(key: &str, near: Option<&str>) -> String {
    let meant = near.map_or_else(String::new, |near| format!(": did you mean '{near}'?"));
    format!(
        "there is no filter '{}'{meant} ({})",
        plain(key),
        KEYS.join(", ")
    )
}

pub(super) fn bad_filter(key: &str, value: &str, expected: &str) -> String {
    format!("{key}:{} cannot be read: it takes {expected}", plain(value))
}

pub(super) fn unknown_deploy(deploy: &impl std::fmt::Display, call: &str) -> String {
    format!(
        "there is no deploy {deploy} on record: `{call} history` lists them, and an id has 8 or 16 \
         digits or is a whole one"
    )
}

/// Below a list that is not all.
pub(super) fn more(shown: usize, again: &str) -> String {
    format!("{shown} shown. Older ones: {again}, or all with --all")
}

/// Below a list in which nobody looked further.
pub(super) fn looked_back_to(moment: &str, again: &str) -> String {
    format!("Looked back to {moment} and no further. To go on: {again}, or all with --all")
}

/// Without a name there is no wish.
pub(super) const NO_NAME: &str = "nobody knows who you are ($USER and $LOGNAME are not set): give \
                                  your name for the audit with --as NAME";

pub(super) fn bad_name(name: &str) -> String {
    format!(
        "'{}' cannot stand in the audit as a name: give one with --as NAME, of at most 64 letters, \
         digits and . _ - @ +",
        plain(name)
    )
}

/// A wish lies in the queue.
pub(super) fn enqueued(
    wish: &Wish,
    head: &Head,
    name: &str,
    show: &str,
    stale: Duration,
    place: &Place,
) -> String {
    let verb = wish.verb().word();
    let within = match wish {
        Wish::Cancel { .. } => String::new(),
        // A retry is a deploy: it has to be taken up before it is stale.
        Wish::Retry { .. } => format!(", at most {}", humantime::format_duration(stale)),
    };
    let taken_up = if place.is_aws() {
        "The worker takes it up within seconds; while it cannot, it waits"
    } else {
        "A running `chatops serve` takes it up within a second or two; without one it waits"
    };
    format!(
        "Enqueued: {verb} {}, {} on {}, {}, as operator {name}\n\
         {taken_up}{within}.\n\
         The outcome: {} show {show}\n",
        head.short,
        head.ask.job,
        head.ask.branch,
        head.state,
        place.call(),
    )
}

/// A cancel that comes too late.
pub(super) fn ended_before(head: &Head) -> String {
    format!(
        "{} has ended, {}: there is nothing to cancel",
        head.short, head.state
    )
}

/// A cancel that somebody wished before.
pub(super) fn already_wished(head: &Head, earlier: &CancelWish, call: &str) -> String {
    format!(
        "{} is being canceled already: wished at {} by {}; see `{call} show {}`",
        head.short,
        iso(earlier.at),
        by(&earlier.by),
        head.short
    )
}

/// The end of the chain is not tried again.
pub(super) fn not_retried(head: &Head, why: Retryable, call: &str) -> String {
    let (id, state) = (&head.short, head.state);
    let anew = format!(
        "type `{} {}` in Slack for a new one",
        head.ask.branch, head.ask.job
    );
    match why {
        Retryable::Yes | Retryable::Retried => {
            format!("{id} is being tried again already; see `{call} show {id}`")
        }
        Retryable::Open => {
            format!("{id} has not ended, it is {state}: wait for its end, or `{call} cancel {id}`")
        }
        Retryable::Ran => match state {
            State::Canceled => format!("{id} was canceled, so nothing waits for a retry: {anew}"),
            _ => format!("{id} reached CircleCI and ended there, {state}: {anew}"),
        },
        Retryable::NeedsConfirm => {
            let candidates = head.end.as_ref().map(|end| candidates(&end.reason));
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
        Retryable::TooOld => format!(
            "{id} ended more than 24 hours ago: {anew}, or `{call} retry {id} --force` for this \
             very one"
        ),
    }
}

/// What stands in the file is no event.
pub(super) fn unreadable(n: u64) -> String {
    format!("event {n} cannot be read; `chatops audit verify` checks every deploy")
}

/// A deploy whose audit is not whole.
pub(super) fn broken(deploy: &str, event: Option<u64>, why: &str) -> String {
    match event {
        Some(n) => format!("{deploy}: event {n} {why}"),
        None => format!("{deploy}: it {why}"),
    }
}

/// Behind the first broken ones.
pub(super) fn more_broken(hidden: u64) -> String {
    format!("… and {hidden} more")
}

/// The last line of the verification.
pub(super) fn verified(deploys: u64, events: u64, broken: u64) -> String {
    let count = |n: u64, one: &str| match n {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    };
    let read = format!(
        "{} and {} read",
        count(deploys, "deploy"),
        count(events, "event")
    );
    match broken {
        0 => format!("{read}: every chain is whole."),
        1 => format!("{read}: 1 deploy is broken. Compare it with a backup."),
        n => format!("{read}: {n} deploys are broken. Compare them with a backup."),
    }
}

/// A manual page of what is no command.
pub(super) fn no_command(name: &str) -> String {
    format!(
        "there is no command '{}': `chatops --help` lists them",
        plain(name)
    )
}

/// The configuration that lies here has a mistake.
pub(super) fn config_is_not_used(error: &anyhow::Error) -> String {
    format!("chatops: names and aliases are not understood: {error:#}")
}

/// The configuration can be used.
pub(super) fn config_is_right(file: &str, revision: &str) -> String {
    format!("{file} is right, revision {revision}")
}

/// A list, or what is said where it is empty.
pub(super) fn or_none(list: impl Iterator<Item = String>, none: &str) -> String {
    let list: Vec<String> = list.collect();
    match list.as_slice() {
        [] => none.to_owned(),
        list => list.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use chatops_core::id::DeployRef;

    use super::super::example;
    use super::*;

    #[test]
    fn wishes_are_answered() {
        let here = Place::default();
        let (deploy, stale) = (DeployRef::Full(example::open().id), Duration::from_mins(10));
        let retry = Wish::Retry {
            deploy: deploy.clone(),
            confirm: false,
            force: false,
        };
        let cancel = Wish::Cancel { deploy };
        insta::assert_snapshot!(enqueued(&retry, &example::not_started(), "ada", "1a2b3c4d", stale, &here), @"
        Enqueued: retry 136fea10, deploy on main, TRIGGER_FAILED, as operator ada
        A running `chatops serve` takes it up within a second or two; without one it waits, at most 10m.
        The outcome: chatops show 1a2b3c4d
        ");
        insta::assert_snapshot!(enqueued(&cancel, &example::open(), "ada", "1a2b3c4d", stale, &here), @"
        Enqueued: cancel 50176d64, deploy on main, REQUESTED, as operator ada
        A running `chatops serve` takes it up within a second or two; without one it waits.
        The outcome: chatops show 1a2b3c4d
        ");
        insta::assert_snapshot!(ended_before(&example::head()), @"1aee4c77 has ended, CANCELED: there is nothing to cancel");
        let wish = example::head().cancel.unwrap();
        insta::assert_snapshot!(already_wished(&example::open(), &wish, "chatops"), @"50176d64 is being canceled already: wished at 2027-01-15T08:01:40Z by operator ada; see `chatops show 50176d64`");
    }

    #[test]
    fn what_is_not_retried_says_why_and_what_to_do() {
        let no = |head: &Head, why| not_retried(head, why, "chatops");
        insta::assert_snapshot!(no(&example::not_started(), Retryable::Retried), @"136fea10 is being tried again already; see `chatops show 136fea10`");
        insta::assert_snapshot!(no(&example::open(), Retryable::Open), @"50176d64 has not ended, it is REQUESTED: wait for its end, or `chatops cancel 50176d64`");
        insta::assert_snapshot!(no(&example::head(), Retryable::Ran), @"1aee4c77 was canceled, so nothing waits for a retry: type `feature/login deploy` in Slack for a new one");
        insta::assert_snapshot!(no(&example::unresolved(), Retryable::NeedsConfirm), @"
        whether CircleCI started 136fea10 is not known, and it must not run twice. Look at CircleCI; if it did not start there: chatops retry 136fea10 --confirm
          it may be pipeline 7: https://app.circleci.com/pipelines/github/acme/web/7
        ");
        insta::assert_snapshot!(no(&example::not_started(), Retryable::TooOld), @"136fea10 ended more than 24 hours ago: type `main deploy` in Slack for a new one, or `chatops retry 136fea10 --force` for this very one");
        let failed = Head {
            state: State::Failed,
            ..example::head()
        };
        insta::assert_snapshot!(no(&failed, Retryable::Ran), @"1aee4c77 reached CircleCI and ended there, FAILED: type `feature/login deploy` in Slack for a new one");
    }
}
