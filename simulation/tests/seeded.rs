//! Whatever finds nothing in the product finds every seeded bug.

use chatops_simulation::campaign;
use chatops_simulation::schedule;
use chatops_simulation::seeded::SeededBug;
use strum::VariantArray;

#[test]
fn every_seeded_bug_is_found() {
    // These need thousands of schedules or more; `seeded-bugs` has the time. The model finds what is sent
    // late.
    let rare = [
        SeededBug::UsesNotCounted,
        SeededBug::FailuresNotNamed,
        SeededBug::SentLate,
        SeededBug::IntentRewritten,
        SeededBug::BusyTicketDropped,
        // The model finds these, too.
        SeededBug::ThirdCard,
        SeededBug::LateEditForgotten,
        SeededBug::LostEditBelieved,
        SeededBug::StrayAdopted,
    ];
    let survivors: Vec<SeededBug> = SeededBug::VARIANTS
        .iter()
        .copied()
        .filter(|bug| !rare.contains(bug))
        .filter(|bug| campaign::hunt_bug(*bug, 2_000).is_none())
        .collect();
    assert_eq!(survivors, []);
}

#[test]
fn only_aws_faults_find_the_aws_bugs() {
    for bug in SeededBug::AWS_ONLY {
        let found = (0..1_000)
            .map(|seed| schedule::run_off_aws(seed, Some(bug)))
            .find(|report| !report.violations.is_empty())
            .map(|report| (report.seed, report.violations));
        assert_eq!(found, None, "{bug:?}");
    }
}
