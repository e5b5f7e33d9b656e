//! The whole product on this machine: the sandbox as Slack and CircleCI, the real pipeline between
//! them, and a few acts that must end as they say. With `--keep` it stays, for `chatops say`.

mod acts;
pub(crate) mod cast;
mod keep;
pub(crate) mod readable;
mod stage;
mod timeline;

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use self::stage::Stage;
use self::timeline::Timeline;

/// Where the stand-in Slack of a kept demo listens unless told otherwise.
pub(crate) const SLACK: &str = "127.0.0.1:4390";

/// The options of `chatops demo`.
#[derive(Debug, Args)]
pub struct Options {
    /// Show every call that CircleCI receives, also the look-ups
    #[arg(long)]
    calls: bool,
    /// Stay after the acts, so that you can type commands with `chatops say`
    #[arg(long)]
    keep: bool,
    /// With --keep: where the stand-in Slack listens, on this machine only
    #[arg(
        long,
        value_name = "ADDRESS",
        requires = "keep",
        default_value = SLACK,
        value_parser = loopback
    )]
    slack: SocketAddr,
}

/// An address that only this machine can reach.
pub(crate) fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| format!("this is no address and port, such as {SLACK}"))?;
    if address.ip().is_loopback() && address.port() != 0 {
        Ok(address)
    } else {
        Err(format!(
            "it has to be an address of this machine alone, such as {SLACK}"
        ))
    }
}

/// Plays every act and says how each ended. Succeeds only if all ended as they must; with `--keep`
/// it then stays until `stop` is ready.
pub async fn run(options: Options, stop: impl Future<Output = ()>) -> Result<ExitCode> {
    let slack = if options.keep {
        options.slack
    } else {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    };
    let mut stop = pin!(stop);
    let stage = Stage::set(slack).await?;
    let timeline = Timeline::new(&stage, options.calls);
    Timeline::open();
    let played = tokio::select! {
        failed = play(&stage, &timeline) => Some(failed),
        () = &mut stop => None,
    };
    let Some(failed) = played else {
        stage.strike().await?;
        anstream::println!("\nStopped before the last act had ended.");
        return Ok(ExitCode::FAILURE);
    };
    if options.keep {
        timeline.close(acts::ALL.len(), failed);
        keep::stay(stage, &timeline, options.slack, stop).await?;
    } else {
        stage.strike().await?;
        timeline.close(acts::ALL.len(), failed);
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Plays every act; how many did not end as they must.
async fn play(stage: &Stage, timeline: &Timeline) -> usize {
    let mut failed = 0;
    for act in acts::ALL {
        Timeline::title(act.title);
        let verdict = timeline.follow((act.play)(stage)).await;
        failed += usize::from(verdict.is_err());
        Timeline::verdict(&verdict);
    }
    failed
}
