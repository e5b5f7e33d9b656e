//! The stories on AWS: every fault of the ports at every call where it can strike, alone and together
//! with every crash. Nobody lists the calls.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::crashes::{Found, ends, judge, on_all_cores};
use crate::dice::Fault;
use crate::points::Points;
use crate::scenario::Scenario;
use crate::world::{Delivering, Redelivery, World};

/// In how many runs each fault struck.
pub type Struck = BTreeMap<Fault, usize>;

/// Every fault that is placed. The others take two handlers at once, or a batch: the schedules have
/// them.
pub fn placed() -> impl Iterator<Item = Fault> {
    let never = [
        Fault::ShownInHand,
        Fault::OldReceiptCounts,
        Fault::BatchDies,
    ];
    Fault::ALL
        .into_iter()
        .filter(move |fault| fault.is_of_the_ports() && !never.contains(fault))
}

/// Whether a fault may change how a story ends: a command was not taken, as its sender was told, or
/// it is on record that something may have been sent, and nobody knows. No other one may.
fn may_change_the_end(fault: Fault) -> bool {
    matches!(fault, Fault::SendFails | Fault::SendThrottled)
}

/// Runs a story on AWS with these crashes and these faults.
#[must_use]
pub fn run(scenario: &Scenario, way: Delivering, crash_at: &[usize], faults: &[usize]) -> World {
    let crashes = crash_at.iter().copied();
    let mut world = World::new(&Points::struck_at(crashes, faults.iter().copied()), way);
    (scenario.play)(&mut world);
    world
}

/// What comes first in a piece of work.
#[derive(Debug, Clone, Copy)]
enum First {
    Nothing,
    Fault(usize),
    Crash(usize),
}

/// Runs every story in every way with every single fault, and `with_crashes` every pair of a fault
/// and a crash, whichever comes first.
pub fn every(
    stories: &[Scenario],
    ways: &[Delivering],
    with_crashes: bool,
    progress: &(impl Fn(usize, usize) + Sync),
) -> (Found, Struck) {
    let mut pieces = Vec::new();
    for scenario in stories {
        for way in ways {
            let points = run(scenario, *way, &[], &[]).points;
            let faults = (0..points.asked().len()).map(First::Fault);
            let crashes = (0..points.passed()).map(First::Crash);
            let crashes = crashes.filter(|_| with_crashes);
            let firsts = [First::Nothing].into_iter().chain(faults).chain(crashes);
            pieces.extend(firsts.map(|first| (scenario, *way, first)));
        }
    }
    let struck = Mutex::new(Struck::new());
    let work = |(scenario, way, first): &(&Scenario, Delivering, First)| {
        let mut piece = Piece {
            scenario,
            way: *way,
            found: Found::default(),
            struck: Struck::new(),
        };
        piece.from(*first, with_crashes);
        let mut struck = struck.lock().unwrap_or_else(PoisonError::into_inner);
        for (fault, count) in piece.struck {
            *struck.entry(fault).or_default() += count;
        }
        piece.found
    };
    let found = on_all_cores(&pieces, work, progress);
    (
        found,
        struck.into_inner().unwrap_or_else(PoisonError::into_inner),
    )
}

struct Piece<'s> {
    scenario: &'s Scenario,
    way: Delivering,
    found: Found,
    struck: Struck,
}

impl Piece<'_> {
    fn one(&mut self, crash_at: &[usize], faults: &[usize]) -> Points {
        let world = run(self.scenario, self.way, crash_at, faults);
        self.found.runs += 1;
        for (fault, _) in world.points.struck() {
            *self.struck.entry(fault).or_default() += 1;
        }
        let bad = judge(self.scenario, self.way, crash_at, &world);
        self.found.violations.extend(bad);
        let struck = world.points.struck();
        // Where messages come late or twice, another may come first.
        let in_order = self.way.redelivery == Redelivery::AtOnce && !self.way.twice;
        let harmless = in_order
            && crash_at.is_empty()
            && !struck.iter().any(|(fault, _)| may_change_the_end(*fault));
        let ends = ends(&world);
        if harmless && ends != self.scenario.ends {
            let (name, way) = (self.scenario.name, self.way);
            self.found.violations.push(format!(
                "'{name}' {way:?} struck by {struck:?}: ended {ends:?}\n{}",
                world.account()
            ));
        }
        world.points
    }

    /// What comes second may be there only because of what comes first, so it is counted anew.
    fn from(&mut self, first: First, with_second: bool) {
        match first {
            First::Nothing => drop(self.one(&[], &[])),
            First::Fault(fault) => {
                let points = self.one(&[], &[fault]);
                let next = points.asked().get(fault).map_or(0, |(_, next)| *next);
                for crash in (next..points.passed()).filter(|_| with_second) {
                    if self.found.violations.is_empty() {
                        self.one(&[crash], &[fault]);
                    }
                }
            }
            // Alone it is a run like any other.
            First::Crash(crash) => {
                let points = self.one(&[crash], &[]);
                for (fault, (_, next)) in points.asked().into_iter().enumerate() {
                    if next > crash && self.found.violations.is_empty() {
                        self.one(&[crash], &[fault]);
                    }
                }
            }
        }
    }
}
