//! Retries: what people request, what is in the dead-letter queue, and the steps of the worker and
//! its sweeper over both.
//!
//! A request may be handled at any time from then on, any number of times: a message may come twice,
//! and its handler may die. So may a redriven ticket, until a run has seen that it was carried out.

use super::actions::RetrySource;
use super::decision_cache::WorkerPlan;
use super::interner::{PLACES, QueuedRetry, retry_of};
use super::worker_space::{RetryTickets, WorkerRun, WorkerState, WorkerSteps};

impl WorkerSteps<'_, '_, '_> {
    fn is_on_record(&mut self, place: usize) -> bool {
        let number = self.from.deploys[place];
        number != 0 && self.cache.facts(number).state.is_some()
    }

    /// Whether there is room for the retry of a deploy.
    fn retry_place(&self, place: usize) -> Option<usize> {
        let link = if place == 0 { 1 } else { 2 };
        retry_of(place).filter(|_| link <= self.space.scope.retry_links)
    }

    /// What people request, and where the tickets go.
    pub(super) fn action_steps(&mut self) {
        for who in 0..self.space.scope.retriers {
            // The second person follows the first, or it is only the other way round.
            let first = who == 0 || self.from.retries[who - 1] != 0;
            if self.from.retries[who] != 0 || !first {
                continue;
            }
            for named in (0..PLACES).filter(|place| retry_of(*place).is_some()) {
                if !self.is_on_record(named) {
                    continue;
                }
                // Without `confirm` the first of the chain stands for all of it.
                let plainly = (named == 0).then_some((false, "somebody retries"));
                let confirms = (true, "somebody retries, and confirms");
                for (confirm, what) in plainly.into_iter().chain([confirms]) {
                    let retry = self
                        .cache
                        .intern_retry(QueuedRetry::new(who, named, confirm));
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
        if in_dlq && self.cache.is_ticket_needless(from.deploys[place]) {
            let to = moved(false, redriven);
            self.push(to, place, "the sweeper removes the ticket", true);
        }
        if in_dlq && self.space.scope.redrive && self.retry_place(place).is_some() {
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
            let number = self.from.deploys[place];
            let mut to = self.from;
            to.tickets[place].redriven = false;
            if self.cache.facts(number).retried {
                // It goes on with the retry, as a run may at any time.
                self.push(to, place, "finds the ticket carried out", true);
                continue;
            }
            match self
                .cache
                .plan_retry(number, self.from.deploys[0], RetrySource::Ticket)
            {
                WorkerPlan::Write(commit) => self.push_open_retry(slot, place, commit, true),
                WorkerPlan::Broken(why) => {
                    self.push_violation(place, "reads the ticket", why);
                }
                WorkerPlan::Wait => self.push(to, place, "does not carry out the ticket", true),
            }
        }
    }

    /// A run begins on a retry request.
    pub(super) fn begin_retries(&mut self, slot: usize) {
        for who in 0..self.space.scope.retriers {
            let number = self.from.retries[who];
            if number == 0 {
                continue;
            }
            let named = self.cache.get_retry(number).named;
            let Some(end) = self.chain_end(who, named) else {
                continue;
            };
            let (old, first) = (self.from.deploys[end], self.from.deploys[0]);
            match self
                .cache
                .plan_retry(old, first, RetrySource::Action(number))
            {
                WorkerPlan::Write(commit) => self.push_open_retry(slot, end, commit, false),
                WorkerPlan::Broken(why) => {
                    self.push_violation(end, "reads the retry request", why);
                }
                WorkerPlan::Wait => {}
            }
        }
    }

    /// Where the chain of retries ends; `None` if this person's request has made one of it.
    fn chain_end(&mut self, who: usize, named: usize) -> Option<usize> {
        let mut end = named;
        loop {
            let facts = self.cache.facts(self.from.deploys[end]);
            if self.space.rules.remembers_actions && usize::from(facts.retrier) == who + 1 {
                return None;
            }
            match retry_of(end).filter(|_| facts.retried) {
                Some(next) => end = next,
                None => return Some(end),
            }
        }
    }

    /// A run is about to write the first transaction of the retry of `old`.
    fn push_open_retry(&mut self, slot: usize, old: usize, commit: u32, clean: bool) {
        let Some(new) = self.retry_place(old) else {
            return;
        };
        let mut to = self.from;
        to.runs[slot] = WorkerRun {
            run: commit,
            deploy: u8::try_from(new).unwrap_or(0),
            ..WorkerRun::default()
        };
        self.push(to, old, "decides to retry it", clean);
    }

    /// Of a request whose deploy is on record nothing matters but that it was made.
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
