//! What ingest answers at once.

use super::deploy::what;
use super::{Audience, Line, Post};
use crate::command::{GrammarError, Place};
use crate::config::Config;
use crate::deploy::Ask;
use crate::id::{ChannelId, ShortId, UserId};
use crate::policy;

fn to_asker(headline: Line) -> Post {
    Post::new(Audience::Asker, headline)
}

/// The command is queued, and nothing speaks against it.
#[must_use]
pub fn accepted(ask: &Ask, short: &ShortId) -> Post {
    let headline = what(Line::new(":inbox_tray: *Accepted:* "), ask);
    let headline = headline.and(" · ").code(short).and(" · ").user(&ask.user);
    Post::new(Audience::Channel, headline)
}

/// The command is queued, and will probably be refused; the reason follows.
#[must_use]
pub fn checking(ask: &Ask, short: &ShortId) -> Post {
    let headline = what(Line::new(":mag: *Checking:* "), ask)
        .and(" · ")
        .code(short);
    to_asker(headline)
}

/// The command is certainly not queued.
#[must_use]
pub fn not_accepted() -> Post {
    to_asker(Line::new(
        ":warning: *Not accepted:* the command could not be queued. Nothing was started; try again \
         in a minute.",
    ))
}

/// The command may be queued.
#[must_use]
pub fn cannot_confirm(ask: &Ask, short: &ShortId) -> Post {
    let headline = what(Line::new(":warning: *Could not confirm:* "), ask)
        .and(" · ")
        .code(short);
    to_asker(headline).detail(Line::new(
        "It may have been accepted: if it was, a message follows here. Wait for it before you \
         type the command again.",
    ))
}

/// The reply address is not Slack's.
#[must_use]
pub fn not_slacks() -> Post {
    to_asker(Line::new(
        ":no_entry: *Not accepted:* the request's `response_url` is not an address of Slack's \
         (rule `slack.reply_origins`). Nothing was started.",
    ))
}

/// The request has nothing that makes it unique.
#[must_use]
pub fn no_identity() -> Post {
    to_asker(Line::new(
        ":no_entry: *Not accepted:* the request has neither `trigger_id` nor `response_url`, so a \
         repetition of it could not be told from a new command. Nothing was started.",
    ))
}

/// The text is not a command.
#[must_use]
pub fn bad_command(error: &GrammarError, config: &Config) -> Post {
    let line = Line::new(":speech_balloon: *Not a command:* ");
    let line = match error {
        GrammarError::TooLong => line.and("the text is longer than 1,024 characters."),
        GrammarError::WordCount { given: 0 } => line.and("a branch and a job are needed."),
        GrammarError::WordCount { given } => line
            .and("a branch and a job are needed, and that is ")
            .number(*given as u64)
            .and(if *given == 1 { " word." } else { " words." }),
        GrammarError::Reserved { word } => line
            .code(word)
            .and(" is a reserved word. For a branch of that name put `deploy` in front."),
        GrammarError::Word { place, word, why } => {
            let place = match place {
                Place::Branch => " cannot be a branch: ",
                Place::Job => " cannot be a job: ",
                Place::Project => " cannot be a project: ",
            };
            let why = why.to_string();
            line.code(word).and(place).rule(&why).and(".")
        }
    };
    to_asker(line).detail(usage(config))
}

/// What can be typed, and what of it this person may run here.
#[must_use]
pub fn help(user: &UserId, channel: &ChannelId, config: &Config) -> Post {
    let mut lines = Line::new("");
    let mut any = false;
    for (name, project) in &config.projects {
        let jobs = policy::usable(project, user, channel);
        if !jobs.is_empty() {
            lines = lines
                .and(if any { "\n" } else { "" })
                .and("• ")
                .code(name)
                .and(": ")
                .codes(&jobs);
            any = true;
        }
    }
    let rights = if any {
        Line::new("What you may run here:\n").then(&lines)
    } else {
        Line::new("There is nothing you may run here (rules `channels` and `people`).")
    };
    to_asker(Line::new(":wave: *Deploy from here*"))
        .detail(usage(config))
        .detail(rights)
}

fn usage(config: &Config) -> Line {
    let command = &config.slack.command;
    let short = format!("{command} <branch> <job>");
    let other = config
        .projects
        .keys()
        .find(|name| Some(*name) != config.default_project.as_ref())
        .map(|name| format!("{command} deploy {name} <branch> <job>"));
    let line = Line::new("Type ");
    match (&config.default_project, other) {
        (Some(_), Some(other)) => line
            .code(short)
            .and(" or, for another project, ")
            .code(other),
        (None, Some(other)) => line.code(other),
        (_, None) => line.code(short),
    }
    .and(".")
}
