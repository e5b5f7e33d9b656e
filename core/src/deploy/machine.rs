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
mod tests {
    use super::*;
    use crate::audit;
    use crate::deploy::{ActedBy, DeployState::*, MatchedBy};
    use crate::fixtures::{at, begin_trigger, id, me, pipeline, record_in, request, start};
    use crate::notification::{DeliveryStatus, NotificationKind};

    /// Every kind of change; `Ended` once for every state, the terminal ones and the others.
    fn changes() -> Vec<AuditChange> {
        let mut all = vec![
            AuditChange::Requested {
                request: request(),
                retry_of: None,
                opened: None,
            },
            begin_trigger(2),
            AuditChange::TriggerRolledBack {
                error: "429".into(),
                token_refused: false,
                again_at: at(5),
                told: false,
            },
            AuditChange::OutcomeUnknown {
                because: "a reset".into(),
            },
            AuditChange::Triggered {
                pipeline: pipeline(7),
                matched_by: MatchedBy::Response,
            },
            AuditChange::Started {
                workflows: vec!["build".into()],
            },
            AuditChange::CancelRequested {
                by: ActedBy::User(crate::fixtures::qualified_user().into()),
            },
            AuditChange::Retried { by: id() },
            AuditChange::Held {
                workflows: vec!["build".into()],
                jobs: vec!["approve".into()],
            },
            AuditChange::Learned,
            AuditChange::Noted {
                note: "seen".into(),
            },
            AuditChange::Noticed {
                notice: Notice::NothingStarted,
            },
            AuditChange::Unlocked { by: None },
            AuditChange::Notified {
                notification: NotificationKind::Final,
                delivery: DeliveryStatus::Unknown,
            },
        ];
        all.extend(DeployState::ALL.map(|state| AuditChange::Ended {
            state,
            reason: EndReason::NoWorkflow,
        }));
        all
    }

    /// The legal transitions, listed independently: from, change, to.
    fn legal(from: DeployState, change: &AuditChange) -> Option<DeployState> {
        let table: &[(DeployState, &str, DeployState)] = &[
            (Requested, "trigger_begun", Triggering),
            (Requested, "ended TRIGGER_FAILED", TriggerFailed),
            (Requested, "ended REJECTED", Rejected),
            (Requested, "ended CANCELED", Canceled),
            (Requested, "cancel_requested", Requested),
            (Triggering, "trigger_rolled_back", Requested),
            (Triggering, "outcome_unknown", Triggering),
            (Triggering, "triggered", Triggered),
            (Triggering, "ended TRIGGER_FAILED", TriggerFailed),
            (Triggering, "ended UNRESOLVED", Unresolved),
            (Triggering, "cancel_requested", Triggering),
            (Triggered, "started", Running),
            (Triggered, "ended CANCELED", Canceled),
            (Triggered, "ended NOTHING_RAN", NothingRan),
            (Triggered, "ended CI_ERROR", CiError),
            (Triggered, "ended LOST_TRACK", LostTrack),
            (Triggered, "cancel_requested", Triggered),
            (Running, "ended SUCCEEDED", Succeeded),
            (Running, "ended FAILED", Failed),
            (Running, "ended CANCELED", Canceled),
            (Running, "ended NOTHING_RAN", NothingRan),
            (Running, "ended CI_ERROR", CiError),
            (Running, "ended LOST_TRACK", LostTrack),
            (Running, "cancel_requested", Running),
            (Running, "held", Running),
            (Rejected, "retried", Rejected),
            (TriggerFailed, "retried", TriggerFailed),
            (Unresolved, "retried", Unresolved),
        ];
        let value = serde_json::to_value(change).unwrap();
        let mut word = value["kind"].as_str().unwrap().to_owned();
        if let AuditChange::Ended { state, .. } = change {
            word = format!("{word} {state}");
        }
        if matches!(&*word, "noted" | "notified" | "noticed" | "learned") {
            return Some(from);
        }
        if word == "unlocked" {
            return from.is_terminal().then_some(from);
        }
        let row = table.iter().find(|(f, w, _)| *f == from && *w == word);
        row.map(|(_, _, to)| *to)
    }

    #[test]
    fn exactly_the_legal_pairs_are_accepted() {
        let mut accepted = 0;
        for from in DeployState::ALL {
            for change in changes() {
                let expected = legal(from, &change).ok_or_else(|| IllegalTransition {
                    from,
                    change: Box::new(change.clone()),
                });
                accepted += usize::from(expected.is_ok());
                assert_eq!(next_state(from, &change), expected, "{from} and {change:?}");
                let applied =
                    apply_change(&record_in(from), change, AuditActor::Worker(me()), start());
                assert_eq!(applied.map(|(record, _)| record.state), expected);
            }
        }
        let ends = DeployState::ALL.iter().filter(|state| state.is_terminal());
        assert_eq!(accepted, 28 + 4 * DeployState::ALL.len() + ends.count());
    }

    #[test]
    fn a_terminal_state_is_left_by_nothing() {
        for from in DeployState::ALL.into_iter().filter(|s| s.is_terminal()) {
            for change in changes() {
                match next_state(from, &change) {
                    Ok(to) => {
                        assert_eq!(to, from);
                        assert!(matches!(
                            change,
                            AuditChange::Noted { .. }
                                | AuditChange::Learned
                                | AuditChange::Notified { .. }
                                | AuditChange::Noticed { .. }
                                | AuditChange::Unlocked { .. }
                                | AuditChange::Retried { .. }
                        ));
                    }
                    Err(illegal) => assert_eq!((illegal.from, *illegal.change), (from, change)),
                }
            }
        }
    }

    #[test]
    fn every_state_can_be_reached() {
        for state in DeployState::ALL {
            assert_eq!(record_in(state).state, state);
        }
    }

    #[test]
    fn a_note_changes_nothing_but_the_count() {
        for state in DeployState::ALL {
            let record = record_in(state);
            let note = AuditChange::Noted {
                note: "seen".into(),
            };
            let (noted, event) =
                apply_change(&record, note, AuditActor::Worker(me()), at(9)).unwrap();
            let expected = DeployRecord {
                version: record.version + 1,
                events: record.events + 1,
                last_hash: event.hash,
                ..record
            };
            assert_eq!(noted, expected);
        }
    }

    #[test]
    fn each_change_is_a_version_and_a_link_of_the_chain() {
        let by = || AuditActor::Worker(me());
        let valid_until = at(600);
        let short = id().short_id(8);
        let (mut record, first) =
            begin_deploy((id(), short), request(), None, valid_until, by(), start());
        assert_eq!(
            (record.version, record.events, record.due_at),
            (1, 1, Some(start()))
        );
        let mut events = vec![first];
        let way = [1, 2, 0, 1, 6, 3, 4, 5, 8];
        let end = AuditChange::Ended {
            state: Failed,
            reason: EndReason::NoWorkflow,
        };
        let way = way.into_iter().map(|i| changes().swap_remove(i));
        for (i, change) in way
            .filter(|c| !matches!(c, AuditChange::Requested { .. }))
            .enumerate()
        {
            let now = at(i64::try_from(i).unwrap());
            let before = record.clone();
            let event;
            (record, event) = apply_change(&record, change.clone(), by(), now).unwrap();
            assert_eq!(record.version, before.version + 1);
            assert_eq!(record.events, before.events + 1);
            assert_eq!(record.last_hash, event.hash);
            let entry = event.entry().unwrap();
            assert_eq!(
                (entry.n, entry.at, entry.state),
                (record.events, now, record.state)
            );
            assert_eq!((entry.change, entry.prev), (change, before.last_hash));
            events.push(event);
        }
        let (record, event) = apply_change(&record, end, by(), at(99)).unwrap();
        events.push(event);
        assert_eq!(record.end.as_ref().map(|end| end.at), Some(at(99)));
        // A workflow may still come, so the lock is kept until it is freed by another change.
        assert!(record.watch.is_some() && record.locked_target.is_some());
        let unlocked = AuditChange::Unlocked { by: None };
        let (record, event) = apply_change(&record, unlocked, by(), at(100)).unwrap();
        events.push(event);
        assert_eq!((record.watch, record.locked_target), (None, None));
        audit::verify_chain(id(), &events, record.last_hash).unwrap();
    }
}
