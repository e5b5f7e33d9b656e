//! What the notifier does next about a record, and what a post's result makes of it: pure functions.

use std::time::Duration;

use super::route::{NoRoute, choose_route};
use super::{CARD_WAIT, announcement, answer, draw};
use super::{
    DeliveryStatus, NotificationKind, NotificationRecord, PostResult, Refusal, Undelivered,
};
use crate::Time;
use crate::backoff::Backoff;
use crate::config::Timeouts;
use crate::posted::PostedMessage;

/// How often Slack accepts a post to a response URL.
pub const RESPONSE_URL_USES: u8 = 5;

/// How many of these uses are reserved for the final status.
pub(super) const USES_KEPT_FOR_FINAL: u8 = 3;

/// How often the bot tries to post about one deploy.
pub const BOT_ATTEMPTS: u8 = 12;

/// Why the bot did not post: nobody has given its token.
pub(super) const NO_BOT: &str = "there is no bot token";

/// Why the bot did not post: it has tried [`BOT_ATTEMPTS`] times.
pub(super) const TRIED_OUT: &str = "Slack took it in none of 12 attempts";

/// Attempts of the bot that notices leave for the final status.
pub(super) const BOT_ATTEMPTS_KEPT_FOR_FINAL: u8 = 6;

/// The longest pause that Slack can ask for.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_mins(30);

/// The pause after a refused token, before the only further attempt.
pub(super) const TOKEN_REPLACEMENT_TIME: Duration = Duration::from_secs(30);

/// What the notifier does next about a record.
#[derive(Debug, Clone)]
pub enum DeliveryStep {
    /// Nothing now.
    Rest,
    /// Write this; post nothing.
    Save(NotificationRecord),
    /// Write this reservation, then send, then write [`after_sending`].
    Send {
        /// The record with the reservation.
        reserved: NotificationRecord,
        /// What to send.
        sending: Sending,
    },
}

/// What is sent to Slack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sending {
    /// A notification, to the deploy's own conversation.
    Notification {
        /// Which.
        kind: NotificationKind,
        /// The route.
        route: DeliveryRoute,
        /// Whether the requester may have seen it already.
        repeat: bool,
    },
    /// The answer to the press that asked for the deploy.
    Answer,
    /// The final status, to the channel of this announcement.
    Announcement {
        /// Which of the record.
        feed: usize,
        /// Whether the channel may have seen it already.
        repeat: bool,
    },
    /// The card: an edit, or a post while there is none.
    Card {
        /// Whether an earlier card of this deploy may stand above.
        repeat: bool,
        /// The digest of what it is known to show; once there is a message, of that.
        drawn: Option<String>,
    },
    /// The deletion of a card that does not count.
    Deletion(PostedMessage),
}

impl Sending {
    /// Whether only the bot can send it.
    #[must_use]
    pub fn needs_bot(&self) -> bool {
        match self {
            Self::Notification { route, .. } => *route != DeliveryRoute::ResponseUrl,
            Self::Answer => false,
            Self::Announcement { .. } | Self::Card { .. } | Self::Deletion(_) => true,
        }
    }
}

/// The route to the deploy's own conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryRoute {
    /// The command's response URL, while it lasts.
    ResponseUrl,
    /// The app's bot, which has no such limit.
    Bot,
    /// The same, in the thread of the card.
    Thread,
}

/// Decides what to do about a record. `bot` says whether a bot can post where the response URL no
/// longer works.
#[must_use]
pub fn next_delivery(
    record: &NotificationRecord,
    now: Time,
    timeouts: &Timeouts,
    bot: bool,
) -> DeliveryStep {
    let mut record = record.clone();
    record.version += 1;
    if let Some(kind) = record.in_flight_kind() {
        // While a post may be under way, nobody starts another.
        let lease = timeouts.delivery_lease;
        if matches!(record.delivery(kind), DeliveryStatus::InFlight { until } if is_ahead(*until, now, lease))
        {
            return DeliveryStep::Rest;
        }
        // The lease has expired, so the outcome is unknown.
        if kind == NotificationKind::Final {
            record.unknown_count += 1;
            record.final_status = DeliveryStatus::Pending { from: now };
        } else {
            record.set_delivery(kind, DeliveryStatus::Unknown);
            take_next(&mut record, kind, now);
        }
        return DeliveryStep::Save(record);
    }
    if let Some(step) = answer::under_way(&record, now, timeouts) {
        return step;
    }
    if let Some(step) = announcement::under_way(&record, now, timeouts) {
        return step;
    }
    if let Some(step) = draw::under_way(&record, now, timeouts) {
        return step;
    }
    if let Some(step) = answer::next(&record, now, timeouts) {
        return step;
    }
    if let Some(step) = draw::next(&record, now, timeouts, bot) {
        return step;
    }
    if let Some(kind) = superseded(&record) {
        record.set_delivery(kind, DeliveryStatus::Skipped);
        return DeliveryStep::Save(record);
    }
    let pending = |kind: &NotificationKind| {
        let from = match record.delivery(*kind) {
            DeliveryStatus::Pending { from } => *from,
            _ => return false,
        };
        let waits = record.waits_for_card(*kind);
        !is_ahead(from, now, LONGEST_PAUSE)
            && !waits.is_some_and(|until| is_ahead(until, now, CARD_WAIT))
    };
    let Some(kind) = NotificationKind::ALL.into_iter().find(pending) else {
        return announcement::next(record, now, timeouts, bot);
    };
    let route = match choose_route(&record, kind, now, bot) {
        Ok(route) => route,
        Err(NoRoute::UsedUp) => {
            // What is left of the response URL is for the final status, which says more.
            finish_delivery(&mut record, kind, DeliveryStatus::Skipped, now);
            return DeliveryStep::Save(record);
        }
        Err(NoRoute::Failed(why)) => {
            fail_delivery(&mut record, kind, &why, now);
            return DeliveryStep::Save(record);
        }
    };
    // What Slack asked for holds for everything that goes the same way.
    let paused = record.route_pause(route);
    if let Some(from) = paused.filter(|from| is_ahead(*from, now, LONGEST_PAUSE)) {
        record.set_delivery(kind, DeliveryStatus::Pending { from });
        return DeliveryStep::Save(record);
    }
    *record.route_pause_mut(route) = None;
    match route {
        DeliveryRoute::ResponseUrl => record.response_url_uses += 1,
        DeliveryRoute::Bot | DeliveryRoute::Thread => record.bot_attempts += 1,
    }
    let until = now + timeouts.delivery_lease;
    record.set_delivery(kind, DeliveryStatus::InFlight { until });
    let repeat = kind == NotificationKind::Final && record.unknown_count > 0;
    DeliveryStep::Send {
        reserved: record,
        sending: Sending::Notification {
            kind,
            route,
            repeat,
        },
    }
}

/// What is pending and no longer needed: a final status or the card says it.
fn superseded(record: &NotificationRecord) -> Option<NotificationKind> {
    let ends = record.final_status != DeliveryStatus::NotRequested;
    let has_card = record.standing_card().is_some();
    let is_superseded = |kind: &NotificationKind| match kind {
        NotificationKind::Progress => ends || has_card,
        NotificationKind::Hold => ends,
        NotificationKind::Notice => has_card && !ends,
        NotificationKind::Final => false,
    };
    let is_pending =
        |kind: &NotificationKind| matches!(record.delivery(*kind), DeliveryStatus::Pending { .. });
    let mut kinds = NotificationKind::ALL.into_iter().filter(is_pending);
    kinds.find(is_superseded)
}

/// Whether a moment is still to come. One further ahead than it can be set was set by a clock that was
/// wrong, and is over.
pub(super) fn is_ahead(moment: Time, now: Time, longest: Duration) -> bool {
    now < moment && moment <= now + longest
}

/// The record after it was sent; `reserved` was written before.
#[must_use]
pub fn after_sending(
    reserved: &NotificationRecord,
    sending: &Sending,
    result: &PostResult,
    now: Time,
) -> NotificationRecord {
    let mut record = reserved.clone();
    record.version += 1;
    match sending {
        Sending::Notification { kind, route, .. } => {
            after_post(&mut record, *kind, *route, result, now);
        }
        Sending::Answer => answer::after_post(&mut record, result, now),
        Sending::Announcement { feed, .. } => {
            announcement::after_post(&mut record, *feed, result, now);
        }
        Sending::Card { drawn, .. } => {
            draw::after_call(&mut record, drawn.as_ref(), result, now);
        }
        Sending::Deletion(stray) => draw::after_deletion(&mut record, stray, result, now),
    }
    record
}

fn after_post(
    record: &mut NotificationRecord,
    kind: NotificationKind,
    route: DeliveryRoute,
    result: &PostResult,
    now: Time,
) {
    match (kind, result) {
        (_, PostResult::Delivered(_)) => {
            finish_delivery(record, kind, DeliveryStatus::Delivered { at: now }, now);
        }
        (_, PostResult::NotSent { after, .. }) => {
            match route {
                DeliveryRoute::ResponseUrl => {
                    record.response_url_uses = record.response_url_uses.saturating_sub(1);
                }
                DeliveryRoute::Bot | DeliveryRoute::Thread => {
                    record.bot_attempts = record.bot_attempts.saturating_sub(1);
                }
            }
            record.unsent_count += 1;
            let growing = pause(DeliveryRoute::ResponseUrl, record.unsent_count);
            try_again(
                record,
                kind,
                now + after.unwrap_or(growing).min(LONGEST_PAUSE),
            );
        }
        (_, PostResult::Unauthorized { .. }) if !record.token_refused => {
            record.token_refused = true;
            try_again(record, kind, now + TOKEN_REPLACEMENT_TIME);
        }
        (_, PostResult::Refused { reason }) if route == DeliveryRoute::ResponseUrl => {
            // Another way is tried at once, if there is one.
            let reason = reason.clone();
            record.refusal = Some(Refusal { kind, reason });
            try_again(record, kind, now);
        }
        // The conversation may be told without the thread.
        (_, PostResult::Refused { reason } | PostResult::Unauthorized { reason })
            if route == DeliveryRoute::Thread =>
        {
            record.give_card_up(reason);
            try_again(record, kind, now);
        }
        (_, PostResult::Refused { reason } | PostResult::Unauthorized { reason }) => {
            let why = match &record.refusal {
                Some(refusal) => format!("{}; the bot: {reason}", refusal.reason),
                None => reason.clone(),
            };
            fail_delivery(record, kind, &why, now);
        }
        (_, PostResult::Later { after }) => {
            let wait = after.unwrap_or_else(|| pause(route, attempts(record, route)));
            let from = now + wait.min(LONGEST_PAUSE);
            *record.route_pause_mut(route) = Some(from);
            if kind == NotificationKind::Progress && route == DeliveryRoute::ResponseUrl {
                // The use that is left of the two is for a hold.
                finish_delivery(record, kind, DeliveryStatus::Skipped, now);
            } else {
                try_again(record, kind, from);
            }
        }
        (NotificationKind::Final, PostResult::Unknown) => {
            record.unknown_count += 1;
            let from = now + pause(route, attempts(record, route));
            record.final_status = DeliveryStatus::Pending { from };
        }
        // It may have been shown; the final status says more.
        (_, PostResult::Unknown) => {
            finish_delivery(record, kind, DeliveryStatus::Unknown, now);
        }
    }
}

/// The same delivery once more. A newer notice or hold takes the place of one that waits.
fn try_again(record: &mut NotificationRecord, kind: NotificationKind, from: Time) {
    record.set_delivery(kind, DeliveryStatus::Pending { from });
    record.notice_again &= kind != NotificationKind::Notice;
    record.hold_again &= kind != NotificationKind::Hold;
}

fn attempts(record: &NotificationRecord, route: DeliveryRoute) -> u32 {
    u32::from(match route {
        DeliveryRoute::ResponseUrl => record.response_url_uses,
        DeliveryRoute::Bot | DeliveryRoute::Thread => record.bot_attempts,
    })
}

/// 2 s, 8 s, 32 s, then two minutes each; of the bot up to half an hour each, since its few attempts have to
/// outlast three hours without Slack.
pub(super) fn pause(route: DeliveryRoute, tries: u32) -> Duration {
    let minutes = match route {
        DeliveryRoute::ResponseUrl => 2,
        DeliveryRoute::Bot | DeliveryRoute::Thread => 30,
    };
    let delivery = Backoff {
        first: Duration::from_secs(2),
        growth: 4.0,
        longest: Duration::from_mins(minutes),
    };
    delivery.pause(tries.saturating_sub(1))
}

fn fail_delivery(record: &mut NotificationRecord, kind: NotificationKind, why: &str, now: Time) {
    let reason = why.to_owned();
    // Of several attempts one may have been shown.
    let unknown = kind == NotificationKind::Final && record.unknown_count > 0;
    let end = if unknown {
        DeliveryStatus::Unknown
    } else {
        record.undelivered = Some(Undelivered {
            deploy: record.deploy,
            kind,
            reason: reason.clone(),
            at: now,
            told_later: false,
            channels: vec![],
        });
        DeliveryStatus::Failed { reason }
    };
    finish_delivery(record, kind, end, now);
}

/// What was requested while another of its kind was in flight is next.
fn take_next(record: &mut NotificationRecord, kind: NotificationKind, now: Time) {
    let again = match kind {
        NotificationKind::Notice => std::mem::take(&mut record.notice_again),
        NotificationKind::Hold => std::mem::take(&mut record.hold_again),
        NotificationKind::Progress | NotificationKind::Final => false,
    };
    if again {
        record.set_delivery(kind, DeliveryStatus::Pending { from: now });
    }
}

fn finish_delivery(
    record: &mut NotificationRecord,
    kind: NotificationKind,
    end: DeliveryStatus,
    now: Time,
) {
    let told = matches!(end, DeliveryStatus::Delivered { .. });
    if let Some(undelivered) = &mut record.undelivered {
        let covers = kind == NotificationKind::Final || kind == undelivered.kind;
        undelivered.told_later |= told && covers && undelivered.channels.is_empty();
    }
    record.set_delivery(kind, end);
    take_next(record, kind, now);
    if record.final_status.is_settled() {
        record.response_url = None;
        if matches!(record.answer, DeliveryStatus::Pending { .. }) {
            record.answer = DeliveryStatus::Skipped;
        }
        for early in [NotificationKind::Progress, NotificationKind::Hold] {
            if !record.delivery(early).is_settled() {
                record.set_delivery(early, DeliveryStatus::Skipped);
            }
        }
    }
}
