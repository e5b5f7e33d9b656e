//! Lists of deploys: history, in progress, and waiting for a retry.

use url::Url;

use super::commit;
use super::deploy::{job_on_branch, retry_command, with_requester};
use super::label::emoji_and_label;
use super::slack_message::{MAX_ROW, reply};
use super::untold::append_untold;
use super::{Mrkdwn, SlackMessage, end_reason, usage};
use crate::command::{HistoryFilter, SinceFilter, StatusFilter, Verb};
use crate::config::Config;
use crate::deploy::{DeployOutcome, DeployRecord, DeployState};
use crate::id::DeployRef;
use crate::name::GitRef;
use crate::notification::Undelivered;
use crate::ports::{DeployPage, PageEnd};

/// The widest that a name is shown in a list.
const MAX_NAME_WIDTH: usize = 24;

/// The widest that parameters are shown in a list.
const MAX_SET_WIDTH: usize = 18;

/// The longest address that is linked within a line; the build is in `status` as well.
pub(super) const MAX_LINKED_URL: usize = 100;

/// How long at most a row goes on after the address: the id and what is still to come of it.
const LENGTH_AFTER_URL: usize = 65;

/// Past deploys.
pub fn deploy_history(filter: &HistoryFilter, page: &DeployPage, config: &Config) -> SlackMessage {
    let mut headline = append_count(Mrkdwn::new("*History* · "), page, "nothing found");
    if *filter != HistoryFilter::default() {
        headline = headline.and(" · ").code(filter);
    }
    if filter.since.is_some_and(SinceFilter::is_day) {
        headline = headline.and(" (days are UTC)");
    }
    let rows = page.deploys.iter();
    let rows = rows.map(|record| append_run(deploy_row(record, config), record));
    let first = first_command("One of them in full: ", Verb::Status, page, config);
    let message = reply(headline).rows(rows).details(first);
    match &page.more {
        Some(more) => message.detail(next_page_line(more, config, &next_history(filter, more))),
        None if page.deploys.is_empty() => message.detail(no_history(filter, config)),
        None => message,
    }
}

/// The deploys in progress.
pub fn in_progress(page: &DeployPage, config: &Config) -> SlackMessage {
    if page.deploys.is_empty() && page.more.is_none() {
        let all = Mrkdwn::new("What was deployed: ").code(usage::full_command(config, "history"));
        return reply(Mrkdwn::new("*Nothing is running.*")).detail(all);
    }
    let headline = Mrkdwn::new("*In progress* · ");
    let headline = append_count(headline, page, "none found");
    let rows = page.deploys.iter().map(|record| {
        let row = deploy_row(record, config).and(" · since ");
        let row = row.since(record.request.requested_at);
        let row = match record.usual_duration() {
            Some(usual) => row.and(", usually ").about(usual),
            None => row,
        };
        let row = append_id(row, record);
        let intent = record.trigger_intent.as_ref();
        let outcome_unknown = intent.is_some_and(|intent| intent.unknown_because.is_some());
        let row = row.and(match record.state {
            DeployState::Requested if record.last_error.is_some() => " · to be tried again",
            DeployState::Triggering if outcome_unknown => " · being looked up",
            _ => "",
        });
        let canceling = record.cancel.is_some();
        row.and(if canceling { " · to be canceled" } else { "" })
    });
    let filter = HistoryFilter {
        status: Some(StatusFilter::Outcome(DeployOutcome::InProgress)),
        ..HistoryFilter::default()
    };
    let more = page.more.as_ref();
    let more = more.map(|more| next_page_line(more, config, &next_history(&filter, more)));
    let first = first_command("To cancel one: ", Verb::Cancel, page, config);
    reply(headline).rows(rows).details(first).details(more)
}

/// The deploys waiting for a retry.
pub fn awaiting_retry(page: &DeployPage, config: &Config) -> SlackMessage {
    if page.deploys.is_empty() && page.more.is_none() {
        let headline = "*Nothing waits for a retry.*";
        let line = Mrkdwn::new("What started and then failed: ");
        let command = usage::full_command(config, "history status:failed");
        return reply(Mrkdwn::new(headline)).detail(line.code(command));
    }
    let headline = Mrkdwn::new("*Waiting for a retry* · ");
    let headline = append_count(headline, page, "none found");
    let rows = page.deploys.iter().map(|record| {
        let row = deploy_row(record, config).and(" · ");
        let row = row
            .time(record.request.requested_at)
            .and("\n› ")
            .code(retry_command(record, config));
        let why = record
            .end
            .as_ref()
            .map(|end| end_reason::summarize_end(&end.reason));
        why.iter().fold(row, |row, why| row.and(" · ").append(why))
    });
    let mut message = reply(headline).rows(rows);
    if !page.deploys.is_empty() {
        message = message.detail(retry_limit(config));
    }
    let more = page.more.as_ref();
    message.details(more.map(|more| {
        let rest = format!("failed before:{}", more.before);
        next_page_line(more, config, &rest)
    }))
}

/// What Slack took no message about, below the deploys that wait for a retry.
pub fn untold_deploys(untold: &[(Undelivered, DeployRecord)], config: &Config) -> Vec<Mrkdwn> {
    if untold.is_empty() {
        return vec![];
    }
    let heading = Mrkdwn::new(":warning: *Not told in Slack:*");
    let lines = untold.iter().map(|(undelivered, record)| {
        let status = usage::command_for(config, Verb::Status, &record.short_id);
        let line = job_on_branch(Mrkdwn::new("• "), &record.request).and(" · ");
        append_untold(line, undelivered).and(" · ").code(status)
    });
    [heading].into_iter().chain(lines).collect()
}

/// Until when a deploy can be retried.
pub(super) fn retry_limit(config: &Config) -> Mrkdwn {
    let line = Mrkdwn::default().period(config.timeouts.retry_window);
    line.and(" after its end a deploy can no longer be retried: type it again.")
}

fn append_count(line: Mrkdwn, page: &DeployPage, none: &'static str) -> Mrkdwn {
    match page.deploys.len() {
        0 => line.and(none),
        1 => line.and("1 deploy"),
        n => line.number(n as u64).and(" deploys"),
    }
}

/// A command about the first deploy of a page.
fn first_command(
    what: &'static str,
    verb: Verb,
    page: &DeployPage,
    config: &Config,
) -> Option<Mrkdwn> {
    let id = &page.deploys.first()?.short_id;
    Some(Mrkdwn::new(what).code(usage::command_for(config, verb, id)))
}

/// The query for the page after this one.
fn next_history(filter: &HistoryFilter, more: &PageEnd) -> String {
    let filter = HistoryFilter {
        before: Some(DeployRef::Short(more.before.clone())),
        ..filter.clone()
    };
    format!("history {filter}")
}

fn next_page_line(more: &PageEnd, config: &Config, rest: &str) -> Mrkdwn {
    let line = if more.full {
        Mrkdwn::new("Older ones: ")
    } else {
        let line = Mrkdwn::new("Searched back to ").time(more.read_back_to);
        line.and(". To continue: ")
    };
    line.code(usage::full_command(config, rest))
}

fn no_history(filter: &HistoryFilter, config: &Config) -> Mrkdwn {
    if *filter == HistoryFilter::default() {
        return Mrkdwn::new("Nothing was deployed yet. What you can type: ")
            .code(usage::full_command(config, "help"));
    }
    Mrkdwn::new("Try fewer filters, or all of it: ").code(usage::full_command(config, "history"))
}

/// State, what, where, which commit and by whom, in plain words. A success is its mark alone: a long
/// list is mostly that.
fn deploy_row(record: &DeployRecord, config: &Config) -> Mrkdwn {
    let (emoji, label) = emoji_and_label(record);
    let request = &record.request;
    let mut line = Mrkdwn::new(emoji).and(" ");
    if record.state != DeployState::Succeeded {
        line = line.and("*").and(label).and("* ");
    }
    line = line
        .escaped(&shorten_name(request.job.as_str()))
        .and(match request.git_ref {
            GitRef::Branch(_) => " on ",
            GitRef::Tag(_) => " on tag ",
        })
        .escaped(&shorten_name(request.git_ref.name()));
    if !request.parameters.is_empty() {
        let set = request.parameters.to_string();
        // Slack counts an escaped character as up to five.
        let width = if set.contains(['&', '<', '>']) {
            MAX_SET_WIDTH / 5
        } else {
            MAX_SET_WIDTH
        };
        let set = shorten(set.trim_start(), width);
        line = line.and(" · ").escaped(&set);
    }
    if let Some(project) = &request.project {
        line = line.and(" → ").escaped(&shorten_name(project.as_str()));
    }
    if let (Some(_), Some(environment)) = (&request.project, &request.environment) {
        line = line.and("/").escaped(&shorten_name(environment));
    }
    if let Some(revision) = record.revision() {
        line = line.and(" · ").escaped(&commit::short_commit(revision));
    }
    with_requester(line, record, config)
}

/// When it was requested, how long it took, and its id, which leads to the build.
fn append_run(line: Mrkdwn, record: &DeployRecord) -> Mrkdwn {
    let line = line.and(" · ").time(record.request.requested_at);
    let line = match record.duration() {
        Some(took) => line.and(" · ").duration(took),
        None => line,
    };
    append_id(line, record)
}

/// The id, which leads to the build.
fn append_id(line: Mrkdwn, record: &DeployRecord) -> Mrkdwn {
    let build = record.run.as_ref().map(|run| &run.pipeline.url);
    // A row that is long in itself has no room for an address.
    let fits = |url: &&Url| {
        let url = url.as_str().len();
        url <= MAX_LINKED_URL && line.length() + url + LENGTH_AFTER_URL <= MAX_ROW
    };
    let build = build.filter(fits);
    line.and(" · ").linked(build, &record.short_id)
}

/// Cut in the middle, where names differ least.
fn shorten_name(name: &str) -> String {
    shorten(name, MAX_NAME_WIDTH)
}

fn shorten(name: &str, width: usize) -> String {
    let length = name.chars().count();
    if length <= width {
        return name.to_owned();
    }
    let tail = (width - 1) / 2;
    let start = name.chars().take(width - 1 - tail);
    let tail = name.chars().skip(length - tail);
    start.chain(['…']).chain(tail).collect()
}
