//! Every scenario with every single crash, however messages come back; pairs of crashes on the golden
//! paths.

use chatops_simulation::cloud::scenarios;
use chatops_simulation::crash_points::CrashPoints;
use chatops_simulation::crashes::{self, DELIVERY_PLANS, run_every};
use chatops_simulation::scenario::{self, Scenario};
use chatops_simulation::world::{DeliveryPlan, World};

fn assert_survived(
    scenarios: &[Scenario],
    deliveries: &[DeliveryPlan],
    depth: usize,
    at_least: usize,
) {
    let found = run_every(scenarios, deliveries, depth, &|_, _| {});
    assert!(
        found.violations.is_empty(),
        "{}",
        found.violations.join("\n\n")
    );
    assert!(found.runs >= at_least, "only {} runs", found.runs);
}

#[test]
fn without_crashes_every_scenario_ends_as_it_must_and_is_notified_once() {
    let all = scenario::all();
    assert_survived(&all, &DELIVERY_PLANS, 0, all.len() * DELIVERY_PLANS.len());
    for scenario in all {
        let run = crashes::run_scenario(&scenario, DELIVERY_PLANS[0], &CrashPoints::crash_at(&[]));
        let points = run.points.passed_count();
        assert!(points > 10, "{} passes only {points} points", scenario.name);
    }
}

#[test]
fn every_single_crash_is_survived() {
    // On the other paths, messages that come late, twice or out of order have their turn in `crashes`.
    let (golden, others): (Vec<_>, Vec<_>) = scenario::all().into_iter().partition(|s| s.golden);
    assert_survived(&golden, &DELIVERY_PLANS, 1, 1_000);
    assert_survived(&others, &DELIVERY_PLANS[..1], 1, 12_000);
}

#[test]
fn a_crash_before_the_next_call_is_the_crash_after_the_last_one() {
    let crash_at = |scenario: &Scenario, at: &[usize]| {
        crashes::run_scenario(scenario, DELIVERY_PLANS[3], &CrashPoints::crash_at(at))
    };
    let mut left_out = 0;
    for scenario in scenario::all().iter().filter(|scenario| scenario.golden) {
        let whole = crash_at(scenario, &[]).points;
        let distinct = whole.distinct_points(0);
        for at in (1..whole.passed_count()).filter(|at| !distinct.contains(at)) {
            left_out += 1;
            let [before, after] = [at, at - 1].map(|at| crash_at(scenario, &[at]));
            let name = scenario.name;
            assert_eq!(
                before.transcript(),
                after.transcript(),
                "{name}, point {at}"
            );
            let records = |world: &World| format!("{:?}", world.deploys());
            assert_eq!(records(&before), records(&after), "{name}, point {at}");
        }
    }
    assert!(left_out > 100, "only {left_out} points left out");
}

#[test]
fn every_pair_of_crashes_on_the_golden_paths_is_survived() {
    // Pairs multiply by the square of the points: `crashes` has the time for all of them.
    let golden: Vec<Scenario> = scenario::all().into_iter().filter(|s| s.golden).collect();
    assert_survived(&golden, &DELIVERY_PLANS[..1], 2, 5_000);
}

#[test]
fn every_single_aws_fault_is_survived() {
    // Long scenarios, late and repeated messages and pairs have their turn in `crashes --cloud`.
    let mut all = scenario::all();
    all.retain(|scenario| {
        let points = CrashPoints::crash_and_fail_at(&[], &[]);
        let points = crashes::run_scenario(scenario, DELIVERY_PLANS[0], &points).points;
        // Without any crash only this one needs the sweeper.
        points.possible_faults().len() <= 300 || scenario.name == "5 hours, notified by the bot"
    });
    let (found, struck) = scenarios::run_every(&all, &DELIVERY_PLANS[..1], false, &|_, _| {});
    assert!(
        found.violations.is_empty(),
        "{}",
        found.violations.join("\n\n")
    );
    assert!(found.runs >= 5_000, "only {} runs", found.runs);
    for fault in scenarios::placed_faults() {
        assert!(struck.contains_key(&fault), "never: {fault:?}");
    }
}
