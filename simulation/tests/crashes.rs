//! Every story, with every single crash and every pair of crashes, however messages come back.

use std::sync::atomic::{AtomicUsize, Ordering};

use chatops_core::deploy::State;
use chatops_simulation::invariants;
use chatops_simulation::points::Points;
use chatops_simulation::scenario::{self, Scenario};
use chatops_simulation::world::{Delivering, Redelivery, World};

const WAYS: [Delivering; 4] = [
    Delivering { redelivery: Redelivery::AtOnce, twice: false },
    Delivering { redelivery: Redelivery::Late, twice: false },
    Delivering { redelivery: Redelivery::AtOnce, twice: true },
    Delivering { redelivery: Redelivery::Late, twice: true },
];

fn run(scenario: &Scenario, way: Delivering, crash_at: &[usize]) -> World {
    let points = Points::crashing_at(crash_at.iter().copied());
    let mut world = World::new(&points, way);
    (scenario.play)(&mut world);
    world
}

fn ends(world: &World) -> Vec<State> {
    let mut heads = world.store.heads();
    heads.sort_by_key(|head| (head.ask.asked_at, head.ask.user.clone(), head.retry_of.is_some()));
    heads.iter().map(|head| head.state).collect()
}

fn demand(scenario: &Scenario, way: Delivering, crash_at: &[usize], world: &World) {
    let mut found = invariants::check(world);
    let allowed = |state: &State| scenario.ends.contains(state) || scenario.also.contains(state);
    let ends = ends(world);
    if crash_at.is_empty() && ends != scenario.ends {
        found.push(format!("ended {ends:?} instead of {:?}", scenario.ends));
    }
    if !ends.iter().all(allowed) {
        found.push(format!("ended {ends:?}"));
    }
    assert!(found.is_empty(), "{}", story(scenario, way, crash_at, world, &found));
}

/// Everything a person needs to see what went wrong.
fn story(
    scenario: &Scenario,
    way: Delivering,
    crash_at: &[usize],
    world: &World,
    found: &[String],
) -> String {
    let names = world.points.names();
    let crashes: Vec<_> =
        crash_at.iter().map(|at| (at, names.get(*at).map(String::as_str))).collect();
    let audits: Vec<String> = world
        .store
        .heads()
        .iter()
        .flat_map(|head| world.audit(head.id))
        .map(|event| event.body)
        .collect();
    let shown: Vec<String> = world.slack.shown().into_iter().map(|m| m.text).collect();
    format!(
        "'{}' {way:?} crashing at {crashes:?}:\n{}\naudit:\n{}\nshown:\n{}",
        scenario.name,
        found.join("\n"),
        audits.join("\n"),
        shown.join("\n"),
    )
}

#[test]
fn without_crashes_every_story_ends_as_it_must_and_is_told_once() {
    for scenario in scenario::ALL {
        for way in WAYS {
            demand(scenario, way, &[], &run(scenario, way, &[]));
        }
    }
}

#[test]
fn every_single_crash_is_survived() {
    let mut runs = 0;
    for scenario in scenario::ALL {
        for way in WAYS {
            let points = run(scenario, way, &[]).points.passed();
            assert!(points > 10, "{} passes only {points} points", scenario.name);
            for first in 0..points {
                demand(scenario, way, &[first], &run(scenario, way, &[first]));
                runs += 1;
            }
        }
    }
    println!("{runs} runs");
}

#[test]
fn every_pair_of_crashes_is_survived() {
    // Twice-delivered messages have their singles above; pairs multiply by the square of the points.
    let once: Vec<Delivering> = WAYS.into_iter().filter(|way| !way.twice).collect();
    let cases: Vec<_> =
        scenario::ALL.iter().flat_map(|s| once.iter().map(move |way| (s, *way))).collect();
    let (next, runs) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            threads.spawn(|| {
                while let Some((scenario, way)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    runs.fetch_add(every_pair(scenario, *way), Ordering::Relaxed);
                }
            });
        }
    });
    println!("{} runs", runs.into_inner());
}

fn every_pair(scenario: &Scenario, way: Delivering) -> usize {
    let mut runs = 0;
    for first in 0..run(scenario, way, &[]).points.passed() {
        // The second crash can also hit what happens only because of the first.
        let points = run(scenario, way, &[first]).points.passed();
        for second in first + 1..points {
            demand(scenario, way, &[first, second], &run(scenario, way, &[first, second]));
            runs += 1;
        }
    }
    runs
}
