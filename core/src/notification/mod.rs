//! The notification record: where to notify the requester of one deploy, and what was delivered.
//!
//! Slack's response URL takes 5 uses in 30 minutes and has no idempotency, so the notifier reserves a
//! use in the record before it posts. Progress is delivered at most once. The final status is
//! delivered at least once and marked where it may be a repetition; "unknown" is a legal end. What a
//! response URL refuses goes to the bot at once, and what nobody takes is on record.
//! The worker requests a delivery; only the notifier does the rest, also where else the final status is
//! announced.

mod announcement;
mod answer;
mod card;
mod decide;
mod draw;
pub mod handler;
mod record;
mod route;

use std::time::Duration;

use crate::posted::PostedMessage;

pub use self::announcement::{Announcement, feeds_of};
pub use self::card::{CARD_WAIT, Card, CardStatus, StrayCard};
pub use self::decide::{
    BOT_ATTEMPTS, DeliveryRoute, DeliveryStep, RESPONSE_URL_USES, Sending, after_sending,
    next_delivery,
};
pub use self::record::{
    DeliveryStatus, NotificationKind, NotificationRecord, Refusal, Undelivered,
};

/// The result of one post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostResult {
    /// Slack confirmed it; where the bot has posted it, if Slack says that.
    Delivered(Option<PostedMessage>),
    /// No byte was sent: not shown, nothing used up.
    NotSent {
        /// The error.
        reason: String,
        /// For how long nothing can be sent there, if that is known.
        after: Option<Duration>,
    },
    /// Slack does not take it now: not shown.
    Later {
        /// The pause that Slack asked for.
        after: Option<Duration>,
    },
    /// The bot's token may be an old one: not shown.
    Unauthorized {
        /// Slack's error.
        reason: String,
    },
    /// Slack does not accept it there, and there is no reason why it would later: not shown.
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
            PostResult::Delivered(_) => "shown",
            PostResult::NotSent { .. } => "not sent",
            PostResult::Later { .. } => "later",
            PostResult::Unauthorized { .. } => "unauthorized",
            PostResult::Refused { .. } => "refused",
            PostResult::Unknown => "unknown",
        }
    }

    /// Why it was not shown, as far as that was said.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            PostResult::NotSent { reason, .. }
            | PostResult::Unauthorized { reason }
            | PostResult::Refused { reason } => Some(reason),
            PostResult::Delivered(_) | PostResult::Later { .. } | PostResult::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests;
