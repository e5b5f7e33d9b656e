//! A state of the card's model: one deploy's notification record, the cards of it that Slack has, and the
//! runs of the notifier.
//!
//! As with the notifier's, nothing may be in it that grows with the way that led to it.

use chatops_core::notification::{CardStatus, DeliveryStatus, NotificationRecord};

use super::card_records::card_at;

/// Cards that a state has room for. A third is a violation.
pub(super) const CARDS: usize = 2;

/// How far the worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub(super) enum CardProgress {
    /// The deploy is on record.
    #[default]
    Opened,
    /// A trigger was begun, so there is to be a card.
    Begun,
    /// A workflow was seen.
    Running,
    /// It has ended.
    Ended,
}

/// Where the bot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub(super) enum BotPlace {
    /// In the conversation.
    #[default]
    There,
    /// Removed from it.
    Elsewhere,
    /// The services have no token any more.
    Nowhere,
}

/// What became of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub(super) enum CardFate {
    /// It was never posted.
    #[default]
    None,
    /// Everybody sees it.
    Stands,
    /// It was deleted.
    Deleted,
}

/// A card as Slack has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct SlackCard {
    pub fate: CardFate,
    /// Whether it says that it counts, and that an earlier one may stand above.
    pub marked: bool,
    /// Whether it shows the end, or something older.
    pub shows_end: bool,
    /// Whether Slack has accepted an edit to something older, which it may carry out late.
    pub late: bool,
}

/// One run of the notifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct CardSlot {
    /// The run as the product has it; 0 for none.
    pub run: u32,
    /// Others have concluded its reservation.
    pub stale: bool,
    /// It has edited a card after its lease and not written that down. A run that dies now leaves an old
    /// card, as an edit does that Slack carries out much too late.
    pub owes_note: bool,
}

/// Everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct CardState {
    /// The notification record.
    pub record: u32,
    pub worker: CardProgress,
    pub bot: BotPlace,
    /// In the order in which they were posted.
    pub cards: [SlackCard; CARDS],
    /// Whether the final status was shown.
    pub told: bool,
    /// How often without a mark.
    pub unmarked: u8,
    pub runs: [CardSlot; 2],
}

impl CardState {
    /// How many cards were posted.
    pub(super) fn posted(&self) -> usize {
        let posted = |card: &&SlackCard| card.fate != CardFate::None;
        self.cards.iter().filter(posted).count()
    }
}

/// The state without what nothing depends on any more.
pub(super) fn settle_state(mut at: CardState, record: &NotificationRecord) -> CardState {
    if let Some(card) = &record.card {
        let is_given_up = matches!(card.status, CardStatus::GivenUp { .. });
        let counts = card.at.as_ref().and_then(card_at);
        for (nth, one) in at.cards.iter_mut().enumerate() {
            if is_given_up || counts.is_some_and(|counts| counts != nth) {
                (one.shows_end, one.late) = (false, false);
            }
        }
    }
    if record.final_status.is_settled() {
        at.told &= record.final_status != DeliveryStatus::Unknown;
        if at.runs.iter().all(|slot| slot.run == 0) && at.unmarked < 2 {
            at.unmarked = 0;
        }
    }
    at
}
