//! `chatops completions` and `chatops man`: made of the command line itself.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use clap_complete::Shell;

use super::out::Out;
use super::{Usage, words};

/// The options of `chatops completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// The options of `chatops man`.
#[derive(Debug, Args)]
pub struct Man {
    /// The command, such as `history` or `audit verify`
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

/// Prints a shell's completions.
pub(super) fn completions(
    options: &Completions,
    mut tree: clap::Command,
    out: &mut Out,
) -> Result<ExitCode> {
    // It gives up loudly where it cannot write, so it does not write to the pipe itself.
    let mut text = Vec::new();
    clap_complete::generate(options.shell, &mut tree, "chatops", &mut text);
    out.write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a manual page.
pub(super) fn man(options: &Man, mut tree: clap::Command, out: &mut Out) -> Result<ExitCode> {
    tree.build();
    let mut page = &tree;
    for name in &options.command {
        let next = page.find_subcommand(name);
        page = next.ok_or_else(|| Usage(words::no_command(name)))?;
    }
    clap_mangen::Man::new(page.clone()).render(out)?;
    Ok(ExitCode::SUCCESS)
}
