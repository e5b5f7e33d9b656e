//! The reply item: where to answer one deploy's asker, and what has been told there.
//!
//! Slack's reply address takes 5 uses in 30 minutes and has no idempotency, so a use is reserved
//! on record before it is spent. The progress notice is told at most once; the final word at least
//! once, marked where it may be a repetition; and "unknown" is a legal end.
//! The worker makes something owed, the notifier alone does the rest.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::config::Timeouts;
use crate::id::DeployId;
use crate::secret::ResponseUrl;

/// How often Slack lets a reply address be used.
pub const RESPONSE_URL_USES: u8 = 5;

/// How many of them only the final word may use.
pub const USES_KEPT_FOR_FINAL: u8 = 3;

/// How often the bot tries to post what is owed about one deploy.
pub const BOT_ATTEMPTS: u8 = 12;

/// How long a token that was refused has to be replaced before the one further try.
const TOKEN_REPLACEMENT_TIME: Duration = Duration::from_secs(30);

/// What is told about a deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationKind {
    /// It runs; here is the build's address.
    Progress,
    /// It waits for somebody's approval; here is where.
    Hold,
    /// How it ended.
    Final,
}

impl NotificationKind {
    /// All of them, in the order in which they are told.
    pub const ALL: [NotificationKind; 3] = [
        NotificationKind::Progress,
        NotificationKind::Hold,
        NotificationKind::Final,
    ];
}

/// How far the telling of one thing has got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Not owed (yet).
    #[default]
    NotRequested,
    /// Owed; not before `from`.
    Pending {
        /// When to try.
        from: Time,
    },
    /// A use is reserved and a post may be under way.
    InFlight {
        /// After this moment the sender is gone and the outcome unknown.
        until: Time,
    },
    /// Slack said it was shown.
    Delivered {
        /// When.
        at: Time,
    },
    /// No longer worth telling.
    Skipped,
    /// It may have been shown; Slack's answer never came.
    Unknown,
    /// It was certainly not shown.
    Failed {
        /// Why.
        reason: String,
    },
}

impl DeliveryStatus {
    /// Whether nothing more will be done about it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !matches!(
            self,
            DeliveryStatus::NotRequested
                | DeliveryStatus::Pending { .. }
                | DeliveryStatus::InFlight { .. }
        )
    }

    /// When something has to be done about it.
    fn due_at(&self) -> Option<Time> {
        match self {
            DeliveryStatus::Pending { from } => Some(*from),
            DeliveryStatus::InFlight { until } => Some(*until),
            _ => None,
        }
    }
}

/// The reply item of one deploy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NotificationRecord {
    /// The deploy.
    pub deploy: DeployId,
    /// Counts the writes; the notifier writes only over the version it has seen.
    pub version: u64,
    /// Where to post; removed when nothing is left to tell.
    pub response_url: Option<ResponseUrl>,
    /// When the address stops being used.
    pub expires_at: Time,
    /// Uses of the address that were reserved.
    pub response_url_uses: u8,
    /// Posts by the bot that were reserved.
    #[serde(default)]
    pub bot_attempts: u8,
    /// Whether the bot's token was refused; it is read afresh for one more try.
    #[serde(default)]
    pub token_refused: bool,
    /// Posts that never left this machine; they use nothing up and space the next try.
    pub unsent_count: u32,
    /// Tries of the final word whose outcome is unknown. With any, a further copy is marked, and
    /// the record never claims that nothing was shown.
    pub unknown_count: u8,
    /// The progress notice.
    pub progress: DeliveryStatus,
    /// That it waits for an approval.
    #[serde(default)]
    pub hold: DeliveryStatus,
    /// The final word.
    pub final_status: DeliveryStatus,
}

impl NotificationRecord {
    /// The item as the deploy's first transaction writes it: nothing is owed yet.
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
        }
    }

    /// How far the telling of `kind` has got.
    #[must_use]
    pub fn delivery(&self, kind: NotificationKind) -> &DeliveryStatus {
        match kind {
            NotificationKind::Progress => &self.progress,
            NotificationKind::Hold => &self.hold,
            NotificationKind::Final => &self.final_status,
        }
    }

    fn set_delivery(&mut self, kind: NotificationKind, telling: DeliveryStatus) {
        match kind {
            NotificationKind::Progress => self.progress = telling,
            NotificationKind::Hold => self.hold = telling,
            NotificationKind::Final => self.final_status = telling,
        }
    }

    /// The kind of which a post may be under way.
    fn in_flight_kind(&self) -> Option<NotificationKind> {
        let sending = |kind: &NotificationKind| {
            matches!(self.delivery(*kind), DeliveryStatus::InFlight { .. })
        };
        NotificationKind::ALL.into_iter().find(sending)
    }

    /// When the sweeper should remind the notifier; `None` if nothing is owed.
    #[must_use]
    pub fn due_at(&self) -> Option<Time> {
        match self.in_flight_kind() {
            // Whatever else is owed waits for the post that may be under way.
            Some(kind) => self.delivery(kind).due_at(),
            None => NotificationKind::ALL
                .into_iter()
                .filter_map(|kind| self.delivery(kind).due_at())
                .min(),
        }
    }

    /// Makes `kind` owed, if it was not owed or settled before. This is the worker's only change.
    pub fn request_delivery(&mut self, kind: NotificationKind, now: Time) {
        if *self.delivery(kind) == DeliveryStatus::NotRequested {
            self.set_delivery(kind, DeliveryStatus::Pending { from: now });
            self.version += 1;
        }
    }
}

/// What the notifier does next about a reply item.
#[derive(Debug, Clone)]
pub enum DeliveryStep {
    /// Nothing, now.
    Rest,
    /// Write this; there is nothing to post.
    Save(NotificationRecord),
    /// Write this reservation, then post `kind`, then write [`after`].
    Post {
        /// The item with the use reserved.
        reserved: NotificationRecord,
        /// What to post.
        kind: NotificationKind,
        /// Which way.
        route: DeliveryRoute,
        /// Whether the asker may have seen it before.
        repeat: bool,
    },
}

/// The two ways to the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryRoute {
    /// The command's own reply address, while it lasts.
    ResponseUrl,
    /// The app's bot, which has no such limit.
    Bot,
}

/// What became of one post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostResult {
    /// Slack said it was shown.
    Delivered,
    /// No byte left this machine: not shown, nothing used up.
    NotSent {
        /// What was met.
        reason: String,
    },
    /// Slack said to wait: not shown.
    Later {
        /// For how long, if Slack said.
        after: Option<Duration>,
    },
    /// The bot's token may be an old one: not shown.
    Unauthorized {
        /// Slack's words.
        reason: String,
    },
    /// Slack will never take it at this address: not shown.
    Refused {
        /// Slack's words.
        reason: String,
    },
    /// The outcome is unknown.
    Unknown,
}

impl PostResult {
    /// The outcome in one word, for logs.
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

/// Decides what to do about an item. `bot` says whether there is a bot that can post where the
/// reply address cannot any more.
#[must_use]
pub fn next_delivery(
    reply: &NotificationRecord,
    now: Time,
    times: &Timeouts,
    bot: bool,
) -> DeliveryStep {
    let mut item = reply.clone();
    item.version += 1;
    if let Some(kind) = item.in_flight_kind() {
        // While a post may be under way, nobody starts another.
        if matches!(item.delivery(kind), DeliveryStatus::InFlight { until } if *until > now) {
            return DeliveryStep::Rest;
        }
        // A sender that is gone leaves an unknown outcome behind.
        if kind == NotificationKind::Final {
            item.unknown_count += 1;
            item.final_status = DeliveryStatus::Pending { from: now };
        } else {
            item.set_delivery(kind, DeliveryStatus::Unknown);
        }
        return DeliveryStep::Save(item);
    }
    for kind in [NotificationKind::Progress, NotificationKind::Hold] {
        let owed = matches!(item.delivery(kind), DeliveryStatus::Pending { .. });
        if owed && item.final_status != DeliveryStatus::NotRequested {
            item.set_delivery(kind, DeliveryStatus::Skipped);
            return DeliveryStep::Save(item);
        }
    }
    let owed = |kind: &NotificationKind| matches!(item.delivery(*kind), DeliveryStatus::Pending { from } if *from <= now);
    let Some(kind) = NotificationKind::ALL.into_iter().find(owed) else {
        return DeliveryStep::Rest;
    };
    let via = match response_url_problem(&item, kind, now) {
        None => DeliveryRoute::ResponseUrl,
        Some(_) if bot && item.bot_attempts < BOT_ATTEMPTS => DeliveryRoute::Bot,
        Some(why) => {
            fail_delivery(&mut item, kind, why);
            return DeliveryStep::Save(item);
        }
    };
    match via {
        DeliveryRoute::ResponseUrl => item.response_url_uses += 1,
        DeliveryRoute::Bot => item.bot_attempts += 1,
    }
    let until = now + times.delivery_lease;
    item.set_delivery(kind, DeliveryStatus::InFlight { until });
    let repeat = kind == NotificationKind::Final && item.unknown_count > 0;
    DeliveryStep::Post {
        reserved: item,
        kind,
        route: via,
        repeat,
    }
}

/// Why the reply address cannot be used.
fn response_url_problem(
    item: &NotificationRecord,
    kind: NotificationKind,
    now: Time,
) -> Option<&'static str> {
    let spare = match kind {
        NotificationKind::Final => item.response_url_uses < RESPONSE_URL_USES,
        NotificationKind::Progress | NotificationKind::Hold => {
            item.response_url_uses < RESPONSE_URL_USES - USES_KEPT_FOR_FINAL
        }
    };
    if item.response_url.is_none() {
        Some("there is no response URL")
    } else if now >= item.expires_at {
        Some("the response URL has expired")
    } else if !spare {
        Some("the response URL is used up")
    } else {
        None
    }
}

/// The item after a post: `reserved` is what was written before it.
#[must_use]
pub fn after_post(
    reserved: &NotificationRecord,
    kind: NotificationKind,
    via: DeliveryRoute,
    posted: &PostResult,
    now: Time,
) -> NotificationRecord {
    let mut item = reserved.clone();
    item.version += 1;
    match (kind, posted) {
        (_, PostResult::Delivered) => {
            finish_delivery(&mut item, kind, DeliveryStatus::Delivered { at: now });
        }
        (_, PostResult::NotSent { .. }) => {
            match via {
                DeliveryRoute::ResponseUrl => {
                    item.response_url_uses = item.response_url_uses.saturating_sub(1);
                }
                DeliveryRoute::Bot => item.bot_attempts = item.bot_attempts.saturating_sub(1),
            }
            item.unsent_count += 1;
            let from = now + pause(item.unsent_count);
            item.set_delivery(kind, DeliveryStatus::Pending { from });
        }
        (_, PostResult::Unauthorized { .. }) if !item.token_refused => {
            item.token_refused = true;
            let from = now + TOKEN_REPLACEMENT_TIME;
            item.set_delivery(kind, DeliveryStatus::Pending { from });
        }
        (_, PostResult::Refused { reason: why } | PostResult::Unauthorized { reason: why }) => {
            fail_delivery(&mut item, kind, why);
        }
        (NotificationKind::Final, PostResult::Later { after }) => {
            let wait = after.unwrap_or_else(|| pause(attempts(&item, via)));
            let from = now + wait.min(Duration::from_mins(30));
            item.final_status = DeliveryStatus::Pending { from };
        }
        (NotificationKind::Final, PostResult::Unknown) => {
            item.unknown_count += 1;
            let from = now + pause(attempts(&item, via));
            item.final_status = DeliveryStatus::Pending { from };
        }
        // No use is left for a second try; the final word says it all.
        (_, PostResult::Later { .. }) => finish_delivery(&mut item, kind, DeliveryStatus::Skipped),
        (_, PostResult::Unknown) => finish_delivery(&mut item, kind, DeliveryStatus::Unknown),
    }
    item
}

fn attempts(item: &NotificationRecord, via: DeliveryRoute) -> u32 {
    u32::from(match via {
        DeliveryRoute::ResponseUrl => item.response_url_uses,
        DeliveryRoute::Bot => item.bot_attempts,
    })
}

/// 2 s, 8 s, 32 s, then two minutes each: the few uses spread over most of the 30 minutes.
fn pause(tries: u32) -> Duration {
    Duration::from_secs(2_u64 << (2 * tries.clamp(1, 4) - 2)).min(Duration::from_mins(2))
}

fn fail_delivery(item: &mut NotificationRecord, kind: NotificationKind, why: &str) {
    let unsure = kind == NotificationKind::Final && item.unknown_count > 0;
    let end = if unsure {
        DeliveryStatus::Unknown
    } else {
        DeliveryStatus::Failed {
            reason: why.to_owned(),
        }
    };
    finish_delivery(item, kind, end);
}

fn finish_delivery(item: &mut NotificationRecord, kind: NotificationKind, end: DeliveryStatus) {
    item.set_delivery(kind, end);
    if item.final_status.is_settled() {
        item.response_url = None;
        for early in [NotificationKind::Progress, NotificationKind::Hold] {
            if !item.delivery(early).is_settled() {
                item.set_delivery(early, DeliveryStatus::Skipped);
            }
        }
    }
}

#[cfg(test)]
mod tests;
