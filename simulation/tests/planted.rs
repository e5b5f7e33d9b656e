//! Whatever finds nothing in the product finds every planted bug.

use chatops_simulation::campaign;
use chatops_simulation::planted::Bug;

#[test]
fn every_planted_bug_is_found() {
    // The last one needs tens of thousands of schedules; the `planted` command has the time.
    let survivors: Vec<Bug> = Bug::ALL
        .into_iter()
        .filter(|bug| *bug != Bug::UsesNotCounted)
        .filter(|bug| campaign::hunt(*bug, 10_000).is_none())
        .collect();
    assert_eq!(survivors, []);
}
