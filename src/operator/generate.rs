//! `chatops completions`, generated from the command line.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use clap_complete::Shell;

use crate::output::CommandOutput;

#[derive(Debug, Args)]
pub(crate) struct CompletionsOptions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
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
