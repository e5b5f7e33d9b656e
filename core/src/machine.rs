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
/// A terminal state is left by nothing; late evidence, or that somebody tries it again, is noted and
/// changes nothing.
pub fn next(from: State, change: &Change) -> Result<State, Illegal> {
    use State::{Armed, Refused, Requested, Running, TriggerFailed, Triggered, Unresolved};
    match (from, change) {
        (Requested, Change::Armed { .. }) => Ok(Armed),
        (Armed, Change::Disarmed { .. }) => Ok(Requested),
        (Armed, Change::Triggered { .. }) => Ok(Triggered),
        (Triggered, Change::Started { .. }) | (Running, Change::Held { .. }) => Ok(Running),
        (_, Change::Ended { state, .. }) if ends(from).contains(state) => Ok(*state),
        (Armed, Change::Doubted { .. })
        | (Requested | Armed | Triggered | Running, Change::CancelWished { .. })
        | (Refused | TriggerFailed | Unresolved, Change::Retried { .. })
        | (_, Change::Noted { .. }) => Ok(from),
        _ => Err(Illegal {
            from,
            change: Box::new(change.clone()),
        }),
    }
}

/// The ends that a state can come to.
fn ends(from: State) -> &'static [State] {
    use State::{
        Armed, Canceled, CiErrored, Failed, LostTrack, NothingRan, Refused, Requested, Running,
        Succeeded, TriggerFailed, Triggered, Unresolved,
    };
    match from {
        Requested => &[Refused, TriggerFailed, Canceled],
        Armed => &[TriggerFailed, Unresolved],
        Triggered => &[NothingRan, CiErrored, LostTrack],
        Running => &[
            Succeeded, Failed, Canceled, NothingRan, CiErrored, LostTrack,
        ],
        _ => &[],
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
        change: Change::Requested {
            ask: ask.clone(),
            retry_of,
        },
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
        held: false,
        looks: 0,
        due_at: Some(now),
        end: None,
        owes_order: false,
        cancel: None,
        retry_of,
        wished_by: None,
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
        Change::Armed {
            attempt,
            armed,
            target,
            ..
        } => {
            head.attempts = *attempt;
            head.armed = Some(armed.clone());
            head.holds.clone_from(target);
            head.looks = 0;
        }
        Change::Disarmed {
            obstacle,
            token_refused,
            ..
        } => {
            head.last_obstacle = Some(obstacle.clone());
            head.token_refused |= *token_refused;
        }
        Change::Doubted { doubt } => {
            if let Some(armed) = &mut head.armed {
                armed.doubt = Some(doubt.clone());
            }
        }
        Change::Triggered { pipeline, proof } => {
            head.run = Some(Run {
                pipeline: pipeline.clone(),
                proof: *proof,
                since: now,
                created: None,
                revision: None,
            });
            head.looks = 0;
        }
        Change::Started { .. } => head.looks = 0,
        Change::Held { .. } => head.held = true,
        Change::Ended { state, reason } => {
            head.end = Some(End {
                at: now,
                reason: reason.clone(),
            });
            head.holds = None;
            // The order goes to the dead-letter queue in a step of its own, so it is owed first.
            head.owes_order = *state == State::TriggerFailed;
        }
        Change::CancelWished { by } => {
            head.cancel = Some(CancelWish {
                by: by.clone(),
                at: now,
            });
        }
        Change::Retried { by } => {
            head.retried_by = Some(*by);
            // An order to try again that was not placed yet has nothing left to say.
            head.owes_order = false;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit;
    use crate::deploy::{By, Proof, Reason, State::*};
    use crate::fixtures::{arming, ask, at, head_in, id, me, pipeline, start, user};

    /// Every kind of change; `Ended` once for every state, the terminal ones and the others.
    fn changes() -> Vec<Change> {
        let mut all = vec![
            Change::Requested {
                ask: ask(),
                retry_of: None,
            },
            arming(2),
            Change::Disarmed {
                obstacle: "429".into(),
                token_refused: false,
                again_at: at(5),
            },
            Change::Doubted {
                doubt: "a reset".into(),
            },
            Change::Triggered {
                pipeline: pipeline(7),
                proof: Proof::Answer,
            },
            Change::Started {
                workflows: vec!["build".into()],
            },
            Change::CancelWished {
                by: By::Person(user()),
            },
            Change::Retried { by: id() },
            Change::Held {
                workflows: vec!["build".into()],
            },
            Change::Noted {
                note: "seen".into(),
            },
        ];
        all.extend(State::ALL.map(|state| Change::Ended {
            state,
            reason: Reason::NoWorkflow,
        }));
        all
    }

    /// The legal pairs, written down once more: from, change, to.
    fn legal(from: State, change: &Change) -> Option<State> {
        let table: &[(State, &str, State)] = &[
            (Requested, "armed", Armed),
            (Requested, "ended TRIGGER_FAILED", TriggerFailed),
            (Requested, "ended REFUSED", Refused),
            (Requested, "ended CANCELED", Canceled),
            (Requested, "cancel_wished", Requested),
            (Armed, "disarmed", Requested),
            (Armed, "doubted", Armed),
            (Armed, "triggered", Triggered),
            (Armed, "ended TRIGGER_FAILED", TriggerFailed),
            (Armed, "ended UNRESOLVED", Unresolved),
            (Armed, "cancel_wished", Armed),
            (Triggered, "started", Running),
            (Triggered, "ended NOTHING_RAN", NothingRan),
            (Triggered, "ended CI_ERRORED", CiErrored),
            (Triggered, "ended LOST_TRACK", LostTrack),
            (Triggered, "cancel_wished", Triggered),
            (Running, "ended SUCCEEDED", Succeeded),
            (Running, "ended FAILED", Failed),
            (Running, "ended CANCELED", Canceled),
            (Running, "ended NOTHING_RAN", NothingRan),
            (Running, "ended CI_ERRORED", CiErrored),
            (Running, "ended LOST_TRACK", LostTrack),
            (Running, "cancel_wished", Running),
            (Running, "held", Running),
            (Refused, "retried", Refused),
            (TriggerFailed, "retried", TriggerFailed),
            (Unresolved, "retried", Unresolved),
        ];
        let value = serde_json::to_value(change).unwrap();
        let mut word = value["what"].as_str().unwrap().to_owned();
        if let Change::Ended { state, .. } = change {
            word = format!("{word} {state}");
        }
        if word == "noted" {
            return Some(from);
        }
        let row = table.iter().find(|(f, w, _)| *f == from && *w == word);
        row.map(|(_, _, to)| *to)
    }

    #[test]
    fn exactly_the_legal_pairs_are_accepted() {
        let mut accepted = 0;
        for from in State::ALL {
            for change in changes() {
                let expected = legal(from, &change).ok_or_else(|| Illegal {
                    from,
                    change: Box::new(change.clone()),
                });
                accepted += usize::from(expected.is_ok());
                assert_eq!(next(from, &change), expected, "{from} and {change:?}");
                // What is not allowed cannot be applied either.
                let applied = apply(&head_in(from), change, Actor::Worker(me()), start());
                assert_eq!(applied.map(|(head, _)| head.state), expected);
            }
        }
        assert_eq!(accepted, 27 + State::ALL.len());
    }

    #[test]
    fn a_terminal_state_is_left_by_nothing() {
        for from in State::ALL.into_iter().filter(|s| s.is_terminal()) {
            for change in changes() {
                match next(from, &change) {
                    Ok(to) => {
                        assert_eq!(to, from);
                        assert!(matches!(
                            change,
                            Change::Noted { .. } | Change::Retried { .. }
                        ));
                    }
                    Err(illegal) => assert_eq!((illegal.from, *illegal.change), (from, change)),
                }
            }
        }
    }

    #[test]
    fn every_state_can_be_reached() {
        for state in State::ALL {
            assert_eq!(head_in(state).state, state);
        }
    }

    #[test]
    fn a_note_changes_nothing_but_the_count() {
        for state in State::ALL {
            let head = head_in(state);
            let note = Change::Noted {
                note: "seen".into(),
            };
            let (noted, event) = apply(&head, note, Actor::Worker(me()), at(9)).unwrap();
            let expected = Head {
                version: head.version + 1,
                events: head.events + 1,
                last_hash: event.hash,
                ..head
            };
            assert_eq!(noted, expected);
        }
    }

    #[test]
    fn only_a_hold_marks_it_as_held() {
        for from in State::ALL {
            for change in changes() {
                let is_hold = matches!(change, Change::Held { .. });
                let head = head_in(from);
                if let Ok((after, _)) = apply(&head, change, Actor::Worker(me()), at(9)) {
                    assert_eq!(after.held, is_hold);
                    assert!(!is_hold || after.due_at == head.due_at);
                }
            }
        }
        // What was held once stays so to the end.
        let held = Change::Held { workflows: vec![] };
        let by = || Actor::Worker(me());
        let (once, _) = apply(&head_in(Running), held.clone(), by(), at(9)).unwrap();
        let end = Change::Ended {
            state: Succeeded,
            reason: Reason::NoWorkflow,
        };
        let (twice, _) = apply(&once, held, by(), at(10)).unwrap();
        assert!(apply(&twice, end, by(), at(11)).unwrap().0.held);
    }

    #[test]
    fn each_change_is_a_version_and_a_link_of_the_chain() {
        let by = || Actor::Worker(me());
        let valid_until = at(600);
        let short = id().short(8);
        let (mut head, first) = begin((id(), short), ask(), None, valid_until, by(), start());
        assert_eq!(
            (head.version, head.events, head.due_at),
            (1, 1, Some(start()))
        );
        let mut events = vec![first];
        let way = [1, 2, 0, 1, 6, 3, 4, 5, 8];
        let end = Change::Ended {
            state: Failed,
            reason: Reason::NoWorkflow,
        };
        let way = way.into_iter().map(|i| changes().swap_remove(i));
        for (i, change) in way
            .filter(|c| !matches!(c, Change::Requested { .. }))
            .enumerate()
        {
            let now = at(i64::try_from(i).unwrap());
            let before = head.clone();
            let event;
            (head, event) = apply(&head, change.clone(), by(), now).unwrap();
            assert_eq!(head.version, before.version + 1);
            assert_eq!(head.events, before.events + 1);
            assert_eq!(head.last_hash, event.hash);
            let entry = event.entry().unwrap();
            assert_eq!(
                (entry.n, entry.at, entry.state),
                (head.events, now, head.state)
            );
            assert_eq!((entry.change, entry.prev), (change, before.last_hash));
            events.push(event);
        }
        let (head, event) = apply(&head, end, by(), at(99)).unwrap();
        events.push(event);
        assert_eq!(head.end.map(|end| end.at), Some(at(99)));
        assert_eq!(head.holds, None);
        audit::verify(id(), &events, head.last_hash).unwrap();
    }
}
