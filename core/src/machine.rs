//! The state machine: one `match` that owns every transition, and the one function that changes a
//! [`Head`] and seals the audit event that says so.

use crate::Time;
use crate::audit::{Actor, Change, Entry, Event, Hash};
use crate::deploy::{Ask, CancelWish, End, Head, Run, State};
use crate::id::{DeployId, ShortId};

/// A change that cannot happen in this state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a deploy that is {from} cannot see '{change:?}'")]
pub struct Illegal {
    /// The state.
    pub from: State,
    /// The change.
    pub change: Box<Change>,
}

/// The state after `change`, or an error that carries both.
///
/// A terminal state is left by nothing; late evidence is noted and changes nothing.
pub fn next(from: State, change: &Change) -> Result<State, Illegal> {
    use State::{
        Armed, Canceled, CiErrored, Failed, LostTrack, NothingRan, Refused, Requested, Running,
        Succeeded, TriggerFailed, Triggered, Unresolved,
    };
    match (from, change) {
        (Requested, Change::Armed { .. }) => Ok(Armed),
        (Requested, Change::Ended { state: end @ (Refused | TriggerFailed | Canceled), .. })
        | (Armed, Change::Ended { state: end @ (TriggerFailed | Unresolved), .. })
        | (Triggered, Change::Ended { state: end @ (NothingRan | CiErrored | LostTrack), .. })
        | (
            Running,
            Change::Ended {
                state: end @ (Succeeded | Failed | Canceled | NothingRan | CiErrored | LostTrack),
                ..
            },
        ) => Ok(*end),
        (Armed, Change::Disarmed { .. }) => Ok(Requested),
        (Armed, Change::Doubted { .. }) => Ok(Armed),
        (Armed, Change::Triggered { .. }) => Ok(Triggered),
        (Triggered, Change::Started { .. }) => Ok(Running),
        (Requested | Armed | Triggered | Running, Change::CancelWished { .. })
        | (_, Change::Noted { .. }) => Ok(from),
        _ => Err(Illegal { from, change: Box::new(change.clone()) }),
    }
}

/// The first version of a deploy, REQUESTED and due at once, with the event that opens its audit.
#[must_use]
pub fn begin(
    (id, short): (DeployId, ShortId),
    ask: Ask,
    retry_of: Option<DeployId>,
    valid_until: Time,
    by: Actor,
    now: Time,
) -> (Head, Event) {
    let event = Event::seal(&Entry {
        deploy: id,
        n: 1,
        at: now,
        by,
        change: Change::Requested { ask: ask.clone(), retry_of },
        state: State::Requested,
        prev: Hash::START,
    });
    let head = Head {
        id,
        short,
        version: 1,
        state: State::Requested,
        events: 1,
        last_hash: event.hash,
        ask,
        valid_until,
        holds: None,
        attempts: 0,
        last_obstacle: None,
        token_refused: false,
        armed: None,
        run: None,
        looks: 0,
        due_at: Some(now),
        end: None,
        owes_order: false,
        cancel: None,
        retry_of,
        retried_by: None,
    };
    (head, event)
}

/// Applies `change` to `head`: the next version of it, with the sealed event that records why.
///
/// The timer is not touched: what is due next is the caller's decision.
pub fn apply(head: &Head, change: Change, by: Actor, now: Time) -> Result<(Head, Event), Illegal> {
    let state = next(head.state, &change)?;
    let mut head = head.clone();
    head.state = state;
    match &change {
        Change::Armed { attempt, armed, target, .. } => {
            head.attempts = *attempt;
            head.armed = Some(armed.clone());
            head.holds.clone_from(target);
            head.looks = 0;
        }
        Change::Disarmed { obstacle, token_refused, .. } => {
            head.last_obstacle = Some(obstacle.clone());
            head.token_refused |= *token_refused;
        }
        Change::Doubted { doubt } => {
            if let Some(armed) = &mut head.armed {
                armed.doubt = Some(doubt.clone());
            }
        }
        Change::Triggered { pipeline, proof } => {
            head.run =
                Some(Run { pipeline: pipeline.clone(), proof: *proof, since: now, revision: None });
            head.looks = 0;
        }
        Change::Started { .. } => head.looks = 0,
        Change::Ended { state, reason } => {
            head.end = Some(End { at: now, reason: reason.clone() });
            head.holds = None;
            // The order goes to the dead-letter queue in a step of its own, so it is owed first.
            head.owes_order = *state == State::TriggerFailed;
        }
        Change::CancelWished { by } => {
            head.cancel = Some(CancelWish { by: by.clone(), at: now });
        }
        Change::Requested { .. } | Change::Noted { .. } => {}
    }
    head.version += 1;
    head.events += 1;
    let event = Event::seal(&Entry {
        deploy: head.id,
        n: head.events,
        at: now,
        by,
        change,
        state,
        prev: head.last_hash,
    });
    head.last_hash = event.hash;
    Ok((head, event))
}
