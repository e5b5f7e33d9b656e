//! Breadth-first search over every state of a space, on a few threads, and the check that every
//! state leads to rest.
//!
//! A level is expanded in batches: the threads first compute the successors of their part, sorted
//! by the shard the successor belongs to; then each thread adds what is new to the shards it owns.
//! No state is locked, and the first trace to a violation is a shortest one.

use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::ModelViolation;
use super::commit_invariants::Check;
use super::shard::{StateShard, hash_state, to_u32};
use crate::violation::{Invariant, Violation};

/// One step: who does what, and where it leads.
#[derive(Debug, Clone, Copy)]
pub(super) struct ModelStep<S> {
    /// The state after it.
    pub to: S,
    /// Who: 0 for the world, else the run in that slot.
    pub who: u8,
    /// What it is about: 0 for nothing special, else that deploy.
    pub about: u8,
    /// What happens.
    pub what: &'static str,
    /// The step without any fault, of which each run has one.
    pub clean: bool,
    /// Whether the runs have changed places on the way to the canonical form.
    pub swapped: bool,
    /// What this very step violates.
    pub violation: Option<ModelViolation>,
}

/// Where a state leads when nothing goes wrong any more.
pub(super) enum CleanStep<S> {
    /// Nothing is left to do.
    AtRest,
    /// Here.
    Next(S),
}

/// What is searched.
pub(super) trait StateSpace: Sync {
    /// A state, in its canonical form.
    type State: Copy + Eq + Hash + Send + Sync;
    /// What one thread keeps between states.
    type Cache: Send;

    fn new_cache(&self) -> Self::Cache;
    fn initial_state(&self) -> Self::State;
    /// Every step from `at`.
    fn collect_steps(
        &self,
        cache: &mut Self::Cache,
        at: &Self::State,
        out: &mut Vec<ModelStep<Self::State>>,
    );
    /// What must hold in a state.
    fn check_state(&self, cache: &mut Self::Cache, at: &Self::State) -> Check;
    /// The way to rest.
    fn clean_step(&self, cache: &mut Self::Cache, at: &Self::State) -> CleanStep<Self::State>;
    /// The state in words.
    fn describe_state(&self, cache: &mut Self::Cache, at: &Self::State) -> String;
}

/// What a search found.
#[derive(Debug, Clone, Default)]
pub(super) struct SearchResult {
    pub states: u64,
    pub transitions: u64,
    pub depth: u32,
    pub at_rest: u64,
    /// What is violated, and the way there.
    pub violation: Option<(ModelViolation, Vec<String>)>,
}

/// No run to rest takes more steps.
const MAX_STEPS_TO_REST: usize = 2_000;
const BATCH: usize = 1 << 18;
const ROOT: u32 = u32::MAX;

/// The state a violation starts from, and the step that causes it, if a step does.
type StateViolation<S> = (u32, ModelViolation, Option<ModelStep<S>>);

/// Keeps one of two violations of the same level: always the same, whichever thread was first.
fn keep_least<S>(kept: &mut Option<StateViolation<S>>, other: StateViolation<S>) {
    let key = |(_, why, _): &StateViolation<S>| (why.invariant, why.detail);
    if kept.as_ref().is_none_or(|kept| key(&other) < key(kept)) {
        *kept = Some(other);
    }
}

/// The successors one thread found, by shard.
struct SuccessorBatch<S> {
    by_shard: Vec<Vec<(u64, S, u32)>>,
    step_count: u64,
    violation: Option<StateViolation<S>>,
}

/// A search under way.
pub(super) struct StateSearch<'a, M: StateSpace> {
    space: &'a M,
    shards: Vec<StateShard<M::State>>,
    caches: Vec<M::Cache>,
    result: SearchResult,
}

impl<'a, M: StateSpace> StateSearch<'a, M> {
    pub(super) fn new(space: &'a M, threads: usize) -> Self {
        let threads = threads.next_power_of_two();
        let mut shards: Vec<_> = (0..threads).map(|_| StateShard::new()).collect();
        let start = space.initial_state();
        let code = hash_state(&start);
        shards[Self::shard_of(threads, code)].add(code, start, ROOT);
        let caches = (0..threads).map(|_| space.new_cache()).collect();
        Self {
            space,
            shards,
            caches,
            result: SearchResult::default(),
        }
    }

    fn shard_of(shards: usize, hash: u64) -> usize {
        usize::try_from(hash & 0xff).unwrap_or_default() % shards
    }

    /// Searches everything; `progress` hears the states and the depth after each level.
    pub(super) fn run(mut self, progress: &mut dyn FnMut(u64, u32)) -> SearchResult {
        let mut done: Vec<usize> = vec![0; self.shards.len()];
        let mut violation = None;
        loop {
            let level: Vec<_> = self.shards.iter().map(|shard| shard.states.len()).collect();
            let width = self.shards.len();
            let ids = (0..width).flat_map(|s| (done[s]..level[s]).map(move |n| (n * width) + s));
            let ids: Vec<u32> = ids.map(to_u32).collect();
            if ids.is_empty() {
                break;
            }
            for batch in ids.chunks(BATCH) {
                if let Some(found) = self.expand_batch(batch) {
                    keep_least(&mut violation, found);
                }
            }
            let sizes = self.shards.iter().map(|shard| shard.states.len() as u64);
            self.result.states = sizes.sum();
            progress(self.result.states, self.result.depth);
            if violation.is_some() {
                break;
            }
            self.result.depth += 1;
            done = level;
        }
        if let Some((from, why, step)) = violation {
            self.result.violation = Some((why, self.trace_to(from, step)));
        } else {
            self.check_rest();
        }
        self.result
    }

    /// Expands a batch; a violation if there is one.
    fn expand_batch(&mut self, batch: &[u32]) -> Option<StateViolation<M::State>> {
        let (space, shards) = (self.space, &self.shards);
        let next = AtomicUsize::new(0);
        let work = |cache: &mut M::Cache| {
            let by_shard = shards.iter().map(|_| vec![]).collect();
            let mut fresh = SuccessorBatch {
                by_shard,
                step_count: 0,
                violation: None,
            };
            let mut moves = vec![];
            loop {
                let from = next.fetch_add(256, Ordering::Relaxed);
                if from >= batch.len() {
                    break;
                }
                for id in batch[from..].iter().take(256) {
                    let at = load_state(shards, *id);
                    if let Err(why) = space.check_state(cache, &at) {
                        keep_least(&mut fresh.violation, (*id, why, None));
                    }
                    space.collect_steps(cache, &at, &mut moves);
                    for step in moves.drain(..) {
                        fresh.step_count += 1;
                        if step.to != at {
                            let code = hash_state(&step.to);
                            let shard = Self::shard_of(shards.len(), code);
                            fresh.by_shard[shard].push((code, step.to, *id));
                        }
                        if let Some(why) = step.violation {
                            keep_least(&mut fresh.violation, (*id, why, Some(step)));
                        }
                    }
                }
            }
            fresh
        };
        let mut all: Vec<SuccessorBatch<M::State>> = if batch.len() < 512 {
            self.caches.iter_mut().take(1).map(work).collect()
        } else {
            std::thread::scope(|scope| {
                let (work, caches) = (&work, self.caches.iter_mut());
                let threads = caches.map(|cache| scope.spawn(move || work(cache)));
                let threads: Vec<_> = threads.collect();
                threads.into_iter().map(join_thread).collect()
            })
        };
        self.result.transitions += all.iter().map(|fresh| fresh.step_count).sum::<u64>();
        std::thread::scope(|scope| {
            for (n, shard) in self.shards.iter_mut().enumerate() {
                let parts = all.iter_mut();
                let parts = parts.map(|fresh| std::mem::take(&mut fresh.by_shard[n]));
                let parts: Vec<_> = parts.collect();
                let add = move || {
                    for (code, state, parent) in parts.into_iter().flatten() {
                        shard.add(code, state, parent);
                    }
                };
                if batch.len() < 512 {
                    add();
                } else {
                    drop(scope.spawn(add));
                }
            }
        });
        let mut least = None;
        for found in all.into_iter().filter_map(|fresh| fresh.violation) {
            keep_least(&mut least, found);
        }
        least
    }

    /// The way from the start to `last`, and the step that violates something.
    fn trace_to(&mut self, last: u32, step: Option<ModelStep<M::State>>) -> Vec<String> {
        let width = self.shards.len();
        let mut path = vec![last];
        while let Some(parent) = path.last().map(|id| {
            let id = *id as usize;
            self.shards[id % width].parents[id / width]
        }) && parent != ROOT
        {
            path.push(parent);
        }
        path.reverse();
        let cache = &mut self.caches[0];
        let mut lines = vec![];
        let mut moves = vec![];
        // Each run keeps its name through the trace, whatever place it has.
        let mut swapped = false;
        let mut say = |cache: &mut M::Cache, step: &ModelStep<M::State>| {
            let who = match (step.who, swapped) {
                (0, _) => "world".to_owned(),
                (n, false) => format!("run {n}"),
                (n, true) => format!("run {}", 3 - n),
            };
            swapped ^= step.swapped;
            let about = match step.about {
                0 => String::new(),
                n => format!(" (deploy {n})"),
            };
            let after = self.space.describe_state(cache, &step.to);
            lines.push(format!("{who}: {}{about}  →  {after}", step.what));
        };
        for pair in path.windows(2) {
            let [from, to] = [pair[0], pair[1]].map(|id| load_state(&self.shards, id));
            self.space.collect_steps(cache, &from, &mut moves);
            // Of the steps that lead there, the one without a fault.
            let taken = moves.iter().filter(|step| step.to == to);
            if let Some(taken) = taken.max_by_key(|step| step.clean) {
                say(cache, taken);
            }
            moves.clear();
        }
        if let Some(step) = &step {
            say(cache, step);
        }
        lines
    }

    /// From every state the path without faults must end at rest.
    fn check_rest(&mut self) {
        let (space, shards) = (self.space, &self.shards);
        let width = shards.len();
        let unknown = |shard: &StateShard<_>| -> Vec<AtomicBool> {
            let states = shard.states.iter();
            states.map(|_| AtomicBool::new(false)).collect()
        };
        let good: Vec<_> = shards.iter().map(unknown).collect();
        let work = |(mine, cache): (usize, &mut M::Cache)| {
            let mut ends = 0;
            for n in 0..shards[mine].states.len() {
                let first = to_u32(n * width + mine);
                let mut way = vec![];
                let mut at = (mine, n);
                let mut settled = false;
                // What is marked has been seen to lead to rest.
                while !good[at.0][at.1].load(Ordering::Relaxed) {
                    way.push(at);
                    match space.clean_step(cache, &shards[at.0].states[at.1]) {
                        CleanStep::AtRest => {
                            settled = true;
                            break;
                        }
                        CleanStep::Next(_) if way.len() > MAX_STEPS_TO_REST => return Err(first),
                        CleanStep::Next(next) => {
                            let code = hash_state(&next);
                            let shard = Self::shard_of(width, code);
                            let Ok(place) = shards[shard].find(code, &next) else {
                                return Err(first);
                            };
                            at = (shard, place);
                        }
                    }
                }
                for (n, (shard, place)) in way.iter().enumerate() {
                    let known = good[*shard][*place].swap(true, Ordering::Relaxed);
                    ends += u64::from(settled && !known && n + 1 == way.len());
                }
            }
            Ok(ends)
        };
        let ends: Vec<Result<u64, u32>> = std::thread::scope(|scope| {
            let work = &work;
            let caches = self.caches.iter_mut().enumerate();
            let threads: Vec<_> = caches.map(|part| scope.spawn(move || work(part))).collect();
            threads.into_iter().map(join_thread).collect()
        });
        for end in ends {
            match end {
                Ok(ends) => self.result.at_rest += ends,
                Err(from) => {
                    let detail = "it does not come to rest from here";
                    let why = Violation::new(Invariant::Termination, detail);
                    self.result.violation = Some((why, self.trace_to(from, None)));
                    return;
                }
            }
        }
    }
}

fn load_state<S: Copy>(shards: &[StateShard<S>], id: u32) -> S {
    let id = id as usize;
    shards[id % shards.len()].states[id / shards.len()]
}

/// A panic on a thread is one here.
fn join_thread<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    let joined = thread.join();
    joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
