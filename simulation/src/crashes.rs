//! Crashes at every point of a scenario: alone, in pairs, in triples, however messages come back.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use chatops_core::deploy::DeployState;
use chatops_core::ports::MAX_RECEIVES;

use crate::crash_points::CrashPoints;
use crate::invariants;
use crate::scenario::Scenario;
use crate::violation::{self, Violation};
use crate::world::{DeliveryPlan, Redelivery, World};
use chatops_testkit::memory::lock_mutex;

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
        max_receives: MAX_RECEIVES,
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

impl RunFindings {
    fn add(&mut self, more: RunFindings) {
        self.runs += more.runs;
        self.violations.extend(more.violations);
    }
}

/// Runs a scenario with these crashes and faults.
#[must_use]
pub fn run_scenario(scenario: &Scenario, delivery: DeliveryPlan, points: &CrashPoints) -> World {
    let mut world = World::new(points, delivery);
    (scenario.play)(&mut world);
    world
}

/// What is violated after a run, and what shows why; `None` if nothing is.
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
        let detail = format!("ended {ends:?} instead of {:?}", scenario.ends);
        found.push(Violation::new(None, detail));
    } else if !ends.iter().all(allowed) {
        found.push(Violation::new(None, format!("ended {ends:?}")));
    }
    if found.is_empty() {
        return None;
    }
    let names = world.points.point_names();
    let crashes = crash_at.iter().map(|at| (at, names.get(*at)));
    let crashes: Vec<_> = crashes.collect();
    let struck = world.points.struck_faults();
    let (name, found) = (scenario.name, violation::join_lines(&found));
    Some(format!(
        "'{name}' {delivery:?} crashing at {crashes:?} struck by {struck:?}:\n{found}\n{}",
        world.transcript(),
    ))
}

/// How every deploy ended, in the order of their requests.
pub(crate) fn end_states(world: &World) -> Vec<DeployState> {
    world.deploys().iter().map(|record| record.state).collect()
}

/// Runs every scenario in every way with every set of `depth` crashes, on all cores. After the first
/// few violations it stops. `progress` hears how many of how many pieces are done.
pub fn run_every(
    scenarios: &[Scenario],
    deliveries: &[DeliveryPlan],
    depth: usize,
    progress: &(impl Fn(usize, usize) + Sync),
) -> RunFindings {
    // One piece of work is one first crash, so that the cores share the long scenarios, too.
    let mut pieces = Vec::new();
    for scenario in scenarios {
        for delivery in deliveries {
            let world = run_scenario(scenario, *delivery, &CrashPoints::crash_at(&[]));
            let points = world.points.distinct_points(0).into_iter();
            let firsts = points.filter(|_| depth > 0).map(Some).chain([None]);
            pieces.extend(firsts.map(|first| (scenario, *delivery, first)));
        }
    }
    let work = |(scenario, delivery, first): &(&Scenario, DeliveryPlan, Option<usize>)| match first
    {
        None => run_from(scenario, *delivery, &mut vec![], 0),
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
    let (next, all) = (AtomicUsize::new(0), Mutex::new(RunFindings::default()));
    run_on_all_cores(|| {
        while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = work(piece);
            if !found.violations.is_empty() {
                next.store(pieces.len(), Ordering::Relaxed);
            }
            lock_mutex(&all).add(found);
            progress(next.load(Ordering::Relaxed).min(pieces.len()), pieces.len());
        }
    });
    std::mem::take(&mut *lock_mutex(&all))
}

/// Does the same work on each core.
pub(crate) fn run_on_all_cores(work: impl Fn() + Sync) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|threads| {
        for _ in 0..cores {
            threads.spawn(&work);
        }
    });
}

/// This set of crashes, and every larger one up to `depth` that begins with it. A later crash can
/// also hit what happens only because of an earlier one, so the points are counted anew.
fn run_from(
    scenario: &Scenario,
    delivery: DeliveryPlan,
    crash_at: &mut Vec<usize>,
    depth: usize,
) -> RunFindings {
    let world = run_scenario(scenario, delivery, &CrashPoints::crash_at(crash_at));
    let mut found = RunFindings {
        runs: 1,
        violations: Vec::from_iter(find_violations(scenario, delivery, crash_at, &world)),
    };
    let last = crash_at.last().copied().unwrap_or_default();
    if crash_at.len() < depth && found.violations.is_empty() {
        for at in world.points.distinct_points(last + 1) {
            crash_at.push(at);
            let deeper = run_from(scenario, delivery, crash_at, depth);
            crash_at.pop();
            found.add(deeper);
        }
    }
    found
}
