//! A share of the million schedules, and that a seed is a schedule.

use chatops_simulation::coverage::Reached;
use chatops_simulation::{campaign, matrix, schedule};

#[test]
fn a_seed_is_a_schedule() {
    for seed in 0..1_000 {
        let (one, two) = (schedule::run(seed, false), schedule::run(seed, false));
        assert_eq!(one.trace, two.trace, "seed {seed}");
    }
}

#[test]
fn no_schedule_breaks_a_promise() {
    let result = campaign::run(0..10_000, &|_| {});
    let log = |seed| schedule::run(seed, true).log;
    let first = result
        .violations
        .first()
        .map(|(seed, what)| format!("{what}\n{}", log(*seed)));
    assert!(
        first.is_none(),
        "{:?}\n{}",
        result.violations,
        first.unwrap_or_default()
    );
    assert_eq!(matrix::surprising(&result.matrix), []);
    assert_eq!(matrix::never(&result.matrix), []);
    let on_aws = result.on_aws;
    assert!(on_aws * 4 >= result.runs, "only {on_aws} on AWS");
    for what in Reached::ALL {
        assert!(result.reached.contains_key(&what), "never: {what:?}");
    }
    let (crashes, others) = (result.crashes, result.others);
    assert!(crashes * 2 >= result.runs * 3, "only {crashes} crashes");
    assert!(others >= result.runs * 3, "only {others} other faults");
}
