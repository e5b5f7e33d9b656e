//! `chatops completions` and `chatops man`, generated from the command line.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use clap_complete::Shell;

use super::{UsageError, text};
use crate::output::CommandOutput;

#[derive(Debug, Args)]
pub(crate) struct CompletionsOptions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManOptions {
    /// The command, such as `history` or `audit verify`
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) fn print_completions(
    options: &CompletionsOptions,
    mut tree: clap::Command,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    // It panics where it cannot write, so it does not write to the pipe itself.
    let mut text = Vec::new();
    clap_complete::generate(options.shell, &mut tree, "chatops", &mut text);
    out.write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn print_manual(
    options: &ManOptions,
    mut tree: clap::Command,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    tree.build();
    let mut page = &tree;
    for name in &options.command {
        let next = page.find_subcommand(name);
        page = next.ok_or_else(|| UsageError(text::no_command(name)))?;
    }
    clap_mangen::Man::new(page.clone()).render(out)?;
    Ok(ExitCode::SUCCESS)
}
