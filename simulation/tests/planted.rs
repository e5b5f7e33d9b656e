//! Whatever finds nothing in the product finds every planted bug.

use chatops_simulation::campaign;
use chatops_simulation::planted::Bug;

#[test]
fn every_planted_bug_is_found() {
    let survivors: Vec<Bug> = Bug::ALL
        .into_iter()
        .filter(|bug| campaign::hunt(*bug, 60_000).is_none())
        .collect();
    assert_eq!(survivors, []);
}
