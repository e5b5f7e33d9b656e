//! The scenarios on AWS: every fault of the ports at every call where it can strike, alone and with
//! every crash. Nobody lists the calls.

use std::collections::BTreeMap;
use std::sync::Mutex;

use strum::VariantArray;

use crate::crash_points::CrashPoints;
use crate::crashes::{RunFindings, end_states, find_violations, on_all_cores, run_scenario};
use crate::fault_injector::FaultKind;
use crate::scenario::Scenario;
use crate::world::{DeliveryPlan, Redelivery};
use chatops_testkit::memory::lock_mutex;

/// In how many runs each fault struck.
pub type FaultCounts = BTreeMap<FaultKind, usize>;

/// Every fault that is placed. The others take two handlers at once, or a batch: the schedules have
/// them.
pub fn placed_faults() -> impl Iterator<Item = FaultKind> {
    let never = [
        FaultKind::VisibleTooEarly,
        FaultKind::OldReceiptCounts,
        FaultKind::BatchDies,
        // Nothing is released unless something else has failed before.
        FaultKind::ReleaseFails,
    ];
    FaultKind::VARIANTS
        .iter()
        .copied()
        .filter(move |fault| fault.is_port_fault() && !never.contains(fault))
}

/// Whether a fault may change how a scenario ends: a command was not taken, and its sender knows, or
/// it is on record that something may have been sent. No other one may.
fn may_change_the_end(fault: FaultKind) -> bool {
    matches!(fault, FaultKind::SendFails | FaultKind::SendThrottled)
}

/// What comes first in a piece of work.
#[derive(Debug, Clone, Copy)]
enum FirstEvent {
    Nothing,
    Fault(usize),
    Crash(usize),
}

/// Runs every scenario in every way with every single fault, and `with_crashes` every pair of a fault
/// and a crash, whichever comes first.
pub fn run_every(
    scenarios: &[Scenario],
    deliveries: &[DeliveryPlan],
    with_crashes: bool,
    progress: &(impl Fn(usize, usize) + Sync),
) -> (RunFindings, FaultCounts) {
    let mut pieces = Vec::new();
    for scenario in scenarios {
        for delivery in deliveries {
            let points = run_scenario(
                scenario,
                *delivery,
                &CrashPoints::crash_and_fail_at(&[], &[]),
            )
            .points;
            let faults = (0..points.possible_faults().len()).map(FirstEvent::Fault);
            let crashes = (0..points.passed_count()).map(FirstEvent::Crash);
            let crashes = crashes.filter(|_| with_crashes);
            let firsts = faults.chain(crashes).chain([FirstEvent::Nothing]);
            pieces.extend(firsts.map(|first| (scenario, *delivery, first)));
        }
    }
    let struck = Mutex::new(FaultCounts::new());
    let work = |(scenario, delivery, first): &(&Scenario, DeliveryPlan, FirstEvent)| {
        let mut piece = WorkPiece {
            scenario,
            delivery: *delivery,
            found: RunFindings::default(),
            struck: FaultCounts::new(),
        };
        piece.run_from(*first, with_crashes);
        let mut struck = lock_mutex(&struck);
        for (fault, count) in piece.struck {
            *struck.entry(fault).or_default() += count;
        }
        piece.found
    };
    let found = on_all_cores(&pieces, work, progress);
    (found, std::mem::take(&mut *lock_mutex(&struck)))
}

struct WorkPiece<'s> {
    scenario: &'s Scenario,
    delivery: DeliveryPlan,
    found: RunFindings,
    struck: FaultCounts,
}

impl WorkPiece<'_> {
    fn run_one(&mut self, crash_at: &[usize], faults: &[usize]) -> CrashPoints {
        let points = CrashPoints::crash_and_fail_at(crash_at, faults);
        let world = run_scenario(self.scenario, self.delivery, &points);
        self.found.runs += 1;
        for (fault, _) in world.points.struck_faults() {
            *self.struck.entry(fault).or_default() += 1;
        }
        let bad = find_violations(self.scenario, self.delivery, crash_at, &world);
        self.found.violations.extend(bad);
        let struck = world.points.struck_faults();
        // Where messages come late or twice, another may come first.
        let in_order = self.delivery.redelivery == Redelivery::AtOnce && !self.delivery.twice;
        let mut faults = struck.iter().map(|(fault, _)| *fault);
        let harmless = in_order && crash_at.is_empty() && !faults.any(may_change_the_end);
        let ends = end_states(&world);
        if harmless && ends != self.scenario.ends {
            let (name, delivery) = (self.scenario.name, self.delivery);
            self.found.violations.push(format!(
                "'{name}' {delivery:?} struck by {struck:?}: ended {ends:?}\n{}",
                world.transcript()
            ));
        }
        world.points
    }

    /// What comes second may be there only because of what comes first, so it is counted anew.
    fn run_from(&mut self, first: FirstEvent, with_second: bool) {
        match first {
            FirstEvent::Nothing => drop(self.run_one(&[], &[])),
            FirstEvent::Fault(fault) => {
                let points = self.run_one(&[], &[fault]);
                let possible = points.possible_faults();
                let next = possible.get(fault).map_or(0, |(_, next)| *next);
                for crash in (next..points.passed_count()).filter(|_| with_second) {
                    if self.found.violations.is_empty() {
                        self.run_one(&[crash], &[fault]);
                    }
                }
            }
            // Alone it is a run like any other.
            FirstEvent::Crash(crash) => {
                let points = self.run_one(&[crash], &[]);
                for (fault, (_, next)) in points.possible_faults().into_iter().enumerate() {
                    if next > crash && self.found.violations.is_empty() {
                        self.run_one(&[crash], &[fault]);
                    }
                }
            }
        }
    }
}
