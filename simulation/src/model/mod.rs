//! Every state the product can reach, searched to the end: the product's own runs in a small world that
//! does the worst it can at every moment.
//!
//! A state holds the world and the runs under way. The runs are the values that worker and notifier
//! drive in production ([`chatops_core::deploy::handler`], [`chatops_core::notification::handler`]); the model answers
//! their requests, each with every answer that is possible. A store applies commits under the
//! conditions of the port. CircleCI creates a pipeline early, late or never, and lists it at any time.
//! Slack shows a post and loses the answer. Time passes at any moment.
//!
//! # What is in it
//!
//! - **Crashes, duplicates, overtaking**: any number. A run may begin on anything that is due at any
//!   moment, whatever the others do, and die at any port call. Nothing is counted, so no bound
//!   hides a longer trace.
//! - **CircleCI**: the answer, its loss, "not now" for short and for long, a rejected token, a
//!   definite no; a request that is still on its way when everybody has given it up; lookups that
//!   find, do not find yet, or fail; polls in every phase of a pipeline, polls that fail.
//! - **The ledger**: conflicts of version and lock, also of the deploy that another one retries; a
//!   write that happened, or did not, and whose answer was lost.
//! - **Retries**: a ticket that is sent to the dead-letter queue once or in copies, redriven at any
//!   moment, given up by the queue again; the sweeper over it. One or two people who request a
//!   retry at any moment from the first transaction on, with `confirm` or without, of the deploy or
//!   of its retry; each request is handled any number of times and at any age.
//! - **Cancels**: a cancel request at any moment.
//! - **Slack**: shown, shown with the answer lost, not shown, "later" for short and for long,
//!   refused, unreachable, and a response URL that expires.
//! - **A card**: posted, edited and deleted, each with the answer lost; an edit that Slack takes without an
//!   answer and carries out up to a minute late, over a newer one; a press of any card that was posted, a
//!   card that somebody deletes, a bot that is removed and a token that goes; runs that post or edit after
//!   their lease, and others that have drawn the card meanwhile.
//! - **Time**: it passes in steps, at any moment, also between a decision and its write. Every time
//!   is relative to the present and capped where no comparison changes any more, so time has no
//!   end in the model. One assumption is made: between the clock's answer and the first byte of the
//!   POST no time passes. Without it no rule about time could hold.
//!
//! # What is left out
//!
//! - Wake-ups: they carry nothing, and the sweeper alone must be enough. So nothing here shows that
//!   a wake-up is ever sent.
//! - The growth of pauses between tries, and the texts (the simulation checks them).
//! - Jobs without a deploy id parameter or without a lock, changed configurations, short ids that
//!   collide, automatic reruns, approvals, the bot, CircleCI's other two calls and its webhooks.
//! - The retry window, `dismiss`, and the operator's `force`. Who may retry or cancel: everybody here may.
//!   The reply to an action that is not carried out.
//! - At most two runs at a time, at most two deploys of one target, one target. Only the first
//!   deploy is retried, and at most twice in a row; with two runs at a time only once.
//! - Where a model is plain, and wherever somebody retries, CircleCI has no "not now" and no
//!   rejected token, no lookup or poll fails, and what runs has succeeded at the first poll. All of
//!   that is in the other models, with one deploy and its redriven ticket, or with two and one run
//!   at a time. Two deploys, two runs and a redriven ticket are searched only plainly. With two runs at
//!   a time no lookup and no poll fails.
//!
//! The worker's side and the notifier's are searched apart, which loses nothing: the worker reads no
//! notification record, and all the notifier sees of the worker is that something is pending. What
//! the worker does around an action (it looks up whether it was handled before, and writes a cancel), and
//! that the sweeper removes a ticket, is no run of `chatops_core` and is written here once more.
//!
//! Of a card:
//!
//! - What it shows but the end, holds and notices, announcements, a refused token. How often something was
//!   tried is not counted beyond "once less than allowed".
//! - A run that edits after its lease and dies before it has written that down; it is like an edit that Slack
//!   carries out more than a minute late.
//! - With two runs at a time the bot and the response URL stay, nobody else deletes a card, and Slack
//!   asks for no long pause. With one run all of that happens.
//!
//! # Fewer states
//!
//! A read is answered along with the step before it, unless what it decides depends on the time: its
//! answer is looked at later only before a POST. A run that others have overtaken goes on at once to
//! where its commit fails. In the card's model a run that would read the record from the start is over, since
//! one that begins later knows as much. Requests whose answers change nothing (wake-ups, the token) are answered.
//!
//! # What is checked
//!
//! Before any commit: the audit's chain, no change after an end, a change the state machine allows,
//! the lock, claim and notifications that follow from it, and that nothing begins that was canceled
//! (I3, I4, I5, I7, I12, I15, I19). Before a retry: its id is derived, the two deploys name each
//! other in one transaction, and of an unresolved deploy somebody has confirmed that very one (I17,
//! I18). Before any POST: no earlier one that may still create a pipeline, TRIGGERING, not expired,
//! the lock held, not known to be canceled (I1, I2, I3, I19). In every state: what is on record is
//! true of CircleCI and of Slack, nobody relies on another's lock, an end leaves no lock behind, and
//! something is due of every deploy in progress (I3, I7, I8, I9, I10, I11, I13, I15); one retry of
//! each deploy at most, one deploy of each request, and a ticket until it was carried out (I16,
//! I17). Of a card: one, or two of which one says so, and of two the one that says so counts; at rest it shows
//! the end, and nobody is left without the final status or has it twice without a mark (I9, I10, I30, I31,
//! I32). No decision panics or is one that the state machine forbids. And from every state, if
//! nothing goes wrong any more, it comes to rest with everything ended and notified and nothing left
//! over but the tickets that wait for somebody (I15).

mod actions;
mod bounds;
mod bugs;
mod canonical;
mod card_calls;
mod card_records;
mod card_runs;
mod card_space;
mod card_state;
mod card_steps;
mod ci_answer;
mod clock;
mod commit_invariants;
mod config;
mod decision_cache;
mod describe;
mod facts;
mod ids;
mod interner;
mod messages;
mod notifications;
mod notify_space;
mod notify_state;
mod notify_steps;
mod resume;
mod retry;
mod rules;
mod run_value;
mod search;
mod shard;
mod slack_answer;
mod state_invariants;
mod worker_space;
mod worker_state;
mod worker_steps;
mod world_steps;

use std::collections::BTreeSet;
use std::fmt;

use chatops_core::deploy::DeployState;

pub use self::bounds::ModelBounds;
pub use self::bugs::{KNOWN_BUGS, KnownBug};
pub use self::rules::{DecisionRules, PRODUCT_RULES};

use self::card_records::CardItems;
use self::card_space::CardSpace;
use self::interner::ItemInterner;
use self::notifications::NotificationInterner;
use self::notify_space::NotifySpace;
use self::search::{SearchResult, StateSearch};
use self::worker_space::WorkerSpace;
use crate::violation::Violation;

/// What a model of the worker's side holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerScope {
    /// Deploys that are requested, all on one target: 1 or 2.
    pub deploys: usize,
    /// Runs of the worker at the same time: 1 or 2.
    pub workers: usize,
    /// People who request a retry, with or without `confirm`: 0 to 2.
    pub retriers: usize,
    /// How often in a row the first deploy may be retried: 0, 1, or 2 for the retry of the retry.
    pub retry_links: usize,
    /// Tickets may be redriven.
    pub redrive: bool,
    /// Any deploy may be canceled at any time.
    pub cancel: bool,
    /// CircleCI is plain: a POST is accepted, rejected or its answer is lost; lookups and polls do
    /// not fail; what runs has succeeded at the first poll. They never fail with two runs at a time.
    pub plain: bool,
}

impl WorkerScope {
    /// One deploy and one run, and nobody retries or cancels.
    pub const ONE: Self = Self {
        deploys: 1,
        workers: 1,
        retriers: 0,
        retry_links: 0,
        redrive: false,
        cancel: false,
        plain: false,
    };

    /// Whether lookups and polls may fail: only with one run at a time, since each failure counts.
    const fn reads_fail(self) -> bool {
        !self.plain && self.workers == 1
    }
}

/// What one model holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelScope {
    /// The worker's side.
    Worker(WorkerScope),
    /// The notifier's side, for one notification record.
    Notifier {
        /// Runs of the notifier at the same time: 1 or 2.
        notifiers: usize,
    },
    /// The card of one deploy, with its notification record.
    Card {
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
    /// The states of deploys that were decided on; none where there are no deploys.
    pub reached: BTreeSet<DeployState>,
}

/// What is not as it must be in a model.
pub type ModelViolation = Violation<&'static str>;

/// What is violated, and a shortest way there.
#[derive(Debug, Clone)]
pub struct Counterexample {
    /// The name of the model.
    pub model: &'static str,
    /// What is not as it must be.
    pub violation: ModelViolation,
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
}

/// Searches every model of `bounds` with the product's own decisions.
pub fn check_models(
    bounds: &ModelBounds,
    progress: &mut dyn FnMut(SearchProgress),
) -> ModelOutcome {
    check_rules(&PRODUCT_RULES, bounds, progress)
}

/// Searches every model of `bounds` with other decisions, to see that a wrong one is found.
pub fn check_rules(
    rules: &DecisionRules,
    bounds: &ModelBounds,
    progress: &mut dyn FnMut(SearchProgress),
) -> ModelOutcome {
    let mut outcome = ModelOutcome::default();
    for model in &bounds.models {
        let mut report = |states, depth| {
            progress(SearchProgress {
                model: model.name,
                states,
                depth,
            });
        };
        let (found, reached) = search_model(rules, model.scope, bounds.threads, &mut report);
        outcome.models.push(ModelReport {
            model: *model,
            states: found.states,
            transitions: found.transitions,
            depth: found.depth,
            at_rest: found.at_rest,
            reached,
        });
        let violation = found.violation.map(|(violation, trace)| Counterexample {
            model: model.name,
            violation,
            trace,
        });
        outcome.violations.extend(violation);
    }
    outcome
}

fn search_model(
    rules: &DecisionRules,
    scope: ModelScope,
    threads: usize,
    progress: &mut dyn FnMut(u64, u32),
) -> (SearchResult, BTreeSet<DeployState>) {
    match scope {
        ModelScope::Worker(scope) => {
            let interner = ItemInterner::default();
            let space = WorkerSpace {
                interner: &interner,
                rules,
                scope,
            };
            let found = StateSearch::new(&space, threads).run(progress);
            (found, interner.deploy_states())
        }
        ModelScope::Notifier { notifiers } => {
            let items = NotificationInterner::default();
            let space = NotifySpace {
                items: &items,
                rules,
                notifiers,
            };
            let found = StateSearch::new(&space, threads).run(progress);
            (found, BTreeSet::new())
        }
        ModelScope::Card { notifiers } => {
            let items = CardItems::default();
            let space = CardSpace {
                items: &items,
                rules,
                notifiers,
            };
            let found = StateSearch::new(&space, threads).run(progress);
            (found, BTreeSet::new())
        }
    }
}
