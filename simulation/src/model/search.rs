//! Breadth-first search over every state of a space, on a few threads, and the check that every
//! state leads to rest.
//!
//! A level is expanded in batches: the threads first compute the successors of their part, sorted
//! by the shard the successor belongs to; then each thread adds what is new to the shards it owns.
//! No state is locked, and the first trace to a fault is a shortest one.

use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::shard::{Shard, hash, narrow};

/// One step: who does what, and where it leads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Move<S> {
    /// The state after it.
    pub to: S,
    /// Who: 0 for the world, else the run in that slot.
    pub who: u8,
    /// What it is about: 0 for nothing special, else that deploy.
    pub about: u8,
    /// What happens.
    pub what: &'static str,
    /// The step without any fault, of which each run has one.
    pub calm: bool,
    /// Whether the runs have changed places on the way to the canonical form.
    pub swapped: bool,
    /// What this very step breaks.
    pub breaks: Option<&'static str>,
}

/// Where a state leads when nothing goes wrong any more.
pub(super) enum Calm<S> {
    /// Nothing is left to do.
    Settled,
    /// Here.
    On(S),
}

/// What is searched.
pub(super) trait Space: Sync {
    /// A state, in its canonical form.
    type State: Copy + Eq + Hash + Send + Sync;
    /// What one thread keeps between states.
    type Desk: Send;

    fn desk(&self) -> Self::Desk;
    fn start(&self) -> Self::State;
    /// Every step from `at`.
    fn steps(&self, desk: &mut Self::Desk, at: &Self::State, out: &mut Vec<Move<Self::State>>);
    /// What is wrong with a state.
    fn broken(&self, desk: &mut Self::Desk, at: &Self::State) -> Option<&'static str>;
    /// The way to rest.
    fn calm(&self, desk: &mut Self::Desk, at: &Self::State) -> Calm<Self::State>;
    /// The state in words.
    fn show(&self, desk: &mut Self::Desk, at: &Self::State) -> String;
}

/// What a search found.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub states: u64,
    pub transitions: u64,
    pub depth: u32,
    pub settled: u64,
    /// What is broken, and the way there.
    pub broken: Option<(String, Vec<String>)>,
}

/// No run to rest takes more steps.
const LONGEST_CALM: usize = 2_000;
const BATCH: usize = 1 << 18;
const ROOT: u32 = u32::MAX;

/// A fault: the state it starts from, what is broken, and the step that breaks it, if a step does.
type Fault<S> = (u32, &'static str, Option<Move<S>>);

/// The successors one thread found, by shard.
struct Fresh<S> {
    by_shard: Vec<Vec<(u64, S, u32)>>,
    moves: u64,
    fault: Option<Fault<S>>,
}

/// A search under way.
pub(super) struct Bfs<'a, M: Space> {
    space: &'a M,
    shards: Vec<Shard<M::State>>,
    desks: Vec<M::Desk>,
    found: Found,
}

impl<'a, M: Space> Bfs<'a, M> {
    pub(super) fn new(space: &'a M, threads: usize) -> Self {
        let threads = threads.next_power_of_two();
        let mut shards: Vec<_> = (0..threads).map(|_| Shard::new()).collect();
        let start = space.start();
        let code = hash(&start);
        shards[Self::shard(threads, code)].add(code, start, ROOT);
        let desks = (0..threads).map(|_| space.desk()).collect();
        Self {
            space,
            shards,
            desks,
            found: Found::default(),
        }
    }

    fn shard(shards: usize, hash: u64) -> usize {
        usize::try_from(hash & 0xff).unwrap_or_default() % shards
    }

    /// Searches everything; `progress` is told the states and the depth after each level.
    pub(super) fn run(mut self, progress: &mut dyn FnMut(u64, u32)) -> Found {
        let mut done: Vec<usize> = vec![0; self.shards.len()];
        let mut fault = None;
        loop {
            let level: Vec<_> = self.shards.iter().map(|shard| shard.states.len()).collect();
            let width = self.shards.len();
            let ids = (0..width).flat_map(|s| (done[s]..level[s]).map(move |n| (n * width) + s));
            let ids: Vec<u32> = ids.map(narrow).collect();
            if ids.is_empty() {
                break;
            }
            for batch in ids.chunks(BATCH) {
                fault = fault.or(self.expand(batch));
            }
            self.found.states = self
                .shards
                .iter()
                .map(|shard| shard.states.len() as u64)
                .sum();
            progress(self.found.states, self.found.depth);
            if fault.is_some() {
                break;
            }
            self.found.depth += 1;
            done = level;
        }
        if let Some((from, why, step)) = fault {
            self.found.broken = Some((why.to_owned(), self.trace(from, step)));
        } else {
            self.settle();
        }
        self.found
    }

    /// Expands a batch; a fault if there is one.
    fn expand(&mut self, batch: &[u32]) -> Option<Fault<M::State>> {
        let (space, shards) = (self.space, &self.shards);
        let next = AtomicUsize::new(0);
        let work = |desk: &mut M::Desk| {
            let by_shard = shards.iter().map(|_| vec![]).collect();
            let mut fresh = Fresh {
                by_shard,
                moves: 0,
                fault: None,
            };
            let mut moves = vec![];
            loop {
                let from = next.fetch_add(256, Ordering::Relaxed);
                let Some(part) = batch.get(from..batch.len().min(from + 256)) else {
                    break;
                };
                if part.is_empty() {
                    break;
                }
                for id in part {
                    let at = state(shards, *id);
                    if let (Some(why), None) = (space.broken(desk, &at), &fresh.fault) {
                        fresh.fault = Some((*id, why, None));
                    }
                    space.steps(desk, &at, &mut moves);
                    for step in moves.drain(..) {
                        fresh.moves += 1;
                        if let (Some(why), None) = (step.breaks, &fresh.fault) {
                            fresh.fault = Some((*id, why, Some(step)));
                        }
                        if step.to != at {
                            let code = hash(&step.to);
                            let shard = Self::shard(shards.len(), code);
                            fresh.by_shard[shard].push((code, step.to, *id));
                        }
                    }
                }
            }
            fresh
        };
        let mut all: Vec<Fresh<M::State>> = if batch.len() < 512 {
            self.desks.iter_mut().take(1).map(work).collect()
        } else {
            std::thread::scope(|scope| {
                let work = &work;
                let threads: Vec<_> = self
                    .desks
                    .iter_mut()
                    .map(|desk| scope.spawn(move || work(desk)))
                    .collect();
                threads.into_iter().map(join).collect()
            })
        };
        self.found.transitions += all.iter().map(|fresh| fresh.moves).sum::<u64>();
        std::thread::scope(|scope| {
            for (n, shard) in self.shards.iter_mut().enumerate() {
                let parts: Vec<_> = all
                    .iter_mut()
                    .map(|fresh| std::mem::take(&mut fresh.by_shard[n]))
                    .collect();
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
        all.into_iter().find_map(|fresh| fresh.fault)
    }

    /// The way from the start to `last`, and the step that breaks something.
    fn trace(&mut self, last: u32, step: Option<Move<M::State>>) -> Vec<String> {
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
        let desk = &mut self.desks[0];
        let mut lines = vec![];
        let mut moves = vec![];
        // Each run keeps its name through the trace, whatever place it has.
        let mut swapped = false;
        let mut say = |desk: &mut M::Desk, step: &Move<M::State>| {
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
            let after = self.space.show(desk, &step.to);
            lines.push(format!("{who}: {}{about}  →  {after}", step.what));
        };
        for pair in path.windows(2) {
            let (from, to) = (state(&self.shards, pair[0]), state(&self.shards, pair[1]));
            self.space.steps(desk, &from, &mut moves);
            // The plainest of the steps that lead there.
            let taken = moves
                .iter()
                .filter(|step| step.to == to)
                .max_by_key(|step| step.calm);
            if let Some(taken) = taken {
                say(desk, taken);
            }
            moves.clear();
        }
        if let Some(step) = &step {
            say(desk, step);
        }
        lines
    }

    /// From every state the calm way must end at rest.
    fn settle(&mut self) {
        let (space, shards) = (self.space, &self.shards);
        let width = shards.len();
        let good: Vec<Vec<AtomicBool>> = shards
            .iter()
            .map(|shard| {
                shard
                    .states
                    .iter()
                    .map(|_| AtomicBool::new(false))
                    .collect()
            })
            .collect();
        let work = |(mine, desk): (usize, &mut M::Desk)| {
            let mut ends = 0;
            for n in 0..shards[mine].states.len() {
                let first = narrow(n * width + mine);
                let mut way = vec![];
                let mut at = (mine, n);
                let mut settled = false;
                // What is marked has been seen to lead to rest.
                while !good[at.0][at.1].load(Ordering::Relaxed) {
                    way.push(at);
                    match space.calm(desk, &shards[at.0].states[at.1]) {
                        Calm::Settled => {
                            settled = true;
                            break;
                        }
                        Calm::On(_) if way.len() > LONGEST_CALM => return Err(first),
                        Calm::On(next) => {
                            let code = hash(&next);
                            let shard = Self::shard(width, code);
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
            let desks = self.desks.iter_mut().enumerate();
            let threads: Vec<_> = desks.map(|part| scope.spawn(move || work(part))).collect();
            threads.into_iter().map(join).collect()
        });
        for end in ends {
            match end {
                Ok(ends) => self.found.settled += ends,
                Err(from) => {
                    let why = "I15: it does not come to rest from here".to_owned();
                    self.found.broken = Some((why, self.trace(from, None)));
                    return;
                }
            }
        }
    }
}

fn state<S: Copy>(shards: &[Shard<S>], id: u32) -> S {
    let id = id as usize;
    shards[id % shards.len()].states[id / shards.len()]
}

/// A panic on a thread is one here.
fn join<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
