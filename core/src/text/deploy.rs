//! Messages about a deploy while it runs and when it ends.

use super::commit::{append_commit, subject_line};
use super::label::state_banner;
use super::slack_message::reply;
use super::untold::append_untold;
use super::{Audience, Button, MessageKind, Mrkdwn, SlackMessage, end_reason, parameters, usage};
use crate::command::{ButtonVerb, Verb};
use crate::config::Config;
use crate::deploy::{CancelRequest, DeployRecord, DeployRequest, DeployState, EndReason};
use crate::id::ShortId;
use crate::notification::Undelivered;

/// Leads to the build.
const VIEW_BUILD: &str = "View build";

/// How many approvals a message names.
const MAX_NAMED_JOBS: usize = 5;

/// It runs: the build's address.
pub fn deploy_running(record: &DeployRecord, config: &Config) -> SlackMessage {
    let headline = deploy_headline(Mrkdwn::new(":arrow_forward: *Running:* "), record);
    let message = to_channel(MessageKind::Progress, headline, record, config);
    standing_deploy(message.rows(shipping_line(record, config)), record, config)
}

/// What it ships, and how long that usually takes.
fn shipping_line(record: &DeployRecord, config: &Config) -> Option<Mrkdwn> {
    let usual = record.usual_duration();
    let usual = usual.filter(|_| !record.state.is_terminal());
    let usual = usual.map(|usual| Mrkdwn::new("usually ").about(usual));
    let commit = append_commit(Mrkdwn::new("Commit "), record, config);
    let parts = [commit, subject_line(record), usual];
    let parts: Vec<Mrkdwn> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| Mrkdwn::default().and_lines(&parts, " · "))
}

fn with_commit(line: Mrkdwn, record: &DeployRecord, config: &Config) -> Mrkdwn {
    append_commit(line.clone().and(" · commit "), record, config).unwrap_or(line)
}

/// It waits for an approval: where to give it.
pub fn waiting_for_approval(record: &DeployRecord, config: &Config) -> SlackMessage {
    let headline = deploy_headline(
        Mrkdwn::new(":raised_hand: *Waiting for approval:* "),
        record,
    );
    let headline = with_commit(append_held_jobs(headline, record), record, config);
    let message = to_channel(MessageKind::Hold, headline, record, config);
    standing_deploy(message.rows(subject_line(record)), record, config).detail(Mrkdwn::new(
        "A workflow is on hold at CircleCI: approve it there, or cancel the deploy here.",
    ))
}

/// The approvals that it waits for, as far as they are known.
pub(super) fn append_held_jobs(line: Mrkdwn, record: &DeployRecord) -> Mrkdwn {
    let waiting = record.holds.iter().filter(|hold| hold.waits);
    let mut jobs: Vec<&String> = waiting.filter_map(|hold| hold.job.as_ref()).collect();
    jobs.truncate(MAX_NAMED_JOBS);
    match jobs.len() {
        0 => line,
        1 => line.and(" · job ").codes(&jobs),
        _ => line.and(" · jobs ").codes(&jobs),
    }
}

/// How it ended. `repeat` says that an earlier copy may have been shown.
pub fn final_status(record: &DeployRecord, repeat: bool, config: &Config) -> SlackMessage {
    let headline = end_headline(record, repeat, config);
    let mut message = to_channel(MessageKind::Final, headline, record, config);
    if record.state == DeployState::Rejected && config.slack.live {
        // That it was accepted was not said to the channel either.
        message.audience = Audience::Requester;
    }
    message.mark.repeat = repeat;
    let message = message.rows(subject_line(record));
    standing_deploy(message.details(end_lines(record, config)), record, config)
}

/// How it ended, for a channel that follows: it notifies nobody. `repeat` as above.
pub fn announcement(record: &DeployRecord, repeat: bool, config: &Config) -> SlackMessage {
    let headline = end_headline(record, repeat, config);
    let mut message = to_channel(MessageKind::Announcement, headline, record, config);
    message.mark.repeat = repeat;
    about_deploy(message.rows(subject_line(record)), record, config)
}

fn end_headline(record: &DeployRecord, repeat: bool, config: &Config) -> Mrkdwn {
    let headline = with_commit(status_headline(record), record, config);
    if repeat {
        headline.and(" · _repeated in case the first message was lost_")
    } else {
        headline
    }
}

/// The state of one deploy, and what Slack took no message about.
pub fn deploy_status(
    record: &DeployRecord,
    undelivered: Option<&Undelivered>,
    config: &Config,
) -> SlackMessage {
    let message = reply(with_requester(status_headline(record), record, config))
        .rows([timestamps(record)])
        .rows(shipping_line(record, config));
    let untold = undelivered.filter(|one| !one.told_later);
    let message = match record.state {
        DeployState::Rejected if untold.is_none() => {
            message.detail(Mrkdwn::new("The requester was notified:"))
        }
        _ => message.rows(in_progress_lines(record, config)),
    };
    let message = message.details(untold.map(|untold| {
        let line = Mrkdwn::new(":warning: *Not told in Slack:* ");
        append_untold(line, untold)
    }));
    let mut message = message.details(end_lines(record, config));
    if let Some(retried) = retried_line(record, config) {
        message = message.detail(retried);
    } else if !record.state.is_terminal() && record.cancel.is_none() {
        let cancel = usage::command_for(config, Verb::Cancel, &record.short_id);
        message = message.detail(Mrkdwn::new("To cancel it: ").code(cancel));
    }
    standing_deploy(message, record, config)
}

/// The deploy that repeats it.
pub(super) fn retried_line(record: &DeployRecord, config: &Config) -> Option<Mrkdwn> {
    let id = record.retried_by?.short_id(ShortId::USUAL);
    let line = Mrkdwn::new("Retried as ").code(&id).and(": ");
    Some(line.code(usage::command_for(config, Verb::Status, &id)))
}

pub(super) fn to_channel(
    kind: MessageKind,
    headline: Mrkdwn,
    record: &DeployRecord,
    config: &Config,
) -> SlackMessage {
    let headline = match kind {
        MessageKind::Final => with_mention(headline, record),
        _ => with_requester(headline, record, config),
    };
    SlackMessage::new(Audience::Channel, kind, headline)
}

/// Who requested it, and which operator has retried it for them.
pub(super) fn with_requester(headline: Mrkdwn, record: &DeployRecord, config: &Config) -> Mrkdwn {
    append_operator(
        headline.and(" · ").requester(&record.request, config),
        record,
    )
}

/// The same with a mention, which notifies the requester.
fn with_mention(headline: Mrkdwn, record: &DeployRecord) -> Mrkdwn {
    append_operator(headline.and(" · ").mention(&record.request.user), record)
}

fn append_operator(line: Mrkdwn, record: &DeployRecord) -> Mrkdwn {
    match &record.operator {
        Some(name) => line.and(", by operator ").escaped(name),
        None => line,
    }
}

/// Banner, what, which, and how long it took.
pub(super) fn status_headline(record: &DeployRecord) -> Mrkdwn {
    let headline = deploy_headline(state_banner(record), record);
    match record.duration() {
        Some(took) => headline.and(" · after ").duration(took),
        None => headline,
    }
}

/// Job, branch, target and id: the same order everywhere.
pub(super) fn deploy_headline(banner: Mrkdwn, record: &DeployRecord) -> Mrkdwn {
    let line = job_on_branch(banner, &record.request).and(" · ");
    let line = line.code(&record.short_id);
    match record.retry_of {
        Some(old) => line.and(", retry of ").code(old.short_id(ShortId::USUAL)),
        None => line,
    }
}

pub(super) fn job_on_branch(line: Mrkdwn, request: &DeployRequest) -> Mrkdwn {
    let line = line
        .code(&request.job)
        .and(" on ")
        .git_ref(&request.git_ref);
    let line = parameters::append_set(line, &request.parameters);
    match (&request.project, &request.environment) {
        (Some(project), Some(environment)) => line
            .and(" → *")
            .escaped(project.as_str())
            .and("/")
            .escaped(environment)
            .and("*"),
        (Some(project), None) => line.and(" → *").escaped(project.as_str()).and("*"),
        (None, _) => line,
    }
}

/// Marks the deploy, and links its build.
pub(super) fn about_deploy(
    message: SlackMessage,
    record: &DeployRecord,
    config: &Config,
) -> SlackMessage {
    let message = message.about(record.id);
    match &record.run {
        Some(run) if config.slack.interactivity => {
            message.button(Button::open(&run.pipeline.url, VIEW_BUILD))
        }
        Some(run) => message.link(&run.pipeline.url, VIEW_BUILD),
        None => message,
    }
}

/// The same, with buttons for what can be done about the deploy as it stands.
pub(super) fn standing_deploy(
    message: SlackMessage,
    record: &DeployRecord,
    config: &Config,
) -> SlackMessage {
    let message = about_deploy(message, record, config);
    if !config.slack.interactivity {
        return message;
    }
    if !record.state.is_terminal() && record.cancel.is_none() {
        let cancel = Button::act(ButtonVerb::Cancel, "Cancel", record.id);
        return message.button(cancel.confirm("Cancel this deploy?"));
    }
    if !record.awaits_retry() {
        return message;
    }
    let dismiss = Button::act(ButtonVerb::Dismiss, "Dismiss", record.id);
    message.button(retry_button(record)).button(dismiss)
}

/// Retries it; what may run at CircleCI only once somebody has looked there.
pub(super) fn retry_button(record: &DeployRecord) -> Button {
    if needs_confirm(record) {
        let retry = Button::act(
            ButtonVerb::RetryConfirm,
            "It did not start: retry",
            record.id,
        );
        return retry.confirm("Have you looked at CircleCI? It must not run twice.");
    }
    Button::act(ButtonVerb::Retry, "Retry", record.id)
}

/// When it was requested, sent and ended.
fn timestamps(record: &DeployRecord) -> Mrkdwn {
    let mut line = Mrkdwn::new("Requested ").time(record.request.requested_at);
    if let Some(run) = &record.run {
        line = line.and(" · at CircleCI since ").time(run.triggered_at);
    }
    match &record.end {
        Some(end) => line.and(" · ended ").time(end.at),
        None => line,
    }
}

/// The state of a deploy that has not ended.
pub(super) fn in_progress_lines(record: &DeployRecord, config: &Config) -> Vec<Mrkdwn> {
    let unknown = record.trigger_intent.as_ref();
    let unknown = unknown.and_then(|intent| intent.unknown_because.as_ref());
    let line = match (record.state, &record.last_error, unknown) {
        (DeployState::Requested, None, _) => {
            Some(Mrkdwn::new("Nothing has been sent to CircleCI yet."))
        }
        (DeployState::Requested, Some(error), _) => {
            let line = end_reason::append_attempts(Mrkdwn::default(), record.attempts);
            let line = end_reason::append_quote(line.and("; last error"), error);
            let line = match record.due_at {
                Some(due) => line.and(" · next try ").time(due),
                None => line,
            };
            Some(line.and(" · no try after ").time(record.valid_until))
        }
        (DeployState::Triggering, _, None) => Some(Mrkdwn::new("It is being sent to CircleCI.")),
        (DeployState::Triggering, _, Some(because)) => Some(
            Mrkdwn::new("CircleCI's answer was lost (")
                .code(because)
                .and("). The pipeline is being looked up there; nothing is sent twice."),
        ),
        (DeployState::Running, ..) if record.is_held() => {
            let line = Mrkdwn::new("It waits for an approval at CircleCI");
            Some(append_held_jobs(line, record).and("."))
        }
        (DeployState::Triggered, ..) => Some(Mrkdwn::new(
            "CircleCI has the pipeline; no workflow of it has been seen yet.",
        )),
        _ => None,
    };
    let in_time = |_: &&CancelRequest| !record.state.is_terminal();
    let cancel = record.cancel.as_ref().filter(in_time);
    let cancel = cancel.map(|CancelRequest { by, at }| {
        let line = Mrkdwn::new("Cancel sent by ").other_actor(by, &record.request, config);
        line.and(", ").time(*at).and(".")
    });
    line.into_iter().chain(cancel).collect()
}

/// Why it ended, and what to do.
pub(super) fn end_lines(record: &DeployRecord, config: &Config) -> Vec<Mrkdwn> {
    let Some(end) = &record.end else {
        return vec![];
    };
    let mut lines = end_reason::explain_end(&end.reason, record, config);
    let before = matches!(end.reason, EndReason::CanceledBeforeTrigger { .. });
    if let Some(cancel) = record.cancel.as_ref().filter(|_| !before) {
        let line = Mrkdwn::new(match record.state {
            DeployState::Canceled => "Canceled at CircleCI by ",
            _ => "Cancel sent by ",
        });
        let line = line.other_actor(&cancel.by, &record.request, config);
        let too_late = record.state == DeployState::Succeeded;
        lines.push(line.and(if too_late { ", too late." } else { "." }));
    }
    if record.state == DeployState::Canceled
        && record.cancel.is_none()
        && matches!(end.reason, EndReason::Workflows { .. })
    {
        lines.push(Mrkdwn::new(
            "Nobody canceled it from here. The usual causes: somebody at CircleCI, a newer pipeline of \
             the branch (auto-cancel), or a job that stops the others.",
        ));
    }
    if record.state == DeployState::Failed {
        lines.push(deploy_again(record, config));
    }
    lines.extend(retry_advice(record, config));
    lines
}

/// What to type once what failed is mended.
fn deploy_again(record: &DeployRecord, config: &Config) -> Mrkdwn {
    let again = usage::start_again(config, &record.request);
    Mrkdwn::new("To deploy it again: ").code(again)
}

/// The command that retries it, if it waits for a retry.
pub(super) fn retry_advice(record: &DeployRecord, config: &Config) -> Option<Mrkdwn> {
    if !record.awaits_retry() {
        return None;
    }
    let line = match record.state {
        DeployState::Unresolved => Mrkdwn::new("Look at CircleCI. If it did not start there: "),
        _ => Mrkdwn::new("To try again: "),
    };
    let line = line.code(retry_command(record, config)).and(" (within ");
    Some(line.period(config.timeouts.retry_window).and(")."))
}

/// The command that retries it.
pub(super) fn retry_command(record: &DeployRecord, config: &Config) -> String {
    let retry = usage::command_for(config, Verb::Retry, &record.short_id);
    if needs_confirm(record) {
        format!("{retry} confirm")
    } else {
        retry
    }
}

/// Whether a retry says *confirm*: the deploy, or one before it in its chain, may run at CircleCI.
fn needs_confirm(record: &DeployRecord) -> bool {
    record.state == DeployState::Unresolved || record.unresolved_before.is_some()
}
