//! The cards that Slack showed.

use chatops_core::deploy::DeployRecord;
use chatops_core::notification::{CardStatus, DeliveryStatus, NotificationRecord};
use chatops_core::text::{self, MessageKind, MessageMark};
use chatops_sandbox::slack::ShownMessage;

use super::{Findings, FinishedRun};
use crate::violation::Invariant::{OneCard, Termination, ToldWithoutCard, TrueCard};

/// What a message was when it was posted.
fn first_mark(message: &ShownMessage) -> Option<MessageMark> {
    let first = message.earlier.first();
    let blocks = first.map_or(message.blocks.as_ref(), |first| first.blocks.as_ref());
    MessageMark::parse(blocks?.get(0)?["block_id"].as_str()?)
}

impl FinishedRun<'_> {
    pub(super) fn check_card(&self, record: &DeployRecord, found: &mut Findings) {
        let (world, id) = (self.world, record.id);
        let mut notifications = world.ledger.notifications().into_iter();
        let Some(notification) = notifications.find(|one| one.deploy == id) else {
            return;
        };
        let shown = world.slack.shown_messages().into_iter();
        let is_card =
            |mark: &MessageMark| mark.kind == MessageKind::Card && mark.deploy == Some(id);
        let cards = shown.filter_map(|message| Some((first_mark(&message)?, message)));
        let cards: Vec<_> = cards.filter(|(mark, _)| is_card(mark)).collect();
        let unmarked = cards.iter().filter(|(mark, _)| !mark.repeat).count();
        let bounded = cards.len() <= 2 && unmarked <= 1;
        let excused = cards.len() <= 1 || self.fault_count() > 0;
        let detail = format_args!("{id} has {} cards, {unmarked} unmarked", cards.len());
        found.require(bounded && excused, OneCard, detail);
        let Some(card) = &notification.card else {
            let detail = format_args!("a card of {id} that is not on record");
            found.require(cards.is_empty(), TrueCard, detail);
            return;
        };
        let triggered = record.trigger_intent.is_some();
        let detail = format_args!("{id} has a card and was never triggered");
        found.require(triggered, TrueCard, detail);
        match (&card.status, &card.at) {
            (CardStatus::Idle { .. }, Some(at)) => {
                let counts = cards.iter().find(|(_, message)| {
                    (&*message.channel, &*message.ts) == (at.channel.as_str(), at.ts.as_str())
                });
                self.check_counting_card(record, counts.map(|(_, message)| message), found);
            }
            (CardStatus::GivenUp { reason }, _) => check_told(&notification, reason, found),
            (status, _) => {
                let detail = format_args!("the card of {id} is {status:?}");
                found.require(false, Termination, detail);
            }
        }
        let strays = card.strays.len();
        let detail = format_args!("{strays} stray cards of {id} are still to be deleted");
        found.require(strays == 0, Termination, detail);
    }

    fn check_counting_card(
        &self,
        record: &DeployRecord,
        card: Option<&ShownMessage>,
        found: &mut Findings,
    ) {
        let id = record.id;
        let standing = card.filter(|message| message.stands());
        let Some(message) = standing else {
            // A person deletes what they like; the notifier finds out when it edits it.
            let detail = format_args!("the card of {id} was never shown");
            found.require(card.is_some(), TrueCard, detail);
            return;
        };
        let drawn = text::card(record, false, self.world.config()).to_json();
        let text = drawn["text"].as_str().unwrap_or_default();
        let detail = format_args!("the card of {id} shows {}, not {text}", message.text);
        found.require(message.text == text, TrueCard, detail);
        let buttons = |blocks: Option<&serde_json::Value>| {
            let blocks = blocks.and_then(|blocks| blocks.as_array().cloned());
            let mut blocks = blocks.unwrap_or_default().into_iter();
            blocks.find(|block| block["type"] == "actions")
        };
        let detail = format_args!("the card of {id} has other buttons");
        let same = buttons(message.blocks.as_ref()) == buttons(drawn.get("blocks"));
        found.require(same, TrueCard, detail);
    }
}

/// Where there is no card, the conversation was told, or the record says that it may not have been.
fn check_told(notification: &NotificationRecord, reason: &str, found: &mut Findings) {
    let id = notification.deploy;
    let settled = notification.final_status.is_settled();
    let failed = matches!(notification.final_status, DeliveryStatus::Failed { .. });
    let said = !failed || notification.undelivered.is_some();
    let detail = format_args!("{id} has no card ({reason}), and nobody says that it was not told");
    found.require(settled && said, ToldWithoutCard, detail);
}
