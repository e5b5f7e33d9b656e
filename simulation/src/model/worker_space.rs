//! The worker's side: deploys, the lock, CircleCI, and runs of the worker that stop at every port
//! call.
//!
//! A run may begin on anything at any time, since wake-ups say nothing and the sweeper may come at
//! any moment; it may die at any port call. So neither duplicates nor crashes are counted: any
//! number of them is covered. Wake-ups are not kept, so the path to rest uses the sweeper alone.

use super::WorkerScope;
use super::commit_invariants::Check;
use super::decision_cache::DecisionCache;
use super::describe;
use super::interner::ItemInterner;
use super::rules::DecisionRules;
use super::search::{CleanStep, ModelStep, StateSpace};
use super::state_invariants;
use super::worker_state::WorkerState;
use super::world_steps::WorkerSteps;

/// What is searched.
pub(super) struct WorkerSpace<'a> {
    pub interner: &'a ItemInterner,
    pub rules: &'a DecisionRules,
    pub scope: WorkerScope,
}

impl<'a> WorkerSpace<'a> {
    /// The steps from a state, none yet.
    fn steps_from<'d>(
        &self,
        cache: &'d mut DecisionCache<'a>,
        from: WorkerState,
        steps: &'d mut Vec<ModelStep<WorkerState>>,
    ) -> WorkerSteps<'d, 'a> {
        WorkerSteps {
            scope: self.scope,
            cache,
            from,
            who: 0,
            steps,
        }
    }
}

impl<'a> StateSpace for WorkerSpace<'a> {
    type State = WorkerState;
    type Cache = DecisionCache<'a>;

    fn new_cache(&self) -> DecisionCache<'a> {
        DecisionCache::new(self.interner, self.rules)
    }

    fn initial_state(&self) -> WorkerState {
        WorkerState::default()
    }

    fn collect_steps(
        &self,
        cache: &mut DecisionCache<'a>,
        at: &WorkerState,
        out: &mut Vec<ModelStep<WorkerState>>,
    ) {
        let mut steps = self.steps_from(cache, *at, out);
        steps.world_steps();
        steps.begin_runs();
        for slot in 0..self.scope.workers {
            steps.run_steps(slot);
        }
    }

    fn clean_step(
        &self,
        cache: &mut DecisionCache<'a>,
        at: &WorkerState,
    ) -> CleanStep<WorkerState> {
        let mut out = vec![];
        let mut steps = self.steps_from(cache, *at, &mut out);
        if let Some(slot) = at.runs.iter().position(|run| !run.is_idle()) {
            steps.run_steps(slot);
        } else if steps.is_at_rest() {
            return CleanStep::AtRest;
        } else {
            steps.begin_runs();
            if !steps.steps.iter().any(|step| step.clean) {
                steps.world_steps();
            }
        }
        match out.iter().find(|step| step.clean) {
            Some(step) => CleanStep::Next(step.to),
            None => CleanStep::Next(*at),
        }
    }

    fn check_state(&self, cache: &mut DecisionCache<'a>, at: &WorkerState) -> Check {
        state_invariants::check_state(cache, at)
    }

    fn describe_state(&self, cache: &mut DecisionCache<'a>, at: &WorkerState) -> String {
        describe::describe_state(cache, at)
    }
}
