//! The notification record: where to notify the requester of one deploy, and what was delivered.
//!
//! Slack's response URL takes 5 uses in 30 minutes and has no idempotency, so the notifier reserves a
//! use in the record before it posts. Progress is delivered at most once. The final status is
//! delivered at least once and marked where it may be a repetition; "unknown" is a legal end.
//! The worker requests a delivery; only the notifier does the rest.

pub mod handler;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use strum::VariantArray;

use crate::Time;
use crate::backoff::Backoff;
use crate::config::Timeouts;
use crate::id::DeployId;
use crate::secret::ResponseUrl;

/// How often Slack accepts a post to a response URL.
pub const RESPONSE_URL_USES: u8 = 5;

/// How many of these uses are reserved for the final status.
pub const USES_KEPT_FOR_FINAL: u8 = 3;

/// How often the bot tries to post about one deploy.
pub const BOT_ATTEMPTS: u8 = 12;

/// Attempts of the bot that notices leave for the final status.
pub const BOT_ATTEMPTS_KEPT_FOR_FINAL: u8 = 6;

/// The longest pause that Slack can ask for.
const LONGEST_PAUSE: Duration = Duration::from_mins(30);

/// The pause after a refused token, before the only further attempt.
const TOKEN_REPLACEMENT_TIME: Duration = Duration::from_secs(30);

/// What a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, VariantArray)]
#[serde(rename_all = "snake_case")]
pub enum NotificationKind {
    /// It runs; with the link to the build.
    Progress,
    /// It waits for an approval; with the link.
    Hold,
    /// How it ended.
    Final,
    /// The latest thing that people have to know at once, before the end or after it.
    Notice,
}

impl NotificationKind {
    /// All kinds, in the order in which they are delivered.
    pub const ALL: [Self; Self::VARIANTS.len()] = *Self::VARIANTS.as_array().unwrap();
}

/// The status of one delivery.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Not requested yet.
    #[default]
    NotRequested,
    /// Requested; not before `from`.
    Pending {
        /// When to try.
        from: Time,
    },
    /// A use is reserved and a post may be under way.
    InFlight {
        /// After this moment the outcome is unknown.
        until: Time,
    },
    /// Slack confirmed it.
    Delivered {
        /// When.
        at: Time,
    },
    /// Superseded by a later notification.
    Skipped,
    /// Slack's answer was lost; it may have been shown.
    Unknown,
    /// It was certainly not shown.
    Failed {
        /// Why.
        reason: String,
    },
}

impl DeliveryStatus {
    /// Whether this status is final.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !matches!(
            self,
            DeliveryStatus::NotRequested
                | DeliveryStatus::Pending { .. }
                | DeliveryStatus::InFlight { .. }
        )
    }

    /// When the notifier acts on it next.
    fn due_at(&self) -> Option<Time> {
        match self {
            DeliveryStatus::Pending { from } => Some(*from),
            DeliveryStatus::InFlight { until } => Some(*until),
            _ => None,
        }
    }
}

/// The notification record of one deploy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NotificationRecord {
    /// The deploy.
    pub deploy: DeployId,
    /// Counts the writes; the notifier writes only over the version it has seen.
    pub version: u64,
    /// Where to post; removed when nothing is left to deliver.
    pub response_url: Option<ResponseUrl>,
    /// When the response URL expires.
    pub expires_at: Time,
    /// Reserved uses of the response URL.
    pub response_url_uses: u8,
    /// Reserved posts of the bot.
    #[serde(default)]
    pub bot_attempts: u8,
    /// Whether the bot's token was refused; it is refreshed for one more attempt.
    #[serde(default)]
    pub token_refused: bool,
    /// Posts that were not sent; they use nothing up and lengthen the pause.
    pub unsent_count: u32,
    /// Attempts at the final status whose outcome is unknown. After one, each further copy is
    /// marked, and the delivery never becomes `Failed`.
    pub unknown_count: u8,
    /// The delivery of the progress.
    pub progress: DeliveryStatus,
    /// The delivery of the hold.
    #[serde(default)]
    pub hold: DeliveryStatus,
    /// The delivery of the final status.
    pub final_status: DeliveryStatus,
    /// The delivery of the latest notice.
    #[serde(default)]
    pub notice: DeliveryStatus,
    /// Whether another notice was requested while one was in flight.
    #[serde(default)]
    pub notice_again: bool,
}

impl NotificationRecord {
    /// The record as the deploy's first transaction writes it.
    #[must_use]
    pub fn open(deploy: DeployId, response_url: Option<ResponseUrl>, expires_at: Time) -> Self {
        Self {
            deploy,
            version: 1,
            response_url,
            expires_at,
            response_url_uses: 0,
            bot_attempts: 0,
            token_refused: false,
            unsent_count: 0,
            unknown_count: 0,
            progress: DeliveryStatus::NotRequested,
            hold: DeliveryStatus::NotRequested,
            final_status: DeliveryStatus::NotRequested,
            notice: DeliveryStatus::NotRequested,
            notice_again: false,
        }
    }

    /// The status of the delivery of `kind`.
    #[must_use]
    pub fn delivery(&self, kind: NotificationKind) -> &DeliveryStatus {
        match kind {
            NotificationKind::Progress => &self.progress,
            NotificationKind::Hold => &self.hold,
            NotificationKind::Final => &self.final_status,
            NotificationKind::Notice => &self.notice,
        }
    }

    fn set_delivery(&mut self, kind: NotificationKind, delivery: DeliveryStatus) {
        match kind {
            NotificationKind::Progress => self.progress = delivery,
            NotificationKind::Hold => self.hold = delivery,
            NotificationKind::Final => self.final_status = delivery,
            NotificationKind::Notice => self.notice = delivery,
        }
    }

    /// The kind with a post that may be under way.
    fn in_flight_kind(&self) -> Option<NotificationKind> {
        let sending = |kind: &NotificationKind| {
            matches!(self.delivery(*kind), DeliveryStatus::InFlight { .. })
        };
        NotificationKind::ALL.into_iter().find(sending)
    }

    /// When the sweeper reminds the notifier; `None` if nothing is pending.
    #[must_use]
    pub fn due_at(&self) -> Option<Time> {
        match self.in_flight_kind() {
            // Other deliveries wait for the post that may be under way.
            Some(kind) => self.delivery(kind).due_at(),
            None => NotificationKind::ALL
                .into_iter()
                .filter_map(|kind| self.delivery(kind).due_at())
                .min(),
        }
    }

    /// Requests the delivery of `kind`: each once, and a notice whenever there is a new one. This is the
    /// worker's only change.
    pub fn request_delivery(&mut self, kind: NotificationKind, now: Time) {
        match (kind, self.delivery(kind)) {
            (NotificationKind::Notice, DeliveryStatus::InFlight { .. }) => self.notice_again = true,
            (NotificationKind::Notice, _) | (_, DeliveryStatus::NotRequested) => {
                self.set_delivery(kind, DeliveryStatus::Pending { from: now });
            }
            _ => return,
        }
        // The end says more than a notice that comes before it.
        let waits = matches!(self.notice, DeliveryStatus::Pending { .. });
        if kind == NotificationKind::Final && waits {
            self.notice = DeliveryStatus::Skipped;
        }
        self.version += 1;
    }
}

/// What the notifier does next about a record.
#[derive(Debug, Clone)]
pub enum DeliveryStep {
    /// Nothing now.
    Rest,
    /// Write this; post nothing.
    Save(NotificationRecord),
    /// Write this reservation, then post `kind`, then write [`after_post`].
    Post {
        /// The record with the use reserved.
        reserved: NotificationRecord,
        /// What to post.
        kind: NotificationKind,
        /// The route.
        route: DeliveryRoute,
        /// Whether the requester may have seen it already.
        repeat: bool,
    },
}

/// The route to the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryRoute {
    /// The command's response URL, while it lasts.
    ResponseUrl,
    /// The app's bot, which has no such limit.
    Bot,
}

/// The result of one post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostResult {
    /// Slack confirmed it.
    Delivered,
    /// No byte was sent: not shown, nothing used up.
    NotSent {
        /// The error.
        reason: String,
    },
    /// Slack asked to wait: not shown.
    Later {
        /// The pause that Slack asked for.
        after: Option<Duration>,
    },
    /// The bot's token may be an old one: not shown.
    Unauthorized {
        /// Slack's error.
        reason: String,
    },
    /// Slack will never accept it there: not shown.
    Refused {
        /// Slack's error.
        reason: String,
    },
    /// The outcome is unknown.
    Unknown,
}

impl PostResult {
    /// The result for logs.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            PostResult::Delivered => "shown",
            PostResult::NotSent { .. } => "not sent",
            PostResult::Later { .. } => "later",
            PostResult::Unauthorized { .. } => "unauthorized",
            PostResult::Refused { .. } => "refused",
            PostResult::Unknown => "unknown",
        }
    }
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
            take_next_notice(&mut record, now);
        }
        return DeliveryStep::Save(record);
    }
    for kind in [NotificationKind::Progress, NotificationKind::Hold] {
        let pending = matches!(record.delivery(kind), DeliveryStatus::Pending { .. });
        if pending && record.final_status != DeliveryStatus::NotRequested {
            record.set_delivery(kind, DeliveryStatus::Skipped);
            return DeliveryStep::Save(record);
        }
    }
    let pending = |kind: &NotificationKind| matches!(record.delivery(*kind), DeliveryStatus::Pending { from } if !is_ahead(*from, now, LONGEST_PAUSE));
    let Some(kind) = NotificationKind::ALL.into_iter().find(pending) else {
        return DeliveryStep::Rest;
    };
    let route = match response_url_problem(&record, kind, now) {
        None => DeliveryRoute::ResponseUrl,
        Some(_) if bot && record.bot_attempts < bot_limit(&record, kind) => DeliveryRoute::Bot,
        Some(why) => {
            fail_delivery(&mut record, kind, why, now);
            return DeliveryStep::Save(record);
        }
    };
    match route {
        DeliveryRoute::ResponseUrl => record.response_url_uses += 1,
        DeliveryRoute::Bot => record.bot_attempts += 1,
    }
    let until = now + timeouts.delivery_lease;
    record.set_delivery(kind, DeliveryStatus::InFlight { until });
    let repeat = kind == NotificationKind::Final && record.unknown_count > 0;
    DeliveryStep::Post {
        reserved: record,
        kind,
        route,
        repeat,
    }
}

/// How many attempts of the bot may have been made before one of this kind. However many notices there
/// are, the final status is delivered.
fn bot_limit(record: &NotificationRecord, kind: NotificationKind) -> u8 {
    if kind == NotificationKind::Notice && !record.final_status.is_settled() {
        BOT_ATTEMPTS - BOT_ATTEMPTS_KEPT_FOR_FINAL
    } else {
        BOT_ATTEMPTS
    }
}

/// Whether a moment is still to come. One further ahead than it can be set was set by a clock that was
/// wrong, and is over.
fn is_ahead(moment: Time, now: Time, longest: Duration) -> bool {
    now < moment && moment <= now + longest
}

/// Why the response URL cannot be used.
fn response_url_problem(
    record: &NotificationRecord,
    kind: NotificationKind,
    now: Time,
) -> Option<&'static str> {
    let spare = match kind {
        NotificationKind::Final => record.response_url_uses < RESPONSE_URL_USES,
        NotificationKind::Progress | NotificationKind::Hold | NotificationKind::Notice => {
            record.response_url_uses < RESPONSE_URL_USES - USES_KEPT_FOR_FINAL
        }
    };
    if record.response_url.is_none() {
        Some("there is no response URL")
    } else if now >= record.expires_at {
        Some("the response URL has expired")
    } else if !spare {
        Some("the response URL is used up")
    } else {
        None
    }
}

/// The record after a post; `reserved` was written before it.
#[must_use]
pub fn after_post(
    reserved: &NotificationRecord,
    kind: NotificationKind,
    route: DeliveryRoute,
    result: &PostResult,
    now: Time,
) -> NotificationRecord {
    let mut record = reserved.clone();
    record.version += 1;
    match (kind, result) {
        (_, PostResult::Delivered) => {
            finish_delivery(
                &mut record,
                kind,
                DeliveryStatus::Delivered { at: now },
                now,
            );
        }
        (_, PostResult::NotSent { .. }) => {
            match route {
                DeliveryRoute::ResponseUrl => {
                    record.response_url_uses = record.response_url_uses.saturating_sub(1);
                }
                DeliveryRoute::Bot => record.bot_attempts = record.bot_attempts.saturating_sub(1),
            }
            record.unsent_count += 1;
            let from = now + pause(DeliveryRoute::ResponseUrl, record.unsent_count);
            record.set_delivery(kind, DeliveryStatus::Pending { from });
            record.notice_again &= kind != NotificationKind::Notice;
        }
        (_, PostResult::Unauthorized { .. }) if !record.token_refused => {
            record.token_refused = true;
            let from = now + TOKEN_REPLACEMENT_TIME;
            record.set_delivery(kind, DeliveryStatus::Pending { from });
            record.notice_again &= kind != NotificationKind::Notice;
        }
        (_, PostResult::Refused { reason: why } | PostResult::Unauthorized { reason: why }) => {
            fail_delivery(&mut record, kind, why, now);
        }
        (NotificationKind::Final, PostResult::Later { after }) => {
            let wait = after.unwrap_or_else(|| pause(route, attempts(&record, route)));
            let from = now + wait.min(LONGEST_PAUSE);
            record.final_status = DeliveryStatus::Pending { from };
        }
        (NotificationKind::Final, PostResult::Unknown) => {
            record.unknown_count += 1;
            let from = now + pause(route, attempts(&record, route));
            record.final_status = DeliveryStatus::Pending { from };
        }
        (NotificationKind::Notice, PostResult::Later { after }) => {
            let wait = after.unwrap_or_else(|| pause(route, attempts(&record, route)));
            let from = now + wait.min(LONGEST_PAUSE);
            record.notice = DeliveryStatus::Pending { from };
            // A newer one takes its place.
            record.notice_again = false;
        }
        // No use is left for a second attempt; the final status covers it.
        (_, PostResult::Later { .. }) => {
            finish_delivery(&mut record, kind, DeliveryStatus::Skipped, now);
        }
        (_, PostResult::Unknown) => {
            finish_delivery(&mut record, kind, DeliveryStatus::Unknown, now);
        }
    }
    record
}

fn attempts(record: &NotificationRecord, route: DeliveryRoute) -> u32 {
    u32::from(match route {
        DeliveryRoute::ResponseUrl => record.response_url_uses,
        DeliveryRoute::Bot => record.bot_attempts,
    })
}

/// 2 s, 8 s, 32 s, then two minutes each; of the bot up to half an hour each, since its few attempts have to
/// outlast three hours without Slack.
fn pause(route: DeliveryRoute, tries: u32) -> Duration {
    let minutes = match route {
        DeliveryRoute::ResponseUrl => 2,
        DeliveryRoute::Bot => 30,
    };
    let delivery = Backoff {
        first: Duration::from_secs(2),
        growth: 4.0,
        longest: Duration::from_mins(minutes),
    };
    delivery.pause(tries.saturating_sub(1))
}

fn fail_delivery(record: &mut NotificationRecord, kind: NotificationKind, why: &str, now: Time) {
    let unknown = kind == NotificationKind::Final && record.unknown_count > 0;
    let end = if unknown {
        DeliveryStatus::Unknown
    } else {
        DeliveryStatus::Failed {
            reason: why.to_owned(),
        }
    };
    finish_delivery(record, kind, end, now);
}

/// A notice that was requested while another was in flight is next.
fn take_next_notice(record: &mut NotificationRecord, now: Time) {
    if std::mem::take(&mut record.notice_again) {
        record.notice = DeliveryStatus::Pending { from: now };
    }
}

fn finish_delivery(
    record: &mut NotificationRecord,
    kind: NotificationKind,
    end: DeliveryStatus,
    now: Time,
) {
    record.set_delivery(kind, end);
    if kind == NotificationKind::Notice {
        take_next_notice(record, now);
    }
    if record.final_status.is_settled() {
        record.response_url = None;
        for early in [NotificationKind::Progress, NotificationKind::Hold] {
            if !record.delivery(early).is_settled() {
                record.set_delivery(early, DeliveryStatus::Skipped);
            }
        }
    }
}

#[cfg(test)]
mod tests;
