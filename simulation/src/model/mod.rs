//! Every state the product can come to, searched to the end: the real decision functions in a small
//! world that does the worst it can at every moment.
//!
//! `chatops_core` decides here exactly as it does in production; nothing of it is copied. The model
//! supplies what is around it. A store applies commits under the conditions of the port. Runs of the
//! worker and of the notifier stop at each port call. CircleCI creates a pipeline early, late or
//! never, and lists it when it likes. Slack shows a post and loses the answer. Time passes whenever
//! it wants to.
//!
//! # What is in it
//!
//! - **Crashes, duplicates, overtaking**: any number. A run may begin on anything that is due at any
//!   moment, whatever the others do, and die wherever it stands. Nothing is counted, so no bound
//!   hides a longer trace.
//! - **CircleCI**: the answer, its loss, "not now" for short and for long, a refused token, a definite
//!   no; a request that is still on its way when everybody has given it up; searches that find, do
//!   not find yet, or fail; looks at every stage of a run, looks that fail.
//! - **The ledger**: conflicts of version and lock, also of the deploy that another one repeats; a
//!   write that happened and whose answer was lost.
//! - **Trying again**: an order that is sent to the dead-letter queue once or in copies, sent back at
//!   any moment, given up by the queue again; the sweeper over it. One or two people who press
//!   'retry' at any moment from the first transaction on, with `confirm` or without, for the deploy
//!   or for its retry; each press is dealt with any number of times and at any age.
//! - **Canceling**: a wish to cancel at any moment.
//! - **Slack**: shown, shown with the answer lost, not shown, "later" for short and for long, refused,
//!   unreachable, and an address that expires.
//! - **Time**: it passes in steps, at any moment, also between a decision and its write. Every time
//!   is kept relative to the present and capped where no comparison changes any more, so time has no
//!   end in the model. One assumption is made: between the clock's answer and the first byte of the
//!   POST no time passes. Without it no rule about time could hold.
//!
//! # What is left out
//!
//! - Hints: they carry nothing, and the sweeper alone must be enough. So nothing here shows that a
//!   hint is ever sent.
//! - The growth of pauses between tries, and the words (the simulation checks them).
//! - Jobs without a proof parameter or without a lock, changed configurations, short ids that
//!   collide, automatic reruns, approvals, the bot, CircleCI's other two calls and its events.
//! - The day after which a deploy is not retried, and the operator's `force`. Who may retry or
//!   cancel: everybody here may. What is answered to a wish that is not fulfilled.
//! - At most two runs at a time, at most two deploys of one target, one target. Only the first
//!   deploy is tried again, and at most twice in a row; with two runs at a time only once.
//! - Where it says "plainly" below, and wherever somebody presses, CircleCI has no "not now" and no
//!   refused token, no search or look fails, and what runs has succeeded at the first look. All of
//!   that is in the other models, with one deploy and its order sent back, or with two and one run
//!   at a time. Two deploys, two runs and an order sent back are searched only so.
//!
//! The worker's side and the notifier's are searched apart, which loses nothing: the worker reads no
//! reply item, and all the notifier sees of the worker is that something is owed. What the worker
//! does around a retry (it follows the chain to its end, and the sweeper looks whether an order was
//! carried out) is no function of `chatops_core` and is written here once more, step by step.
//!
//! # What is checked
//!
//! Before any commit: the audit's chain, no change after an end, a change the state machine allows,
//! the lock, claim and notices that follow from it (I4, I5, I7, I15), and that what was canceled
//! before it was armed goes no further (I8). Before a retry: its id is derived, the two deploys name
//! each other in one transaction, and of an unresolved deploy somebody has confirmed that very one
//! (I16). Before any POST: no earlier one that may still create a pipeline, TRIGGERING, not stale, the
//! lock held, not known to be canceled (I1, I2, I3, I8). In every state: what is on record is true of
//! CircleCI and of Slack, nobody counts on another's lock, an end leaves no lock behind, something is
//! due of everything open (I3, I7, I8, I9, I10, I11, I13, I15); one retry of each deploy at most and
//! one deploy of each press, and an order until it was carried out (I16). No decision panics or is
//! one the state machine forbids. And from every state, if nothing goes wrong any more, it comes to
//! rest with everything ended and told and nothing left over but the orders that wait for somebody
//! (I11, I15, I16).

mod actions;
mod bounds;
mod commit_invariants;
mod decision_cache;
mod describe;
mod evidence;
mod interner;
mod notifications;
mod notify_space;
mod notify_steps;
mod retry;
mod rules;
mod search;
mod shard;
mod state_invariants;
mod worker_space;
mod worker_steps;

use std::fmt;

pub use self::bounds::ModelBounds;
pub use self::rules::{DecisionRules, ProductRules};

use self::interner::ItemInterner;
use self::notifications::NotificationInterner;
use self::notify_space::NotifySpace;
use self::search::{SearchResult, StateSearch};
use self::worker_space::WorkerSpace;

/// What a model of the worker's side holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerScope {
    /// Deploys that are asked for, all on one target: 1 or 2.
    pub deploys: usize,
    /// Runs of the worker at the same time: 1 or 2.
    pub workers: usize,
    /// People who press 'retry', with or without `confirm`: 0 to 2.
    pub retriers: usize,
    /// How often in a row the first deploy may be tried again: 0, 1, or 2 for the retry of the retry.
    pub retry_links: usize,
    /// Orders may be sent back from the dead-letter queue.
    pub redrive: bool,
    /// Anything may be wished canceled at any time.
    pub cancel: bool,
    /// CircleCI is plain: a POST is accepted, refused or its answer is lost; searches and looks do
    /// not fail; what runs has succeeded at the first look.
    pub plain: bool,
}

impl WorkerScope {
    /// One deploy and one run, and nobody tries again or cancels.
    pub const ONE: Self = Self {
        deploys: 1,
        workers: 1,
        retriers: 0,
        retry_links: 0,
        redrive: false,
        cancel: false,
        plain: false,
    };
}

/// What one model holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelScope {
    /// The worker's side.
    Worker(WorkerScope),
    /// The notifier's side, for one reply item.
    Notifier {
        /// Runs of the notifier at the same time: 1 or 2.
        notifiers: usize,
    },
}

/// One model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoundedModel {
    /// Its name.
    pub name: &'static str,
    /// What it holds. Crashes, duplicates, lost answers and time are not bounded.
    pub scope: ModelScope,
}

/// How far a search has come.
#[derive(Debug, Clone, Copy)]
pub struct SearchProgress {
    /// The model.
    pub model: &'static str,
    /// States so far.
    pub states: u64,
    /// Steps from the start so far.
    pub depth: u32,
}

/// What the search of one model came to.
#[derive(Debug, Clone)]
pub struct ModelReport {
    /// The model.
    pub model: BoundedModel,
    /// Distinct states.
    pub states: u64,
    /// Steps between them.
    pub transitions: u64,
    /// The longest of the shortest ways to a state.
    pub depth: u32,
    /// States at rest.
    pub at_rest: u64,
}

/// What is broken, and a shortest way there.
#[derive(Debug, Clone)]
pub struct Counterexample {
    /// The name of the model.
    pub model: &'static str,
    /// The invariant.
    pub violation: String,
    /// One step a line: who does what, and the state after it.
    pub trace: Vec<String>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} ({} steps)",
            self.model,
            self.violation,
            self.trace.len()
        )?;
        let mut lines = (1..).zip(&self.trace);
        lines.try_for_each(|(n, line)| writeln!(f, "{n:>4}. {line}"))
    }
}

/// What all searches came to.
#[derive(Debug, Clone, Default)]
pub struct ModelOutcome {
    /// One for each model.
    pub models: Vec<ModelReport>,
    /// At most one for each model: its search ends with the first.
    pub violations: Vec<Counterexample>,
}

impl ModelOutcome {
    /// Distinct states of all models.
    #[must_use]
    pub fn states(&self) -> u64 {
        self.models.iter().map(|report| report.states).sum()
    }

    /// Steps between them.
    #[must_use]
    pub fn transitions(&self) -> u64 {
        self.models.iter().map(|report| report.transitions).sum()
    }

    /// The greatest depth.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.models
            .iter()
            .map(|report| report.depth)
            .max()
            .unwrap_or(0)
    }
}

/// Searches every model of `bounds` with the product's own decisions.
pub fn check_models(
    bounds: &ModelBounds,
    progress: &mut dyn FnMut(SearchProgress),
) -> ModelOutcome {
    check_rules(&ProductRules, bounds, progress)
}

/// Searches every model of `bounds` with other decisions, to see that a wrong one is found.
pub fn check_rules(
    rules: &dyn DecisionRules,
    bounds: &ModelBounds,
    progress: &mut dyn FnMut(SearchProgress),
) -> ModelOutcome {
    let mut outcome = ModelOutcome::default();
    for model in &bounds.models {
        let mut tell = |states, depth| {
            progress(SearchProgress {
                model: model.name,
                states,
                depth,
            });
        };
        let found = search_model(rules, model.scope, bounds.threads, &mut tell);
        outcome.models.push(ModelReport {
            model: *model,
            states: found.states,
            transitions: found.transitions,
            depth: found.depth,
            at_rest: found.at_rest,
        });
        let broken = found.violation.map(|(broken, trace)| Counterexample {
            model: model.name,
            violation: broken,
            trace,
        });
        outcome.violations.extend(broken);
    }
    outcome
}

fn search_model(
    rules: &dyn DecisionRules,
    scope: ModelScope,
    threads: usize,
    progress: &mut dyn FnMut(u64, u32),
) -> SearchResult {
    match scope {
        ModelScope::Worker(scope) => {
            let interner = ItemInterner::default();
            let space = WorkerSpace {
                interner: &interner,
                rules,
                scope,
            };
            StateSearch::new(&space, threads).run(progress)
        }
        ModelScope::Notifier { notifiers } => {
            let items = NotificationInterner::default();
            let space = NotifySpace {
                items: &items,
                rules,
                notifiers,
            };
            StateSearch::new(&space, threads).run(progress)
        }
    }
}
