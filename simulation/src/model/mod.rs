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
//! - **The ledger**: conflicts of version and lock; a write that happened and whose answer was lost.
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
//!   collide, automatic reruns.
//! - At most two runs at a time, at most two deploys of one target and one retry, one target.
//!
//! The worker's side and the notifier's are searched apart, which loses nothing: the worker reads no
//! reply item, and all the notifier sees of the worker is that something is owed.
//!
//! # What is checked
//!
//! Before any commit: the audit's chain, no change after an end, a change the state machine allows,
//! and the lock, claim and notices that follow from it (I4, I5, I7, I15). Before any POST: no earlier
//! one that may still create a pipeline, ARMED, not stale, the lock held (I1, I2, I3). In every state:
//! what is on record is true of CircleCI and of Slack, nobody counts on another's lock, an end leaves
//! no lock behind, something is due of everything open (I3, I7, I8, I9, I10, I11, I13, I15). No
//! decision panics or is one the state machine forbids. And from every state, if nothing goes wrong
//! any more, it comes to rest with everything ended and told and nothing left over (I11, I15, I16).

mod book;
mod desk;
mod evidence;
mod items;
mod notify;
mod rules;
mod run;
mod search;
mod shard;
mod show;
mod sound;
mod telling;
mod work;

use std::fmt;

pub use self::rules::{Real, Rules};

use self::book::Book;
use self::items::Items;
use self::search::{Bfs, Found};
use self::telling::Tell;
use self::work::Work;

/// What one model holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The worker's side.
    Working {
        /// Deploys that are asked for, all on one target: 1 or 2.
        deploys: usize,
        /// Runs of the worker at the same time: 1 or 2.
        workers: usize,
        /// The order of the first deploy may be redriven.
        retry: bool,
        /// Anything may be wished canceled at any time.
        cancel: bool,
    },
    /// The notifier's side, for one reply item.
    Telling {
        /// Runs of the notifier at the same time: 1 or 2.
        notifiers: usize,
    },
}

/// One model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model {
    /// Its name.
    pub name: &'static str,
    /// What it holds. Crashes, duplicates, lost answers and time are not bounded.
    pub scope: Scope,
}

/// Which models are searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// The models, each searched to the end.
    pub models: Vec<Model>,
    /// Threads that search; rounded up to a power of two.
    pub threads: usize,
}

impl Bounds {
    /// Everything there is.
    #[must_use]
    pub fn full() -> Self {
        let working = |deploys, workers, retry, cancel| Scope::Working {
            deploys,
            workers,
            retry,
            cancel,
        };
        let models = vec![
            Model {
                name: "one deploy and its retry",
                scope: working(1, 2, true, true),
            },
            Model {
                name: "two deploys on one target",
                scope: working(2, 2, false, true),
            },
            Model {
                name: "two deploys and a retry",
                scope: working(2, 2, true, false),
            },
            Model {
                name: "telling",
                scope: Scope::Telling { notifiers: 2 },
            },
        ];
        Self {
            models,
            threads: threads(),
        }
    }

    /// What a test has the time for.
    #[must_use]
    pub fn small() -> Self {
        let working = |deploys, workers, retry, cancel| Scope::Working {
            deploys,
            workers,
            retry,
            cancel,
        };
        let models = vec![
            Model {
                name: "one deploy",
                scope: working(1, 2, false, true),
            },
            Model {
                name: "one worker, two deploys and a retry",
                scope: working(2, 1, true, false),
            },
            Model {
                name: "telling",
                scope: Scope::Telling { notifiers: 2 },
            },
        ];
        Self {
            models,
            threads: threads(),
        }
    }
}

fn threads() -> usize {
    std::thread::available_parallelism()
        .map_or(1, std::num::NonZero::get)
        .min(8)
}

/// How far a search has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The model.
    pub model: &'static str,
    /// States so far.
    pub states: u64,
    /// Steps from the start so far.
    pub depth: u32,
}

/// What the search of one model came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// The model.
    pub model: Model,
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
    pub broken: String,
    /// One step a line: who does what, and the state after it.
    pub trace: Vec<String>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} ({} steps)",
            self.model,
            self.broken,
            self.trace.len()
        )?;
        let mut lines = (1..).zip(&self.trace);
        lines.try_for_each(|(n, line)| writeln!(f, "{n:>4}. {line}"))
    }
}

/// What all searches came to.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// One for each model.
    pub models: Vec<Report>,
    /// At most one for each model: its search ends with the first.
    pub violations: Vec<Counterexample>,
}

impl Outcome {
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
pub fn check(bounds: &Bounds, progress: &mut dyn FnMut(Progress)) -> Outcome {
    check_rules(&Real, bounds, progress)
}

/// Searches every model of `bounds` with other decisions, to see that a wrong one is found.
pub fn check_rules(
    rules: &dyn Rules,
    bounds: &Bounds,
    progress: &mut dyn FnMut(Progress),
) -> Outcome {
    let mut outcome = Outcome::default();
    for model in &bounds.models {
        let mut tell = |states, depth| {
            progress(Progress {
                model: model.name,
                states,
                depth,
            });
        };
        let found = search(rules, model.scope, bounds.threads, &mut tell);
        outcome.models.push(Report {
            model: *model,
            states: found.states,
            transitions: found.transitions,
            depth: found.depth,
            at_rest: found.settled,
        });
        let broken = found.broken.map(|(broken, trace)| Counterexample {
            model: model.name,
            broken,
            trace,
        });
        outcome.violations.extend(broken);
    }
    outcome
}

fn search(
    rules: &dyn Rules,
    scope: Scope,
    threads: usize,
    progress: &mut dyn FnMut(u64, u32),
) -> Found {
    match scope {
        Scope::Working {
            deploys,
            workers,
            retry,
            cancel,
        } => {
            let book = Book::default();
            let space = Work {
                book: &book,
                rules,
                deploys,
                workers,
                retry,
                cancel,
            };
            Bfs::new(&space, threads).run(progress)
        }
        Scope::Telling { notifiers } => {
            let items = Items::default();
            let space = Tell {
                items: &items,
                rules,
                notifiers,
            };
            Bfs::new(&space, threads).run(progress)
        }
    }
}
