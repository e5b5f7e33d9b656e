//! Trying again: what people press, what lies in the dead-letter queue, and the steps of the worker
//! and its sweeper over both.
//!
//! What was pressed may be dealt with at any time from then on, any number of times: a message may
//! come twice, and its handler may die. So may an order that was sent back, until a run has seen
//! that it was carried out.

use super::book::{PLACES, Press, retry_of};
use super::desk::Plan;
use super::people::Maker;
use super::work::{At, Orders, Run, State, Steps};

impl Steps<'_, '_, '_> {
    fn is_on_record(&mut self, place: usize) -> bool {
        let number = self.from.deploys[place];
        number != 0 && self.desk.facts(number).state.is_some()
    }

    /// Whether there is room for the retry of a deploy.
    fn room(&self, place: usize) -> Option<usize> {
        let link = if place == 0 { 1 } else { 2 };
        retry_of(place).filter(|_| link <= self.space.scope.links)
    }

    /// What people press, and where the orders go.
    pub(super) fn people(&mut self) {
        for who in 0..self.space.scope.presses {
            // The second person presses after the first, or it is only the other way round.
            let first = who == 0 || self.from.presses[who - 1] != 0;
            if self.from.presses[who] != 0 || !first {
                continue;
            }
            for named in (0..PLACES).filter(|place| retry_of(*place).is_some()) {
                if !self.is_on_record(named) {
                    continue;
                }
                // Without `confirm` the first of the chain stands for all of it.
                let plainly = (named == 0).then_some((false, "somebody presses 'retry'"));
                let confirms = (true, "somebody presses 'retry', and confirms");
                for (confirm, what) in plainly.into_iter().chain([confirms]) {
                    let press = self.desk.pressed(Press::fresh(who, named, confirm));
                    let mut to = self.from;
                    to.presses[who] = press;
                    self.push(to, named, what, false);
                }
            }
        }
        for place in 0..PLACES {
            self.letters(place);
        }
    }

    /// Where the orders for one deploy go by themselves, and what the sweeper removes.
    fn letters(&mut self, place: usize) {
        let from = self.from;
        let Orders { dead, back } = from.orders[place];
        let moved = |dead, back| {
            let mut to = from;
            to.orders[place] = Orders { dead, back };
            to
        };
        if dead && self.desk.needless(from.deploys[place]) {
            let to = moved(false, back);
            self.push(to, place, "the sweeper removes the order", true);
        }
        if dead && self.space.scope.redrive && self.room(place).is_some() {
            self.push(
                moved(false, true),
                place,
                "somebody sends the order back",
                false,
            );
            let what = "somebody sends a copy of the order back";
            self.push(moved(true, true), place, what, false);
        }
        if back {
            let to = moved(true, false);
            self.push(to, place, "the queue gives the order up again", false);
        }
    }

    /// A run begins on an order that was sent back.
    pub(super) fn orders(&mut self, slot: usize) {
        let orders = self.from.orders;
        for place in (0..PLACES).filter(|place| orders[*place].back) {
            let number = self.from.deploys[place];
            let mut to = self.from;
            to.orders[place].back = false;
            if self.desk.facts(number).retried {
                // It goes on with the retry, as a run may at any time.
                self.push(to, place, "finds the order carried out", true);
                continue;
            }
            match self
                .desk
                .open_retry(number, self.from.deploys[0], Maker::Order)
            {
                Plan::Write(commit) => self.opens(slot, place, commit, true),
                Plan::Broken(why) => self.breaks(place, "reads the order to try again", why),
                _ => self.push(to, place, "does not carry out the order", true),
            }
        }
    }

    /// A run begins on what somebody has pressed.
    pub(super) fn presses(&mut self, slot: usize) {
        for who in 0..self.space.scope.presses {
            let number = self.from.presses[who];
            if number == 0 {
                continue;
            }
            let named = self.desk.press(number).named;
            let Some(end) = self.end_of_chain(who, named) else {
                continue;
            };
            let (old, first) = (self.from.deploys[end], self.from.deploys[0]);
            match self.desk.open_retry(old, first, Maker::Press(number)) {
                Plan::Write(commit) => self.opens(slot, end, commit, false),
                Plan::Broken(why) => self.breaks(end, "reads the wish to try again", why),
                _ => {}
            }
        }
    }

    /// Where the chain of retries ends; `None` if this very person's wish has made one of it.
    fn end_of_chain(&mut self, who: usize, named: usize) -> Option<usize> {
        let mut end = named;
        loop {
            let facts = self.desk.facts(self.from.deploys[end]);
            if self.space.rules.remembers() && usize::from(facts.wished) == who + 1 {
                return None;
            }
            match retry_of(end).filter(|_| facts.retried) {
                Some(next) => end = next,
                None => return Some(end),
            }
        }
    }

    /// A run is about to write the first transaction of the retry of `old`.
    fn opens(&mut self, slot: usize, old: usize, commit: u16, calm: bool) {
        let Some(new) = self.room(old) else {
            return;
        };
        let mut to = self.from;
        to.runs[slot] = Run {
            at: At::Opening,
            deploy: u8::try_from(new).unwrap_or(0),
            commit,
            ..Run::default()
        };
        self.push(to, old, "decides to try it again", calm);
    }

    /// Of a wish whose deploy is on record nothing matters but that it was.
    pub(super) fn pressed(&mut self, state: &mut State, wished: u8) {
        let Some(who) = usize::from(wished).checked_sub(1) else {
            return;
        };
        let press = self.desk.press(state.presses[who]).done();
        state.presses[who] = self.desk.pressed(press);
    }

    /// Whether every order that is left waits for somebody.
    pub(super) fn no_order_lost(&mut self) -> bool {
        (0..PLACES).all(|place| {
            let orders = self.from.orders[place];
            let wanted = orders.dead && !self.desk.facts(self.from.deploys[place]).retried;
            !orders.back && (wanted || !orders.dead)
        })
    }
}
