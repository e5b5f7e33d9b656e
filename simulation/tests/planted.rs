//! Whatever finds nothing in the product finds every planted bug.

use chatops_simulation::campaign;
use chatops_simulation::planted::Bug;
use chatops_simulation::schedule;

#[test]
fn every_planted_bug_is_found() {
    // These need tens of thousands of schedules; the `planted` command has the time.
    let rare = [Bug::UsesNotCounted, Bug::FailuresNotNamed];
    let survivors: Vec<Bug> = Bug::ALL
        .into_iter()
        .filter(|bug| !rare.contains(bug))
        .filter(|bug| campaign::hunt(*bug, 10_000).is_none())
        .collect();
    assert_eq!(survivors, []);
}

#[test]
fn only_what_aws_does_finds_its_bugs() {
    for bug in Bug::OF_THE_CLOUD {
        let found = (0..1_000)
            .map(|seed| schedule::run_at_home(seed, Some(bug)))
            .find(|report| !report.violations.is_empty())
            .map(|report| (report.seed, report.violations));
        assert_eq!(found, None, "{bug:?}");
    }
}
