//! What Slack can answer a post.

use std::time::Duration;

use chatops_core::notification::PostResult;

use super::card_records::card_place;

/// An answer; a long pause that it asks for is a case of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum SlackAnswer {
    Delivered,
    /// It is the card of this number.
    CardAt(usize),
    NotSent,
    Later,
    MuchLater,
    Refused,
    Unknown,
}

impl SlackAnswer {
    /// The answer as the notifier receives it.
    pub(super) fn post_result(self) -> PostResult {
        let why = || "met".to_owned();
        match self {
            SlackAnswer::Delivered => PostResult::Delivered(None),
            SlackAnswer::NotSent => PostResult::NotSent {
                reason: why(),
                after: None,
            },
            SlackAnswer::Later => PostResult::Later { after: None },
            SlackAnswer::MuchLater => PostResult::Later {
                after: Some(Duration::from_hours(1)),
            },
            SlackAnswer::CardAt(nth) => PostResult::Delivered(Some(card_place(nth))),
            SlackAnswer::Refused => PostResult::Refused { reason: why() },
            SlackAnswer::Unknown => PostResult::Unknown,
        }
    }
}
