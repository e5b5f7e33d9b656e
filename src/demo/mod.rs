//! The whole product on this machine: the sandbox as Slack and CircleCI, the real services between
//! them, and scenarios that are checked. With `--keep` it keeps running, for `chatops say`.

pub(crate) mod directory;
mod interactive;
pub(crate) mod render;
mod scenarios;
mod timeline;
mod world;

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use self::timeline::Timeline;
use self::world::DemoWorld;
use crate::output::print_line;

/// The default address of the stand-in Slack of a kept demo.
pub(crate) const SLACK_ADDRESS: &str = "127.0.0.1:4390";

#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    /// Show every call that CircleCI receives, including polls
    #[arg(long)]
    calls: bool,
    /// Keep running after the scenarios, for commands with `chatops say`
    #[arg(long)]
    keep: bool,
    /// With --keep: the address of the stand-in Slack, on this machine only
    #[arg(long, value_name = "ADDRESS", requires = "keep")]
    #[arg(default_value = SLACK_ADDRESS, value_parser = parse_loopback)]
    slack: SocketAddr,
}

/// An address that only this machine can reach.
pub(crate) fn parse_loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| format!("this is not an address and port such as {SLACK_ADDRESS}"))?;
    if address.ip().is_loopback() && address.port() != 0 {
        Ok(address)
    } else {
        Err(format!(
            "it must be a local address such as {SLACK_ADDRESS}"
        ))
    }
}

/// Plays every scenario. Succeeds only if all ended as expected; with `--keep` it then runs until
/// `stop` is ready.
pub(crate) async fn run(options: DemoOptions, stop: impl Future<Output = ()>) -> Result<ExitCode> {
    let slack = if options.keep {
        options.slack
    } else {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    };
    let mut stop = pin!(stop);
    let world = DemoWorld::start(slack).await?;
    let timeline = Timeline::new(&world, options.calls);
    Timeline::print_header();
    if options.keep {
        interactive::print_page(slack);
    }
    let played = tokio::select! {
        failed = run_scenarios(&world, &timeline) => Some(failed),
        () = &mut stop => None,
    };
    let Some(failed) = played else {
        world.stop().await?;
        print_line(format_args!("\nStopped before the last scenario ended."));
        return Ok(ExitCode::FAILURE);
    };
    if options.keep {
        timeline.print_summary(scenarios::SCENARIOS.len(), failed);
        interactive::keep_running(world, &timeline, options.slack, stop).await?;
    } else {
        world.stop().await?;
        timeline.print_summary(scenarios::SCENARIOS.len(), failed);
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Plays every scenario; returns how many did not end as expected.
async fn run_scenarios(world: &DemoWorld, timeline: &Timeline) -> usize {
    let mut failed = 0;
    for (title, play) in scenarios::SCENARIOS {
        Timeline::print_title(title);
        let result = timeline.follow_scenario(play(world)).await;
        failed += usize::from(result.is_err());
        Timeline::print_result(&result);
    }
    failed
}
