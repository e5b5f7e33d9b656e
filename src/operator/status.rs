//! `chatops status`: one deploy, or what is in progress.

use std::process::ExitCode;

use anyhow::Result;
use chatops_core::id::DeployRef;
use clap::Args;

use super::list::{self, ListOptions};
use super::{DataFile, Installation, OptionalConfig, show};
use crate::output::CommandOutput;

#[derive(Debug, Args)]
pub(crate) struct StatusOptions {
    /// The deploy, by its short or full id; without it, all that are in progress
    #[arg(value_name = "ID", value_parser = super::parse_deploy_ref)]
    #[arg(conflicts_with_all = ["limit", "all", "csv"])]
    deploy: Option<DeployRef>,
    #[command(flatten)]
    format: ListOptions,
    #[command(flatten)]
    data: DataFile,
    #[command(flatten)]
    config: OptionalConfig,
}

pub(super) fn show_status(
    options: &StatusOptions,
    installation: &Installation,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    let (format, data, config) = (&options.format, &options.data, &options.config);
    let Some(deploy) = &options.deploy else {
        return list::list_in_progress(format, data, config, installation, out);
    };
    show::show_one(
        deploy,
        data,
        format.json,
        show::Detail::State,
        installation,
        out,
    )
}
