//! The steps of the card's model: what the world does at any moment, and what the runs do.

use chatops_core::notification::handler::{NotifyRun, Posting};
use chatops_core::notification::{NotificationKind, NotificationRecord, Sending};
use chatops_core::ports::PostTarget;

use super::ModelViolation;
use super::card_records::card_at;
use super::card_runs::{CardAnswer, CardCache, CardRuns};
use super::card_state::{
    BotPlace, CARDS, CardFate, CardProgress, CardSlot, CardState, settle_state,
};
use super::clock::now;
use super::search::ModelStep;
use super::slack_answer::SlackAnswer;
use crate::seeded::alter;

/// The steps from one state, as they are found.
pub(super) struct CardSteps<'s> {
    pub runs: CardRuns<'s>,
    /// Runs at the same time.
    pub notifiers: usize,
    pub cache: &'s mut CardCache,
    pub from: CardState,
    pub who: usize,
    pub steps: &'s mut Vec<ModelStep<CardState>>,
}

impl CardSteps<'_> {
    fn push(&mut self, to: CardState, what: &'static str, clean: bool) {
        self.push_with(to, what, clean, None);
    }

    pub(super) fn push_with(
        &mut self,
        to: CardState,
        what: &'static str,
        clean: bool,
        violation: Option<ModelViolation>,
    ) {
        let to = settle_state(to, &self.runs.items.record(to.record));
        let mut other = to;
        other.runs.swap(0, 1);
        let swapped = self.notifiers > 1 && other > to;
        self.steps.push(ModelStep {
            to: if swapped { other } else { to },
            who: u8::try_from(self.who).unwrap_or(0),
            about: 0,
            what,
            clean,
            swapped,
            violation,
        });
    }

    /// Goes on to what becomes of a run. The world is as in `to`.
    pub(super) fn push_next(
        &mut self,
        mut to: CardState,
        slot: usize,
        answer: CardAnswer,
        (what, clean): (&'static str, bool),
    ) {
        let CardSlot {
            run,
            stale,
            owes_note,
        } = self.from.runs[slot];
        let mut next = self.runs.next(self.cache, run, answer);
        let posted = matches!(answer, CardAnswer::Posted(_));
        if stale && posted && next != 0 {
            // It finds out when it records the result.
            next = self
                .runs
                .next(self.cache, next, CardAnswer::Overtaken(to.record));
        }
        let edits_late = posted && self.runs.items.edit(run) == Some(true);
        to.runs[slot] = match next {
            0 => CardSlot::default(),
            run => CardSlot {
                run,
                stale: false,
                owes_note: owes_note || edits_late,
            },
        };
        self.push(to, what, clean);
    }

    /// The state after a record is written; whoever has read the one before is overtaken.
    fn write_record(&mut self, mut to: CardState, record: u32, own: Option<usize>) -> CardState {
        let items = self.runs.items;
        let changed = (items.record(to.record), items.record(record));
        to.record = record;
        for slot in 0..to.runs.len() {
            let CardSlot { run, stale, .. } = to.runs[slot];
            if own == Some(slot) || run == 0 || stale {
                continue;
            }
            let value = items.run(run);
            let calls = matches!(value, NotifyRun::Post(_) | NotifyRun::Delete(_));
            let mut stale = false;
            let mut next = run;
            if calls || matches!(value, NotifyRun::Record(_)) {
                (next, stale) = self.runs.over(run, (&changed.0, &changed.1));
            }
            if !calls {
                let overtaken = CardAnswer::Overtaken(record);
                next = self.runs.next(self.cache, next, overtaken);
            }
            to.runs[slot] = match next {
                0 => CardSlot::default(),
                run => CardSlot {
                    run,
                    stale: stale && calls,
                    ..to.runs[slot]
                },
            };
        }
        to
    }

    fn counting_card(&self) -> Option<usize> {
        let record = self.runs.items.record(self.from.record);
        record.card?.at.as_ref().and_then(card_at)
    }

    /// The worker goes on and says that what the card shows is old.
    fn step_worker(&mut self) {
        use CardProgress::{Begun, Ended, Opened, Running};
        let from = self.from;
        let items = self.runs.items;
        let alone = self.notifiers == 1;
        let mut go = |to, kind: Option<NotificationKind>, has_url, what| {
            let mut record = items.record(from.record);
            record.request_redraw(now());
            if let Some(kind) = kind {
                record.request_delivery(kind, now());
            }
            record.response_url = record.response_url.filter(|_| has_url);
            let mut after = self.write_record(from, items.intern_record(record), None);
            after.worker = to;
            self.push(after, what, has_url);
        };
        if from.worker == Opened {
            go(Begun, None, true, "the worker begins a trigger");
            return;
        }
        if from.worker == Begun {
            let kind = Some(NotificationKind::Progress);
            go(Running, kind, true, "the worker sees it run");
        }
        if from.worker != Ended {
            let kind = Some(NotificationKind::Final);
            go(Ended, kind, true, "the worker sees the end");
            if alone {
                let what = "the worker sees the end when the response URL has gone";
                go(Ended, kind, false, what);
            }
        }
    }

    pub(super) fn world_steps(&mut self) {
        self.who = 0;
        let from = self.from;
        self.step_worker();
        // With two runs the bot stays where it is, and nobody else deletes a card.
        let alone = self.notifiers == 1;
        if alone && from.worker >= CardProgress::Begun && from.bot == BotPlace::There {
            let bot = BotPlace::Elsewhere;
            self.push(CardState { bot, ..from }, "the bot is removed", false);
            if from.worker == CardProgress::Ended {
                let bot = BotPlace::Nowhere;
                self.push(CardState { bot, ..from }, "the token is removed", false);
            }
        }
        let counts = self.counting_card().filter(|_| alone);
        for nth in 0..CARDS {
            let mut to = from;
            let card = &mut to.cards[nth];
            if card.fate == CardFate::Stands && counts == Some(nth) {
                (card.fate, card.shows_end, card.late) = (CardFate::Deleted, false, false);
                self.push(to, "somebody deletes a card", false);
            }
            let mut to = from;
            let card = &mut to.cards[nth];
            if card.late {
                (card.shows_end, card.late) = (false, false);
                self.push(to, "Slack carries an old edit out late", false);
            }
        }
        let items = self.runs.items;
        let mut to = from;
        let mut later = |number: &mut u32| {
            if *number != 0 {
                let later = self.cache.after_ticks.entry(*number);
                *number = *later.or_insert_with(|| items.tick_item(*number));
            }
        };
        later(&mut to.record);
        to.runs.iter_mut().for_each(|slot| later(&mut slot.run));
        to.cards.iter_mut().for_each(|card| card.late = false);
        let clean = from.runs.iter().all(|slot| slot.run == 0);
        self.push(to, "time passes", clean);
    }

    pub(super) fn begin_runs(&mut self) {
        let slots = &self.from.runs[..self.notifiers];
        let Some(slot) = slots.iter().position(|slot| slot.run == 0) else {
            return;
        };
        self.who = slot + 1;
        let from = self.from;
        let due = self.runs.items.record(from.record).due_at();
        let begin = |pressed| CardAnswer::Begin {
            record: from.record,
            token: from.bot != BotPlace::Nowhere,
            pressed,
        };
        if due.is_some_and(|due| due <= now()) {
            let what = ("begins, reads the record and decides", true);
            self.push_next(from, slot, begin(None), what);
        }
        // Whoever presses a card that was deleted has seen it before.
        let posted = if from.bot == BotPlace::There {
            from.posted()
        } else {
            0
        };
        for nth in 0..posted {
            let what = match nth {
                0 => "hears of a press of the first card",
                _ => "hears of a press of the second card",
            };
            self.push_next(from, slot, begin(Some(nth)), (what, false));
        }
    }

    pub(super) fn run_steps(&mut self, slot: usize) {
        let CardSlot { run, owes_note, .. } = self.from.runs[slot];
        if run == 0 {
            return;
        }
        self.who = slot + 1;
        match self.runs.items.run(run) {
            NotifyRun::Settle(phase) => {
                self.step_save(slot, phase.record, "writes what is settled");
            }
            NotifyRun::NotePress(phase) => self.step_save(slot, phase.record, "notes the press"),
            NotifyRun::Reserve(phase) => {
                self.step_save(slot, phase.post.reserved, "writes the reservation");
            }
            NotifyRun::Record(phase) => {
                self.step_save(slot, *phase.record, "records what became of it");
            }
            NotifyRun::Delete(phase) => self.step_delete(slot, card_at(&phase.card)),
            NotifyRun::Post(phase) => self.step_post(slot, &phase),
            other => unreachable!("no state of the model: {other:?}"),
        }
        if !owes_note {
            let mut to = self.from;
            to.runs[slot] = CardSlot::default();
            self.push(to, "crashes", false);
        }
    }

    fn step_save(&mut self, slot: usize, mut record: NotificationRecord, what: &'static str) {
        alter::saved_notification(self.runs.bug, &mut record);
        let record = self.runs.items.intern_record(record);
        let to = self.write_record(self.from, record, Some(slot));
        let ended = self.from.worker == CardProgress::Ended;
        self.push_next(to, slot, CardAnswer::Saved { ended }, (what, true));
    }

    fn step_post(&mut self, slot: usize, posting: &Posting) {
        let message = alter::outgoing(self.runs.bug, posting.request.as_ref().clone()).message;
        let marked = message.mark.repeat;
        match (&posting.post.sending, &posting.request.to) {
            (Sending::Card { .. }, PostTarget::Edit(at)) => {
                self.step_edit(slot, card_at(at), &message);
            }
            (Sending::Card { .. }, _) => self.step_card(slot, marked, &message),
            (Sending::Notification { kind, .. }, to) => self.step_notify(slot, *kind, to, marked),
            (Sending::Answer | Sending::Announcement { .. } | Sending::Deletion(_), _) => {}
        }
    }

    /// The calls of the card that do nothing, and what Slack or nobody says to them.
    pub(super) fn push_failures(&mut self, slot: usize, refusal_is_clean: bool) {
        // A pause matters to the final status, which waits for less.
        if self.notifiers == 1 && self.from.worker == CardProgress::Ended {
            let heard = CardAnswer::Posted(SlackAnswer::MuchLater);
            self.push_next(self.from, slot, heard, ("calls Slack: 'in an hour'", false));
        }
        self.push_refusals(slot, refusal_is_clean);
    }

    /// Those that every call has.
    pub(super) fn push_refusals(&mut self, slot: usize, refusal_is_clean: bool) {
        for (heard, what) in [
            (SlackAnswer::NotSent, "cannot reach Slack"),
            (
                SlackAnswer::Unknown,
                "calls Slack; it does nothing, and the answer is lost",
            ),
            (SlackAnswer::Refused, "calls Slack, which refuses"),
        ] {
            let clean = refusal_is_clean && heard == SlackAnswer::Refused;
            self.push_next(self.from, slot, CardAnswer::Posted(heard), (what, clean));
        }
    }
}
