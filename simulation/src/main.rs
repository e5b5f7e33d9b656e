//! `chatops-simulation`: the evidence for "never lost, never twice", by command.

use std::io::{IsTerminal, Write, stderr};
use std::process::ExitCode;
use std::time::Instant;

use chatops_core::deploy::DeployState;
use chatops_simulation::campaign::{self, CampaignReport};
use chatops_simulation::cloud::scenarios;
use chatops_simulation::coverage::CoveragePoint;
use chatops_simulation::crashes::{DELIVERY_PLANS, RunFindings, run_every};
use chatops_simulation::model::{self, ModelBounds};
use chatops_simulation::scenario::{self, Scenario};
use chatops_simulation::seeded::SeededBug;
use chatops_simulation::{matrix, schedule};
use clap::{Parser, Subcommand};

/// Holds the product against its promise: never lost, never twice.
///
/// Each command prints how many violations it found as its last line and exits with 1 if there
/// are any.
#[derive(Debug, Parser)]
struct SimulationCli {
    #[command(subcommand)]
    command: SimulationCommand,
}

#[derive(Debug, Subcommand)]
enum SimulationCommand {
    /// Search every state of small models that make the product's real decisions
    Model,
    /// Run seeded schedules: handlers interleaved, everything failing
    Schedules {
        /// How many
        #[arg(default_value_t = 1_000_000)]
        count: u64,
        /// Repeat this one and print what happened, line by line
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Crash at every point of every story: alone, in pairs, in triples
    Crashes {
        /// How many crashes in one run, at most
        #[arg(long, default_value_t = 3)]
        depth: usize,
        /// Only the stories whose names contain this
        #[arg(long, default_value = "")]
        scenario: String,
        /// Only the few stories that are run with triples, too
        #[arg(long)]
        golden: bool,
        /// On AWS instead: every fault of DynamoDB, SQS and Lambda at every call; and of the few,
        /// from a depth of 2 on, every pair of a fault and a crash
        #[arg(long)]
        cloud: bool,
    },
    /// Let every planted bug be found
    SeededBugs {
        /// How many schedules a bug may survive
        #[arg(default_value_t = 100_000)]
        limit: u64,
    },
    /// Everything, one after the other
    All,
}

fn main() -> ExitCode {
    let bad = match SimulationCli::parse().command {
        SimulationCommand::Model => search_models(),
        SimulationCommand::Schedules {
            seed: Some(seed), ..
        } => replay_schedule(seed),
        SimulationCommand::Schedules { count, .. } => run_schedules(count),
        SimulationCommand::Crashes {
            depth,
            scenario,
            golden,
            cloud,
        } => {
            let mut all = scenario::all();
            all.retain(|s| s.name.contains(&scenario) && (s.golden || !golden));
            if cloud {
                run_faults(depth, &all)
            } else {
                run_crashes(depth, &all)
            }
        }
        SimulationCommand::SeededBugs { limit } => hunt_seeded_bugs(limit),
        SimulationCommand::All => {
            let all = scenario::all();
            search_models()
                + run_schedules(1_000_000)
                + run_crashes(3, &all)
                + run_faults(2, &all)
                + hunt_seeded_bugs(100_000)
        }
    };
    if bad == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Overwrites one line on a terminal; quiet in a pipe.
fn show_progress(text: &str) {
    let mut out = stderr();
    if out.is_terminal() {
        let _ = write!(out, "\r{text}\x1b[K");
        let _ = out.flush();
    }
}

/// Searches every model to its end.
fn search_models() -> usize {
    let start = Instant::now();
    let outcome = model::check_models(&ModelBounds::full(), &mut |now| {
        show_progress(&format!(
            "{}: {} states, depth {}",
            now.model, now.states, now.depth
        ));
    });
    show_progress("");
    for report in &outcome.models {
        anstream::println!(
            "{:<48} {:>10} states {:>11} transitions, depth {}, exhausted",
            report.model.name,
            report.states,
            report.transitions,
            report.depth
        );
    }
    anstream::println!(
        "{} states in {:.1} s",
        outcome.states(),
        start.elapsed().as_secs_f64()
    );
    outcome
        .violations
        .iter()
        .for_each(|found| anstream::println!("{found}"));
    anstream::println!("violations: {}", outcome.violations.len());
    outcome.violations.len()
}

fn replay_schedule(seed: u64) -> usize {
    let report = schedule::run_seed(seed, true);
    anstream::println!("{}", report.log);
    for violation in &report.violations {
        anstream::println!("{violation}");
    }
    anstream::println!("violations: {}", report.violations.len());
    report.violations.len()
}

fn run_schedules(count: u64) -> usize {
    let start = Instant::now();
    let result = campaign::run_seeds(0..count, &|done| {
        if done % 4_096 < 64 {
            show_progress(&format!("{done} of {count} schedules"));
        }
    });
    show_progress("");
    let took = start.elapsed().as_secs_f64();
    let CampaignReport {
        runs,
        on_aws,
        crashes,
        other_faults: others,
        ..
    } = result;
    let mean = |n: u64| MeanPerRun { total: n, runs };
    anstream::println!(
        "{runs} schedules in {took:.1} s, {on_aws} of them on AWS; mean {} crashes and {} other faults each",
        mean(crashes),
        mean(others)
    );
    anstream::print!("{}", matrix::render_table(&result.matrix));
    for what in CoveragePoint::ALL {
        let count = result.reached.get(&what).copied().unwrap_or_default();
        anstream::println!("{:<20} {count:>9}", format!("{what:?}"));
    }
    let mut bad = result.violations.len();
    for (seed, what) in &result.violations {
        anstream::println!("seed {seed}: {what}\n  replay: schedules --seed {seed}");
    }
    if let Some((seed, _)) = result.violations.first() {
        anstream::println!("{}", schedule::run_seed(*seed, true).log);
    }
    if count >= 10_000 {
        for fault in matrix::never_injected(&result.matrix) {
            anstream::println!("never struck: {fault:?}");
            bad += 1;
        }
    }
    // The rarest cells need the whole million.
    if count >= 1_000_000 {
        for (fault, state) in matrix::missed_cells(&result.matrix) {
            anstream::println!("never hit: {fault:?} in {}", state_name(state));
            bad += 1;
        }
    }
    for (fault, state) in matrix::unexpected_cells(&result.matrix) {
        anstream::println!(
            "hit although it should be impossible: {fault:?} in {}",
            state_name(state)
        );
        bad += 1;
    }
    anstream::println!("violations: {bad}");
    bad
}

fn state_name(state: Option<DeployState>) -> &'static str {
    state.map_or("no state", DeployState::as_str)
}

/// The stories on AWS, with single faults and then with a crash as well.
fn run_faults(depth: usize, all: &[Scenario]) -> usize {
    let golden: Vec<Scenario> = all.iter().copied().filter(|s| s.golden).collect();
    let single = (all, &DELIVERY_PLANS[..], false, "every fault");
    let pairs = (
        &golden[..],
        &DELIVERY_PLANS[..],
        true,
        "every fault and crash",
    );
    let mut bad = 0;
    for (scenarios, deliveries, with_crashes, label) in
        [single, pairs].into_iter().take(depth.clamp(1, 2))
    {
        let start = Instant::now();
        let (found, struck) =
            scenarios::run_every(scenarios, deliveries, with_crashes, &|done, all| {
                show_progress(&format!("{label}: {done} of {all} pieces"));
            });
        show_progress("");
        anstream::println!(
            "{label}: {} runs of {} stories in {} ways on AWS, {:.1} s",
            found.runs,
            scenarios.len(),
            deliveries.len(),
            start.elapsed().as_secs_f64()
        );
        for fault in scenarios::placed_faults() {
            let count = struck.get(&fault).copied().unwrap_or_default();
            anstream::println!("  {:<20} {count:>9}", format!("{fault:?}"));
        }
        bad += print_violations(&found);
    }
    anstream::println!("violations: {bad}");
    bad
}

fn run_crashes(depth: usize, all: &[Scenario]) -> usize {
    let golden: Vec<Scenario> = all.iter().copied().filter(|s| s.golden).collect();
    let mut bad = 0;
    for depth in 0..=depth {
        // Triples grow with the cube of the points: the golden paths, at once, late and doubled.
        let (scenarios, deliveries) = if depth < 3 {
            (all, &DELIVERY_PLANS[..])
        } else {
            (&golden[..], &DELIVERY_PLANS[..3])
        };
        let start = Instant::now();
        let found = run_every(scenarios, deliveries, depth, &|done, all| {
            show_progress(&format!("up to {depth} crashes: {done} of {all} pieces"));
        });
        show_progress("");
        anstream::println!(
            "up to {depth} crashes: {} runs of {} stories in {} ways, {:.1} s",
            found.runs,
            scenarios.len(),
            deliveries.len(),
            start.elapsed().as_secs_f64()
        );
        bad += print_violations(&found);
    }
    anstream::println!("violations: {bad}");
    bad
}

/// Shows what was violated; how much it was.
fn print_violations(found: &RunFindings) -> usize {
    for violation in &found.violations {
        anstream::println!("{violation}");
    }
    found.violations.len()
}

/// A mean with two decimals, in whole numbers.
struct MeanPerRun {
    total: u64,
    runs: u64,
}

impl std::fmt::Display for MeanPerRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hundredths = self.total * 100 / self.runs.max(1);
        write!(f, "{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

/// Prints after how many schedules each bug is found; returns how many survive.
fn hunt_seeded_bugs(limit: u64) -> usize {
    let mut survivors = 0;
    for bug in SeededBug::ALL {
        let label = bug.label();
        show_progress(label);
        let found = campaign::hunt_bug(bug, limit);
        show_progress("");
        if let Some((seed, what)) = found {
            let invariant = what.split(':').next().unwrap_or_default();
            anstream::println!("{label:<45} found by schedule {:>6}, {invariant}", seed + 1);
        } else {
            survivors += 1;
            anstream::println!("{label:<45} SURVIVED {limit} schedules");
        }
    }
    anstream::println!("survivors: {survivors}");
    survivors
}
