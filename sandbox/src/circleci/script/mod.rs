//! How a pipeline or a build behaves: timelines relative to its creation.
//!
//! Nothing ticks: the state at any moment is derived from the script.

mod build;
mod job;
mod ordinary;
mod pipeline;
mod setup;
mod surprises;
mod workflow;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

pub use build::BuildScript;
pub(super) use job::has_job_ended;
pub use job::{JobKind, JobScript};
pub use pipeline::{PipelineErrorView, PipelineStateView, RunScript};
pub(super) use workflow::has_workflow_ended;
pub use workflow::{AutoRerun, WorkflowScript};

use crate::server::Time;

/// Statuses and their times, in order.
type Steps = Vec<(Duration, String)>;

fn owned_steps(steps: &[(Duration, &str)]) -> Steps {
    let owned = |&(at, status): &(Duration, &str)| (at, status.to_owned());
    steps.iter().map(owned).collect()
}

/// The last entry that is reached after `elapsed`.
pub(super) fn last_reached<T>(
    timeline: &[(Duration, T)],
    elapsed: Duration,
) -> Option<&(Duration, T)> {
    timeline.iter().take_while(|(at, _)| *at <= elapsed).last()
}

/// The moment `after` a start, or the last one that can be represented.
pub(super) fn time_after(start: Time, after: Duration) -> Time {
    TimeDelta::from_std(after)
        .ok()
        .and_then(|after| start.checked_add_signed(after))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The time from `start` to `now`; `None` if `now` is earlier.
pub(super) fn elapsed_since(start: Time, now: Time) -> Option<Duration> {
    (now - start).to_std().ok()
}
