//! The card: the one message about a deploy that the bot posts and then edits until the end.
//!
//! It shows the deploy as it stands when it is drawn. The worker says that what it shows is old; the
//! notifier draws it. Slack has no idempotency: after a post whose outcome is unknown one more card is
//! posted, which says that it counts, and after a second such outcome there is none. Where there is no
//! card, the deploy's conversation is told as if none had been wanted.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::posted::PostedMessage;

/// How long what belongs into the card's thread waits for the card, and the final status until the card
/// shows the end.
pub const CARD_WAIT: Duration = Duration::from_mins(2);

/// The card of one deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// How often it was requested to draw it.
    pub wanted: u64,
    /// Up to which of these requests Slack has confirmed that it shows the deploy.
    pub shown: u64,
    /// Where it is, once Slack has said that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<PostedMessage>,
    /// What is done about it.
    pub status: CardStatus,
    /// Until when others wait for it.
    pub others_wait: Time,
    /// Posts whose outcome is unknown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost_posts: u8,
    /// Attempts in a row that have not drawn it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u8,
    /// When it is drawn once more, over an edit that Slack may carry out late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Time>,
    /// The digest of what it was last seen to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawn: Option<String>,
    /// Cards of this deploy that do not count and are still to be deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strays: Vec<StrayCard>,
}

/// What is done about a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum CardStatus {
    /// Nothing is under way, and nothing begins before `from`.
    Idle {
        /// From when it may be drawn.
        from: Time,
    },
    /// A call is reserved and may be under way.
    InFlight {
        /// After this moment its outcome is unknown.
        until: Time,
        /// Up to which request it draws.
        draws: u64,
    },
    /// It is not drawn any more: there is none, or it cannot be edited.
    GivenUp {
        /// Why, in Slack's word or ours.
        reason: String,
    },
}

/// A card of a deploy that does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrayCard {
    /// Where it is.
    pub at: PostedMessage,
    /// Attempts to delete it.
    pub attempts: u8,
    /// When the next attempt may begin, or the outcome of the present one is unknown.
    pub next: Time,
    /// Whether an attempt may be under way.
    pub in_flight: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u8) -> bool {
    *count == 0
}

impl Card {
    /// One that was never drawn.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self {
            wanted: 0,
            shown: 0,
            at: None,
            status: CardStatus::Idle { from: now },
            others_wait: now + CARD_WAIT,
            lost_posts: 0,
            failures: 0,
            again: None,
            drawn: None,
            strays: vec![],
        }
    }
}

impl Card {
    pub(super) fn is_given_up(&self) -> bool {
        matches!(self.status, CardStatus::GivenUp { .. })
    }

    pub(super) fn give_up(&mut self, reason: &str) {
        let reason = reason.to_owned();
        self.status = CardStatus::GivenUp { reason };
        self.again = None;
    }

    pub(super) fn stray(&self, at: &PostedMessage) -> Option<&StrayCard> {
        self.strays.iter().find(|stray| stray.at == *at)
    }

    /// When the outcome of the call that may be under way is unknown.
    pub(super) fn in_flight_until(&self) -> Option<Time> {
        let stray = self.strays.iter().find(|stray| stray.in_flight);
        match self.status {
            CardStatus::InFlight { until, .. } => Some(until),
            CardStatus::Idle { .. } | CardStatus::GivenUp { .. } => stray.map(|stray| stray.next),
        }
    }

    /// When the notifier acts on it next, if nothing is under way.
    pub(super) fn due_at(&self) -> Option<Time> {
        let again = self.again.filter(|_| self.at.is_some());
        let draw = match self.status {
            CardStatus::Idle { from } if self.shown < self.wanted => Some(from),
            CardStatus::Idle { from } => again.map(|again| again.max(from)),
            CardStatus::InFlight { .. } | CardStatus::GivenUp { .. } => None,
        };
        let strays = self.strays.iter().map(|stray| stray.next);
        draw.into_iter().chain(strays).min()
    }
}
