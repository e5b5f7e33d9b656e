//! A share of the million schedules, and that a seed is a schedule.

use chatops_simulation::schedule;

#[test]
fn a_seed_is_a_schedule() {
    for seed in 0..1_000 {
        let (one, two) = (schedule::run(seed, false), schedule::run(seed, false));
        assert_eq!(one.trace, two.trace, "seed {seed}");
    }
}

#[test]
fn no_schedule_breaks_a_promise() {
    let (mut crashes, mut faults) = (0, 0);
    for seed in 0..5_000 {
        let report = schedule::run(seed, false);
        if !report.violations.is_empty() {
            let log = schedule::run(seed, true).log;
            panic!("seed {seed}: {}\n{log}", report.violations.join("\n"));
        }
        crashes += report.crashes;
        faults += report.faults.len();
    }
    println!("crashes {crashes} faults {faults}");
}
