//! The steps that no run makes, and what a commit does to a state, whoever writes it.
//!
//! The conditions of a commit are the store's own; nothing is decided here.

use chatops_core::deploy::DeployState as Stands;
use chatops_core::ports::TargetLock;

use super::ModelViolation;
use super::WorkerScope;
use super::clock::{FAR, TICK, now};
use super::decision_cache::{DecisionCache, ItemShift, NextRun, RunAnswer, WorkerPlan};
use super::facts::{LockFact, RunPhase};
use super::ids::{DEPLOYS, PLACES, repeated_by};
use super::search::ModelStep;
use super::worker_state::{FOREVER, WorkerRun, WorkerState};

/// The steps from one state, as they are found.
pub(super) struct WorkerSteps<'d, 'a> {
    pub scope: WorkerScope,
    pub cache: &'d mut DecisionCache<'a>,
    pub from: WorkerState,
    pub who: usize,
    pub steps: &'d mut Vec<ModelStep<WorkerState>>,
}

impl WorkerSteps<'_, '_> {
    /// Adds a step by the run `who`, or by the world.
    pub(super) fn push(&mut self, to: WorkerState, about: usize, what: &'static str, clean: bool) {
        self.push_with(to, about + 1, what, clean, None);
    }

    pub(super) fn push_violation(&mut self, about: usize, what: &'static str, why: ModelViolation) {
        self.push_with(self.from, about + 1, what, false, Some(why));
    }

    pub(super) fn push_with(
        &mut self,
        to: WorkerState,
        about: usize,
        what: &'static str,
        clean: bool,
        violation: Option<ModelViolation>,
    ) {
        let (to, swapped) = self.canonicalize(to);
        let who = u8::try_from(self.who).unwrap_or(0);
        let about = u8::try_from(about).unwrap_or(0);
        self.steps.push(ModelStep {
            to,
            who,
            about,
            what,
            clean,
            swapped,
            violation,
        });
    }

    /// The run in `slot` is over, by its end or by a crash.
    pub(super) fn end_run(&mut self, mut state: WorkerState, slot: usize) -> WorkerState {
        state.runs[slot] = WorkerRun::default();
        self.shift_items(state, ItemShift::Gone(slot))
    }

    /// The canonical form: which run is in which slot makes no difference.
    fn canonicalize(&mut self, state: WorkerState) -> (WorkerState, bool) {
        if self.scope.workers < 2 {
            return (state, false);
        }
        let mut other = self.shift_items(state, ItemShift::Swap);
        other.runs.swap(0, 1);
        (state.max(other), other > state)
    }

    /// A state whose every item has shifted.
    fn shift_items(&mut self, mut state: WorkerState, shift: ItemShift) -> WorkerState {
        for number in &mut state.deploys {
            *number = self.cache.shift_item(*number, shift);
        }
        if let ItemShift::Later = shift {
            for number in &mut state.retries {
                *number = self.cache.shift_item(*number, shift);
            }
        }
        for run in &mut state.runs {
            run.run = self.cache.shift_item(run.run, shift);
            run.answer = self.cache.shift_item(run.answer, shift);
        }
        state
    }

    /// What happens whatever the runs do: somebody types or cancels, and time passes.
    pub(super) fn world_steps(&mut self) {
        self.who = 0;
        self.action_steps();
        for deploy in 0..self.scope.deploys {
            if self.from.deploys[deploy] == 0 {
                // The second person comes after the first, or it is only the other way round.
                if deploy == 0 || self.from.deploys[0] != 0 {
                    let mut to = self.from;
                    to.deploys[deploy] = self.cache.queued_request();
                    self.push(to, deploy, "somebody types the command", false);
                }
            }
        }
        let mut to = self.shift_items(self.from, ItemShift::Later);
        if to.holder > 0 && to.until != FOREVER {
            to.until -= 1;
            if to.until < -i8::try_from(FAR).unwrap_or(0) {
                (to.holder, to.until) = (0, 0);
            }
        }
        let clean = self.from.runs.iter().all(WorkerRun::is_idle);
        if to != self.from {
            self.push_with(to, 0, "time passes", clean, None);
        }
        for deploy in 0..PLACES {
            let number = self.from.deploys[deploy];
            if !self.scope.cancel || number == 0 {
                continue;
            }
            let facts = self.cache.facts(number);
            if facts.state.is_some_and(|state| !state.is_terminal()) && !facts.cancel {
                let plan = self.cache.plan_cancel(number);
                self.push_write(plan, deploy, "somebody cancels it");
            }
        }
    }

    /// A commit of the world's, read and written at once.
    fn push_write(&mut self, plan: WorkerPlan, deploy: usize, what: &'static str) {
        match plan {
            WorkerPlan::Write(commit) => {
                let to = self.apply_commit(self.from, deploy, commit, None);
                self.push(to, deploy, what, false);
            }
            WorkerPlan::Broken(why) => {
                self.push_violation(deploy, what, why);
            }
            WorkerPlan::Wait => {}
        }
    }

    /// The state after a commit whose conditions hold, by the run in `slot`.
    pub(super) fn apply_commit(
        &mut self,
        mut state: WorkerState,
        deploy: usize,
        commit: u32,
        slot: Option<usize>,
    ) -> WorkerState {
        let before = state.deploys[deploy];
        let facts = self.cache.facts(commit);
        let old = repeated_by(deploy).filter(|_| facts.retried_record != 0);
        if let Some(old) = old {
            state.deploys[old] = facts.retried_record;
            self.complete_retry(&mut state, facts.retrier);
        }
        let begins = facts.state == Some(Stands::Triggering)
            && before != 0
            && self.cache.facts(before).state == Some(Stands::Requested);
        state.deploys[deploy] = facts.record;
        match facts.lock {
            LockFact::Keep => {}
            LockFact::Take(..) => {
                state.holder = u8::try_from(deploy + 1).unwrap_or(0);
                state.until = FOREVER;
            }
            LockFact::Free => (state.holder, state.until) = (0, 0),
            LockFact::Expire(ticks) => state.until = ticks,
        }
        for slot_of_run in 0..state.runs.len() {
            let run = state.runs[slot_of_run];
            let facts = self.cache.facts(run.run);
            let about = usize::from(run.deploy);
            // Who begins a retry has read the deploy that it retries.
            let read = repeated_by(about).filter(|_| facts.phase == RunPhase::BeginningRetry);
            let touched = |place| place == deploy || Some(place) == old;
            if run.is_idle() || !touched(about) && !read.is_some_and(touched) {
                continue;
            }
            let is_own = slot == Some(slot_of_run);
            let mut run = run;
            if begins {
                run.run = self.changed(run.run, RunAnswer::NewAttempt, slot_of_run);
            }
            if !is_own {
                run = self.overtake(run, slot_of_run);
            }
            state.runs[slot_of_run] = run;
        }
        state
    }

    /// The run after something that only happens to it.
    fn changed(&mut self, run: u32, what: RunAnswer, slot: usize) -> u32 {
        match self.cache.next_run(run, what, slot) {
            NextRun::Run(run) => run,
            NextRun::Ended | NextRun::Broken(_) => 0,
        }
    }

    /// The run after others have written. A commit cannot succeed any more, whatever stands in it, so
    /// the run is where it goes on after that; what it has read and not yet looked at stays.
    pub(super) fn overtake(&mut self, run: WorkerRun, slot: usize) -> WorkerRun {
        match self.cache.facts(run.run).phase {
            RunPhase::BeginningRetry => {
                let next = self.changed(run.run, RunAnswer::Overtaken, slot);
                run.about(next, self.cache.facts(next).place)
            }
            RunPhase::Opening
            | RunPhase::Writing
            | RunPhase::WritingEvidence
            | RunPhase::Reserving => run.at(self.changed(run.run, RunAnswer::Overtaken, slot)),
            RunPhase::SendingTicket => WorkerRun { stale: true, ..run },
            RunPhase::Reading if run.answer != 0 => WorkerRun { stale: true, ..run },
            _ => run,
        }
    }

    /// The lock that keeps `deploy` from the target, by the store's own condition.
    pub(super) fn blocked_by(&self, deploy: usize, lock: LockFact) -> Option<usize> {
        let LockFact::Take(at, inherits) = lock else {
            return None;
        };
        let holder = usize::from(self.from.holder).checked_sub(1)?;
        let moment = |ticks: i8| {
            now() + chrono::TimeDelta::from_std(TICK).unwrap_or_default() * i32::from(ticks)
        };
        let until = (self.from.until != FOREVER).then(|| moment(self.from.until));
        let lock = TargetLock {
            deploy: DEPLOYS[holder],
            since: now(),
            until,
        };
        let inherits = usize::from(inherits)
            .checked_sub(1)
            .map(|place| DEPLOYS[place]);
        lock.blocks_take(DEPLOYS[deploy], inherits, moment(at))
            .then_some(holder)
    }
}
