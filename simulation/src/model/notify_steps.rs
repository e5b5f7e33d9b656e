//! The steps of one run of the notifier, as `chatops_notifier` takes them: each ends at a port call.

use chatops_core::notification::{
    DeliveryStep, NotificationKind, NotificationRecord, RESPONSE_URL_USES,
};

use super::ModelViolation;
use super::interner::now;
use super::notifications::TIMEOUTS;
use super::notify_space::{
    NotifyCache, NotifyPhase, NotifyRun, NotifySpace, NotifyState, SlackEvidence, WorkerProgress,
    kind_of,
};
use super::search::ModelStep;
use crate::invariants::Invariant::BoundedPosts;
use crate::invariants::Violation;

/// What [`DecisionRules::next_delivery`](super::DecisionRules::next_delivery) comes to.
#[derive(Debug, Clone, Copy)]
pub(super) enum NotifyPlan {
    Wait,
    Save(u16),
    Post {
        item: u16,
        is_final: bool,
        marked: bool,
    },
}

/// The steps from one state, as they are found.
pub(super) struct NotifySteps<'s, 'd> {
    pub space: &'s NotifySpace<'s>,
    pub cache: &'d mut NotifyCache,
    pub from: NotifyState,
    pub who: usize,
    pub steps: &'d mut Vec<ModelStep<NotifyState>>,
}

impl NotifySteps<'_, '_> {
    fn push(&mut self, to: NotifyState, what: &'static str, clean: bool) {
        self.push_with(to, what, clean, None);
    }

    fn push_with(
        &mut self,
        to: NotifyState,
        what: &'static str,
        clean: bool,
        violation: Option<ModelViolation>,
    ) {
        let mut other = to;
        other.runs.swap(0, 1);
        let swapped = self.space.notifiers > 1 && other > to;
        let to = if swapped { other } else { to };
        let who = u8::try_from(self.who).unwrap_or(0);
        self.steps.push(ModelStep {
            to,
            who,
            about: 0,
            what,
            clean,
            swapped,
            violation,
        });
    }

    fn push_run(&mut self, slot: usize, run: NotifyRun, what: &'static str, clean: bool) {
        let mut to = self.from;
        to.runs[slot] = run;
        self.push(to, what, clean);
    }

    fn cached_plan(&mut self, number: u16) -> NotifyPlan {
        let (items, rules) = (self.space.items, self.space.rules);
        *self.cache.plans.entry(number).or_insert_with(|| {
            match (rules.next_delivery)(&items.get(number), now(), &TIMEOUTS) {
                DeliveryStep::Rest => NotifyPlan::Wait,
                DeliveryStep::Save(item) => NotifyPlan::Save(items.intern(item)),
                DeliveryStep::Post {
                    reserved,
                    kind,
                    route: _,
                    repeat,
                } => NotifyPlan::Post {
                    item: items.intern(reserved),
                    is_final: kind == NotificationKind::Final,
                    marked: repeat,
                },
            }
        })
    }

    /// The item after what was heard about the post.
    fn item_after(&mut self, number: u16, is_final: bool, heard: SlackEvidence) -> u16 {
        let (items, rules) = (self.space.items, self.space.rules);
        let key = u64::from(number) << 16 | u64::from(is_final) << 8 | heard as u64;
        *self.cache.after_posts.entry(key).or_insert_with(|| {
            let item = items.get(number);
            let (kind, posted) = (kind_of(is_final), heard.post_result());
            items.intern((rules.after_delivery)(&item, kind, &posted, now()))
        })
    }

    /// The state after an item is written; whoever has read the one before is overtaken.
    fn write_item(&self, mut state: NotifyState, item: u16, slot: Option<usize>) -> NotifyState {
        let (old, new) = (self.space.items.get(state.item), self.space.items.get(item));
        state.item = item;
        for (n, run) in state.runs.iter_mut().enumerate() {
            if slot == Some(n) || run.at == NotifyPhase::Idle {
                continue;
            }
            // A reservation is known by its own end of lease, which no other one has.
            let delivery = kind_of(run.is_final);
            let holds = matches!(
                run.at,
                NotifyPhase::Posting | NotifyPhase::Recording | NotifyPhase::Rereading
            );
            run.superseded |= holds && old.delivery(delivery) != new.delivery(delivery);
            match run.at {
                NotifyPhase::Saving | NotifyPhase::Reserving => (run.stale, run.item) = (true, 0),
                NotifyPhase::Posting | NotifyPhase::Recording => run.stale = true,
                NotifyPhase::Idle | NotifyPhase::Reading | NotifyPhase::Rereading => {}
            }
        }
        state
    }

    pub(super) fn world_steps(&mut self) {
        self.who = 0;
        let item = self.space.items.get(self.from.item);
        let pending = |kind| {
            let mut item: NotificationRecord = item.as_ref().clone();
            item.request_delivery(kind, now());
            self.space.items.intern(item)
        };
        if self.from.worker == WorkerProgress::Opened {
            let mut to = self.write_item(self.from, pending(NotificationKind::Progress), None);
            to.worker = WorkerProgress::Started;
            self.push(to, "the worker sees it run", false);
        }
        if self.from.worker != WorkerProgress::Ended {
            let mut to = self.write_item(self.from, pending(NotificationKind::Final), None);
            to.worker = WorkerProgress::Ended;
            self.push(to, "the worker sees the end", true);
        }
        let mut to = self.from;
        let mut later = |number: &mut u16| {
            if *number != 0 {
                let items = self.space.items;
                let later = self.cache.after_ticks.entry(*number);
                *number = *later.or_insert_with(|| items.tick_item(*number));
            }
        };
        later(&mut to.item);
        to.runs.iter_mut().for_each(|run| later(&mut run.item));
        let clean = self.from.runs.iter().all(|run| run.at == NotifyPhase::Idle);
        self.push(to, "time passes", clean);
    }

    pub(super) fn begin_runs(&mut self) {
        let idle = |run: &NotifyRun| run.at == NotifyPhase::Idle;
        let slots = &self.from.runs[..self.space.notifiers];
        let Some(slot) = slots.iter().position(idle) else {
            return;
        };
        self.who = slot + 1;
        let item = self.space.items.get(self.from.item);
        if item.due_at().is_some_and(|due| due <= now()) {
            let run = NotifyRun::new(NotifyPhase::Reading);
            self.push_run(slot, run, "begins", true);
        }
    }

    pub(super) fn run_steps(&mut self, slot: usize) {
        let run = self.from.runs[slot];
        if run.at == NotifyPhase::Idle {
            return;
        }
        self.who = slot + 1;
        let reads = NotifyRun::new(NotifyPhase::Reading);
        match run.at {
            NotifyPhase::Idle => {}
            NotifyPhase::Reading => match self.cached_plan(self.from.item) {
                NotifyPlan::Wait => {
                    self.push_run(slot, NotifyRun::default(), "finds nothing to do", true);
                }
                NotifyPlan::Save(item) => {
                    let mut run = NotifyRun::new(NotifyPhase::Saving);
                    run.item = item;
                    self.push_run(slot, run, "decides what is settled", true);
                }
                NotifyPlan::Post {
                    item,
                    is_final,
                    marked,
                } => {
                    let run = NotifyRun {
                        at: self.first_phase(),
                        is_final,
                        marked,
                        item,
                        ..reads
                    };
                    self.push_run(slot, run, "decides to post", true);
                }
            },
            NotifyPhase::Saving | NotifyPhase::Reserving if run.stale => {
                self.push_run(slot, reads, "finds that others were first", true);
            }
            NotifyPhase::Saving => {
                let mut to = self.write_item(self.from, run.item, Some(slot));
                to.runs[slot] = reads;
                self.push(to, "writes what is settled", true);
            }
            NotifyPhase::Reserving => {
                let mut to = self.write_item(self.from, run.item, Some(slot));
                let at = NotifyPhase::Posting;
                to.runs[slot] = NotifyRun { at, ..run };
                self.push(to, "writes the reservation", true);
            }
            NotifyPhase::Posting => self.step_post(slot, run),
            NotifyPhase::Recording => self.step_record(slot, run),
            NotifyPhase::Rereading => {
                if run.superseded {
                    self.push_run(slot, reads, "finds its reservation gone", true);
                } else {
                    let run = run.next(NotifyPhase::Recording, self.from.item);
                    self.push_run(slot, run, "reads the item again", true);
                }
            }
        }
        self.push_run(slot, NotifyRun::default(), "crashes", false);
    }

    fn first_phase(&self) -> NotifyPhase {
        if self.space.rules.reserves_first {
            NotifyPhase::Reserving
        } else {
            NotifyPhase::Posting
        }
    }

    /// One post, and what becomes of it.
    fn step_post(&mut self, slot: usize, run: NotifyRun) {
        let item = self.space.items.get(self.from.item);
        let alive = now() < item.expires_at;
        let hears = |heard| NotifyRun {
            at: NotifyPhase::Recording,
            evidence: heard,
            ..run
        };
        let mut used = self.from;
        used.used += 1;
        let why = Violation::new(BoundedPosts, "the response URL is used too often");
        let violation = (used.used > RESPONSE_URL_USES).then_some(why);
        if alive {
            let mut to = used;
            if run.is_final {
                to.finals += 1;
                to.unmarked += u8::from(!run.marked);
            } else {
                to.progress += 1;
            }
            to.runs[slot] = hears(SlackEvidence::Delivered);
            self.push_with(to, "posts, and it is shown", true, violation);
            to.runs[slot] = hears(SlackEvidence::Unknown);
            let what = "posts, it is shown, the answer is lost";
            self.push_with(to, what, false, violation);
        }
        let unseen = "posts, it is not shown, the answer is lost";
        for (heard, what) in [
            (SlackEvidence::Unknown, unseen),
            (SlackEvidence::Later, "posts: 'later'"),
            (SlackEvidence::MuchLater, "posts: 'in an hour'"),
            (SlackEvidence::Refused, "posts, and Slack refuses"),
        ] {
            let mut to = used;
            to.runs[slot] = hears(heard);
            let clean = !alive && heard == SlackEvidence::Refused;
            self.push_with(to, what, clean, violation);
        }
        let unsent = hears(SlackEvidence::NotSent);
        self.push_run(slot, unsent, "cannot reach Slack", false);
    }

    fn step_record(&mut self, slot: usize, run: NotifyRun) {
        if run.stale {
            let again = run.next(NotifyPhase::Rereading, 0);
            self.push_run(slot, again, "finds that others were first", true);
            return;
        }
        let item = self.item_after(run.item, run.is_final, run.evidence);
        let mut to = self.write_item(self.from, item, Some(slot));
        to.runs[slot] = NotifyRun::new(NotifyPhase::Reading);
        self.push(to, "records what became of it", true);
    }
}
