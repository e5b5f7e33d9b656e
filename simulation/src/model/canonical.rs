//! The canonical form of a deploy: its record without what no decision depends on any more.
//!
//! Two records that every decision treats alike must come out equal, or the states never end; what a
//! decision still looks at must never be dropped, or a real state is not searched.

use std::time::Duration;

use chatops_core::audit::EventHash;
use chatops_core::deploy::{
    DeployEnd, DeployRecord, DeployState, EndReason, MatchedBy, Notice, ReadEfforts,
};

use super::clock::{TICK, next_tick, not_before, now};
use super::config::timeouts;
use super::ids::run_name;

/// The version of every stored record; only "the one after" matters.
pub(super) const VERSION: u64 = 10;

/// The record without what no decision depends on any more.
pub(super) fn canonical(mut record: DeployRecord) -> DeployRecord {
    use DeployState::{Requested, Triggering};
    let timeouts = timeouts();
    record.version = VERSION;
    record.events = VERSION;
    record.last_hash = EventHash::START;
    settle_reads(&mut record);
    // What was seen after the end is told once.
    record.notice = record
        .notice
        .take()
        .filter(|notice| record.watch.is_some() && matches!(notice, Notice::AfterEnd { .. }));
    record.attempts = record.attempts.min(1);
    record.request.requested_at = now();
    record.due_at = record.due_at.map(next_tick);
    let unmatched = matches!(record.state, Requested | Triggering);
    record.valid_until = if unmatched {
        record.valid_until.max(now())
    } else {
        now()
    };
    record.last_error = record
        .last_error
        .filter(|_| unmatched)
        .map(|_| "met".to_owned());
    record.token_refused &= unmatched;
    if let Some(intent) = &mut record.trigger_intent {
        intent.at = now();
        intent.unknown_because = intent.unknown_because.take().map(|_| "lost".to_owned());
        intent.send_by = not_before(intent.send_by, timeouts.lookup_give_up);
        if record.state != Triggering {
            intent.by = run_name(None);
            intent.send_by = now();
            intent.unknown_because = None;
        }
    }
    if let Some(run) = &mut record.run {
        run.matched_by = MatchedBy::Response;
        run.revision = None;
        // No run of the model is older than a day.
        run.triggered_at = now();
        run.created_at = run.created_at.map(|_| now());
    }
    if let Some(cancel) = &mut record.cancel {
        cancel.at = now();
    }
    if record.state.is_terminal() {
        record.cancel = None;
        record.attempts = 1;
        if record.watch.is_none() {
            record.trigger_intent = None;
            record.reads = ReadEfforts::default();
            if let Some(run) = &mut record.run {
                run.created_at = None;
            }
        }
        // A confirmation counts if it was requested after the end.
        let oldest = if needs_confirmation(&record) {
            timeouts.request_ttl + TICK
        } else {
            Duration::ZERO
        };
        record.end = record.end.map(|end| DeployEnd {
            at: not_before(end.at, oldest),
            reason: match end.reason {
                early @ EndReason::CanceledBeforeWorkflow { .. } => early,
                _ => EndReason::NoWorkflow,
            },
        });
    }
    record
}

/// Whether a retry of it has to be confirmed.
fn needs_confirmation(record: &DeployRecord) -> bool {
    record.state == DeployState::Unresolved
        || (record.state == DeployState::TriggerFailed && record.unresolved_before.is_some())
}

/// The reads without what no decision depends on. A pause counts as a whole or not at all, since the
/// clock of the model moves by ticks, and none is shorter.
fn settle_reads(record: &mut DeployRecord) {
    let timeouts = timeouts();
    let longest = timeouts.lookup_give_up.max(timeouts.empty_pipeline_timeout);
    let reads = &mut record.reads;
    if let Some(failed) = &mut reads.failed {
        failed.last = if failed.last == reads.count {
            0
        } else {
            u32::MAX
        };
    }
    reads.count = 0;
    reads.at = reads.at.map(|at| not_before(at, reads.pause));
    reads.waited = reads.waited.min(longest);
    if let Some(failed) = &mut reads.failed {
        failed.count = failed.count.min(5);
        failed.waited = failed.waited.min(longest);
        failed.since = now();
        "met".clone_into(&mut failed.error);
    }
    if let Some(wait) = &mut reads.wait {
        wait.waited = wait.waited.min(longest);
    }
    if let Some(watch) = &mut record.watch {
        watch.waited = watch.waited.min(timeouts.lock_ttl);
    }
}

/// The record a tick later.
pub(super) fn tick_record(mut record: DeployRecord) -> DeployRecord {
    record.valid_until -= TICK;
    record.due_at = record.due_at.map(|due| due - TICK);
    if let Some(intent) = &mut record.trigger_intent {
        intent.send_by -= TICK;
    }
    record.reads.at = record.reads.at.map(|at| at - TICK);
    if let Some(end) = &mut record.end {
        end.at -= TICK;
    }
    canonical(record)
}
