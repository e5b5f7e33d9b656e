//! A share of the million schedules, and that a seed is a schedule.

use chatops_simulation::coverage::CoveragePoint;
use chatops_simulation::{campaign, matrix, schedule};
use strum::VariantArray;

#[test]
fn a_seed_is_a_schedule() {
    for seed in 0..1_000 {
        let (one, two) = (
            schedule::run_seed(seed, false),
            schedule::run_seed(seed, false),
        );
        assert_eq!(one.digest, two.digest, "seed {seed}");
    }
}

#[test]
fn no_schedule_breaks_a_promise() {
    let result = campaign::run_seeds(0..5_000, &|_| {});
    let log = |seed| schedule::run_seed(seed, true).log;
    let first = result
        .violations
        .first()
        .map(|(seed, what)| format!("{what:?}\n{}", log(*seed)));
    assert!(
        first.is_none(),
        "{:?}\n{}",
        result.violations,
        first.unwrap_or_default()
    );
    assert_eq!(matrix::unexpected_cells(&result.matrix), []);
    assert_eq!(matrix::never_injected(&result.matrix), []);
    let on_aws = result.on_aws;
    assert!(on_aws * 4 >= result.runs, "only {on_aws} on AWS");
    for what in CoveragePoint::VARIANTS {
        assert!(result.reached.contains_key(what), "never: {what:?}");
    }
    let (crashes, others) = (result.crashes, result.other_faults);
    assert!(crashes * 2 >= result.runs * 3, "only {crashes} crashes");
    assert!(others >= result.runs * 3, "only {others} other faults");
}
