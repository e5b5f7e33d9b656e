//! Many schedules on all cores: what they hit, and what they found.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::coverage::CoveragePoint;
use crate::crashes::run_on_all_cores;
use crate::matrix::FaultMatrix;
use crate::schedule;
use crate::seeded::SeededBug;
use crate::violation::Violation;
use chatops_testkit::memory::lock_mutex;

/// How many seeds a thread takes at a time.
const SEEDS_PER_PIECE: u64 = 64;

/// After so many violations a campaign stops.
const MAX_VIOLATIONS: usize = 5;

/// The result of many schedules.
#[derive(Debug, Default)]
pub struct CampaignReport {
    /// How many schedules.
    pub runs: u64,
    /// How many of them on AWS.
    pub on_aws: u64,
    /// How many crashes in all.
    pub crashes: u64,
    /// How many other faults in all.
    pub other_faults: u64,
    /// How often each fault hit a deploy in each state (`None`: not on record).
    pub matrix: FaultMatrix,
    /// In how many schedules people's actions led to each point.
    pub reached: BTreeMap<CoveragePoint, u64>,
    /// Seeds that violated an invariant, with what they violated.
    pub violations: Vec<(u64, Vec<Violation>)>,
}

/// Runs the schedules of these seeds. `progress` hears how many are done.
pub fn run_seeds(seeds: Range<u64>, progress: &(impl Fn(u64) + Sync)) -> CampaignReport {
    let next = AtomicU64::new(seeds.start);
    let enough = AtomicBool::new(false);
    let total = Mutex::new(CampaignReport::default());
    run_on_all_cores(|| {
        while !enough.load(Ordering::Relaxed) {
            let first = next.fetch_add(SEEDS_PER_PIECE, Ordering::Relaxed);
            if first >= seeds.end {
                return;
            }
            let mut piece = CampaignReport::default();
            for seed in first..(first + SEEDS_PER_PIECE).min(seeds.end) {
                piece.add_seed(seed);
            }
            let mut total = lock_mutex(&total);
            total.merge(piece);
            enough.fetch_or(total.violations.len() >= MAX_VIOLATIONS, Ordering::Relaxed);
            progress(total.runs);
        }
    });
    let mut total = std::mem::take(&mut *lock_mutex(&total));
    total.violations.sort();
    total
}

impl CampaignReport {
    fn add_seed(&mut self, seed: u64) {
        let report = schedule::run_seed(seed, false);
        self.runs += 1;
        self.on_aws += u64::from(report.on_aws);
        for (fault, state) in &report.faults {
            *self.matrix.entry((*fault, *state)).or_default() += 1;
        }
        let crashes = report.crashes as u64;
        self.crashes += crashes;
        self.other_faults += report.faults.len() as u64 - crashes;
        for reached in report.reached {
            *self.reached.entry(reached).or_default() += 1;
        }
        if !report.violations.is_empty() {
            self.violations.push((seed, report.violations));
        }
    }

    fn merge(&mut self, piece: CampaignReport) {
        self.runs += piece.runs;
        self.on_aws += piece.on_aws;
        self.crashes += piece.crashes;
        self.other_faults += piece.other_faults;
        self.violations.extend(piece.violations);
        for (reached, count) in piece.reached {
            *self.reached.entry(reached).or_default() += count;
        }
        for (cell, count) in piece.matrix {
            *self.matrix.entry(cell).or_default() += count;
        }
    }
}

/// The first seed, of at most `limit`, whose schedule finds a bug, with what it found.
#[must_use]
pub fn hunt_bug(bug: SeededBug, limit: u64) -> Option<(u64, Violation)> {
    let next = AtomicU64::new(0);
    let found: Mutex<Option<(u64, Violation)>> = Mutex::new(None);
    run_on_all_cores(|| {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= limit || lock_mutex(&found).is_some() {
                return;
            }
            let violations = schedule::run_with_bug(seed, Some(bug), false).violations;
            // What the product itself breaks in this schedule is not the bug's.
            let is_bugs = || schedule::run_seed(seed, false).violations.is_empty();
            if let Some(first) = violations.into_iter().next().filter(|_| is_bugs()) {
                let found = &mut *lock_mutex(&found);
                if found.as_ref().is_none_or(|(known, _)| seed < *known) {
                    *found = Some((seed, first));
                }
            }
        }
    });
    lock_mutex(&found).take()
}
