//! What must hold for every single commit.
//!
//! A commit is written only over the very head it was decided from, so what it does to that head is
//! checked where it is decided: the audit's chain, that an end stays the end, the lock, the claim,
//! what is owed.

use chatops_core::audit::{Change, Hash};
use chatops_core::deploy::{Head, State};
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
        return check(
            head.state == State::Requested,
            "a deploy does not begin as REQUESTED",
        );
    };
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
