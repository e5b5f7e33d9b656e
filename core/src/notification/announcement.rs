//! The final status in the channels of `announce`, posted by the bot: to which, what is next, and what a
//! post's result makes of it.
//!
//! Each channel is told on its own: at least once unless Slack refuses it, never again once Slack has
//! confirmed it, and marked where it may be a repetition.

use serde::{Deserialize, Serialize};

use super::decide::{
    BOT_ATTEMPTS, LONGEST_PAUSE, NO_BOT, TOKEN_REPLACEMENT_TIME, TRIED_OUT, is_ahead, pause,
};
use super::{
    DeliveryRoute, DeliveryStatus, DeliveryStep, NotificationKind, NotificationRecord, PostResult,
    Sending, Undelivered,
};
use crate::Time;
use crate::config::{Config, Timeouts};
use crate::deploy::{DeployRecord, DeployState};
use crate::id::{ChannelId, DeployId};

/// The final status in one more channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The channel.
    pub channel: ChannelId,
    /// The status of its delivery.
    pub status: DeliveryStatus,
    /// Reserved posts.
    #[serde(default)]
    pub attempts: u8,
    /// Posts that were not sent; they lengthen the pause.
    #[serde(default)]
    pub unsent_count: u32,
    /// Posts whose outcome is unknown. After one, each further copy is marked.
    #[serde(default)]
    pub unknown_count: u8,
}

impl Announcement {
    /// One that is pending.
    #[must_use]
    pub fn pending(channel: ChannelId, from: Time) -> Self {
        Self {
            channel,
            status: DeliveryStatus::Pending { from },
            attempts: 0,
            unsent_count: 0,
            unknown_count: 0,
        }
    }
}

/// Where else than in its own conversation the end of a deploy is announced: nowhere, unless it was at
/// CircleCI or may have been.
#[must_use]
pub fn feeds_of(deploy: &DeployRecord, config: &Config) -> Vec<ChannelId> {
    let DeployRecord { request, state, .. } = deploy;
    if deploy.run.is_none() && *state != DeployState::Unresolved {
        return vec![];
    }
    let project = request.project.as_ref();
    let project = project.and_then(|name| config.project(name));
    let job = project.and_then(|(_, project)| project.job(&request.job));
    let feeds = job.map_or(&[][..], |(_, job)| &job.announce);
    let mut others: Vec<ChannelId> = vec![];
    for feed in feeds.iter().map(|feed| &feed.id) {
        // A channel that two workspaces share has one bot to tell it.
        if *feed != request.channel && !others.contains(feed) {
            others.push(feed.clone());
        }
    }
    others
}

/// What to do while a post may be under way, and once that is no longer known.
pub(super) fn under_way(
    record: &NotificationRecord,
    now: Time,
    timeouts: &Timeouts,
) -> Option<DeliveryStep> {
    let is_under_way = |feed: &Announcement| matches!(feed.status, DeliveryStatus::InFlight { .. });
    let feed = record.announcements.iter().position(is_under_way)?;
    if let DeliveryStatus::InFlight { until } = record.announcements[feed].status
        && is_ahead(until, now, timeouts.delivery_lease)
    {
        return Some(DeliveryStep::Rest);
    }
    let mut record = record.clone();
    record.announcements[feed].unknown_count += 1;
    record.announcements[feed].status = DeliveryStatus::Pending { from: now };
    Some(DeliveryStep::Save(record))
}

/// What to do about the announcements, while nothing else is pending.
pub(super) fn next(
    mut record: NotificationRecord,
    now: Time,
    timeouts: &Timeouts,
    bot: bool,
) -> DeliveryStep {
    let is_due = |feed: &Announcement| matches!(feed.status, DeliveryStatus::Pending { from } if !is_ahead(from, now, LONGEST_PAUSE));
    let Some(feed) = record.announcements.iter().position(is_due) else {
        return DeliveryStep::Rest;
    };
    let problem = match record.announcements[feed].attempts {
        _ if !bot => Some(NO_BOT),
        BOT_ATTEMPTS.. => Some(TRIED_OUT),
        _ => None,
    };
    if let Some(why) = problem {
        fail(&mut record, feed, why, now);
        return DeliveryStep::Save(record);
    }
    let paused = record.bot_from;
    let announcement = &mut record.announcements[feed];
    if let Some(from) = paused.filter(|from| is_ahead(*from, now, LONGEST_PAUSE)) {
        announcement.status = DeliveryStatus::Pending { from };
        return DeliveryStep::Save(record);
    }
    announcement.attempts += 1;
    announcement.status = DeliveryStatus::InFlight {
        until: now + timeouts.delivery_lease,
    };
    let repeat = announcement.unknown_count > 0;
    record.bot_from = None;
    DeliveryStep::Send {
        reserved: record,
        sending: Sending::Announcement { feed, repeat },
    }
}

/// Adds the result of a post to the record that was written before it.
pub(super) fn after_post(
    record: &mut NotificationRecord,
    feed: usize,
    result: &PostResult,
    now: Time,
) {
    let Some(announcement) = record.announcements.get_mut(feed) else {
        return;
    };
    let tries = u32::from(announcement.attempts);
    let again_after = |wait| DeliveryStatus::Pending { from: now + wait };
    match result {
        PostResult::Delivered(_) => announcement.status = DeliveryStatus::Delivered { at: now },
        PostResult::NotSent { after, .. } => {
            announcement.attempts = announcement.attempts.saturating_sub(1);
            announcement.unsent_count += 1;
            let growing = pause(DeliveryRoute::ResponseUrl, announcement.unsent_count);
            announcement.status = again_after(after.unwrap_or(growing).min(LONGEST_PAUSE));
        }
        PostResult::Later { after } => {
            let wait = after.unwrap_or_else(|| pause(DeliveryRoute::Bot, tries));
            let wait = wait.min(LONGEST_PAUSE);
            announcement.status = again_after(wait);
            if after.is_some() {
                record.bot_from = Some(now + wait);
            }
        }
        PostResult::Unknown => {
            announcement.unknown_count += 1;
            announcement.status = again_after(pause(DeliveryRoute::Bot, tries));
        }
        PostResult::Unauthorized { .. } if !record.token_refused => {
            announcement.status = again_after(TOKEN_REPLACEMENT_TIME);
            record.token_refused = true;
        }
        PostResult::Unauthorized { reason } | PostResult::Refused { reason } => {
            fail(record, feed, reason, now);
        }
    }
}

/// Gives an announcement up. What the deploy's own conversation was not told is not hidden by that.
fn fail(record: &mut NotificationRecord, feed: usize, why: &str, now: Time) {
    let announcement = &mut record.announcements[feed];
    // Of several attempts one may have been shown.
    if announcement.unknown_count > 0 {
        announcement.status = DeliveryStatus::Unknown;
        return;
    }
    let reason = why.to_owned();
    announcement.status = DeliveryStatus::Failed { reason };
    let mut lost = lost(record.deploy, announcement, why, now);
    match record.untold() {
        Some(own) if own.channels.is_empty() => return,
        Some(before) => {
            lost.channels = [&*before.channels, &*lost.channels].concat();
            if before.reason != lost.reason {
                lost.reason = format!("{}; {}", before.reason, lost.reason);
            }
        }
        None => {}
    }
    record.undelivered = Some(lost);
}

/// The announcement that `record`, written at `now`, gives up and the version before did not.
pub(super) fn given_up_since(
    record: &NotificationRecord,
    before: &NotificationRecord,
    now: Time,
) -> Option<Undelivered> {
    let mut feeds = record.announcements.iter();
    feeds.find_map(|feed| match &feed.status {
        DeliveryStatus::Failed { reason } if !before.announcements.contains(feed) => {
            Some(lost(record.deploy, feed, reason, now))
        }
        _ => None,
    })
}

/// What an announcement that failed did not tell.
fn lost(deploy: DeployId, feed: &Announcement, why: &str, now: Time) -> Undelivered {
    Undelivered {
        deploy,
        kind: NotificationKind::Final,
        reason: why.to_owned(),
        at: now,
        told_later: false,
        channels: vec![feed.channel.clone()],
    }
}
