//! The worker's side: deploys, the lock, CircleCI, and runs of the worker that stop at every port
//! call.
//!
//! A run may begin on anything at any time, since hints say nothing and the sweeper may come at any
//! moment; it may die wherever it stands. So neither duplicates nor crashes need to be counted:
//! any number of them is covered. What hints are not needed for is not kept, so the calm way to
//! rest uses the sweeper alone.

use chatops_core::deploy::State as Stands;
use chatops_core::ports::Lock;

use super::Working;
use super::book::{Book, DEPLOYS, FAR, PLACES, TICK, now, repeated_by};
use super::desk::{Desk, LockFact, Turn};
use super::evidence::{Evidence, Progress};
use super::rules::Rules;
use super::search::{Calm, Move, Space};
use super::truth;

/// Where a run stands: at the port call it makes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub(super) enum At {
    /// There is no run.
    #[default]
    Idle,
    /// About to read the deploy.
    Reading,
    /// About to write the first transaction.
    Opening,
    /// About to send the POST.
    Sending,
    /// Waiting for the answer to it.
    Waiting,
    /// About to arm, refuse or end.
    Writing,
    /// About to refuse because another one has the target.
    Refusing,
    /// Has an answer, about to read the deploy afresh.
    Recording,
    /// About to write what the answer means.
    WritingDown,
    /// About to send the order.
    Ordering,
    /// The order is sent; about to write so.
    Placing,
}

/// One run of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Run {
    pub at: At,
    pub deploy: u8,
    /// The POST it sent: 0 none, 1 that of the latest attempt, 2 an earlier one's.
    pub posted: u8,
    /// Others have written since it read.
    pub stale: bool,
    pub evidence: Evidence,
    /// The look it remembers.
    pub look: Evidence,
    /// The head it has read, where that still matters.
    pub seen: u16,
    /// The commit it is about to write.
    pub commit: u16,
}

/// What CircleCI has, or may still come to have, of a deploy's POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub(super) enum Wire {
    /// Nothing, and nothing can come.
    #[default]
    Nothing,
    /// A request is on its way or was answered by an error: there may be a pipeline at any time.
    Out,
    /// A pipeline.
    Real,
}

/// Where the orders to try a deploy again are; there may be several copies of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Orders {
    /// In the dead-letter queue.
    pub dead: bool,
    /// Back in the work queue.
    pub back: bool,
}

/// Everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct State {
    /// By deploy: the command or the head; 0 for none.
    pub deploys: [u16; PLACES],
    pub wire: [Wire; PLACES],
    pub progress: [Progress; PLACES],
    pub orders: [Orders; PLACES],
    /// By person: what they wish; 0 for nothing yet.
    pub presses: [u16; 2],
    /// One more than the deploy that has the target.
    pub holder: u8,
    /// Ticks until the lock expires; [`FOREVER`] if it does not.
    pub until: i8,
    pub runs: [Run; 2],
}

pub(super) const FOREVER: i8 = i8::MAX;

/// What is searched.
pub(super) struct Work<'a> {
    pub book: &'a Book,
    pub rules: &'a dyn Rules,
    pub scope: Working,
}

/// The steps from one state, as they are found.
pub(super) struct Steps<'s, 'd, 'a> {
    pub space: &'s Work<'s>,
    pub desk: &'d mut Desk<'a>,
    pub from: State,
    pub who: usize,
    pub out: &'d mut Vec<Move<State>>,
}

impl Steps<'_, '_, '_> {
    /// Adds a step by the run `who`, or by the world.
    pub(super) fn push(&mut self, to: State, about: usize, what: &'static str, calm: bool) {
        self.add(to, about + 1, what, calm, None);
    }

    pub(super) fn breaks(&mut self, about: usize, what: &'static str, why: &'static str) {
        self.add(self.from, about + 1, what, false, Some(why));
    }

    pub(super) fn add(
        &mut self,
        to: State,
        about: usize,
        what: &'static str,
        calm: bool,
        breaks: Option<&'static str>,
    ) {
        let (to, swapped) = self.space.tidy(self.desk, to);
        let who = u8::try_from(self.who).unwrap_or(0);
        let about = u8::try_from(about).unwrap_or(0);
        self.out.push(Move {
            to,
            who,
            about,
            what,
            calm,
            swapped,
            breaks,
        });
    }

    /// The run in `slot` is over, by its end or by a crash.
    pub(super) fn gone(&mut self, mut state: State, slot: usize) -> State {
        state.runs[slot] = Run::default();
        self.all(state, Turn::Gone(slot))
    }

    fn all(&mut self, state: State, turn: Turn) -> State {
        turned(self.desk, state, turn)
    }

    fn world(&mut self) {
        self.who = 0;
        self.people();
        for deploy in 0..self.space.scope.deploys {
            if self.from.deploys[deploy] == 0 {
                // The second person comes after the first, or it is only the other way round.
                if deploy == 0 || self.from.deploys[0] != 0 {
                    let mut to = self.from;
                    to.deploys[deploy] = self.desk.asked();
                    self.push(to, deploy, "somebody asks", false);
                }
            }
        }
        let mut to = self.all(self.from, Turn::Later);
        if to.holder > 0 && to.until != FOREVER {
            to.until -= 1;
            if to.until < -i8::try_from(FAR).unwrap_or(0) {
                (to.holder, to.until) = (0, 0);
            }
        }
        let calm = self.from.runs.iter().all(|run| run.at == At::Idle);
        if to != self.from {
            self.add(to, 0, "time passes", calm, None);
        }
        for deploy in 0..PLACES {
            let number = self.from.deploys[deploy];
            if !self.space.scope.cancel || number == 0 {
                continue;
            }
            let facts = self.desk.facts(number);
            if facts.state.is_some_and(|state| !state.is_terminal()) && !facts.cancel {
                let plan = self.desk.cancel(number);
                self.write(plan, deploy, "somebody wants it canceled");
            }
        }
    }

    /// A commit of the world's, read and written at once.
    fn write(&mut self, plan: super::desk::Plan, deploy: usize, what: &'static str) {
        match plan {
            super::desk::Plan::Write(commit) => {
                let to = self.applied(self.from, deploy, commit, None);
                self.push(to, deploy, what, false);
            }
            super::desk::Plan::Broken(why) => self.breaks(deploy, what, why),
            _ => {}
        }
    }

    /// The state after a commit whose conditions hold, by the run in `slot`.
    pub(super) fn applied(
        &mut self,
        mut state: State,
        deploy: usize,
        commit: u16,
        slot: Option<usize>,
    ) -> State {
        let before = state.deploys[deploy];
        let facts = self.desk.facts(commit);
        let old = repeated_by(deploy).filter(|_| facts.old != 0);
        if let Some(old) = old {
            state.deploys[old] = facts.old;
            self.pressed(&mut state, facts.wished);
        }
        let arms = facts.state == Some(Stands::Armed)
            && before != 0
            && self.desk.facts(before).state == Some(Stands::Requested);
        state.deploys[deploy] = facts.head;
        match facts.lock {
            LockFact::Keep => {}
            LockFact::Take(_) => {
                state.holder = u8::try_from(deploy + 1).unwrap_or(0);
                state.until = FOREVER;
            }
            LockFact::Free => (state.holder, state.until) = (0, 0),
            LockFact::Expire(ticks) => state.until = ticks,
        }
        for (n, run) in state.runs.iter_mut().enumerate() {
            let about = usize::from(run.deploy);
            // Whoever opens a retry has read the deploy that it repeats.
            let read = repeated_by(about).filter(|_| run.at == At::Opening);
            let touched = |place| place == deploy || Some(place) == old;
            if run.at == At::Idle || !touched(about) && !read.is_some_and(touched) {
                continue;
            }
            if arms && run.posted == 1 {
                run.posted = 2;
            }
            if slot == Some(n) {
                continue;
            }
            match run.at {
                At::Sending => run.stale = true,
                At::Opening
                | At::Writing
                | At::Refusing
                | At::WritingDown
                | At::Ordering
                | At::Placing => {
                    // Its commit cannot succeed any more, whatever stands in it.
                    (run.stale, run.seen, run.commit) = (true, 0, 0);
                }
                At::Idle | At::Reading | At::Waiting | At::Recording => {}
            }
        }
        state
    }

    /// The lock that keeps `deploy` from the target, by the store's own condition.
    pub(super) fn barred(&self, deploy: usize, lock: LockFact) -> Option<usize> {
        let LockFact::Take(at) = lock else {
            return None;
        };
        let holder = usize::from(self.from.holder).checked_sub(1)?;
        let moment = |ticks: i8| {
            now() + chrono::TimeDelta::from_std(TICK).unwrap_or_default() * i32::from(ticks)
        };
        let until = (self.from.until != FOREVER).then(|| moment(self.from.until));
        let lock = Lock {
            deploy: DEPLOYS[holder],
            since: now(),
            until,
        };
        lock.bars(DEPLOYS[deploy], moment(at)).then_some(holder)
    }
}

/// A state whose every item has turned.
fn turned(desk: &mut Desk<'_>, mut state: State, turn: Turn) -> State {
    for number in &mut state.deploys {
        *number = desk.turned(*number, turn);
    }
    if let Turn::Later = turn {
        for number in &mut state.presses {
            *number = desk.turned(*number, turn);
        }
    }
    for run in &mut state.runs {
        run.seen = desk.turned(run.seen, turn);
        run.commit = desk.turned(run.commit, turn);
    }
    state
}

impl Work<'_> {
    /// The canonical form: which run is in which slot makes no difference.
    fn tidy(&self, desk: &mut Desk<'_>, state: State) -> (State, bool) {
        if self.scope.workers < 2 {
            return (state, false);
        }
        let mut other = turned(desk, state, Turn::Swap);
        other.runs.swap(0, 1);
        (state.max(other), other > state)
    }
}

impl<'a> Space for Work<'a> {
    type State = State;
    type Desk = Desk<'a>;

    fn desk(&self) -> Desk<'a> {
        Desk::new(self.book, self.rules)
    }

    fn start(&self) -> State {
        State::default()
    }

    fn steps(&self, desk: &mut Desk<'a>, at: &State, out: &mut Vec<Move<State>>) {
        let mut steps = Steps {
            space: self,
            desk,
            from: *at,
            who: 0,
            out,
        };
        steps.world();
        steps.begin();
        for slot in 0..self.scope.workers {
            steps.run(slot);
        }
    }

    fn calm(&self, desk: &mut Desk<'a>, at: &State) -> Calm<State> {
        let mut out = vec![];
        let mut steps = Steps {
            space: self,
            desk,
            from: *at,
            who: 0,
            out: &mut out,
        };
        if let Some(slot) = at.runs.iter().position(|run| run.at != At::Idle) {
            steps.run(slot);
        } else if steps.at_rest() {
            return Calm::Settled;
        } else {
            steps.begin();
            if !steps.out.iter().any(|step| step.calm) {
                steps.world();
            }
        }
        match out.iter().find(|step| step.calm) {
            Some(step) => Calm::On(step.to),
            // Then it stays here, which the search takes for what it is.
            None => Calm::On(*at),
        }
    }

    fn broken(&self, desk: &mut Desk<'a>, at: &State) -> Option<&'static str> {
        truth::broken(desk, at)
    }

    fn show(&self, desk: &mut Desk<'a>, at: &State) -> String {
        super::show::state(desk, at)
    }
}
