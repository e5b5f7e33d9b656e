//! `chatops-simulation`: the evidence for "never lost, never twice", by command.

use std::io::{IsTerminal, Write, stderr};
use std::process::ExitCode;
use std::time::Instant;

use chatops_core::deploy::State;
use chatops_simulation::campaign::{self, Campaign};
use chatops_simulation::cloud::stories;
use chatops_simulation::coverage::Reached;
use chatops_simulation::crashes::{Found, WAYS, every};
use chatops_simulation::model::{self, Bounds};
use chatops_simulation::planted::Bug;
use chatops_simulation::scenario::{self, Scenario};
use chatops_simulation::{matrix, schedule};
use clap::{Parser, Subcommand};

/// Holds the product against its promise: never lost, never twice.
///
/// Each command prints how many violations it found as its last line and exits with 1 if there
/// are any.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
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
        story: String,
        /// Only the few stories that are run with triples, too
        #[arg(long)]
        golden: bool,
        /// On AWS instead: every fault of DynamoDB, SQS and Lambda at every call; and of the few,
        /// from a depth of 2 on, every pair of a fault and a crash
        #[arg(long)]
        cloud: bool,
    },
    /// Let every planted bug be found
    Planted {
        /// How many schedules a bug may survive
        #[arg(default_value_t = 100_000)]
        limit: u64,
    },
    /// Everything, one after the other
    All,
}

fn main() -> ExitCode {
    let bad = match Cli::parse().command {
        Command::Model => models(),
        Command::Schedules {
            seed: Some(seed), ..
        } => replay(seed),
        Command::Schedules { count, .. } => schedules(count),
        Command::Crashes {
            depth,
            story,
            golden,
            cloud,
        } => {
            let mut all = scenario::all();
            all.retain(|s| s.name.contains(&story) && (s.golden || !golden));
            if cloud {
                faults(depth, &all)
            } else {
                crashes(depth, &all)
            }
        }
        Command::Planted { limit } => planted(limit),
        Command::All => {
            let all = scenario::all();
            models() + schedules(1_000_000) + crashes(3, &all) + faults(2, &all) + planted(100_000)
        }
    };
    if bad == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Overwrites one line on a terminal; quiet in a pipe.
fn progress(text: &str) {
    let mut out = stderr();
    if out.is_terminal() {
        let _ = write!(out, "\r{text}\x1b[K");
        let _ = out.flush();
    }
}

/// Searches every model to its end.
fn models() -> usize {
    let start = Instant::now();
    let outcome = model::check(&Bounds::full(), &mut |now| {
        progress(&format!(
            "{}: {} states, depth {}",
            now.model, now.states, now.depth
        ));
    });
    progress("");
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

fn replay(seed: u64) -> usize {
    let report = schedule::run(seed, true);
    anstream::println!("{}", report.log);
    for violation in &report.violations {
        anstream::println!("{violation}");
    }
    anstream::println!("violations: {}", report.violations.len());
    report.violations.len()
}

fn schedules(count: u64) -> usize {
    let start = Instant::now();
    let result = campaign::run(0..count, &|done| {
        if done % 4_096 < 64 {
            progress(&format!("{done} of {count} schedules"));
        }
    });
    progress("");
    let took = start.elapsed().as_secs_f64();
    let Campaign {
        runs,
        on_aws,
        crashes,
        others,
        ..
    } = result;
    let mean = |n: u64| Mean { total: n, runs };
    anstream::println!(
        "{runs} schedules in {took:.1} s, {on_aws} of them on AWS; mean {} crashes and {} other faults each",
        mean(crashes),
        mean(others)
    );
    anstream::print!("{}", matrix::table(&result.matrix));
    for what in Reached::ALL {
        let count = result.reached.get(&what).copied().unwrap_or_default();
        anstream::println!("{:<20} {count:>9}", format!("{what:?}"));
    }
    let mut bad = result.violations.len();
    for (seed, what) in &result.violations {
        anstream::println!("seed {seed}: {what}\n  replay: schedules --seed {seed}");
    }
    if let Some((seed, _)) = result.violations.first() {
        anstream::println!("{}", schedule::run(*seed, true).log);
    }
    if count >= 10_000 {
        for fault in matrix::never(&result.matrix) {
            anstream::println!("never struck: {fault:?}");
            bad += 1;
        }
    }
    // The rarest cells need the whole million.
    if count >= 1_000_000 {
        for (fault, state) in matrix::missed(&result.matrix) {
            anstream::println!("never hit: {fault:?} in {}", name(state));
            bad += 1;
        }
    }
    for (fault, state) in matrix::surprising(&result.matrix) {
        anstream::println!(
            "hit although it should be impossible: {fault:?} in {}",
            name(state)
        );
        bad += 1;
    }
    anstream::println!("violations: {bad}");
    bad
}

fn name(state: Option<State>) -> &'static str {
    state.map_or("no state", State::word)
}

/// The stories on AWS, with single faults and then with a crash as well.
fn faults(depth: usize, all: &[Scenario]) -> usize {
    let golden: Vec<Scenario> = all.iter().copied().filter(|s| s.golden).collect();
    let single = (all, &WAYS[..], false, "every fault");
    let pairs = (&golden[..], &WAYS[..], true, "every fault and crash");
    let mut bad = 0;
    for (stories, ways, with_crashes, words) in [single, pairs].into_iter().take(depth.clamp(1, 2))
    {
        let start = Instant::now();
        let (found, struck) = stories::every(stories, ways, with_crashes, &|done, all| {
            progress(&format!("{words}: {done} of {all} pieces"));
        });
        progress("");
        anstream::println!(
            "{words}: {} runs of {} stories in {} ways on AWS, {:.1} s",
            found.runs,
            stories.len(),
            ways.len(),
            start.elapsed().as_secs_f64()
        );
        for fault in stories::placed() {
            let count = struck.get(&fault).copied().unwrap_or_default();
            anstream::println!("  {:<20} {count:>9}", format!("{fault:?}"));
        }
        bad += tell(&found);
    }
    anstream::println!("violations: {bad}");
    bad
}

fn crashes(depth: usize, all: &[Scenario]) -> usize {
    let golden: Vec<Scenario> = all.iter().copied().filter(|s| s.golden).collect();
    let mut bad = 0;
    for depth in 0..=depth {
        // Triples grow with the cube of the points: the golden paths, at once, late and doubled.
        let (stories, ways) = if depth < 3 {
            (all, &WAYS[..])
        } else {
            (&golden[..], &WAYS[..3])
        };
        let start = Instant::now();
        let found = every(stories, ways, depth, &|done, all| {
            progress(&format!("up to {depth} crashes: {done} of {all} pieces"));
        });
        progress("");
        anstream::println!(
            "up to {depth} crashes: {} runs of {} stories in {} ways, {:.1} s",
            found.runs,
            stories.len(),
            ways.len(),
            start.elapsed().as_secs_f64()
        );
        bad += tell(&found);
    }
    anstream::println!("violations: {bad}");
    bad
}

/// Shows what was violated; how much it was.
fn tell(found: &Found) -> usize {
    for violation in &found.violations {
        anstream::println!("{violation}");
    }
    found.violations.len()
}

/// A mean with two decimals, in whole numbers.
struct Mean {
    total: u64,
    runs: u64,
}

impl std::fmt::Display for Mean {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hundredths = self.total * 100 / self.runs.max(1);
        write!(f, "{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

/// Prints after how many schedules each bug is found; returns how many survive.
fn planted(limit: u64) -> usize {
    let mut survivors = 0;
    for bug in Bug::ALL {
        let words = bug.words();
        progress(words);
        let found = campaign::hunt(bug, limit);
        progress("");
        if let Some((seed, what)) = found {
            let invariant = what.split(':').next().unwrap_or_default();
            anstream::println!("{words:<45} found by schedule {:>6}, {invariant}", seed + 1);
        } else {
            survivors += 1;
            anstream::println!("{words:<45} SURVIVED {limit} schedules");
        }
    }
    anstream::println!("survivors: {survivors}");
    survivors
}
