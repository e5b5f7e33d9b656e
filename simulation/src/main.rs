//! `chatops-simulation`: the evidence for "never lost, never twice", one command each.

use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr};
use std::process::ExitCode;
use std::time::Instant;

use chatops_core::deploy::DeployState;
use chatops_simulation::campaign;
use chatops_simulation::cloud::scenarios;
use chatops_simulation::coverage::CoveragePoint;
use chatops_simulation::crashes::{DELIVERY_PLANS, run_every};
use chatops_simulation::model::{self, KNOWN_BUGS, KnownBug, ModelBounds};
use chatops_simulation::scenario::{self, Scenario};
use chatops_simulation::seeded::SeededBug;
use chatops_simulation::violation::join_lines;
use chatops_simulation::{matrix, schedule};
use clap::{Parser, Subcommand};
use strum::VariantArray;

/// Tests the promise of the product: never lost, never twice.
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
    Model {
        /// Only those whose names contain this
        #[arg(long, default_value = "")]
        name: String,
    },
    /// Run seeded schedules: handlers interleaved, everything failing
    Schedules {
        /// How many
        #[arg(default_value_t = 1_000_000)]
        count: u64,
        /// Repeat this one and print what happened, line by line
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Crash at every point of every scenario: alone, in pairs, in triples
    Crashes {
        /// How many crashes in one run, at most
        #[arg(long, default_value_t = 3)]
        depth: usize,
        /// Only the scenarios whose names contain this
        #[arg(long, default_value = "")]
        scenario: String,
        /// Continue a run that was stopped: begin with the scenario of this number
        #[arg(long, default_value_t = 1, conflicts_with = "cloud")]
        from: usize,
        /// Only the few scenarios that are run with triples, too
        #[arg(long)]
        golden: bool,
        /// On AWS instead: every fault of DynamoDB, SQS and Lambda at every call; from a depth of 2
        /// on also every pair of a fault and a crash, in the few scenarios
        #[arg(long)]
        cloud: bool,
    },
    /// Find every seeded bug
    SeededBugs {
        /// How many schedules a bug may survive
        #[arg(default_value_t = 100_000)]
        limit: u64,
    },
    /// Run all of them, one after the other
    All,
}

fn main() -> ExitCode {
    let violations = match SimulationCli::parse().command {
        SimulationCommand::Model { name } => search_models(&name),
        SimulationCommand::Schedules {
            seed: Some(seed), ..
        } => replay_schedule(seed),
        SimulationCommand::Schedules { count, .. } => run_schedules(count),
        SimulationCommand::Crashes {
            depth,
            scenario,
            from,
            golden,
            cloud,
        } => {
            let mut all = scenario::all();
            all.retain(|s| s.name.contains(&scenario) && (s.golden || !golden));
            if cloud {
                run_faults(depth, &all)
            } else {
                run_crashes(depth, from, &all)
            }
        }
        SimulationCommand::SeededBugs { limit } => hunt_seeded_bugs(limit),
        SimulationCommand::All => {
            let all = scenario::all();
            search_models("")
                + run_schedules(1_000_000)
                + run_crashes(3, 1, &all)
                + run_faults(2, &all)
                + hunt_seeded_bugs(100_000)
        }
    };
    ExitCode::from(u8::from(violations > 0))
}

/// Overwrites one line on a terminal; quiet in a pipe.
fn show_progress(text: &str) {
    let mut out = stderr();
    if out.is_terminal() {
        let _ = write!(out, "\r{text}\x1b[K");
        let _ = out.flush();
    }
}

/// Searches every model with such a name to its end.
fn search_models(name: &str) -> usize {
    let start = Instant::now();
    let mut bounds = ModelBounds::full();
    bounds.models.retain(|model| model.name.contains(name));
    let outcome = model::check_models(&bounds, &mut |now| {
        let (model, states, depth) = (now.model, now.states, now.depth);
        show_progress(&format!("{model}: {states} states, depth {depth}"));
    });
    show_progress("");
    for report in &outcome.models {
        let (name, states, steps) = (report.model.name, report.states, report.transitions);
        let depth = report.depth;
        anstream::println!(
            "{name:<48} {states:>10} states {steps:>11} transitions, depth {depth}, exhausted"
        );
    }
    let took = start.elapsed().as_secs_f64();
    anstream::println!("{} states in {took:.1} s", outcome.states());
    let count = print_violations(&outcome.violations);
    anstream::println!("violations: {count}");
    count
}

fn replay_schedule(seed: u64) -> usize {
    let report = schedule::run_seed(seed, true);
    anstream::println!("{}", report.log);
    let count = print_violations(&report.violations);
    anstream::println!("violations: {count}");
    count
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
    let (runs, on_aws) = (result.runs, result.on_aws);
    anstream::println!("{runs} schedules in {took:.1} s, {on_aws} of them on AWS");
    let (crashes, others) = (mean(result.crashes, runs), mean(result.other_faults, runs));
    anstream::println!("mean {crashes} crashes and {others} other faults each");
    anstream::print!("{}", matrix::render_table(&result.matrix));
    for what in CoveragePoint::VARIANTS {
        let count = result.reached.get(what).copied().unwrap_or_default();
        anstream::println!("{:<20} {count:>9}", format!("{what:?}"));
    }
    let mut bad = result.violations.len();
    for (seed, what) in &result.violations {
        let what = join_lines(what);
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
        anstream::println!("hit, though impossible: {fault:?} in {}", state_name(state));
        bad += 1;
    }
    anstream::println!("violations: {bad}");
    bad
}

fn state_name(state: Option<DeployState>) -> &'static str {
    state.map_or("no state", DeployState::as_str)
}

/// The scenarios on AWS, with single faults and then with a crash as well.
fn run_faults(depth: usize, all: &[Scenario]) -> usize {
    let golden: Vec<Scenario> = all.iter().copied().filter(|s| s.golden).collect();
    let plans = &DELIVERY_PLANS;
    let single = (all, false, "every fault on AWS");
    let pairs = (&golden[..], true, "every fault on AWS and crash");
    let mut bad = 0;
    for (scenarios, with_crashes, label) in [single, pairs].into_iter().take(depth.clamp(1, 2)) {
        let start = Instant::now();
        let progress = |done, all| show_progress(&format!("{label}: {done} of {all} pieces"));
        let (found, struck) = scenarios::run_every(scenarios, plans, with_crashes, &progress);
        print_runs(label, found.runs, (scenarios.len(), plans.len()), start);
        for fault in scenarios::placed_faults() {
            let count = struck.get(&fault).copied().unwrap_or_default();
            anstream::println!("  {:<20} {count:>9}", format!("{fault:?}"));
        }
        bad += print_violations(&found.violations);
    }
    anstream::println!("violations: {bad}");
    bad
}

/// One scenario after the other, so that a run of hours shows how far it has come and can be
/// continued.
fn run_crashes(depth: usize, from: usize, all: &[Scenario]) -> usize {
    let (start, mut runs, mut bad) = (Instant::now(), 0, 0);
    for (index, scenario) in all.iter().enumerate().skip(from.saturating_sub(1)) {
        // Triples grow with the cube of the points: the golden paths, at once, late and twice.
        let passes = [
            Some((depth.min(2), &DELIVERY_PLANS[..])),
            (depth > 2 && scenario.golden).then_some((depth, &DELIVERY_PLANS[..3])),
        ];
        for (depth, plans) in passes.into_iter().flatten() {
            let label = format!(
                "{:>3} of {} '{}', up to {depth} crashes",
                index + 1,
                all.len(),
                scenario.name
            );
            let progress = |done, all| show_progress(&format!("{label}: {done} of {all} pieces"));
            let begun = Instant::now();
            let found = run_every(std::slice::from_ref(scenario), plans, depth, &progress);
            print_runs(&label, found.runs, (1, plans.len()), begun);
            runs += found.runs;
            bad += print_violations(&found.violations);
        }
    }
    print_runs("in all", runs, (all.len(), DELIVERY_PLANS.len()), start);
    anstream::println!("violations: {bad}");
    bad
}

fn print_runs(label: &str, runs: usize, (scenarios, ways): (usize, usize), start: Instant) {
    show_progress("");
    let took = start.elapsed().as_secs_f64();
    let noun = if scenarios == 1 {
        "scenario"
    } else {
        "scenarios"
    };
    anstream::println!("{label}: {runs} runs of {scenarios} {noun} in {ways} ways, {took:.1} s");
}

/// Prints the violations and returns how many there are.
fn print_violations(violations: &[impl Display]) -> usize {
    for violation in violations {
        anstream::println!("{violation}");
    }
    violations.len()
}

/// A mean with two decimals, in whole numbers.
fn mean(total: u64, runs: u64) -> String {
    let hundredths = total * 100 / runs.max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Prints after how many schedules each bug is found, and by the model in how many steps; returns how
/// many survive: the model has to find those that it looks for, the schedules all others.
fn hunt_seeded_bugs(limit: u64) -> usize {
    let mut survivors = 0;
    for &bug in SeededBug::VARIANTS {
        let label = bug.label();
        show_progress(label);
        let found = campaign::hunt_bug(bug, limit);
        show_progress("");
        let model = KNOWN_BUGS.iter().find(|known| known.bug == bug);
        let model = model.map(KnownBug::find);
        let by_schedule = match &found {
            Some((seed, violation)) => {
                let name = match violation.invariant {
                    Some(invariant) => invariant.to_string(),
                    None => violation.detail.clone(),
                };
                format!("by schedule {:>6}, {name}", seed + 1)
            }
            None => format!("not by {limit} schedules"),
        };
        let by_model = match &model {
            Some(Some(found)) => format!("by the model in {} steps", found.trace.len()),
            Some(None) => "NOT BY THE MODEL".to_owned(),
            None => "not looked for by the model".to_owned(),
        };
        let survives = match model {
            Some(found_by_model) => found_by_model.is_none(),
            None => found.is_none(),
        };
        survivors += usize::from(survives);
        let mark = if survives { "SURVIVES: " } else { "" };
        anstream::println!("{label:<56} {mark}{by_schedule}; {by_model}");
    }
    anstream::println!("survivors: {survivors}");
    survivors
}
