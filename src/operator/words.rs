//! Every sentence that the operator's commands say, but for their help.

use std::time::Duration;

use chatops_core::audit::{Actor, Change, Entry};
use chatops_core::command::{KEYS, Wish};
use chatops_core::config::TriggerCall;
use chatops_core::decide::Retryable;
use chatops_core::deploy::{By, CancelWish, Head, Pipeline, Proof, Reason, RunKind, State};
use chatops_core::policy::Refusal;

use super::out::{iso, plain};

/// `user:me`, at a terminal.
pub(super) const NOBODY_IS_ME: &str =
    "user:me means nobody here: name somebody, such as user:@ana or user:U012ABCDEF";

/// A text that nobody types.
pub(super) const FILTERS_TOO_LONG: &str =
    "the filters are longer than 1024 characters: take some out";

/// Nothing in the list.
pub(super) const NOTHING: &str = "Nothing found.";

/// Nothing waits for a retry.
pub(super) const NOTHING_FAILED: &str = "Nothing waits for a retry.";

pub(super) fn twice(filter: &str) -> String {
    format!("the filter '{filter}' is given twice: keep one")
}

pub(super) fn not_a_number(text: &str) -> String {
    format!("'{}' is not a number of deploys: write one from 1 on", plain(text))
}

pub(super) fn bare_filter(word: &str) -> String {
    let word = plain(word);
    format!("'{word}' is not a filter: write one as key:value, such as branch:main")
}

pub(super) fn unknown_filter(key: &str, near: Option<&str>) -> String {
    let meant = near.map_or_else(String::new, |near| format!(": did you mean '{near}'?"));
    format!("there is no filter '{}'{meant} ({})", plain(key), KEYS.join(", "))
}

pub(super) fn bad_filter(key: &str, value: &str, expected: &str) -> String {
    format!("{key}:{} cannot be read: it takes {expected}", plain(value))
}

pub(super) fn unknown_deploy(deploy: &impl std::fmt::Display) -> String {
    format!(
        "there is no deploy {deploy} on record: `chatops history` lists them, and an id has 8 or 16 \
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

/// Who made something happen.
pub(super) fn actor(actor: &Actor) -> String {
    match actor {
        Actor::Person(user) => user.to_string(),
        Actor::Operator(name) => format!("operator {}", plain(name)),
        Actor::Worker(_) => "worker".to_owned(),
    }
}

/// Who wished something.
pub(super) fn by(by: &By) -> String {
    match by {
        By::Person(user) => user.to_string(),
        By::Operator(name) => format!("operator {}", plain(name)),
    }
}

/// The pipeline or build, by number.
pub(super) fn run(pipeline: &Pipeline) -> String {
    let kind = match pipeline.kind {
        RunKind::Pipeline => "pipeline",
        RunKind::Build => "build",
    };
    format!("{kind} {}", pipeline.number)
}

/// What happened, with the lines that belong below it.
pub(super) fn event(entry: &Entry) -> (String, Vec<String>) {
    let none = Vec::new;
    match &entry.change {
        Change::Requested { ask, retry_of } => {
            let project = ask.project.as_ref().map_or("(no project)", |p| p.as_str());
            let what = format!(
                "asked for {} on {} of {project}, in {}",
                ask.job, ask.branch, ask.channel
            );
            match retry_of {
                Some(old) => (format!("{what}, for {}", ask.user), vec![format!("repeats {old}")]),
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
        Change::Ended { state, reason } => {
            (format!("ended {state}: {}", self::reason(reason)), candidates(reason))
        }
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
pub(super) fn candidates(reason: &Reason) -> Vec<String> {
    match reason {
        Reason::Unproven { candidates, .. } => candidates
            .iter()
            .map(|one| format!("it may be {}: {}", run(one), plain(one.url.as_str())))
            .collect(),
        _ => vec![],
    }
}

/// Why a deploy ended as it did, in one line.
pub(super) fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Workflows { decided_by } => {
            let one = |(name, status): &(String, String)| format!("{} {}", plain(name), plain(status));
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
pub(super) fn refusal(refusal: &Refusal) -> String {
    let rule = |project: &dyn std::fmt::Display, job: &dyn std::fmt::Display, key: &str| {
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
            format!("{user} may not run this job {}", rule(project, job, "people"))
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
pub(super) fn enqueued(wish: &Wish, head: &Head, name: &str, show: &str, stale: Duration) -> String {
    let verb = wish.verb().word();
    let within = match wish {
        Wish::Cancel { .. } => String::new(),
        // A retry is a deploy: it has to be taken up before it is stale.
        Wish::Retry { .. } => format!(", at most {}", humantime::format_duration(stale)),
    };
    format!(
        "Enqueued: {verb} {}, {} on {}, {}, as operator {name}\n\
         A running `chatops serve` takes it up within a second or two; without one it waits{within}.\n\
         The outcome: chatops show {show}\n",
        head.short, head.ask.job, head.ask.branch, head.state,
    )
}

/// A cancel that comes too late.
pub(super) fn ended_before(head: &Head) -> String {
    format!("{} has ended, {}: there is nothing to cancel", head.short, head.state)
}

/// A cancel that somebody wished before.
pub(super) fn already_wished(head: &Head, earlier: &CancelWish) -> String {
    format!(
        "{} is being canceled already: wished at {} by {}; see `chatops show {}`",
        head.short,
        iso(earlier.at),
        by(&earlier.by),
        head.short
    )
}

/// The end of the chain is not tried again.
pub(super) fn not_retried(head: &Head, why: Retryable) -> String {
    let (id, state) = (&head.short, head.state);
    let anew = format!("type `{} {}` in Slack for a new one", head.ask.branch, head.ask.job);
    match why {
        Retryable::Yes | Retryable::Retried => {
            format!("{id} is being tried again already; see `chatops show {id}`")
        }
        Retryable::Open => format!(
            "{id} has not ended, it is {state}: wait for its end, or `chatops cancel {id}`"
        ),
        Retryable::Ran => match state {
            State::Canceled => format!("{id} was canceled, so nothing waits for a retry: {anew}"),
            _ => format!("{id} reached CircleCI and ended there, {state}: {anew}"),
        },
        Retryable::NeedsConfirm => {
            let candidates = head.end.as_ref().map(|end| candidates(&end.reason));
            let lines: String = candidates
                .unwrap_or_default()
                .iter()
                .map(|line| format!("\n  {line}"))
                .collect();
            format!(
                "whether CircleCI started {id} is not known, and it must not run twice. Look at \
                 CircleCI; if it did not start there: chatops retry {id} --confirm{lines}"
            )
        }
        Retryable::TooOld => format!(
            "{id} ended more than 24 hours ago: {anew}, or `chatops retry {id} --force` for this \
             very one"
        ),
    }
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
    let read = format!("{} and {} read", count(deploys, "deploy"), count(events, "event"));
    match broken {
        0 => format!("{read}: every chain is whole."),
        1 => format!("{read}: 1 deploy is broken. Compare it with a backup."),
        n => format!("{read}: {n} deploys are broken. Compare them with a backup."),
    }
}

#[cfg(test)]
mod tests {
    use chatops_core::id::DeployRef;

    use super::super::example;
    use super::*;

    #[test]
    fn wishes_are_answered() {
        let (deploy, stale) = (DeployRef::Full(example::open().id), Duration::from_secs(600));
        let retry = Wish::Retry {
            deploy: deploy.clone(),
            confirm: false,
            force: false,
        };
        let cancel = Wish::Cancel { deploy };
        insta::assert_snapshot!(enqueued(&retry, &example::not_started(), "ada", "1a2b3c4d", stale), @"");
        insta::assert_snapshot!(enqueued(&cancel, &example::open(), "ada", "1a2b3c4d", stale), @"");
        insta::assert_snapshot!(ended_before(&example::head()), @"");
        let wish = example::head().cancel.unwrap();
        insta::assert_snapshot!(already_wished(&example::open(), &wish), @"");
    }

    #[test]
    fn what_is_not_retried_says_why_and_what_to_do() {
        let no = |head: &Head, why| not_retried(head, why);
        insta::assert_snapshot!(no(&example::not_started(), Retryable::Retried), @"");
        insta::assert_snapshot!(no(&example::open(), Retryable::Open), @"");
        insta::assert_snapshot!(no(&example::head(), Retryable::Ran), @"");
        insta::assert_snapshot!(no(&example::unresolved(), Retryable::NeedsConfirm), @"");
        insta::assert_snapshot!(no(&example::not_started(), Retryable::TooOld), @"");
        let failed = Head { state: State::Failed, ..example::head() };
        insta::assert_snapshot!(no(&failed, Retryable::Ran), @"");
    }
}
