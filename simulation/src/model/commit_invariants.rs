//! What must hold for every single commit.
//!
//! A commit is written only over the very head it was decided from, so what it does to that head is
//! checked where it is decided: the audit's chain, that an end stays the end, the lock, the claim,
//! what is owed.

use chatops_core::audit::{AuditChange, EventHash};
use chatops_core::command::DeployAction;
use chatops_core::decide::RetryCause;
use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::id::{DeployId, DeployRef};
use chatops_core::machine;
use chatops_core::notification::NotificationKind;
use chatops_core::ports::{Commit, LockChange};

use super::interner::{pipeline_of, place_of};

/// What must hold for a commit over the head it was decided from.
pub(super) fn check_commit(
    before: Option<&DeployRecord>,
    commit: &Commit,
) -> Result<(), &'static str> {
    let record = &commit.record;
    let (version, events, last) = before.map_or((0, 0, EventHash::START), |old| {
        (old.version, old.events, old.last_hash)
    });
    let check = |holds: bool, why: &'static str| if holds { Ok(()) } else { Err(why) };
    check(record.version == version + 1, "a commit skips a version")?;
    check(
        before.is_none_or(|old| old.id == record.id),
        "a commit changes another deploy",
    )?;
    check(
        commit.open_notifications.is_some() == before.is_none(),
        "I12: the reply item is not opened once",
    )?;
    let Some(event) = &commit.event else {
        let same = before.is_some_and(|old| {
            (old.state, old.events, old.last_hash)
                == (record.state, record.events, record.last_hash)
        });
        check(same, "I5: a change without an event")?;
        let quiet =
            commit.lock.is_none() && commit.claim.is_none() && commit.notifications.is_empty();
        return check(quiet, "I5: consequences without an event");
    };
    let entry = event.entry().map_err(|_| "I5: an event cannot be read")?;
    let chained = entry.n == events + 1 && entry.prev == last;
    let told =
        entry.state == record.state && record.events == entry.n && record.last_hash == event.hash;
    check(
        chained && told && entry.deploy == record.id,
        "I5: head and audit differ",
    )?;
    let Some(old) = before else {
        check(
            commit.retried.is_some() == record.retry_of.is_some(),
            "I16: a retry is not on record at the deploy that it repeats",
        )?;
        return check(
            record.state == DeployState::Requested,
            "a deploy does not begin as REQUESTED",
        );
    };
    check(
        commit.retried.is_none(),
        "I16: a retry is put on record after it began",
    )?;
    check_cancel(old, &entry.change)?;
    if old.state.is_terminal() {
        let note = matches!(entry.change, AuditChange::Noted { .. }) && record.state == old.state;
        check(note, "I4: a deploy goes on after its end")?;
    }
    let legal =
        machine::next_state(old.state, &entry.change).is_ok_and(|state| state == record.state);
    check(legal, "a change the state machine does not allow")?;
    let owed: &[NotificationKind] = match entry.change {
        AuditChange::Started { .. } => &[NotificationKind::Progress],
        AuditChange::Ended { .. } => &[NotificationKind::Final],
        _ => &[],
    };
    check(
        commit.notifications == owed,
        "I15: what is owed does not follow from what happened",
    )?;
    let found = matches!(entry.change, AuditChange::Triggered { .. });
    let own = pipeline_of(place_of(record.id));
    let claimed = !found || commit.claim == Some(own);
    check(
        claimed && found == commit.claim.is_some(),
        "I7: a pipeline of another deploy",
    )?;
    let locked = match (&entry.change, &commit.lock) {
        (AuditChange::TriggerBegun { target, .. }, Some(LockChange::Take { .. })) => {
            target.is_some()
        }
        (AuditChange::Ended { state, .. }, lock) if old.locked_target.is_some() => match lock {
            Some(LockChange::Free { .. }) => *state != DeployState::Unresolved,
            Some(LockChange::Expire { .. }) => *state == DeployState::Unresolved,
            _ => false,
        },
        (AuditChange::TriggerBegun { .. }, _) => false,
        (_, lock) => lock.is_none(),
    };
    check(locked, "I3: the lock does not follow from what happened")
}

/// What a wish to cancel on record leaves open: before anything is sent it is the end, and without
/// one nothing ends so.
fn check_cancel(old: &DeployRecord, change: &AuditChange) -> Result<(), &'static str> {
    let ends = |is| matches!(change, AuditChange::Ended { state, .. } if *state == is);
    let noted = matches!(change, AuditChange::Noted { .. });
    match old.state {
        DeployState::Requested
            if old.cancel.is_some() && !ends(DeployState::Canceled) && !noted =>
        {
            Err("I8: a deploy goes on that was canceled before it was armed")
        }
        DeployState::Requested if old.cancel.is_none() && ends(DeployState::Canceled) => {
            Err("I8: a deploy is canceled and nobody wished it")
        }
        _ => Ok(()),
    }
}

/// What must hold for the first transaction of the retry of `old`.
pub(super) fn check_retry(
    old: &DeployRecord,
    cause: RetryCause<'_>,
    commit: &Commit,
) -> Result<(), &'static str> {
    let check = |holds: bool, why: &'static str| if holds { Ok(()) } else { Err(why) };
    let new = &commit.record;
    check(
        new.id == DeployId::of_retry(old.id),
        "I16: the id of a retry is not derived, so it can be made twice",
    )?;
    let Some(repeated) = &commit.retried else {
        return Err("I16: a retry is not on record at the deploy that it repeats");
    };
    let after = &repeated.record;
    check(
        after.version == old.version + 1 && after.id == old.id && after.state == old.state,
        "I4: a retry changes the end of the deploy that it repeats",
    )?;
    let entry = repeated.event.entry();
    let entry = entry.map_err(|_| "I5: an event cannot be read")?;
    let chained = entry.n == old.events + 1 && entry.prev == old.last_hash;
    let told = after.events == entry.n && after.last_hash == repeated.event.hash;
    let said = entry.change == AuditChange::Retried { by: new.id };
    check(
        chained && told && said && entry.deploy == old.id,
        "I5: head and audit of a deploy that is repeated differ",
    )?;
    check(
        new.retry_of == Some(old.id) && after.retried_by == Some(new.id),
        "I16: a retry and the deploy that it repeats do not name each other",
    )?;
    check(
        after.due_at.is_none() && !after.owes_ticket,
        "I16: an order is owed for a deploy that is repeated already",
    )?;
    let action = match cause {
        RetryCause::Ticket => None,
        RetryCause::Action(action) => Some(action),
    };
    check(
        new.retry_request == action.map(|action| action.id),
        "I16: a retry does not say which wish has made it",
    )?;
    match old.state {
        DeployState::TriggerFailed => Ok(()),
        DeployState::Rejected => check(action.is_some(), "I16: an order repeats what was refused"),
        DeployState::Unresolved => {
            let confirmed = action.is_some_and(|action| {
                let named = DeployRef::Full(old.id);
                matches!(&action.action, DeployAction::Retry { deploy, confirm: true, .. } if *deploy == named)
            });
            check(
                confirmed,
                "I16: nobody has looked whether the deploy that is repeated was started",
            )
        }
        _ => Err("I4: a deploy is repeated that was started or has not ended"),
    }
}
