//! Every story with every single crash, however messages come back; pairs of crashes on the golden
//! paths.

use chatops_simulation::cloud::stories;
use chatops_simulation::crashes::{self, WAYS, every};
use chatops_simulation::scenario::{self, Scenario};
use chatops_simulation::world::Delivering;

fn demand(stories: &[Scenario], ways: &[Delivering], depth: usize, at_least: usize) {
    let found = every(stories, ways, depth, &|_, _| {});
    assert!(
        found.violations.is_empty(),
        "{}",
        found.violations.join("\n\n")
    );
    assert!(found.runs >= at_least, "only {} runs", found.runs);
}

#[test]
fn without_crashes_every_story_ends_as_it_must_and_is_told_once() {
    let all = scenario::all();
    demand(&all, &WAYS, 0, all.len() * WAYS.len());
    for scenario in all {
        let points = crashes::run(&scenario, WAYS[0], &[]).points.passed();
        assert!(points > 10, "{} passes only {points} points", scenario.name);
    }
}

#[test]
fn every_single_crash_is_survived() {
    demand(&scenario::all(), &WAYS, 1, 15_000);
}

#[test]
fn every_pair_of_crashes_on_the_golden_paths_is_survived() {
    // Pairs multiply by the square of the points: `crashes` has the time for all of them.
    let golden: Vec<Scenario> = scenario::all().into_iter().filter(|s| s.golden).collect();
    demand(&golden, &WAYS[..1], 2, 15_000);
}

#[test]
fn every_single_fault_of_the_cloud_is_survived() {
    // Long stories, late and doubled messages and pairs have their turn in `crashes --cloud`.
    let mut all = scenario::all();
    all.retain(|story| {
        let points = stories::run(story, WAYS[0], &[], &[]).points;
        // Without any crash only this one needs the sweeper.
        points.asked().len() <= 300 || story.name == "5 hours, told by the bot"
    });
    let (found, struck) = stories::every(&all, &WAYS[..1], false, &|_, _| {});
    assert!(
        found.violations.is_empty(),
        "{}",
        found.violations.join("\n\n")
    );
    assert!(found.runs >= 5_000, "only {} runs", found.runs);
    for fault in stories::placed() {
        assert!(struck.contains_key(&fault), "never: {fault:?}");
    }
}
