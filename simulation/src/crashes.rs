//! Crashes at every point of a story: alone, in pairs, in triples, however messages come back.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use chatops_core::deploy::State;

use crate::invariants;
use crate::points::Points;
use crate::scenario::Scenario;
use crate::world::{Delivering, Redelivery, World};

/// The ways in which messages are delivered.
pub const WAYS: [Delivering; 4] = [
    way(Redelivery::AtOnce, false),
    way(Redelivery::Late, false),
    way(Redelivery::AtOnce, true),
    way(Redelivery::Late, true),
];

const fn way(redelivery: Redelivery, twice: bool) -> Delivering {
    Delivering {
        redelivery,
        twice,
        receives: 5,
    }
}

/// What a campaign did and found.
#[derive(Debug, Default)]
pub struct Found {
    /// How many runs.
    pub runs: usize,
    /// A readable account of each run that broke an invariant.
    pub violations: Vec<String>,
}

/// Runs a story with crashes at these points.
#[must_use]
pub fn run(scenario: &Scenario, way: Delivering, crash_at: &[usize]) -> World {
    let mut world = World::new(&Points::crashing_at(crash_at.iter().copied()), way);
    (scenario.play)(&mut world);
    world
}

/// Everything that is wrong after a run, with what a person needs to see why; `None` if nothing is.
#[must_use]
pub fn judge(
    scenario: &Scenario,
    way: Delivering,
    crash_at: &[usize],
    world: &World,
) -> Option<String> {
    let mut found = invariants::check(world);
    let ends = ends(world);
    let allowed = |end: &State| scenario.ends.contains(end) || scenario.also.contains(end);
    if world.points.crashes() == 0 && ends != scenario.ends {
        found.push(format!("ended {ends:?} instead of {:?}", scenario.ends));
    } else if !ends.iter().all(allowed) {
        found.push(format!("ended {ends:?}"));
    }
    if found.is_empty() {
        return None;
    }
    let names = world.points.names();
    let crashes: Vec<_> = crash_at
        .iter()
        .map(|at| (at, names.get(*at).map(String::as_str)))
        .collect();
    let struck = world.points.struck();
    let struck = if struck.is_empty() {
        String::new()
    } else {
        format!(" struck by {struck:?}")
    };
    Some(format!(
        "'{}' {way:?} crashing at {crashes:?}{struck}:\n{}\n{}",
        scenario.name,
        found.join("\n"),
        world.account(),
    ))
}

/// How every deploy ended, in the order of their requests.
pub(crate) fn ends(world: &World) -> Vec<State> {
    world.deploys().iter().map(|head| head.state).collect()
}

/// Runs every story in every way with every set of `depth` crashes, on all cores. After the first
/// few violations it stops. `progress` hears how many of how many pieces are done.
pub fn every(
    stories: &[Scenario],
    ways: &[Delivering],
    depth: usize,
    progress: &(impl Fn(usize, usize) + Sync),
) -> Found {
    // One piece of work is one first crash, so that the long stories are shared, too.
    let mut pieces = Vec::new();
    for scenario in stories {
        for way in ways {
            let points = run(scenario, *way, &[]).points.passed();
            pieces.push((scenario, *way, None));
            pieces.extend(
                (0..points)
                    .filter(|_| depth > 0)
                    .map(|at| (scenario, *way, Some(at))),
            );
        }
    }
    let work = |(scenario, way, first): &(&Scenario, Delivering, Option<usize>)| match first {
        None => one(scenario, *way, &[]),
        Some(first) => from(scenario, *way, &mut vec![*first], depth),
    };
    on_all_cores(&pieces, work, progress)
}

/// Does every piece of work, unless the first few find too much.
pub(crate) fn on_all_cores<P: Sync>(
    pieces: &[P],
    work: impl Fn(&P) -> Found + Sync,
    progress: &(impl Fn(usize, usize) + Sync),
) -> Found {
    let (next, runs, violations) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::default());
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            threads.spawn(|| {
                while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = work(piece);
                    runs.fetch_add(found.runs, Ordering::Relaxed);
                    if !found.violations.is_empty() {
                        let mut all: std::sync::MutexGuard<'_, Vec<String>> =
                            violations.lock().unwrap_or_else(PoisonError::into_inner);
                        all.extend(found.violations);
                        next.store(pieces.len(), Ordering::Relaxed);
                    }
                    progress(next.load(Ordering::Relaxed).min(pieces.len()), pieces.len());
                }
            });
        }
    });
    let violations = violations
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    Found {
        runs: runs.into_inner(),
        violations,
    }
}

fn one(scenario: &Scenario, way: Delivering, crash_at: &[usize]) -> Found {
    let world = run(scenario, way, crash_at);
    let violations = judge(scenario, way, crash_at, &world).into_iter().collect();
    Found {
        runs: 1,
        violations,
    }
}

/// This set of crashes, and every larger one up to `depth` that begins with it. A later crash can
/// also hit what happens only because of an earlier one, so the points are counted anew.
fn from(scenario: &Scenario, way: Delivering, crash_at: &mut Vec<usize>, depth: usize) -> Found {
    let world = run(scenario, way, crash_at);
    let mut found = Found {
        runs: 1,
        violations: judge(scenario, way, crash_at, &world).into_iter().collect(),
    };
    let last = crash_at.last().copied().unwrap_or_default();
    if crash_at.len() < depth && found.violations.is_empty() {
        for at in last + 1..world.points.passed() {
            crash_at.push(at);
            let deeper = from(scenario, way, crash_at, depth);
            crash_at.pop();
            found.runs += deeper.runs;
            found.violations.extend(deeper.violations);
        }
    }
    found
}
