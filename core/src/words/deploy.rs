//! What is said about a deploy while it runs and when it ends.

use std::time::Duration;

use super::sign::banner;
use super::{Audience, Line, Post, reason, typed};
use crate::command::Verb;
use crate::config::Config;
use crate::deploy::{Ask, By, CancelWish, Head, Reason, State};
use crate::id::ShortId;

const VIEW: &str = "View build";

/// It runs: the build's address.
#[must_use]
pub fn progress(head: &Head) -> Post {
    let headline = headline(banner(State::Running), head);
    linked(
        Post::new(Audience::Channel, headline.and(" · ").user(&head.ask.user)),
        head,
    )
}

/// It waits for somebody's approval: where to give it.
#[must_use]
pub fn hold(head: &Head) -> Post {
    let line = Line::new(":raised_hand: *Waiting for approval:* ");
    let headline = headline(line, head).and(" · ").user(&head.ask.user);
    linked(Post::new(Audience::Channel, headline), head).detail(Line::new(
        "A workflow is on hold at CircleCI: approve it there, or cancel the deploy here.",
    ))
}

/// How it ended. `repeat` marks a copy of which an earlier one may have been shown.
#[must_use]
pub fn last(head: &Head, repeat: bool, config: &Config) -> Post {
    let mut headline = whole(head);
    if repeat {
        headline = headline.and(" · _said again, in case the first copy was lost_");
    }
    let audience = match head.state {
        State::Refused => Audience::Asker,
        _ => Audience::Channel,
    };
    let post = Post::new(audience, headline.and(" · ").user(&head.ask.user));
    linked(post.details(ending(head, config)), head)
}

/// How one deploy stands.
#[must_use]
pub fn status(head: &Head, config: &Config) -> Post {
    let headline = whole(head).and(" · ").user(&head.ask.user);
    let post = Post::new(Audience::Asker, headline).rows([times(head)]);
    let post = match head.state {
        State::Refused => post.detail(Line::new("The asker was told:")),
        _ => post.rows(stands(head)),
    };
    let mut post = post.details(ending(head, config));
    if let Some(new) = head.retried_by {
        let id = new.short(ShortId::USUAL);
        post = post.detail(
            Line::new("Tried again as ")
                .code(&id)
                .and(": ")
                .code(typed::about(config, Verb::Status, &id)),
        );
    } else if !head.state.is_terminal() && head.cancel.is_none() {
        let cancel = typed::about(config, Verb::Cancel, &head.short);
        post = post.detail(Line::new("To cancel it: ").code(cancel));
    }
    linked(post, head)
}

/// Banner, what, which, and how long it took.
pub(super) fn whole(head: &Head) -> Line {
    let headline = headline(banner(head.state), head);
    match took(head) {
        Some(took) => headline.and(" · after ").duration(took),
        None => headline,
    }
}

/// Job, branch, project and id: the same order everywhere.
pub(super) fn headline(banner: Line, head: &Head) -> Line {
    let line = what(banner, &head.ask).and(" · ").code(&head.short);
    match head.retry_of {
        Some(old) => line.and(", retry of ").code(old.short(ShortId::USUAL)),
        None => line,
    }
}

pub(super) fn what(line: Line, ask: &Ask) -> Line {
    let line = line.code(&ask.job).and(" on ").code(&ask.branch);
    match &ask.project {
        Some(project) => line.and(" of ").code(project),
        None => line,
    }
}

/// How long it ran.
pub(super) fn took(head: &Head) -> Option<Duration> {
    let (run, end) = (head.run.as_ref()?, head.end.as_ref()?);
    (end.at - run.since).to_std().ok()
}

pub(super) fn linked(post: Post, head: &Head) -> Post {
    match &head.run {
        Some(run) => post.link(&run.pipeline.url, VIEW),
        None => post,
    }
}

/// Somebody, by what they are to this deploy if they asked for it.
pub(super) fn somebody(line: Line, by: &By, ask: &Ask) -> Line {
    if *by == By::Person(ask.user.clone()) {
        line.and("the one who asked")
    } else {
        line.by(by)
    }
}

/// When what happened.
fn times(head: &Head) -> Line {
    let mut line = Line::new("Asked ").moment(head.ask.asked_at);
    if let Some(run) = &head.run {
        line = line.and(" · at CircleCI since ").moment(run.since);
        if let Some(revision) = &run.revision {
            let commit: String = revision.chars().take(12).collect();
            line = line.and(" · commit ").code(commit);
        }
    }
    match &head.end {
        Some(end) => line.and(" · ended ").moment(end.at),
        None => line,
    }
}

/// Where an open deploy stands.
fn stands(head: &Head) -> Vec<Line> {
    let line = match (head.state, &head.last_obstacle) {
        (State::Requested, None) => Some(Line::new("Nothing has been sent to CircleCI yet.")),
        (State::Requested, Some(obstacle)) => {
            let line = reason::tries(Line::default(), head.attempts);
            let line = reason::said(line.and("; the last time it met"), obstacle);
            let line = match head.due_at {
                Some(due) => line.and(" · next try ").moment(due),
                None => line,
            };
            Some(line.and(" · no try after ").moment(head.valid_until))
        }
        (State::Armed, _) => Some(match head.armed.as_ref().and_then(|a| a.doubt.as_ref()) {
            None => Line::new("It is being sent to CircleCI."),
            Some(doubt) => Line::new("CircleCI's answer was lost (")
                .code(doubt)
                .and("). It is being looked for there; nothing is sent twice."),
        }),
        (State::Triggered, _) => Some(Line::new(
            "CircleCI has the pipeline; no workflow of it has been seen yet.",
        )),
        _ => None,
    };
    let wish = head.cancel.as_ref().filter(|_| !head.state.is_terminal());
    let wish = wish.map(|CancelWish { by, at }| {
        let line = Line::new("To be canceled, as wished by ");
        somebody(line, by, &head.ask).and(", ").moment(*at).and(".")
    });
    line.into_iter().chain(wish).collect()
}

/// Why it ended so, and what helps.
fn ending(head: &Head, config: &Config) -> Vec<Line> {
    let Some(end) = &head.end else {
        return vec![];
    };
    let mut lines = reason::lines(&end.reason, &head.ask, config);
    let before = matches!(end.reason, Reason::CanceledBefore { .. });
    if let Some(wish) = head.cancel.as_ref().filter(|_| !before) {
        let line = Line::new(match head.state {
            State::Canceled => "Canceled at CircleCI, as wished by ",
            State::Succeeded => "Too late to be canceled, as wished by ",
            _ => "It was to be canceled, as wished by ",
        });
        lines.push(somebody(line, &wish.by, &head.ask).and("."));
    }
    lines.extend(retry_hint(head, config));
    lines
}

/// The command that tries it again, if it waits for somebody.
pub(super) fn retry_hint(head: &Head, config: &Config) -> Option<Line> {
    if !head.awaits_retry() {
        return None;
    }
    let line = match head.state {
        State::Unresolved => Line::new("Look at CircleCI. If it did not start there: "),
        _ => Line::new("To try again: "),
    };
    Some(line.code(retry(head, config)).and(" (within 24 hours)."))
}

/// The command that tries it again.
pub(super) fn retry(head: &Head, config: &Config) -> String {
    let retry = typed::about(config, Verb::Retry, &head.short);
    match head.state {
        State::Unresolved => format!("{retry} confirm"),
        _ => retry,
    }
}
