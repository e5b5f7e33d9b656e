//! Every planted bug is found.

use chatops_simulation::planted::Bug;
use chatops_simulation::schedule;

#[test]
fn every_planted_bug_is_found() {
    for bug in Bug::ALL {
        let found = (0..6_000).find_map(|seed| {
            let report = schedule::run_with(seed, Some(bug), false);
            let first = report.violations.first()?.clone();
            Some((seed, first))
        });
        println!("{bug:?}: {found:?}");
    }
}
