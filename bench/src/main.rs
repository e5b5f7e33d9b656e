//! `chatops-bench`: measures the product. Its output depends on the machine, so no test reads it.
//!
//! `cargo run --profile fast -p chatops-bench -- history` creates two data files under `target/bench`
//! the first time (a few minutes, about 5 GB) and uses them again later.
//!
//! For `functions`, build first what it measures, as it is packaged:
//! `cargo build --release -p chatops-ingest && cargo build --release -p chatops-bench --bin floor`.
//! Pin it to one processor (`taskset -c 1`), and quote the ratios.

mod calls;
mod functions;
mod history;

use std::path::PathBuf;

use chatops_bench::chaos::{self, ChaosSettings};
use clap::{Parser, Subcommand};

/// Measures the product on this machine.
#[derive(Debug, Parser)]
struct BenchCli {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// List deploys of a small and of a large ledger, and compare
    History {
        /// How often each query runs
        #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
        /// How many deploys the small ledger has
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(100..))]
        small: u32,
        /// How many deploys the large ledger has
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(100..))]
        large: u32,
        /// The directory of the ledgers
        #[arg(long, default_value = "target/bench")]
        dir: PathBuf,
    },
    /// Count the calls of CircleCI's API that one deploy takes
    Calls,
    /// Kill the server again and again, on a machine and beside vendors that fail
    ///
    /// Says how many commands were accepted, and how many of them were lost, started twice, ended without
    /// anybody told, or ended as something that did not happen. Exit code 1 if there is any.
    Chaos {
        /// How often it is killed
        #[arg(long, default_value_t = 300)]
        kills: u32,
        /// Where the random choices come from
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The program
        #[arg(long, default_value = "target/fast/chatops")]
        program: PathBuf,
    },
    /// Start the ingest function repeatedly, and compare it with a minimal function
    Functions {
        /// How often each function starts
        #[arg(long, default_value_t = 21, value_parser = clap::value_parser!(u32).range(1..))]
        cold: u32,
        /// How many events each start receives after its first
        #[arg(long, default_value_t = 500)]
        warm: usize,
        /// The directory of the programs
        #[arg(long, default_value = "target/release")]
        bin: PathBuf,
    },
}

async fn run_chaos(settings: ChaosSettings) -> anyhow::Result<()> {
    // Drawn on a terminal alone.
    let bar = indicatif::ProgressBar::new(settings.kills.into());
    let report = chaos::run(&settings, |kill| bar.set_position(kill.into())).await?;
    bar.finish_and_clear();
    anstream::print!("{report}");
    anyhow::ensure!(
        report.is_clean(),
        "something was lost, doubled, untold or untrue"
    );
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match BenchCli::parse().command {
            BenchCommand::History {
                runs,
                small,
                large,
                dir,
            } => history::run(&dir, [small, large], runs).await,
            BenchCommand::Calls => calls::run().await,
            BenchCommand::Chaos {
                kills,
                seed,
                program,
            } => {
                run_chaos(ChaosSettings {
                    program,
                    kills,
                    accepted: 0,
                    seed,
                })
                .await
            }
            BenchCommand::Functions { cold, warm, bin } => functions::run(&bin, cold, warm).await,
        }
    })
}
