//! What is on record about the notifications of one deploy. How they are delivered is decided next door.

use serde::{Deserialize, Serialize};
use strum::VariantArray;

use super::announcement::{self, Announcement};
use super::card::{CARD_WAIT, Card};
use super::{DeliveryRoute, Sending};
use crate::Time;
use crate::id::{ChannelId, DeployId};
use crate::posted::PostedMessage;
use crate::request::is_false;
use crate::secret::ResponseUrl;

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

    pub(super) fn is_not_requested(&self) -> bool {
        *self == DeliveryStatus::NotRequested
    }

    /// When the notifier acts on it next.
    pub(super) fn due_at(&self) -> Option<Time> {
        match self {
            DeliveryStatus::Pending { from } => Some(*from),
            DeliveryStatus::InFlight { until } => Some(*until),
            _ => None,
        }
    }
}

/// A refusal of the response URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What was refused.
    pub kind: NotificationKind,
    /// Slack's error.
    pub reason: String,
}

/// What could not be delivered last, and why. It holds nothing secret, so that everybody who may read
/// the deploy may read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undelivered {
    /// The deploy.
    pub deploy: DeployId,
    /// What was not delivered.
    pub kind: NotificationKind,
    /// Why, in Slack's word or ours.
    pub reason: String,
    /// When it was given up.
    pub at: Time,
    /// Whether something that says as much or more was delivered afterwards.
    #[serde(default, skip_serializing_if = "is_false")]
    pub told_later: bool,
    /// The channels of `announce` that were not told; none if it was the deploy's own conversation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<ChannelId>,
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
    /// The response URL's last refusal. From then on the bot posts, if there is one: nobody says that a
    /// refused address recovers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// Until when Slack asked to post nothing to the response URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_url_from: Option<Time>,
    /// Until when Slack asked the bot to post nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_from: Option<Time>,
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
    /// The delivery of the answer to the press that asked for the deploy.
    #[serde(default, skip_serializing_if = "DeliveryStatus::is_not_requested")]
    pub answer: DeliveryStatus,
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
    /// Whether another hold was requested while one was in flight.
    #[serde(default)]
    pub hold_again: bool,
    /// What could not be delivered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undelivered: Option<Undelivered>,
    /// The final status in further channels, from when the final status is pending. Once there are some,
    /// they stay the same, whatever the configuration says later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub announcements: Vec<Announcement>,
    /// The card, once one was wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<Card>,
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
            refusal: None,
            response_url_from: None,
            bot_from: None,
            bot_attempts: 0,
            token_refused: false,
            unsent_count: 0,
            unknown_count: 0,
            answer: DeliveryStatus::NotRequested,
            progress: DeliveryStatus::NotRequested,
            hold: DeliveryStatus::NotRequested,
            final_status: DeliveryStatus::NotRequested,
            notice: DeliveryStatus::NotRequested,
            notice_again: false,
            hold_again: false,
            undelivered: None,
            announcements: vec![],
            card: None,
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

    /// Whether this version has the reservation that `reserved` was written with for `sending`.
    pub(super) fn reserves(&self, sending: &Sending, reserved: &Self) -> bool {
        match sending {
            Sending::Notification { kind, .. } => self.delivery(*kind) == reserved.delivery(*kind),
            Sending::Answer => self.answer == reserved.answer,
            Sending::Announcement { feed, .. } => {
                let status = |record: &Self| Some(record.announcements.get(*feed)?.status.clone());
                status(self) == status(reserved)
            }
            Sending::Card { .. } => {
                let status = |record: &Self| Some(record.card.as_ref()?.status.clone());
                status(self) == status(reserved)
            }
            Sending::Deletion(at) => {
                let stray = |record: &Self| record.card.as_ref()?.stray(at).cloned();
                stray(self) == stray(reserved)
            }
        }
    }

    pub(super) fn set_delivery(&mut self, kind: NotificationKind, delivery: DeliveryStatus) {
        match kind {
            NotificationKind::Progress => self.progress = delivery,
            NotificationKind::Hold => self.hold = delivery,
            NotificationKind::Final => self.final_status = delivery,
            NotificationKind::Notice => self.notice = delivery,
        }
    }

    /// What could not be delivered, unless it was made up for.
    #[must_use]
    pub fn untold(&self) -> Option<&Undelivered> {
        self.undelivered.as_ref().filter(|one| !one.told_later)
    }

    /// What this version, written at `now`, gives up that the one before did not.
    pub(super) fn given_up_since(&self, before: &Self, now: Time) -> Option<Undelivered> {
        let is_new = self.undelivered.as_ref().map(|one| one.at)
            != before.undelivered.as_ref().map(|one| one.at);
        let own = || self.undelivered.clone().filter(|_| is_new);
        announcement::given_up_since(self, before, now).or_else(own)
    }

    /// The kind with a post that may be under way.
    pub(super) fn in_flight_kind(&self) -> Option<NotificationKind> {
        let sending = |kind: &NotificationKind| {
            matches!(self.delivery(*kind), DeliveryStatus::InFlight { .. })
        };
        NotificationKind::ALL.into_iter().find(sending)
    }

    pub(super) fn route_pause(&self, route: DeliveryRoute) -> Option<Time> {
        match route {
            DeliveryRoute::ResponseUrl => self.response_url_from,
            DeliveryRoute::Bot | DeliveryRoute::Thread => self.bot_from,
        }
    }

    pub(super) fn route_pause_mut(&mut self, route: DeliveryRoute) -> &mut Option<Time> {
        match route {
            DeliveryRoute::ResponseUrl => &mut self.response_url_from,
            DeliveryRoute::Bot | DeliveryRoute::Thread => &mut self.bot_from,
        }
    }

    /// When the sweeper reminds the notifier; `None` if nothing is pending.
    #[must_use]
    pub fn due_at(&self) -> Option<Time> {
        let kinds = NotificationKind::ALL.into_iter();
        let feeds = self.announcements.iter().map(|feed| &feed.status);
        let statuses = kinds.clone().map(|kind| self.delivery(kind));
        let mut statuses = statuses.chain(feeds.clone()).chain([&self.answer]);
        // Other deliveries wait for the call that may be under way.
        let under_way =
            |status: &&DeliveryStatus| matches!(status, DeliveryStatus::InFlight { .. });
        if let Some(status) = statuses.find(under_way) {
            return status.due_at();
        }
        if let Some(until) = self.card.as_ref().and_then(Card::in_flight_until) {
            return Some(until);
        }
        let due = |kind| {
            let from = self.delivery(kind).due_at()?;
            Some(
                self.waits_for_card(kind)
                    .map_or(from, |until| until.max(from)),
            )
        };
        let card = self.card.as_ref().and_then(Card::due_at);
        let kinds = kinds.filter_map(due);
        kinds
            .chain(feeds.filter_map(DeliveryStatus::due_at))
            .chain(card)
            .chain(self.answer.due_at())
            .min()
    }

    /// The card, if it can be edited and has a thread.
    #[must_use]
    pub fn standing_card(&self) -> Option<&PostedMessage> {
        let card = self.card.as_ref().filter(|card| !card.is_given_up())?;
        card.at.as_ref()
    }

    /// Until when a notification waits for the card: whatever belongs into its thread, or is said by it,
    /// until it stands, and the final status until it shows the end.
    pub(super) fn waits_for_card(&self, kind: NotificationKind) -> Option<Time> {
        let card = self.card.as_ref().filter(|card| !card.is_given_up())?;
        let shows_all = card.at.is_some() && card.shown >= card.wanted;
        let waits = match kind {
            NotificationKind::Final => !shows_all,
            _ => card.at.is_none(),
        };
        waits.then_some(card.others_wait)
    }

    pub(super) fn give_card_up(&mut self, reason: &str) {
        if let Some(card) = &mut self.card {
            card.give_up(reason);
        }
    }

    /// Says that the card shows something old. After the end no first one is posted.
    pub fn request_redraw(&mut self, now: Time) {
        if self.card.is_none() && self.final_status != DeliveryStatus::NotRequested {
            return;
        }
        let card = self.card.get_or_insert_with(|| Card::new(now));
        card.wanted += 1;
        self.version += 1;
    }

    /// Requests the delivery of `kind`: each once, but a notice and a hold
    /// whenever there is a new one. This is the
    /// worker's only change.
    pub fn request_delivery(&mut self, kind: NotificationKind, now: Time) {
        match (kind, self.delivery(kind)) {
            (NotificationKind::Notice, DeliveryStatus::InFlight { .. }) => self.notice_again = true,
            (NotificationKind::Hold, DeliveryStatus::InFlight { .. }) => self.hold_again = true,
            (NotificationKind::Notice | NotificationKind::Hold, _)
            | (_, DeliveryStatus::NotRequested) => {
                self.set_delivery(kind, DeliveryStatus::Pending { from: now });
            }
            _ => return,
        }
        if let Some(card) = &mut self.card {
            card.wanted += 1;
            if kind == NotificationKind::Final {
                card.others_wait = now + CARD_WAIT;
            }
        }
        // The end says more than a notice that comes before it.
        let waits = matches!(self.notice, DeliveryStatus::Pending { .. });
        if kind == NotificationKind::Final && waits {
            self.notice = DeliveryStatus::Skipped;
        }
        self.version += 1;
    }
}
