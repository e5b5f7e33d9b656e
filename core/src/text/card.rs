//! The card: one message that shows a deploy as it stands, from the trigger to the end.

use super::commit::{append_commit, subject_line};
use super::deploy::{
    append_held_jobs, deploy_headline, end_lines, in_progress_lines, retried_line, standing_deploy,
    status_headline, to_channel,
};
use super::notice::notice_text;
use super::{MessageKind, Mrkdwn, SlackMessage};
use crate::config::Config;
use crate::deploy::{DeployRecord, DeployState, JobProgress, Notice};

/// The card. `repeat` says that an earlier one may have been shown.
pub fn card(record: &DeployRecord, repeat: bool, config: &Config) -> SlackMessage {
    let record = &between_attempts(record.clone());
    let (headline, trouble) = headline_and_trouble(record, config);
    let mut message = to_channel(MessageKind::Card, headline, record, config);
    message.mark.repeat = repeat;
    let earlier = Mrkdwn::new("An earlier card of this deploy may stand above; this one counts.");
    let message = message
        .fields(commit_field(record, config))
        .fields(time_field(record))
        .fields(jobs_field(record))
        .rows(repeat.then_some(earlier))
        .details(trouble)
        .details(in_progress_lines(record, config))
        .details(end_lines(record, config))
        .details(retried_line(record, config))
        .details(dismissed_line(record, config));
    standing_deploy(message, record, config)
}

/// What is on now, or what people have to know at once.
fn headline_and_trouble(record: &DeployRecord, config: &Config) -> (Mrkdwn, Vec<Mrkdwn>) {
    match record.present_notice() {
        // It changes nothing about how the deploy stands.
        Some(Notice::AfterEnd { .. } | Notice::Unlocked { .. }) => {
            let (banner, details) = notice_text(record, config);
            let line = Mrkdwn::new(banner).and_lines(&details, " ");
            (status_headline(record), vec![line])
        }
        Some(_) => {
            let (banner, details) = notice_text(record, config);
            (deploy_headline(Mrkdwn::new(banner), record), details)
        }
        None if record.is_held() && !record.state.is_terminal() => {
            let banner = Mrkdwn::new(":raised_hand: *Waiting for approval:* ");
            let headline = deploy_headline(banner, record);
            (append_held_jobs(headline, record), vec![])
        }
        None => (status_headline(record), vec![]),
    }
}

/// What it ships and what that replaces.
fn commit_field(record: &DeployRecord, config: &Config) -> Option<Mrkdwn> {
    let line = append_commit(Mrkdwn::new("*Commit* "), record, config)?;
    Some(match subject_line(record) {
        Some(subject) => line.and("\n").append(&subject),
        None => line,
    })
}

/// Since when it runs and how long that usually takes, or how long it took.
fn time_field(record: &DeployRecord) -> Option<Mrkdwn> {
    let begun = record.trigger_intent.as_ref()?.at;
    if let Some(end) = &record.end {
        return Some(Mrkdwn::new("*Ended* ").time(end.at));
    }
    let line = Mrkdwn::new("*Since* ").since(begun);
    Some(match record.usual_duration() {
        Some(usual) => line.and(" · usually ").about(usual),
        None => line,
    })
}

/// Who took it out of what waits for a retry.
fn dismissed_line(record: &DeployRecord, config: &Config) -> Option<Mrkdwn> {
    let by = record.dismissed_by.as_ref()?;
    let line = Mrkdwn::new("Dismissed by ").other_actor(by, &record.request, config);
    Some(line.and("."))
}

/// How far its jobs are, while it runs.
fn jobs_field(record: &DeployRecord) -> Option<Mrkdwn> {
    let is_shown = |jobs: &&JobProgress| jobs.total > 0 && !record.state.is_terminal();
    let jobs = record.jobs.as_ref().filter(is_shown)?;
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let line = Mrkdwn::new("*Jobs* ").number(count(jobs.done)).and(" of ");
    let line = line.number(count(jobs.total));
    let line = match &*jobs.running {
        [] => line,
        running => line.and(" · now ").codes(running),
    };
    Some(match &*jobs.failed {
        [] => line,
        failed => line.and(" · failed ").codes(failed),
    })
}

/// While a trigger is tried again and again, the card shows what came of the latest attempt that is over,
/// and not each attempt.
fn between_attempts(mut record: DeployRecord) -> DeployRecord {
    let intent = record.trigger_intent.as_ref();
    let is_unknown = intent.is_some_and(|intent| intent.unknown_because.is_some());
    if record.state == DeployState::Triggering && record.last_error.is_some() && !is_unknown {
        record.state = DeployState::Requested;
        record.attempts = record.attempts.saturating_sub(1);
    }
    if record.state == DeployState::Requested {
        record.due_at = None;
    }
    record
}
