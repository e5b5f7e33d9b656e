//! What must hold for every single commit.
//!
//! A commit is written only over the very head it was decided from, so what it does to that head is
//! checked where it is decided: the audit's chain, that an end stays the end, the lock, the claim,
//! what is owed.

use chatops_core::audit::{Change, Hash};
use chatops_core::command::Wish;
use chatops_core::decide::Cause;
use chatops_core::deploy::{Head, State};
use chatops_core::id::{DeployId, DeployRef};
use chatops_core::machine;
use chatops_core::ports::{Commit, LockChange};
use chatops_core::reply::Kind;

use super::book::{pipeline_of, place_of};

/// What must hold for a commit over the head it was decided from.
pub(super) fn sound(before: Option<&Head>, commit: &Commit) -> Result<(), &'static str> {
    let head = &commit.head;
    let (version, events, last) = before.map_or((0, 0, Hash::START), |old| {
        (old.version, old.events, old.last_hash)
    });
    let check = |holds: bool, why: &'static str| if holds { Ok(()) } else { Err(why) };
    check(head.version == version + 1, "a commit skips a version")?;
    check(
        before.is_none_or(|old| old.id == head.id),
        "a commit changes another deploy",
    )?;
    check(
        commit.open.is_some() == before.is_none(),
        "I12: the reply item is not opened once",
    )?;
    let Some(event) = &commit.event else {
        let same = before.is_some_and(|old| {
            (old.state, old.events, old.last_hash) == (head.state, head.events, head.last_hash)
        });
        check(same, "I5: a change without an event")?;
        let quiet = commit.lock.is_none() && commit.claim.is_none() && commit.owe.is_empty();
        return check(quiet, "I5: consequences without an event");
    };
    let entry = event.entry().map_err(|_| "I5: an event cannot be read")?;
    let chained = entry.n == events + 1 && entry.prev == last;
    let told = entry.state == head.state && head.events == entry.n && head.last_hash == event.hash;
    check(
        chained && told && entry.deploy == head.id,
        "I5: head and audit differ",
    )?;
    let Some(old) = before else {
        check(
            commit.repeats.is_some() == head.retry_of.is_some(),
            "I16: a retry is not on record at the deploy that it repeats",
        )?;
        return check(
            head.state == State::Requested,
            "a deploy does not begin as REQUESTED",
        );
    };
    check(
        commit.repeats.is_none(),
        "I16: a retry is put on record after it began",
    )?;
    canceled(old, &entry.change)?;
    if old.state.is_terminal() {
        let note = matches!(entry.change, Change::Noted { .. }) && head.state == old.state;
        check(note, "I4: a deploy goes on after its end")?;
    }
    let legal = machine::next(old.state, &entry.change).is_ok_and(|state| state == head.state);
    check(legal, "a change the state machine does not allow")?;
    let owed: &[Kind] = match entry.change {
        Change::Started { .. } => &[Kind::Progress],
        Change::Ended { .. } => &[Kind::Final],
        _ => &[],
    };
    check(
        commit.owe == owed,
        "I15: what is owed does not follow from what happened",
    )?;
    let found = matches!(entry.change, Change::Triggered { .. });
    let own = pipeline_of(place_of(head.id));
    let claimed = !found || commit.claim == Some(own);
    check(
        claimed && found == commit.claim.is_some(),
        "I7: a pipeline of another deploy",
    )?;
    let locked = match (&entry.change, &commit.lock) {
        (Change::Armed { target, .. }, Some(LockChange::Take { .. })) => target.is_some(),
        (Change::Ended { state, .. }, lock) if old.holds.is_some() => match lock {
            Some(LockChange::Free { .. }) => *state != State::Unresolved,
            Some(LockChange::Expire { .. }) => *state == State::Unresolved,
            _ => false,
        },
        (Change::Armed { .. }, _) => false,
        (_, lock) => lock.is_none(),
    };
    check(locked, "I3: the lock does not follow from what happened")
}

/// What a wish to cancel on record leaves open: before anything is sent it is the end, and without
/// one nothing ends so.
fn canceled(old: &Head, change: &Change) -> Result<(), &'static str> {
    let ends = |is| matches!(change, Change::Ended { state, .. } if *state == is);
    let noted = matches!(change, Change::Noted { .. });
    match old.state {
        State::Requested if old.cancel.is_some() && !ends(State::Canceled) && !noted => {
            Err("I8: a deploy goes on that was canceled before it was armed")
        }
        State::Requested if old.cancel.is_none() && ends(State::Canceled) => {
            Err("I8: a deploy is canceled and nobody wished it")
        }
        _ => Ok(()),
    }
}

/// What must hold for the first transaction of the retry of `old`.
pub(super) fn repeats(old: &Head, cause: Cause<'_>, commit: &Commit) -> Result<(), &'static str> {
    let check = |holds: bool, why: &'static str| if holds { Ok(()) } else { Err(why) };
    let new = &commit.head;
    check(
        new.id == DeployId::of_retry(old.id),
        "I16: the id of a retry is not derived, so it can be made twice",
    )?;
    let Some(repeated) = &commit.repeats else {
        return Err("I16: a retry is not on record at the deploy that it repeats");
    };
    let after = &repeated.head;
    check(
        after.version == old.version + 1 && after.id == old.id && after.state == old.state,
        "I4: a retry changes the end of the deploy that it repeats",
    )?;
    let entry = repeated.event.entry();
    let entry = entry.map_err(|_| "I5: an event cannot be read")?;
    let chained = entry.n == old.events + 1 && entry.prev == old.last_hash;
    let told = after.events == entry.n && after.last_hash == repeated.event.hash;
    let said = entry.change == Change::Retried { by: new.id };
    check(
        chained && told && said && entry.deploy == old.id,
        "I5: head and audit of a deploy that is repeated differ",
    )?;
    check(
        new.retry_of == Some(old.id) && after.retried_by == Some(new.id),
        "I16: a retry and the deploy that it repeats do not name each other",
    )?;
    check(
        after.due_at.is_none() && !after.owes_order,
        "I16: an order is owed for a deploy that is repeated already",
    )?;
    let wish = match cause {
        Cause::Order => None,
        Cause::Wish(wish) => Some(wish),
    };
    check(
        new.wished_by == wish.map(|wish| wish.id),
        "I16: a retry does not say which wish has made it",
    )?;
    match old.state {
        State::TriggerFailed => Ok(()),
        State::Refused => check(wish.is_some(), "I16: an order repeats what was refused"),
        State::Unresolved => {
            let confirmed = wish.is_some_and(|wish| {
                let named = DeployRef::Full(old.id);
                matches!(&wish.wish, Wish::Retry { deploy, confirm: true, .. } if *deploy == named)
            });
            check(
                confirmed,
                "I16: nobody has looked whether the deploy that is repeated was started",
            )
        }
        _ => Err("I4: a deploy is repeated that was started or has not ended"),
    }
}
