//! `chatops-bench`: how fast the product is, by command. What it prints depends on the machine, so
//! no test reads it.
//!
//! `cargo run --profile fast -p chatops-bench -- history` makes two data files under `target/bench` the
//! first time (a few minutes, about 5 GB) and uses them again after that; remove the directory
//! when done.

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
}

fn main() -> anyhow::Result<()> {
    let Command::History {
        runs,
        small,
        large,
        dir,
    } = Cli::parse().command;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(history::run(&dir, [small, large], runs))
}
