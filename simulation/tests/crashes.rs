//! Every story, with every single crash and every pair of crashes, however messages come back.

use chatops_simulation::crashes::{self, WAYS, every};
use chatops_simulation::scenario;
use chatops_simulation::world::Delivering;

fn demand(ways: &[Delivering], depth: usize, at_least: usize) {
    let found = every(&scenario::all(), ways, depth, &|_, _| {});
    assert!(
        found.violations.is_empty(),
        "{}",
        found.violations.join("\n\n")
    );
    assert!(found.runs >= at_least, "only {} runs", found.runs);
}

#[test]
fn without_crashes_every_story_ends_as_it_must_and_is_told_once() {
    demand(&WAYS, 0, scenario::all().len() * WAYS.len());
    for scenario in scenario::all() {
        let points = crashes::run(&scenario, WAYS[0], &[]).points.passed();
        assert!(points > 10, "{} passes only {points} points", scenario.name);
    }
}

#[test]
fn every_single_crash_is_survived() {
    demand(&WAYS, 1, 5_000);
}

#[test]
fn every_pair_of_crashes_is_survived() {
    // Twice-delivered messages have their singles above; pairs multiply by the square of the points.
    let once: Vec<Delivering> = WAYS.into_iter().filter(|way| !way.twice).collect();
    demand(&once, 2, 100_000);
}
