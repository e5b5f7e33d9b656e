//! What is said about a deploy while it runs and when it ends.

use std::time::Duration;

use super::{Audience, Line, Post, refusal};
use crate::deploy::{Ask, Head, Pipeline, Reason, State};

const VIEW: &str = "View build";

/// The most workflows that are named.
const SHOWN: usize = 10;

/// It runs: the build's address.
#[must_use]
pub fn progress(head: &Head) -> Post {
    let headline = headline(Line::new(":arrow_forward: *Running:* "), head);
    linked(
        Post::new(Audience::Channel, headline.and(" · ").user(&head.ask.user)),
        head,
    )
}

/// How it ended. `repeat` marks a copy of which an earlier one may have been shown.
#[must_use]
pub fn last(head: &Head, repeat: bool) -> Post {
    let mut headline = headline(Line::new(banner(head.state)), head);
    if let Some(took) = took(head) {
        headline = headline.and(" · after ").duration(took);
    }
    if repeat {
        headline = headline.and(" · _said again, in case the first copy was lost_");
    }
    let audience = match head.state {
        State::Refused => Audience::Asker,
        _ => Audience::Channel,
    };
    let mut post = Post::new(audience, headline.and(" · ").user(&head.ask.user));
    if let Some(end) = &head.end {
        for line in reason(&end.reason, &head.ask) {
            post = post.detail(line);
        }
    }
    linked(post, head)
}

/// Emoji and word of an end; never one without the other.
fn banner(state: State) -> &'static str {
    match state {
        State::Succeeded => ":white_check_mark: *Succeeded:* ",
        State::Failed => ":x: *Failed:* ",
        State::Canceled => ":no_entry_sign: *Canceled:* ",
        State::NothingRan => ":ghost: *Nothing ran:* ",
        State::CiErrored => ":warning: *Config error:* ",
        State::TriggerFailed => ":rotating_light: *Not started:* ",
        State::Refused => ":no_entry: *Refused:* ",
        State::Unresolved => ":grey_question: *Unresolved:* ",
        State::LostTrack => ":grey_question: *Lost track:* ",
        State::Requested | State::Armed | State::Triggered | State::Running => {
            ":hourglass_flowing_sand: *Open:* "
        }
    }
}

/// Job, branch, project and id: the same order everywhere.
fn headline(banner: Line, head: &Head) -> Line {
    what(banner, &head.ask).and(" · ").code(&head.short)
}

pub(super) fn what(line: Line, ask: &Ask) -> Line {
    let line = line.code(&ask.job).and(" on ").code(&ask.branch);
    match &ask.project {
        Some(project) => line.and(" of ").code(project),
        None => line,
    }
}

fn took(head: &Head) -> Option<Duration> {
    let (run, end) = (head.run.as_ref()?, head.end.as_ref()?);
    (end.at - run.since).to_std().ok()
}

fn linked(post: Post, head: &Head) -> Post {
    match &head.run {
        Some(run) => post.link(&run.pipeline.url, VIEW),
        None => post,
    }
}

fn reason(reason: &Reason, ask: &Ask) -> Vec<Line> {
    match reason {
        Reason::Workflows { decided_by } => workflows(decided_by),
        Reason::Refused(refusal) => refusal::lines(refusal),
        Reason::TriggerRefused { status, message } => vec![
            said(
                Line::new("CircleCI said no (").number(*status).and(")"),
                message,
            ),
            trigger_hint(*status),
        ],
        Reason::TriggerGaveUp { attempts, last } => vec![
            said(
                Line::new("Tried ")
                    .number(*attempts)
                    .and(if *attempts == 1 { " time" } else { " times" })
                    .and(" until the command was too old; the last time it met"),
                last,
            ),
            Line::new("Nothing was started at CircleCI."),
        ],
        Reason::ConfigErrors { messages } => config_errors(messages),
        Reason::NoWorkflow => vec![Line::new(
            "CircleCI made a pipeline without a workflow. The usual causes: a `when` condition \
             that this job's parameter does not meet, or a branch filter.",
        )],
        Reason::CanceledBefore { by } => {
            let line = Line::new("Canceled before anything was started, by ");
            vec![if *by == ask.user {
                line.and("the one who had asked.")
            } else {
                line.user(by).and(".")
            }]
        }
        Reason::Unproven { doubt, candidates } => unproven(doubt, candidates),
        Reason::TrackedTooLong => vec![Line::new(
            "It was followed for as long as it may be (rule `times.track_for`); CircleCI knows the rest.",
        )],
    }
}

/// The words of others, if there are any, as they stand.
fn said(line: Line, words: &str) -> Line {
    if words.trim().is_empty() {
        line.and(".")
    } else {
        line.and(": ").code(words)
    }
}

fn config_errors(messages: &[String]) -> Vec<Line> {
    let mut lines: Vec<Line> = messages
        .iter()
        .take(2)
        .map(|message| said(Line::new("CircleCI says"), message))
        .collect();
    match messages.len() {
        0 => lines.push(Line::new(
            "CircleCI could not make a workflow of the project's configuration, and did not say \
             why.",
        )),
        1 | 2 => {}
        n => lines.push(more(n - 2)),
    }
    lines
}

fn more(n: usize) -> Line {
    Line::new("… and ").number(n as u64).and(" more.")
}

fn workflows(decided_by: &[(String, String)]) -> Vec<Line> {
    if decided_by.iter().all(|(_, status)| status == "success") {
        return vec![];
    }
    let mut line = Line::new("");
    for (i, (name, status)) in decided_by.iter().take(SHOWN).enumerate() {
        if i > 0 {
            line = line.and(", ");
        }
        line = line.code(name).and(" ").foreign(&status.replace('_', " "));
    }
    vec![line]
}

fn unproven(doubt: &str, candidates: &[Pipeline]) -> Vec<Line> {
    let mut lines = vec![
        said(
            Line::new("Whether CircleCI started it could not be learned"),
            doubt,
        ),
        Line::new("Look at CircleCI before you type the command again."),
    ];
    if !candidates.is_empty() {
        let mut line = Line::new("It may be one of these: ");
        for (i, pipeline) in candidates.iter().take(5).enumerate() {
            if i > 0 {
                line = line.and(", ");
            }
            line = line.link(&pipeline.url, format!("pipeline {}", pipeline.number));
        }
        lines.push(line);
    }
    lines
}

/// What usually lies behind CircleCI's answer.
fn trigger_hint(status: u16) -> Line {
    Line::new(match status {
        401 => "The CircleCI token is not valid, or no longer: an operator has to renew it.",
        404 => {
            "The usual causes: the project's slug in `chatops.toml`, a token that may not see the \
             project, or a parameter that the project does not declare."
        }
        400 | 422 => "The usual causes: a branch that does not exist, or an undeclared parameter.",
        _ => "Nothing was started at CircleCI.",
    })
}
