//! Crashes at every point of a story: alone, in pairs, in triples, however messages come back.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use chatops_core::deploy::DeployState;

use crate::crash_points::CrashPoints;
use crate::invariants;
use crate::scenario::Scenario;
use crate::world::{DeliveryPlan, Redelivery, World};

/// The ways in which messages are delivered.
pub const DELIVERY_PLANS: [DeliveryPlan; 4] = [
    delivery_plan(Redelivery::AtOnce, false),
    delivery_plan(Redelivery::Late, false),
    delivery_plan(Redelivery::AtOnce, true),
    delivery_plan(Redelivery::Late, true),
];

const fn delivery_plan(redelivery: Redelivery, twice: bool) -> DeliveryPlan {
    DeliveryPlan {
        redelivery,
        twice,
        max_receives: 5,
    }
}

/// What a campaign did and found.
#[derive(Debug, Default)]
pub struct RunFindings {
    /// How many runs.
    pub runs: usize,
    /// A readable account of each run that broke an invariant.
    pub violations: Vec<String>,
}

/// Runs a story with crashes at these points.
#[must_use]
pub fn run_scenario(scenario: &Scenario, delivery: DeliveryPlan, crash_at: &[usize]) -> World {
    let mut world = World::new(&CrashPoints::crash_at(crash_at.iter().copied()), delivery);
    (scenario.play)(&mut world);
    world
}

/// Everything that is wrong after a run, with what a person needs to see why; `None` if nothing is.
#[must_use]
pub fn find_violations(
    scenario: &Scenario,
    delivery: DeliveryPlan,
    crash_at: &[usize],
    world: &World,
) -> Option<String> {
    let mut found = invariants::check(world);
    let ends = end_states(world);
    let allowed =
        |end: &DeployState| scenario.ends.contains(end) || scenario.also_allowed.contains(end);
    if world.points.crash_count() == 0 && ends != scenario.ends {
        found.push(format!("ended {ends:?} instead of {:?}", scenario.ends));
    } else if !ends.iter().all(allowed) {
        found.push(format!("ended {ends:?}"));
    }
    if found.is_empty() {
        return None;
    }
    let names = world.points.point_names();
    let crashes: Vec<_> = crash_at
        .iter()
        .map(|at| (at, names.get(*at).map(String::as_str)))
        .collect();
    let struck = world.points.struck_faults();
    let struck = if struck.is_empty() {
        String::new()
    } else {
        format!(" struck by {struck:?}")
    };
    Some(format!(
        "'{}' {delivery:?} crashing at {crashes:?}{struck}:\n{}\n{}",
        scenario.name,
        found.join("\n"),
        world.transcript(),
    ))
}

/// How every deploy ended, in the order of their requests.
pub(crate) fn end_states(world: &World) -> Vec<DeployState> {
    world.deploys().iter().map(|record| record.state).collect()
}

/// Runs every story in every way with every set of `depth` crashes, on all cores. After the first
/// few violations it stops. `progress` hears how many of how many pieces are done.
pub fn run_every(
    scenarios: &[Scenario],
    deliveries: &[DeliveryPlan],
    depth: usize,
    progress: &(impl Fn(usize, usize) + Sync),
) -> RunFindings {
    // One piece of work is one first crash, so that the long stories are shared, too.
    let mut pieces = Vec::new();
    for scenario in scenarios {
        for delivery in deliveries {
            let points = run_scenario(scenario, *delivery, &[]).points.passed_count();
            pieces.push((scenario, *delivery, None));
            pieces.extend(
                (0..points)
                    .filter(|_| depth > 0)
                    .map(|at| (scenario, *delivery, Some(at))),
            );
        }
    }
    let work = |(scenario, delivery, first): &(&Scenario, DeliveryPlan, Option<usize>)| match first
    {
        None => run_one(scenario, *delivery, &[]),
        Some(first) => run_from(scenario, *delivery, &mut vec![*first], depth),
    };
    on_all_cores(&pieces, work, progress)
}

/// Does every piece of work, unless the first few find too much.
pub(crate) fn on_all_cores<P: Sync>(
    pieces: &[P],
    work: impl Fn(&P) -> RunFindings + Sync,
    progress: &(impl Fn(usize, usize) + Sync),
) -> RunFindings {
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
    RunFindings {
        runs: runs.into_inner(),
        violations,
    }
}

fn run_one(scenario: &Scenario, delivery: DeliveryPlan, crash_at: &[usize]) -> RunFindings {
    let world = run_scenario(scenario, delivery, crash_at);
    let violations = find_violations(scenario, delivery, crash_at, &world)
        .into_iter()
        .collect();
    RunFindings {
        runs: 1,
        violations,
    }
}

/// This set of crashes, and every larger one up to `depth` that begins with it. A later crash can
/// also hit what happens only because of an earlier one, so the points are counted anew.
fn run_from(
    scenario: &Scenario,
    delivery: DeliveryPlan,
    crash_at: &mut Vec<usize>,
    depth: usize,
) -> RunFindings {
    let world = run_scenario(scenario, delivery, crash_at);
    let mut found = RunFindings {
        runs: 1,
        violations: find_violations(scenario, delivery, crash_at, &world)
            .into_iter()
            .collect(),
    };
    let last = crash_at.last().copied().unwrap_or_default();
    if crash_at.len() < depth && found.violations.is_empty() {
        for at in last + 1..world.points.passed_count() {
            crash_at.push(at);
            let deeper = run_from(scenario, delivery, crash_at, depth);
            crash_at.pop();
            found.runs += deeper.runs;
            found.violations.extend(deeper.violations);
        }
    }
    found
}
