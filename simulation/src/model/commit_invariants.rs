//! What must hold for every single commit.
//!
//! A commit is written only over the record it was decided from, so what it does to that record is
//! checked where it is decided: the audit's chain, that an end stays the end, the lock, the claim,
//! the pending notifications.

use chatops_core::audit::{self, AuditChange, AuditEvent, EventHash};
use chatops_core::command::DeployAction;
use chatops_core::deploy::decide::RetryCause;
use chatops_core::deploy::machine;
use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::id::{DeployId, DeployRef};
use chatops_core::message::ActionMessage;
use chatops_core::notification::NotificationKind;
use chatops_core::ports::{Commit, LockChange};

use super::ModelViolation;
use super::ids::{pipeline_of, place_of};
use crate::violation::Invariant::{
    self, AllowedRetry, CancelObeyed, NothingLost, OneEnd, OneRetry, OwnPipeline, SoundAudit,
    Termination, TrueEnd, ValidPost,
};
use crate::violation::Violation;

pub(super) type Check = Result<(), ModelViolation>;

/// Holds, or is a violation.
pub(super) fn check(
    holds: bool,
    of: impl Into<Option<Invariant>>,
    otherwise: &'static str,
) -> Check {
    if holds {
        Ok(())
    } else {
        Err(Violation::new(of, otherwise))
    }
}

/// What must hold for a commit over the record it was decided from.
pub(super) fn check_commit(before: Option<&DeployRecord>, commit: &Commit) -> Check {
    let record = &commit.record;
    let (version, events, last) = before.map_or((0, 0, EventHash::START), |old| {
        (old.version, old.events, old.last_hash)
    });
    check(
        record.version == version + 1,
        None,
        "a commit skips a version",
    )?;
    let same = before.is_none_or(|old| old.id == record.id);
    check(same, None, "a commit changes another deploy")?;
    let opened = commit.open_notifications.is_some() == before.is_none();
    check(
        opened,
        NothingLost,
        "the notification record is not opened once",
    )?;
    let Some(event) = commit.events.last() else {
        let same = before.is_some_and(|old| {
            (old.state, old.events, old.last_hash)
                == (record.state, record.events, record.last_hash)
        });
        check(same, SoundAudit, "a change without an event")?;
        let quiet =
            commit.lock.is_none() && commit.claim.is_none() && commit.notifications.is_empty();
        return check(quiet, SoundAudit, "consequences without an event");
    };
    let (mut n, mut prev) = (events, last);
    for event in &commit.events {
        let entry = event.entry().map_err(|_| UNREADABLE)?;
        let chained = entry.n == n + 1 && entry.prev == prev && entry.deploy == record.id;
        check(
            chained,
            SoundAudit,
            "an event does not follow the one before",
        )?;
        (n, prev) = (entry.n, event.hash);
    }
    let entry = event.entry().map_err(|_| UNREADABLE)?;
    let agrees =
        entry.state == record.state && record.events == entry.n && record.last_hash == event.hash;
    check(agrees, SoundAudit, "record and audit differ")?;
    match before {
        Some(old) => check_change(old, commit, &entry.change),
        None => check_first(commit),
    }
}

/// The record is what the events make of the one before. What the model has dropped from that is not
/// compared: the commit kept it.
pub(super) fn check_fold(before: Option<&DeployRecord>, commit: &Commit) -> Check {
    is_fold(before, &commit.events, &commit.record)
}

/// The same of the deploy that is retried.
pub(super) fn check_retried_fold(old: &DeployRecord, commit: &Commit) -> Check {
    let retried = commit.retried.as_deref();
    retried.map_or(Ok(()), |retried| {
        is_fold(
            Some(old),
            std::slice::from_ref(&retried.event),
            &retried.record,
        )
    })
}

fn is_fold(before: Option<&DeployRecord>, events: &[AuditEvent], record: &DeployRecord) -> Check {
    let folded = audit::fold_events(before, events).map_err(|_| UNREADABLE)?;
    let agrees = folded.is_some_and(|folded| folded.with_working_part(record) == *record);
    check(agrees, SoundAudit, "the events do not make the record")
}

/// What must hold for a deploy's first transaction.
fn check_first(commit: &Commit) -> Check {
    let is_retry = commit.record.retry_of.is_some();
    let named = commit.retried.is_some() == is_retry;
    check(named, OneRetry, NOT_ON_RECORD)?;
    let (state, count) = if is_retry {
        (DeployState::Triggering, 2)
    } else {
        (DeployState::Requested, 1)
    };
    let begins = commit.record.state == state && commit.events.len() == count;
    check(begins, None, "a deploy does not begin as it must")?;
    let locked = matches!(commit.lock, Some(LockChange::Take { .. })) == is_retry;
    check(locked, ValidPost, "a retry begins without the lock")
}

/// What must hold for a transaction that changes `old`.
fn check_change(old: &DeployRecord, commit: &Commit, change: &AuditChange) -> Check {
    let record = &commit.record;
    let late = commit.retried.is_some();
    check(!late, OneRetry, "a retry is put on record after it began")?;
    check_cancel(old, change)?;
    let requested = matches!(change, AuditChange::CancelRequested { .. });
    let why = "a cancel request is not on record";
    check(!requested || record.cancel.is_some(), CancelObeyed, why)?;
    if old.state.is_terminal() {
        let note = matches!(
            change,
            AuditChange::Noted { .. }
                | AuditChange::Learned
                | AuditChange::Noticed { .. }
                | AuditChange::Unlocked { .. }
        ) && record.state == old.state;
        check(note, OneEnd, "a deploy goes on after its end")?;
    }
    let legal = machine::next_state(old.state, change).is_ok_and(|state| state == record.state);
    check(legal, None, "a change the state machine does not allow")?;
    let pending: &[NotificationKind] = match change {
        AuditChange::Started { .. } => &[NotificationKind::Progress],
        AuditChange::Ended { .. } => &[NotificationKind::Final],
        AuditChange::Noticed { .. }
        | AuditChange::TriggerRolledBack { told: true, .. }
        | AuditChange::Unlocked { by: Some(_) } => &[NotificationKind::Notice],
        _ => &[],
    };
    let why = "the pending notifications do not follow from what happened";
    check(commit.notifications == pending, Termination, why)?;
    let found = matches!(change, AuditChange::Triggered { .. });
    let own = found.then(|| pipeline_of(place_of(record.id)));
    check(
        commit.claim == own,
        OwnPipeline,
        "a pipeline of another deploy",
    )?;
    let locked = match (change, &commit.lock) {
        (AuditChange::TriggerBegun { target, .. }, Some(LockChange::Take { .. })) => {
            target.is_some()
        }
        (AuditChange::Ended { state, .. }, lock) if old.locked_target.is_some() => {
            let unknown = matches!(state, DeployState::Unresolved | DeployState::LostTrack);
            match lock {
                Some(LockChange::Free { .. }) => !unknown && record.watch.is_none(),
                Some(LockChange::Expire { .. }) => unknown,
                None => record.watch.is_some(),
                Some(LockChange::Take { .. }) => false,
            }
        }
        (AuditChange::Unlocked { .. }, Some(LockChange::Free { .. })) => {
            old.locked_target.is_some()
        }
        (AuditChange::TriggerBegun { .. }, _) => false,
        (_, lock) => lock.is_none(),
    };
    check(
        locked,
        ValidPost,
        "the lock does not follow from what happened",
    )
}

const NOT_ON_RECORD: &str = "a retry is not on record at the deploy that it retries";

const UNREADABLE: ModelViolation = Violation {
    invariant: Some(SoundAudit),
    detail: "an event cannot be read",
};

/// A cancel on record ends a deploy before its trigger begins, and without one nothing ends so.
fn check_cancel(old: &DeployRecord, change: &AuditChange) -> Check {
    if old.state != DeployState::Requested {
        return Ok(());
    }
    let cancels =
        matches!(change, AuditChange::Ended { state, .. } if *state == DeployState::Canceled);
    if old.cancel.is_none() {
        return check(
            !cancels,
            TrueEnd,
            "a deploy is canceled and nobody requested it",
        );
    }
    let stops = cancels || matches!(change, AuditChange::Noted { .. });
    let why = "a deploy goes on that was canceled before its trigger began";
    check(stops, CancelObeyed, why)
}

/// What must hold for the first transaction of the retry of `old`.
pub(super) fn check_retry(old: &DeployRecord, cause: RetryCause<'_>, commit: &Commit) -> Check {
    let action = match cause {
        RetryCause::Ticket => None,
        RetryCause::Action(action) => Some(action),
    };
    check_allowed(old, action)?;
    let new = &commit.record;
    let why = "the id of a retry is not derived, so it can be made twice";
    let derived = DeployId::of_retry(old.id, action.map(|action| action.id));
    check(new.id == derived, OneRetry, why)?;
    let Some(retried) = &commit.retried else {
        return check(false, OneRetry, NOT_ON_RECORD);
    };
    let after = &retried.record;
    let unchanged =
        after.version == old.version + 1 && after.id == old.id && after.state == old.state;
    let why = "a retry changes the end of the deploy that it retries";
    check(unchanged, OneEnd, why)?;
    let entry = retried.event.entry().map_err(|_| UNREADABLE)?;
    let chained = entry.n == old.events + 1 && entry.prev == old.last_hash;
    let agrees = after.events == entry.n && after.last_hash == retried.event.hash;
    let named = entry.change == AuditChange::Retried { by: new.id } && entry.deploy == old.id;
    let why = "record and audit of a deploy that is retried differ";
    check(chained && agrees && named, SoundAudit, why)?;
    let named = new.retry_of == Some(old.id) && after.retried_by == Some(new.id);
    let why = "a retry and the deploy that it retries do not name each other";
    check(named, OneRetry, why)?;
    let done = after.due_at.is_none() && !after.owes_ticket;
    let why = "a ticket is owed for a deploy that is retried already";
    check(done, OneRetry, why)?;
    let named = new.retry_request == action.map(|action| action.id);
    check(named, OneRetry, "a retry does not say which action made it")?;
    let doubtful = match old.state {
        DeployState::Unresolved => Some(old.id),
        _ => old.unresolved_before,
    };
    let why = "a retry forgets that nobody knows whether one before it was started";
    check(new.unresolved_before == doubtful, AllowedRetry, why)
}

/// Whether such a deploy may be retried by this action, or by a ticket.
fn check_allowed(old: &DeployRecord, action: Option<&ActionMessage>) -> Check {
    let confirms = |id: DeployId| {
        let this = DeployRef::Full(id);
        action.is_some_and(|action| {
            matches!(&action.action, DeployAction::Retry { deploy, confirm: true, .. } if *deploy == this)
        })
    };
    let why = "nobody confirmed that the deploy that is retried was not started";
    match old.state {
        DeployState::TriggerFailed => {
            let before = old.unresolved_before;
            let confirmed = before.is_none_or(|id| confirms(id) || confirms(old.id));
            check(confirmed, AllowedRetry, why)
        }
        DeployState::Rejected => check(
            action.is_some(),
            AllowedRetry,
            "a ticket retries what was rejected",
        ),
        DeployState::Unresolved => check(confirms(old.id), AllowedRetry, why),
        _ => {
            let why = "a deploy is retried that was started or has not ended";
            check(false, AllowedRetry, why)
        }
    }
}
