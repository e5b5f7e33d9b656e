//! The card's side: one notification record with a card, Slack with the cards that really stand, the people
//! who press and delete them, and runs of the notifier that stop at every port call.

use chatops_core::notification::{CardStatus, DeliveryStatus};

use super::card_records::{CardItems, card_at};
use super::card_runs::{CardCache, CardRuns};
use super::card_state::{CardFate, CardProgress, CardState};
use super::card_steps::CardSteps;
use super::commit_invariants::{Check, check};
use super::notify_steps::phase_name;
use super::rules::DecisionRules;
use super::search::{CleanStep, ModelStep, StateSpace};
use crate::violation::Invariant::{
    BoundedPosts, OneCard, ResponseUrlPrivate, ToldWithoutCard, TrueCard, TrueDelivery,
};

/// What is searched.
pub(super) struct CardSpace<'a> {
    pub items: &'a CardItems,
    pub rules: &'a DecisionRules,
    /// Runs at the same time.
    pub notifiers: usize,
}

impl CardSpace<'_> {
    /// The steps from a state, none yet.
    fn steps_from<'s>(
        &'s self,
        cache: &'s mut CardCache,
        from: CardState,
        steps: &'s mut Vec<ModelStep<CardState>>,
    ) -> CardSteps<'s> {
        CardSteps {
            runs: CardRuns {
                items: self.items,
                bug: self.rules.bug,
            },
            notifiers: self.notifiers,
            cache,
            from,
            who: 0,
            steps,
        }
    }

    /// Whether nothing happens any more, unless somebody does something.
    fn is_at_rest(&self, at: &CardState) -> bool {
        let is_idle = at.runs.iter().all(|slot| slot.run == 0);
        let ended = at.worker == CardProgress::Ended;
        ended && is_idle && self.items.record(at.record).due_at().is_none()
    }
}

impl StateSpace for CardSpace<'_> {
    type State = CardState;
    type Cache = CardCache;

    fn new_cache(&self) -> CardCache {
        CardCache::default()
    }

    fn initial_state(&self) -> CardState {
        CardState {
            record: self.items.initial_record(),
            ..CardState::default()
        }
    }

    fn collect_steps(
        &self,
        cache: &mut CardCache,
        at: &CardState,
        out: &mut Vec<ModelStep<CardState>>,
    ) {
        let mut steps = self.steps_from(cache, *at, out);
        steps.world_steps();
        steps.begin_runs();
        for slot in 0..self.notifiers {
            steps.run_steps(slot);
        }
    }

    fn clean_step(&self, cache: &mut CardCache, at: &CardState) -> CleanStep<CardState> {
        if self.is_at_rest(at) {
            return CleanStep::AtRest;
        }
        let mut out = vec![];
        let mut steps = self.steps_from(cache, *at, &mut out);
        if let Some(slot) = at.runs.iter().position(|slot| slot.run != 0) {
            steps.run_steps(slot);
        } else {
            steps.begin_runs();
            steps.world_steps();
        }
        let clean = out.iter().find(|step| step.clean);
        CleanStep::Next(clean.map_or(*at, |step| step.to))
    }

    fn check_state(&self, _: &mut CardCache, at: &CardState) -> Check {
        let item = self.items.record(at.record);
        let lost = item.card.as_ref().map_or(0, |card| card.lost_posts);
        let why = "there are more cards than posts whose outcome is unknown, and one";
        check(at.posted() <= 1 + usize::from(lost), OneCard, why)?;
        let cards = at.cards.iter().filter(|card| card.fate != CardFate::None);
        let why = "a second card does not say that it is one";
        let unmarked = cards.filter(|card| !card.marked).count();
        check(unmarked <= 1, OneCard, why)?;
        let why = "the final status is shown in both places";
        check(at.unmarked <= 1, BoundedPosts, why)?;
        let is_true = match &item.final_status {
            DeliveryStatus::Delivered { .. } => at.told,
            DeliveryStatus::Failed { .. }
            | DeliveryStatus::Skipped
            | DeliveryStatus::NotRequested => !at.told,
            _ => true,
        };
        let why = "what is on record about the delivery is not true";
        check(is_true, TrueDelivery, why)?;
        if !self.is_at_rest(at) {
            return Ok(());
        }
        let cleared = item.response_url.is_none();
        check(cleared, ResponseUrlPrivate, "the response URL is kept")?;
        let is_on_record = match &item.final_status {
            DeliveryStatus::Delivered { .. } | DeliveryStatus::Unknown => true,
            DeliveryStatus::Failed { .. } => item.untold().is_some(),
            _ => false,
        };
        let why = "nobody was told the end, and that is not on record";
        check(is_on_record, ToldWithoutCard, why)?;
        let Some(card) = item.card else {
            return check(false, ToldWithoutCard, "no card was ever wanted");
        };
        if matches!(card.status, CardStatus::GivenUp { .. }) {
            return Ok(());
        }
        // Of two cards, people believe the one that says that it counts.
        let counts = |marked| {
            let mut cards = at.cards.iter();
            cards.position(|card| card.fate != CardFate::None && card.marked == marked)
        };
        let believed = counts(true).or_else(|| counts(false));
        let on_record = card.at.as_ref().and_then(card_at);
        let why = "another card counts than the one that says so";
        check(believed == on_record, OneCard, why)?;
        let is_old = believed
            .is_some_and(|nth| at.cards[nth].fate == CardFate::Stands && !at.cards[nth].shows_end);
        check(!is_old, TrueCard, "the card does not show the end")
    }

    fn describe_state(&self, _: &mut CardCache, at: &CardState) -> String {
        let item = self.items.record(at.record);
        let card = match &item.card {
            None => "no card".to_owned(),
            Some(card) => {
                let status = match card.status {
                    CardStatus::Idle { .. } if card.shown < card.wanted => "old",
                    CardStatus::Idle { .. } => "drawn",
                    CardStatus::InFlight { .. } => "in flight",
                    CardStatus::GivenUp { .. } => "given up",
                };
                let again = card.again.map_or("", |_| ", once more");
                let place = card.at.as_ref().and_then(card_at).map_or(0, |nth| nth + 1);
                let strays = card.strays.len();
                format!("card {place} {status}{again}, {strays} to delete")
            }
        };
        let stands = (1..).zip(&at.cards);
        let stands = stands.filter(|(_, card)| card.fate == CardFate::Stands);
        let stands: Vec<_> = stands
            .map(|(nth, card)| {
                let marked = if card.marked {
                    " says that it counts,"
                } else {
                    ""
                };
                let shows = if card.shows_end {
                    "the end"
                } else {
                    "the start"
                };
                let late = if card.late { ", an old edit comes" } else { "" };
                format!("{nth}{marked} shows {shows}{late}")
            })
            .collect();
        let runs = at.runs.iter().filter(|slot| slot.run != 0);
        let runs: Vec<_> = runs
            .map(|slot| {
                let stale = if slot.stale { ", overtaken" } else { "" };
                format!("[{}{stale}]", phase_name(&self.items.run(slot.run)))
            })
            .collect();
        let told = if at.told { "told" } else { "not told" };
        format!(
            "{:?}, bot {:?}; {card}; at Slack ({}); {told} {}",
            at.worker,
            at.bot,
            stands.join("; "),
            runs.join(" ")
        )
    }
}
