//! The whole product on this machine: the sandbox as Slack and CircleCI, the real pipeline between
//! them, and a few acts that must end as they say.

mod acts;
mod stage;
mod timeline;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use self::stage::Stage;
use self::timeline::Timeline;

/// The options of `chatops demo`.
#[derive(Debug, Args)]
pub struct Options {
    /// Show every call that CircleCI receives, also the look-ups
    #[arg(long)]
    calls: bool,
}

/// Plays every act and says how each ended. Succeeds only if all ended as they must.
pub async fn run(options: Options) -> Result<ExitCode> {
    let stage = Stage::set().await?;
    let timeline = Timeline::new(&stage, options.calls);
    Timeline::open();
    let mut failed = 0;
    for act in acts::ALL {
        Timeline::title(act.title);
        let verdict = timeline.follow((act.play)(&stage)).await;
        failed += usize::from(verdict.is_err());
        Timeline::verdict(&verdict);
    }
    stage.strike().await?;
    timeline.close(acts::ALL.len(), failed);
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
