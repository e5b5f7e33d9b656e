//! The calls of Slack in the card's model: a card posted, edited or deleted, and a notification posted.
//!
//! Slack carries an edit out at once, or accepts it without an answer and carries it out late. A post that
//! it carries out late is one of a run that stood still.

use chatops_core::notification::NotificationKind;
use chatops_core::ports::PostTarget;
use chatops_core::text::SlackMessage;

use super::card_records::{card_at, draws_end};
use super::card_runs::CardAnswer;
use super::card_state::{BotPlace, CARDS, CardFate, SlackCard};
use super::card_steps::CardSteps;
use super::slack_answer::SlackAnswer;
use crate::violation::Invariant::OneCard;
use crate::violation::Violation;

impl CardSteps<'_> {
    fn stands(&self, nth: Option<usize>) -> bool {
        nth.is_some_and(|nth| self.from.cards[nth].fate == CardFate::Stands)
            && self.from.bot == BotPlace::There
    }

    /// A post of the card.
    pub(super) fn step_card(&mut self, slot: usize, marked: bool, message: &SlackMessage) {
        let nth = self.from.posted();
        if self.from.bot == BotPlace::There {
            if nth == CARDS {
                let why = Violation::new(OneCard, "a third card is posted");
                self.push_with(self.from, "posts the card", false, Some(why));
                return;
            }
            let mut to = self.from;
            to.cards[nth] = SlackCard {
                fate: CardFate::Stands,
                marked,
                shows_end: draws_end(message),
                late: false,
            };
            let shown = CardAnswer::Posted(SlackAnswer::CardAt(nth));
            self.push_next(to, slot, shown, ("posts the card", true));
            let lost = CardAnswer::Posted(SlackAnswer::Unknown);
            let what = ("posts the card, and the answer is lost", false);
            self.push_next(to, slot, lost, what);
        }
        self.push_failures(slot, self.from.bot != BotPlace::There);
    }

    /// An edit of the card.
    pub(super) fn step_edit(&mut self, slot: usize, nth: Option<usize>, message: &SlackMessage) {
        let stands = self.stands(nth);
        if let Some(nth) = nth.filter(|_| stands) {
            let shows_end = draws_end(message);
            let mut to = self.from;
            if to.cards[nth].marked && !message.mark.repeat {
                let why = Violation::new(OneCard, "an edit takes the sentence away");
                self.push_with(to, "edits the card", false, Some(why));
                return;
            }
            to.cards[nth].shows_end = shows_end;
            let shown = CardAnswer::Posted(SlackAnswer::CardAt(nth));
            self.push_next(to, slot, shown, ("edits the card", true));
            let lost = CardAnswer::Posted(SlackAnswer::Unknown);
            let what = ("edits the card, and the answer is lost", false);
            self.push_next(to, slot, lost, what);
            // A late edit to the end does no harm.
            let mut to = self.from;
            to.cards[nth].late |= !shows_end;
            let what = "edits the card; Slack takes it without an answer";
            self.push_next(to, slot, lost, (what, false));
        }
        self.push_failures(slot, !stands);
    }

    /// The deletion of a card.
    pub(super) fn step_delete(&mut self, slot: usize, nth: Option<usize>) {
        let stands = self.stands(nth);
        if let Some(nth) = nth.filter(|_| stands) {
            let mut to = self.from;
            to.cards[nth] = SlackCard {
                fate: CardFate::Deleted,
                marked: to.cards[nth].marked,
                ..SlackCard::default()
            };
            let done = CardAnswer::Posted(SlackAnswer::Delivered);
            self.push_next(to, slot, done, ("deletes a card", true));
            let lost = CardAnswer::Posted(SlackAnswer::Unknown);
            let what = ("deletes a card, and the answer is lost", false);
            self.push_next(to, slot, lost, what);
        }
        self.push_failures(slot, !stands);
    }

    /// A notification, in the card's thread or wherever it goes without a card.
    pub(super) fn step_notify(
        &mut self,
        slot: usize,
        kind: NotificationKind,
        to: &PostTarget,
        marked: bool,
    ) {
        let takes = match to {
            PostTarget::ResponseUrl(_) | PostTarget::Pressed(_) => true,
            PostTarget::Thread { parent, .. } => self.stands(card_at(parent)),
            PostTarget::Conversation { .. } | PostTarget::Edit(_) => {
                self.from.bot == BotPlace::There
            }
        };
        if takes {
            let mut to = self.from;
            if kind == NotificationKind::Final {
                to.told = true;
                to.unmarked = (to.unmarked + u8::from(!marked)).min(2);
            }
            let shown = CardAnswer::Posted(SlackAnswer::Delivered);
            self.push_next(to, slot, shown, ("posts a notification", true));
            let lost = CardAnswer::Posted(SlackAnswer::Unknown);
            let what = ("posts a notification, and the answer is lost", false);
            self.push_next(to, slot, lost, what);
        }
        if kind == NotificationKind::Final || !takes {
            self.push_refusals(slot, !takes);
        }
    }
}
