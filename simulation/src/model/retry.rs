//! Retries: what people request, what is in the dead-letter queue, and the steps of the worker and
//! its sweeper over both.
//!
//! A request may be handled at any time from then on, any number of times: a message may come twice,
//! and its handler may die. So may a redriven ticket, until a run has seen that it was carried out.

use super::decision_cache::{NextRun, RunAnswer};
use super::facts::{ItemFacts, RunPhase};
use super::ids::{PLACES, retry_of};
use super::messages::QueuedRetry;
use super::worker_state::{RetryTickets, WorkerRun, WorkerState};
use super::world_steps::WorkerSteps;

impl WorkerSteps<'_, '_> {
    fn is_on_record(&mut self, place: usize) -> bool {
        let number = self.from.deploys[place];
        number != 0 && self.cache.facts(number).state.is_some()
    }

    /// Whether there is room for the retry of a deploy.
    fn retry_place(&self, place: usize) -> Option<usize> {
        let link = if place == 0 { 1 } else { 2 };
        retry_of(place).filter(|_| link <= self.scope.retry_links)
    }

    /// What people request, and where the tickets go.
    pub(super) fn action_steps(&mut self) {
        for who in 0..self.scope.retriers {
            // The second person follows the first, or it is only the other way round.
            let first = who == 0 || self.from.retries[who - 1] != 0;
            if self.from.retries[who] != 0 || !first {
                continue;
            }
            for named in (0..PLACES).filter(|place| retry_of(*place).is_some()) {
                if !self.is_on_record(named) {
                    continue;
                }
                let id = self.cache.record(self.from.deploys[named]).id;
                // Without `confirm` the first of the chain stands for all of it.
                let plainly = (named == 0).then_some((false, "somebody retries"));
                let confirms = (true, "somebody retries, and confirms");
                for (confirm, what) in plainly.into_iter().chain([confirms]) {
                    let retry = self.cache.intern_retry(QueuedRetry::new(who, id, confirm));
                    let mut to = self.from;
                    to.retries[who] = retry;
                    self.push(to, named, what, false);
                }
            }
        }
        for place in 0..PLACES {
            self.ticket_steps(place);
        }
    }

    /// Where the tickets of one deploy go by themselves, and what the sweeper removes.
    fn ticket_steps(&mut self, place: usize) {
        let from = self.from;
        let RetryTickets { in_dlq, redriven } = from.tickets[place];
        let moved = |in_dlq, redriven| {
            let mut to = from;
            to.tickets[place] = RetryTickets { in_dlq, redriven };
            to
        };
        if in_dlq && self.cache.is_ticket_obsolete(from.deploys[place]) {
            let to = moved(false, redriven);
            self.push(to, place, "the sweeper removes the ticket", true);
        }
        if in_dlq && self.scope.redrive && self.retry_place(place).is_some() {
            self.push(
                moved(false, true),
                place,
                "somebody redrives the ticket",
                false,
            );
            let what = "somebody redrives a copy of the ticket";
            self.push(moved(true, true), place, what, false);
        }
        if redriven {
            let to = moved(true, false);
            self.push(to, place, "the queue gives the ticket up again", false);
        }
    }

    /// A run begins on a redriven ticket.
    pub(super) fn begin_tickets(&mut self, slot: usize) {
        let tickets = self.from.tickets;
        for place in (0..PLACES).filter(|place| tickets[*place].redriven) {
            let mut to = self.from;
            to.tickets[place].redriven = false;
            let deploy = u8::try_from(place).unwrap_or(0);
            let answer = RunAnswer::Ticket(deploy, self.from.deploys);
            match self.cache.next_run(0, answer, slot) {
                NextRun::Run(run) => match self.cache.facts(run).phase {
                    RunPhase::BeginningRetry => self.push_begin_retry(slot, place, run, true),
                    RunPhase::ReturningTicket => {
                        to.tickets[place].in_dlq = true;
                        self.push(to, place, "puts the ticket back", true);
                    }
                    // It goes on with the retry, as a run may at any time.
                    _ => self.push(to, place, "finds the ticket carried out", true),
                },
                NextRun::Ended => self.push(to, place, "does not carry out the ticket", true),
                NextRun::Broken(why) => self.push_violation(place, "reads the ticket", why),
            }
        }
    }

    /// A run begins on a retry request.
    pub(super) fn begin_retries(&mut self, slot: usize) {
        for who in 0..self.scope.retriers {
            let number = self.from.retries[who];
            if number == 0 || self.cache.get_retry(number).handled {
                continue;
            }
            let answer = RunAnswer::Action(number, self.from.deploys);
            match self.cache.next_run(0, answer, slot) {
                NextRun::Run(run) => match self.cache.facts(run).phase {
                    RunPhase::BeginningRetry => self.push_begin_retry(slot, 0, run, false),
                    RunPhase::RecordingRefusal => {
                        let retrier = self.cache.facts(run).retrier;
                        let mut to = self.from;
                        self.complete_retry(&mut to, retrier);
                        self.push(to, 0, "refuses the retry", false);
                    }
                    // It goes on with the retry, as a run may at any time.
                    _ => {}
                },
                NextRun::Ended => {}
                NextRun::Broken(why) => self.push_violation(0, "reads the retry request", why),
            }
        }
    }

    /// A run is about to write the first transaction of a retry, if there is room for it.
    fn push_begin_retry(&mut self, slot: usize, about: usize, run: u32, clean: bool) {
        let place = self.cache.facts(run).place;
        if !place.is_some_and(|new| self.has_room(usize::from(new))) {
            return;
        }
        let mut to = self.from;
        to.runs[slot] = WorkerRun::default().about(run, place);
        self.push(to, about, "decides to retry it", clean);
    }

    /// Reads the deploy to retry once more.
    pub(super) fn step_read_retried(&mut self, slot: usize, run: WorkerRun) {
        let answer = RunAnswer::Chain(self.from.deploys);
        let next = self.cache.next_run(run.run, answer, slot);
        let begins = match next {
            NextRun::Run(next) => Some(self.cache.facts(next)),
            _ => None,
        };
        let begins = begins.filter(|facts| facts.phase == RunPhase::BeginningRetry);
        let has_room = |facts: ItemFacts| {
            facts
                .place
                .is_some_and(|new| self.has_room(usize::from(new)))
        };
        if begins.is_none_or(has_room) {
            self.push_next(self.from, slot, run, next, "reads the deploy to retry");
        } else {
            let to = self.end_run(self.from, slot);
            self.push(to, usize::from(run.deploy), "has no room", true);
        }
    }

    fn has_room(&self, new: usize) -> bool {
        new > 1 && new - 1 <= self.scope.retry_links
    }

    /// Whether it is on record what became of this person's request.
    pub(super) fn was_handled(&mut self, retrier: u8) -> bool {
        let who = usize::from(retrier).checked_sub(1);
        who.is_some_and(|who| self.cache.get_retry(self.from.retries[who]).handled)
    }

    /// Of a request that was handled nothing matters but that it was made.
    pub(super) fn complete_retry(&mut self, state: &mut WorkerState, retrier: u8) {
        let Some(who) = usize::from(retrier).checked_sub(1) else {
            return;
        };
        let retry = self.cache.get_retry(state.retries[who]).completed();
        state.retries[who] = self.cache.intern_retry(retry);
    }

    /// Whether every ticket that is left waits for somebody.
    pub(super) fn has_no_lost_ticket(&mut self) -> bool {
        (0..PLACES).all(|place| {
            let tickets = self.from.tickets[place];
            let wanted = tickets.in_dlq && !self.cache.facts(self.from.deploys[place]).retried;
            !tickets.redriven && (wanted || !tickets.in_dlq)
        })
    }
}
