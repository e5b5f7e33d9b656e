//! `chatops-bench`: how fast the product is, by command. What it prints depends on the machine, so
//! no test reads it.
//!
//! `cargo run --profile fast -p chatops-bench -- history` makes two data files under `target/bench` the
//! first time (a few minutes, about 5 GB) and uses them again after that; remove the directory
//! when done.

//!
//! For `functions`, build first what it measures, as it is packaged:
//! `cargo build --release -p chatops-ingest && cargo build --release -p chatops-bench --bin floor`.
//! Pin it to one processor (`taskset -c 1`), and quote the ratios.

mod functions;
mod history;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measures the product on this machine.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List deploys out of a small ledger and out of a large one, and compare
    History {
        /// How often each list is asked for
        #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
        /// How many deploys the small ledger has
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(100..))]
        small: u32,
        /// How many deploys the large ledger has
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(100..))]
        large: u32,
        /// Where the ledgers are kept
        #[arg(long, default_value = "target/bench")]
        dir: PathBuf,
    },
    /// Start the ingest function again and again, and compare it with one that does nothing
    Functions {
        /// How often each is started
        #[arg(long, default_value_t = 21, value_parser = clap::value_parser!(u32).range(1..))]
        cold: u32,
        /// How many events each gets after its first
        #[arg(long, default_value_t = 500)]
        warm: usize,
        /// Where the programs are
        #[arg(long, default_value = "target/release")]
        bin: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match Cli::parse().command {
            Command::History {
                runs,
                small,
                large,
                dir,
            } => history::run(&dir, [small, large], runs).await,
            Command::Functions { cold, warm, bin } => functions::run(&bin, cold, warm).await,
        }
    })
}
