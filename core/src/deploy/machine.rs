//! The state machine: one `match` with every transition, and the function that changes a
//! [`DeployRecord`] and seals the audit event of the change.

use std::time::Duration;

use crate::Time;
use crate::audit::{AuditActor, AuditChange, AuditEntry, AuditEvent, EventHash, Opened};
use crate::deploy::{
    CancelRequest, CiRun, DeployEnd, DeployRecord, DeployRequest, DeployState, EndReason, Notice,
    ReadEfforts, RetryOrigin, RunFacts, RunWatch,
};
use crate::id::{DeployId, ShortId};

/// A change that is not allowed in this state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a deploy that is {from} cannot see '{change:?}'")]
pub struct IllegalTransition {
    /// The state.
    pub from: DeployState,
    /// The change.
    pub change: Box<AuditChange>,
}

/// The state after `change`, or an error that carries both.
///
/// No change leaves a terminal state: late evidence and a retry are recorded and keep it.
pub fn next_state(
    from: DeployState,
    change: &AuditChange,
) -> Result<DeployState, IllegalTransition> {
    use DeployState::{
        Rejected, Requested, Running, TriggerFailed, Triggered, Triggering, Unresolved,
    };
    match (from, change) {
        (Requested, AuditChange::TriggerBegun { .. }) => Ok(Triggering),
        (Triggering, AuditChange::TriggerRolledBack { .. }) => Ok(Requested),
        (Triggering, AuditChange::Triggered { .. }) => Ok(Triggered),
        (Triggered, AuditChange::Started { .. }) | (Running, AuditChange::Held { .. }) => {
            Ok(Running)
        }
        (_, AuditChange::Ended { state, .. }) if possible_ends(from).contains(state) => Ok(*state),
        (Triggering, AuditChange::OutcomeUnknown { .. })
        | (Requested | Triggering | Triggered | Running, AuditChange::CancelRequested { .. })
        | (Rejected | TriggerFailed | Unresolved, AuditChange::Retried { .. })
        | (TriggerFailed | Unresolved, AuditChange::Dismissed { .. })
        | (
            _,
            AuditChange::Noted { .. }
            | AuditChange::Notified { .. }
            | AuditChange::Noticed { .. }
            | AuditChange::Learned,
        )
        // A person can free the lock of a run that cannot be read or canceled; it is followed on.
        | (Triggered | Running, AuditChange::Unlocked { by: Some(_) }) => Ok(from),
        (_, AuditChange::Unlocked { .. }) if from.is_terminal() => Ok(from),
        _ => Err(IllegalTransition {
            from,
            change: Box::new(change.clone()),
        }),
    }
}

/// The ends that a state can reach.
fn possible_ends(from: DeployState) -> &'static [DeployState] {
    use DeployState::{
        Canceled, CiError, Failed, LostTrack, NothingRan, Rejected, Requested, Running, Succeeded,
        TriggerFailed, Triggered, Triggering, Unresolved,
    };
    match from {
        Requested => &[Rejected, TriggerFailed, Canceled],
        Triggering => &[TriggerFailed, Unresolved],
        Triggered => &[Canceled, NothingRan, CiError, LostTrack],
        Running => &[Succeeded, Failed, Canceled, NothingRan, CiError, LostTrack],
        _ => &[],
    }
}

/// The first version of a deploy, REQUESTED and due at once, with the first audit event.
#[must_use]
pub fn begin_deploy(
    (id, short_id): (DeployId, ShortId),
    request: DeployRequest,
    retry: Option<RetryOrigin>,
    valid_until: Time,
    by: AuditActor,
    now: Time,
) -> (DeployRecord, AuditEvent) {
    let opened = Opened {
        short_id,
        valid_until,
        retry_root: retry.map(|retry| retry.root),
        retry_request: retry.and_then(|retry| retry.request),
        unresolved_before: retry.and_then(|retry| retry.unresolved_before),
        action: retry.and_then(|retry| retry.action),
    };
    let event = AuditEvent::seal(&AuditEntry {
        deploy: id,
        n: 1,
        at: now,
        by: by.clone(),
        change: AuditChange::Requested {
            request: request.clone(),
            retry_of: retry.map(|retry| retry.of),
            opened: Some(Box::new(opened.clone())),
        },
        state: DeployState::Requested,
        revision: None,
        facts: None,
        prev: EventHash::START,
    });
    let first = (id, retry.map(|retry| retry.of));
    let record = first_record(first, request, opened, by, now);
    (record.followed_by(&event), event)
}

/// A deploy before its first event is counted.
fn first_record(
    (id, retry_of): (DeployId, Option<DeployId>),
    request: DeployRequest,
    opened: Opened,
    by: AuditActor,
    now: Time,
) -> DeployRecord {
    DeployRecord {
        id,
        short_id: opened.short_id,
        version: 0,
        state: DeployState::Requested,
        events: 0,
        last_hash: EventHash::START,
        request,
        valid_until: opened.valid_until,
        locked_target: None,
        attempts: 0,
        last_error: None,
        token_refused: false,
        trigger_intent: None,
        run: None,
        before: None,
        holds: vec![],
        jobs: None,
        reads: ReadEfforts::default(),
        watch: None,
        notice: None,
        due_at: Some(now),
        end: None,
        owes_ticket: false,
        cancel: None,
        retry_of,
        retry_request: opened.retry_request,
        operator: match by {
            AuditActor::Operator(name) => Some(name),
            _ => None,
        },
        retried_by: None,
        retry_root: opened.retry_root,
        unresolved_before: opened.unresolved_before,
        dismissed_by: None,
    }
}

/// The record that the first event of a deploy makes; `None` if it is no first event. What an event of an
/// earlier version does not say is a guess.
pub(crate) fn replay_first(event: &AuditEvent, entry: AuditEntry) -> Option<DeployRecord> {
    let AuditChange::Requested {
        request,
        retry_of,
        opened,
    } = entry.change
    else {
        return None;
    };
    let guess = || Opened {
        short_id: entry.deploy.short_id(ShortId::USUAL),
        valid_until: request.requested_at,
        retry_root: None,
        retry_request: None,
        unresolved_before: None,
        action: None,
    };
    let opened = opened.map_or_else(guess, |opened| *opened);
    let first = (entry.deploy, retry_of);
    let record = first_record(first, request, opened, entry.by, entry.at);
    (entry.state == record.state).then(|| record.followed_by(event))
}

/// The record that an event makes of the one before.
pub(crate) fn replay_next(
    record: &DeployRecord,
    event: &AuditEvent,
    entry: AuditEntry,
) -> Result<DeployRecord, IllegalTransition> {
    let mut next = change_record(record, &entry.change, entry.at)?;
    // Earlier versions said the commit alone.
    if entry.facts.is_some() || entry.revision.is_some() {
        let facts = entry.facts.or_else(|| RunFacts::of(&next));
        facts.unwrap_or_default().write(entry.revision, &mut next);
    }
    Ok(next.followed_by(event))
}

impl DeployRecord {
    /// This record, counting `event` as its last one.
    fn followed_by(mut self, event: &AuditEvent) -> Self {
        self.version += 1;
        self.events += 1;
        self.last_hash = event.hash;
        self
    }
}

/// Applies `change`: the next version of `record`, with its sealed audit event.
///
/// The caller sets the timer.
pub fn apply_change(
    record: &DeployRecord,
    change: AuditChange,
    by: AuditActor,
    now: Time,
) -> Result<(DeployRecord, AuditEvent), IllegalTransition> {
    let record = change_record(record, &change, now)?;
    let event = AuditEvent::seal(&AuditEntry {
        deploy: record.id,
        n: record.events + 1,
        at: now,
        by,
        change,
        state: record.state,
        revision: record.run.as_ref().and_then(|run| run.revision.clone()),
        facts: RunFacts::of(&record),
        prev: record.last_hash,
    });
    Ok((record.followed_by(&event), event))
}

/// What `change` makes of the record, not counting its event.
fn change_record(
    record: &DeployRecord,
    change: &AuditChange,
    now: Time,
) -> Result<DeployRecord, IllegalTransition> {
    let state = next_state(record.state, change)?;
    let mut record = record.clone();
    record.state = state;
    match change {
        AuditChange::TriggerBegun {
            attempt,
            intent,
            target,
            ..
        } => {
            record.attempts = *attempt;
            record.trigger_intent = Some(intent.clone());
            record.locked_target.clone_from(target);
            record.reads = ReadEfforts::default();
        }
        AuditChange::TriggerRolledBack {
            error,
            token_refused,
            told,
            ..
        } => {
            record.last_error = Some(error.clone());
            record.token_refused |= *token_refused;
            if *told {
                let error = error.clone();
                record.notice = Some(Notice::TriggerDelayed { error });
            }
        }
        AuditChange::OutcomeUnknown { because } => {
            if let Some(intent) = &mut record.trigger_intent {
                intent.unknown_because = Some(because.clone());
            }
        }
        AuditChange::Triggered {
            pipeline,
            matched_by,
        } => {
            record.run = Some(CiRun {
                pipeline: pipeline.clone(),
                matched_by: *matched_by,
                triggered_at: now,
                created_at: None,
                revision: None,
                subject: None,
                author: None,
            });
            record.reads = ReadEfforts::default();
        }
        AuditChange::Ended { reason, .. } => end(&mut record, reason, now),
        AuditChange::CancelRequested { by } => {
            record.cancel = Some(CancelRequest {
                by: by.clone(),
                at: now,
            });
        }
        AuditChange::Retried { by } => {
            record.retried_by = Some(*by);
            // A retry makes a ticket that was not written yet obsolete.
            record.owes_ticket = false;
        }
        AuditChange::Dismissed { by } => {
            record.dismissed_by = Some(by.clone());
            record.owes_ticket = false;
        }
        AuditChange::Noticed { notice } => record.notice = Some(notice.clone()),
        AuditChange::Unlocked { by } => {
            record.locked_target = None;
            match by {
                // What still appears of it is noted, and canceled where that was asked.
                Some(by) => record.notice = Some(Notice::Unlocked { by: by.clone() }),
                None => record.watch = None,
            }
        }
        AuditChange::Requested { .. }
        | AuditChange::Started { .. }
        | AuditChange::Held { .. }
        | AuditChange::Learned
        | AuditChange::Noted { .. }
        | AuditChange::Notified { .. } => {}
    }
    Ok(record)
}

/// Ends `record`, which has its new state already.
fn end(record: &mut DeployRecord, reason: &EndReason, now: Time) {
    record.end = Some(DeployEnd {
        at: now,
        reason: reason.clone(),
    });
    record.reads.wait = None;
    // What was waited before the end does not count after it.
    record.reads.step = Duration::ZERO;
    record.watch = reason.watch().map(|watch| RunWatch {
        cancels: watch.cancels || record.cancel.is_some(),
        ..watch
    });
    if record.watch.is_none() {
        record.locked_target = None;
    }
    // A later step puts the ticket into the dead-letter queue.
    record.owes_ticket = record.state == DeployState::TriggerFailed && reason.is_mendable();
}

#[cfg(test)]
mod tests;
