//! When CircleCI is read next, and what an effort counts.
//!
//! A read is reserved on record before it is made, with the pause after it: so only one of several
//! runs makes it, and one that dies is followed by the next. What an effort counts is the pause that
//! was planned before it, or less if it came earlier, and no more than a usual pause; so neither a clock
//! that jumps nor a process that slept makes a series longer than its efforts.

use std::time::Duration;

use super::{Context, elapsed};
use crate::backoff::Backoff;
use crate::deploy::{DeployRecord, FailedReads, ReadEfforts, USUAL_PAUSE};
use crate::ports::{Commit, MAX_ASKED_PAUSE, ProjectFacts};

/// A run that is older is polled at a longer pause.
const OLD_RUN: Duration = Duration::from_hours(24);

/// Whether CircleCI is read now.
#[derive(Debug, Clone)]
pub enum ReadPlan {
    /// Write this, which reserves the read, then read.
    Now(Box<Commit>),
    /// CircleCI asked for a pause, which holds for every run: write this, and read after it.
    Later(Box<Commit>),
}

/// Plans the next read of a deploy.
#[must_use]
pub fn reserve_read(record: &DeployRecord, facts: &ProjectFacts, ctx: Context<'_>) -> ReadPlan {
    let mut record = record.clone();
    record.version += 1;
    if let Some(until) = facts.pause_end(ctx.now) {
        record.due_at = Some(until);
        return ReadPlan::Later(Box::new(Commit::of(record)));
    }
    let pause = pause_after(&record, facts, ctx);
    let reads = &mut record.reads;
    reads.step = match reads.at {
        Some(at) => elapsed(at, ctx.now).min(reads.pause).min(USUAL_PAUSE),
        None => Duration::ZERO,
    };
    reads.at = Some(ctx.now);
    reads.pause = pause;
    reads.count = reads.count.saturating_add(1);
    record.due_at = Some(ctx.now + pause.min(USUAL_PAUSE));
    ReadPlan::Now(Box::new(Commit::of(record)))
}

/// The pause after the next read. Where webhooks arrive, polls are only a safety net.
fn pause_after(record: &DeployRecord, facts: &ProjectFacts, ctx: Context<'_>) -> Duration {
    let timeouts = &ctx.config.timeouts;
    let since = record.run.as_ref().map(|run| run.triggered_at);
    if since.is_some_and(|since| elapsed(since, ctx.now) >= OLD_RUN) {
        return timeouts.poll_interval_old;
    }
    let (growth, longest) = if since.is_some() && facts.has_webhooks(ctx.now) {
        (4.0, timeouts.poll_interval_webhook)
    } else {
        (1.5, timeouts.poll_interval_max)
    };
    let longest = longest.max(timeouts.poll_interval_max);
    let first = timeouts.poll_interval_min;
    let backoff = Backoff {
        first,
        growth,
        longest,
    };
    backoff.pause(record.reads.count.saturating_add(1))
}

/// What the latest effort counts; it counts once.
pub(super) fn take_step(record: &mut DeployRecord) -> Duration {
    std::mem::take(&mut record.reads.step)
}

/// Sets the timer to the whole pause after the latest read. Until its result is on record the timer is
/// not far, in case its run dies.
pub(super) fn set_timer(record: &mut DeployRecord) {
    let ReadEfforts { at, pause, .. } = record.reads;
    if let Some(at) = at
        && pause > USUAL_PAUSE
        && record.due_at == Some(at + USUAL_PAUSE)
    {
        record.due_at = Some(at + pause);
    }
}

/// Makes the pause after the latest read shorter, if something ends before.
pub(super) fn shorten_pause(record: &mut DeployRecord, left: Duration) {
    let reads = &mut record.reads;
    if left < reads.pause
        && let Some(at) = reads.at
    {
        reads.pause = left;
        record.due_at = record.due_at.map(|due| due.min(at + left));
    }
}

/// Counts a failed read, and waits as long as CircleCI asks, within bounds.
pub(super) fn after_failure(
    record: &mut DeployRecord,
    error: &str,
    after: Option<Duration>,
    ctx: Context<'_>,
) -> FailedReads {
    let step = take_step(record);
    let last = record.reads.count;
    let failed = match record.reads.failed.take() {
        Some(failed) => FailedReads {
            count: failed.count.saturating_add((failed.last != last).into()),
            last,
            waited: failed.waited.saturating_add(step),
            error: error.to_owned(),
            ..failed
        },
        None => FailedReads {
            count: 1,
            last,
            waited: Duration::ZERO,
            since: ctx.now,
            error: error.to_owned(),
            told: false,
        },
    };
    record.reads.failed = Some(failed.clone());
    // One failure says little, so the next read follows soon. A series is read at a usual pause, which is
    // the most that each of its reads counts.
    let longest = if failed.are_many() {
        USUAL_PAUSE
    } else {
        ctx.config.timeouts.poll_interval_max
    };
    shorten_pause(record, longest);
    if let (Some(asked), Some(at)) = (after, record.reads.at) {
        let pause = asked.min(MAX_ASKED_PAUSE).max(record.reads.pause);
        record.reads.pause = pause;
        record.due_at = Some(at + pause);
    }
    failed
}
