//! Lists of deploys: history, what is open, and what waits to be tried again.

use std::fmt::Display;

use super::deploy::{retry, took};
use super::intake::to_asker;
use super::sign::sign;
use super::{Line, Post, reason, typed};
use crate::command::{HistoryFilter, Status, Verb};
use crate::config::Config;
use crate::deploy::{Head, Standing, State};
use crate::id::DeployRef;
use crate::ports::{More, Page};

/// The widest that a name is shown in a list.
const WIDE: usize = 24;

/// The longest address that a row links; the build is in `status` as well.
const ADDRESS: usize = 100;

/// What was deployed.
#[must_use]
pub fn history(filter: &HistoryFilter, page: &Page, config: &Config) -> Post {
    let headline = counted(Line::new(":scroll: *History* · "), page, "nothing found");
    let headline = filtered(headline, filter);
    let columns = Columns::of(page, config);
    let rows = page
        .deploys
        .iter()
        .map(|head| ran(row(head, &columns), head));
    let mut post = to_asker(headline).rows(rows);
    if let Some(first) = page.deploys.first() {
        let line = Line::new("One of them in full: ");
        post = post.detail(line.code(typed::about(config, Verb::Status, &first.short)));
    }
    match &page.more {
        Some(more) => post.detail(further(more, config, older(filter, more))),
        None if page.deploys.is_empty() => post.detail(nothing(filter, config)),
        None => post,
    }
}

/// What is open now.
#[must_use]
pub fn open_now(page: &Page, config: &Config) -> Post {
    if page.deploys.is_empty() && page.more.is_none() {
        let all = Line::new("What was deployed: ").code(typed::command(config, "history"));
        return to_asker(Line::new(":white_check_mark: *Nothing is open now.*")).detail(all);
    }
    let headline = counted(
        Line::new(":hourglass_flowing_sand: *Open now* · "),
        page,
        "none found",
    );
    let columns = Columns::of(page, config);
    let rows = page.deploys.iter().map(|head| {
        let row = ran(row(head, &columns), head);
        let doubt = head
            .armed
            .as_ref()
            .is_some_and(|armed| armed.doubt.is_some());
        let row = match head.state {
            State::Requested if head.last_obstacle.is_some() => row.and(" · to be tried again"),
            State::Armed if doubt => row.and(" · looked for at CircleCI"),
            _ => row,
        };
        match &head.cancel {
            Some(_) => row.and(" · to be canceled"),
            None => row,
        }
    });
    let post = to_asker(headline).rows(rows);
    let post = match page.deploys.first() {
        Some(first) => post.detail(Line::new("To cancel one: ").code(typed::about(
            config,
            Verb::Cancel,
            &first.short,
        ))),
        None => post,
    };
    match &page.more {
        Some(more) => {
            let open = HistoryFilter {
                status: Some(Status::Standing(Standing::Open)),
                ..HistoryFilter::default()
            };
            post.detail(further(more, config, older(&open, more)))
        }
        None => post,
    }
}

/// What waits to be tried again.
#[must_use]
pub fn failed(page: &Page, config: &Config) -> Post {
    if page.deploys.is_empty() && page.more.is_none() {
        let headline = ":white_check_mark: *Nothing waits:* what did not start was tried again.";
        let line = Line::new("What started and then failed: ");
        let command = typed::command(config, "history status:failed");
        return to_asker(Line::new(headline)).detail(line.code(command));
    }
    let headline = Line::new(":rotating_light: *Waiting for a retry* · ");
    let headline = counted(headline, page, "none found");
    let columns = Columns::of(page, config);
    let rows = page.deploys.iter().map(|head| {
        let row = asked(row(head, &columns), head);
        let row = row.and("\n› ").code(retry(head, config));
        match &head.end {
            Some(end) => row.and(" · ").then(&reason::brief(&end.reason)),
            None => row,
        }
    });
    let mut post = to_asker(headline).rows(rows);
    if !page.deploys.is_empty() {
        post = post.detail(Line::new(
            "24 hours after its end nothing is retried: type such a deploy again.",
        ));
    }
    match &page.more {
        Some(more) => {
            let rest = format!("failed before:{}", more.before);
            post.detail(further(more, config, rest))
        }
        None => post,
    }
}

fn counted(line: Line, page: &Page, none: &'static str) -> Line {
    match page.deploys.len() {
        0 => line.and(none),
        1 => line.and("1 deploy"),
        n => line.number(n as u64).and(" deploys"),
    }
}

fn filtered(line: Line, filter: &HistoryFilter) -> Line {
    if *filter == HistoryFilter::default() {
        line
    } else {
        line.and(" · ").code(filter)
    }
}

/// The command for the page behind this one.
fn older(filter: &HistoryFilter, more: &More) -> String {
    let filter = HistoryFilter {
        before: Some(DeployRef::Short(more.before.clone())),
        ..filter.clone()
    };
    format!("history {filter}")
}

fn further(more: &More, config: &Config, rest: impl Display) -> Line {
    let line = if more.full {
        Line::new("Older ones: ")
    } else {
        Line::new("Looked back to ")
            .moment(more.looked_back_to)
            .and(" and no further. To go on: ")
    };
    line.code(typed::command(config, rest))
}

fn nothing(filter: &HistoryFilter, config: &Config) -> Line {
    if *filter == HistoryFilter::default() {
        return Line::new("Nothing was deployed yet. What you can type: ")
            .code(typed::command(config, "help"));
    }
    Line::new("Try fewer filters, or all of it: ").code(typed::command(config, "history"))
}

/// How wide the names of a page are.
struct Columns<'a> {
    job: usize,
    branch: usize,
    config: &'a Config,
}

impl<'a> Columns<'a> {
    fn of(page: &Page, config: &'a Config) -> Self {
        let widest = |name: fn(&Head) -> &str| {
            let widths = page.deploys.iter().map(|head| name(head).chars().count());
            widths.max().unwrap_or_default().min(WIDE)
        };
        Self {
            job: widest(|head| head.ask.job.as_str()),
            branch: widest(|head| head.ask.branch.as_str()),
            config,
        }
    }
}

/// State, which and what. The names are as wide as the widest of the page, so that the
/// first line of each row lies below that of the one before.
fn row(head: &Head, columns: &Columns<'_>) -> Line {
    let (emoji, word) = sign(head.state);
    let mut line = Line::new(emoji)
        .and(" ")
        .code(&head.short)
        .and(" ")
        .code(padded(head.ask.job.as_str(), columns.job))
        .and(" ")
        .code(padded(head.ask.branch.as_str(), columns.branch));
    if let Some(project) = &head.ask.project
        && columns.config.default_project.as_ref() != Some(project)
    {
        line = line.and(" of ").code(shortened(project.as_str()));
    }
    line.and(" · *").and(word).and("*")
}

/// When it was asked for, and by whom.
fn asked(line: Line, head: &Head) -> Line {
    line.and(" · ")
        .moment(head.ask.asked_at)
        .and(" · ")
        .user(&head.ask.user)
}

/// How long it ran, when and by whom it was asked for, and where it is.
fn ran(mut line: Line, head: &Head) -> Line {
    if let Some(took) = took(head) {
        line = line.and(" after ").duration(took);
    }
    line = asked(line, head);
    match &head.run {
        Some(run) if run.pipeline.url.as_str().len() <= ADDRESS => {
            line.and(" · ").link(&run.pipeline.url, "build")
        }
        _ => line,
    }
}

/// Cut to the widest that is shown, and filled up with spaces that Slack neither breaks nor drops.
fn padded(name: &str, width: usize) -> String {
    let name = shortened(name);
    let missing = width.saturating_sub(name.chars().count());
    name + &"\u{a0}".repeat(missing)
}

/// Cut in the middle, where names differ least.
fn shortened(name: &str) -> String {
    let length = name.chars().count();
    if length <= WIDE {
        return name.to_owned();
    }
    let tail = (WIDE - 1) / 2;
    let head = name.chars().take(WIDE - 1 - tail);
    let tail = name.chars().skip(length - tail);
    head.chain(['…']).chain(tail).collect()
}
