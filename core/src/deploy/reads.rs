//! The reads of a run at CircleCI: how many there were, what failed, and what is still waited for.

use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::Time;

/// The longest that a deploy's timer is set ahead.
pub const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// The longest that most timers are set ahead.
pub const USUAL_PAUSE: Duration = Duration::from_mins(5);

/// The latest moment that most timers can be set to at `now`. Whatever is beyond it is looked at: it
/// waits for longer than usual, or was set by a clock that was wrong.
#[must_use]
pub fn latest_timer(now: Time) -> Time {
    let pause = TimeDelta::from_std(USUAL_PAUSE).ok();
    let latest = pause.and_then(|pause| now.checked_add_signed(pause));
    latest.unwrap_or(Time::MAX_UTC)
}

/// The reads of a run at CircleCI, polls or lookups, in the present state of its deploy.
///
/// What gives up counts these efforts and the pauses between them, never the distance between two
/// readings of a clock: a clock that jumps or a process that slept ends nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReadEfforts {
    /// How many there were; determines the next pause.
    pub count: u32,
    /// When the latest one began.
    pub at: Option<Time>,
    /// The pause that was planned after it.
    pub pause: Duration,
    /// How much of the pause before the latest one counts, until its result is on record: all of it, or
    /// less if it came earlier; at most a usual pause.
    pub step: Duration,
    /// How long lookups have found nothing, by their pauses.
    pub waited: Duration,
    /// The latest ones, if they failed.
    pub failed: Option<FailedReads>,
    /// What the run is waited for, if its end depends on something that is still missing.
    pub wait: Option<RunWait>,
}

/// An unbroken series of failed reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FailedReads {
    /// How many.
    pub count: u32,
    /// Which read the last one was: one whose result is written twice counts once.
    pub last: u32,
    /// How long, by their pauses.
    pub waited: Duration,
    /// When the first one failed.
    pub since: Time,
    /// The error of the last one.
    pub error: String,
    /// Whether people were told.
    pub told: bool,
}

impl FailedReads {
    /// So many in a row are no accident.
    const MANY: u32 = 5;

    /// Whether there were many.
    #[must_use]
    pub(super) fn are_many(&self) -> bool {
        self.count >= Self::MANY
    }

    /// Whether they were many, and for so long.
    #[must_use]
    pub(super) fn gives_up(&self, after: Duration) -> bool {
        self.are_many() && self.waited >= after
    }
}

/// What is still missing before a run can have ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RunWait {
    /// What.
    pub reason: WaitReason,
    /// How long, by the pauses of the polls that saw nothing else.
    pub waited: Duration,
    /// Whether people were told.
    pub told: bool,
}

/// What a run that seems to be over is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// Any workflow: the pipeline lists none.
    AnyWorkflow,
    /// The job's workflow: the pipeline lists others.
    JobWorkflow,
    /// What follows a setup workflow that did not succeed.
    AfterSetup,
    /// An automatic rerun.
    Rerun,
    /// The end of a job that still runs although its workflow is over.
    Jobs,
}

/// What is read of a run that has ended, while something of it may still come.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RunWatch {
    /// How long it is watched, by the pauses of the polls.
    pub waited: Duration,
    /// Whether a workflow that appears is canceled.
    pub cancels: bool,
}
