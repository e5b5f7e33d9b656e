//! One thread's memory of the model: the items by number, and what each decision came to.
//!
//! A decision is made once for everything that it depends on. What it comes to is not worked out
//! here, and nothing that is remembered changes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use chatops_core::deploy::DeployRecord;
use chatops_core::deploy::handler::DeployRun;

use super::ModelViolation;
use super::ci_answer::CiAnswer;
use super::config::timeouts;
use super::facts::{ItemFacts, item_facts};
use super::ids::{PLACES, run_name};
use super::interner::{ItemInterner, ModelItem, rename_runs, tick_item};
use super::messages::QueuedRetry;
use super::rules::DecisionRules;
use super::shard::FastMap;
use crate::violation::Violation;

/// A decision that the state machine does not allow.
pub(super) const ILLEGAL: ModelViolation = Violation {
    invariant: None,
    detail: "a decision the state machine does not allow",
};

const PANICKED: ModelViolation = Violation {
    invariant: None,
    detail: "a decision panicked",
};

/// What a decision comes to that no run makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkerPlan {
    /// Nothing.
    Wait,
    /// Write this commit.
    Write(u32),
    /// The decision itself is wrong.
    Broken(ModelViolation),
}

/// What a run is answered, or what happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum RunAnswer {
    /// Its message is a command that is not on record.
    Command {
        /// The command.
        number: u32,
        /// The deploy's place.
        place: u8,
    },
    /// Its message is a retry request, and these are the deploys.
    Action(u32, [u32; PLACES]),
    /// Its message is the ticket of the deploy in that place, and these are the deploys.
    Ticket(u8, [u32; PLACES]),
    /// What a retry reads: these are the deploys.
    Chain([u32; PLACES]),
    /// The record that it reads.
    Record(u32),
    /// The record of the deploy that has the target.
    Holder(u32),
    /// Its write is done.
    Written,
    /// Others have written first.
    Overtaken,
    /// Whether its write was done is unknown.
    Lost,
    /// Its ticket is sent.
    Sent,
    /// CircleCI answers.
    Ci(CiAnswer),
    /// The attempt that it posted is not the latest one any more.
    NewAttempt,
}

/// What becomes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextRun {
    /// This one.
    Run(u32),
    /// It is over.
    Ended,
    /// It does what it must not.
    Broken(ModelViolation),
}

/// The changes of an item that depend on nothing else.
#[derive(Debug, Clone, Copy)]
pub(super) enum ItemShift {
    /// A tick passes.
    Later,
    /// The run in that slot is gone.
    Gone(usize),
    /// The runs change places.
    Swap,
}

/// One thread's memory.
pub(super) struct DecisionCache<'a> {
    pub(super) interner: &'a ItemInterner,
    pub(super) rules: &'a DecisionRules,
    items: Vec<Option<(Arc<ModelItem>, ItemFacts)>>,
    shifted: [Vec<u32>; 4],
    plans: FastMap<u32, WorkerPlan>,
    runs: FastMap<(u32, RunAnswer, u8), NextRun>,
}

impl<'a> DecisionCache<'a> {
    /// Nothing is decided yet.
    pub(super) fn new(interner: &'a ItemInterner, rules: &'a DecisionRules) -> Self {
        Self {
            interner,
            rules,
            items: vec![],
            shifted: Default::default(),
            plans: FastMap::default(),
            runs: FastMap::default(),
        }
    }

    /// An item and its facts.
    pub(super) fn entry(&mut self, number: u32) -> &(Arc<ModelItem>, ItemFacts) {
        let at = number as usize;
        if self.items.len() <= at {
            self.items.resize(at + 64, None);
        }
        self.items[at].get_or_insert_with(|| {
            let item = self.interner.get(number);
            let facts = item_facts(self.interner, &item);
            (item, facts)
        })
    }

    /// The facts of an item; those of nothing for number 0.
    pub(super) fn facts(&mut self, number: u32) -> ItemFacts {
        if number == 0 {
            return ItemFacts::default();
        }
        self.entry(number).1
    }

    /// A deploy on record.
    pub(super) fn record(&mut self, number: u32) -> DeployRecord {
        match self.entry(number).0.as_ref() {
            ModelItem::Record(record) => record.as_ref().clone(),
            _ => unreachable!("number {number} is not a deploy on record"),
        }
    }

    /// A run of the worker.
    pub(super) fn run(&mut self, number: u32) -> DeployRun {
        match self.entry(number).0.as_ref() {
            ModelItem::Run(run) => run.as_ref().clone(),
            _ => unreachable!("number {number} is not a run"),
        }
    }

    /// A retry request in the queue.
    pub(super) fn get_retry(&mut self, number: u32) -> QueuedRetry {
        match self.entry(number).0.as_ref() {
            ModelItem::Retry(retry) => *retry,
            _ => unreachable!("number {number} is not a retry request"),
        }
    }

    /// The item after `shift`; no item stays none.
    pub(super) fn shift_item(&mut self, number: u32, shift: ItemShift) -> u32 {
        let at = number as usize;
        let row = match shift {
            ItemShift::Later => 0,
            ItemShift::Gone(slot) => 1 + slot,
            ItemShift::Swap => 3,
        };
        if number == 0 {
            return 0;
        }
        if self.shifted[row].len() <= at {
            self.shifted[row].resize(at + 64, 0);
        }
        if self.shifted[row][at] == 0 {
            let item = Arc::clone(&self.entry(number).0);
            let (one, two) = (run_name(Some(0)), run_name(Some(1)));
            let item = match shift {
                ItemShift::Later => tick_item(&item),
                ItemShift::Gone(slot) => rename_runs(&item, |by| {
                    (*by == run_name(Some(slot))).then(|| run_name(None))
                }),
                ItemShift::Swap => rename_runs(&item, |by| {
                    let mut others = [(&one, &two), (&two, &one)].into_iter();
                    others.find(|(a, _)| *a == by).map(|(_, b)| b.clone())
                }),
            };
            self.shifted[row][at] = self.interner.intern(item);
        }
        self.shifted[row][at]
    }

    /// A command that was just typed.
    pub(super) fn queued_request(&mut self) -> u32 {
        self.interner
            .intern(ModelItem::Request(timeouts().request_ttl))
    }

    /// A request that was just typed.
    pub(super) fn intern_retry(&mut self, retry: QueuedRetry) -> u32 {
        self.interner.intern(ModelItem::Retry(retry))
    }

    /// What is decided about the deploy on record, without a run.
    pub(super) fn cached_plan(
        &mut self,
        number: u32,
        make: impl FnOnce(&mut Self) -> WorkerPlan,
    ) -> WorkerPlan {
        if let Some(plan) = self.plans.get(&number) {
            return *plan;
        }
        let plan = caught(|| make(self)).unwrap_or(WorkerPlan::Broken(PANICKED));
        self.plans.insert(number, plan);
        plan
    }

    /// What becomes of a run that is answered so, in that slot.
    pub(super) fn cached_run(
        &mut self,
        key: (u32, RunAnswer, u8),
        make: impl FnOnce(&mut Self) -> NextRun,
    ) -> NextRun {
        if let Some(next) = self.runs.get(&key) {
            return *next;
        }
        let next = caught(|| make(self)).unwrap_or(NextRun::Broken(PANICKED));
        self.runs.insert(key, next);
        next
    }
}

/// "No panic" is one of the promises.
fn caught<T>(make: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(make)).ok()
}
