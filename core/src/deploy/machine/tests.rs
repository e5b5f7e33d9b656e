//! The transitions, listed a second time, and what each leaves behind.

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
            let applied = apply_change(&record_in(from), change, AuditActor::Worker(me()), start());
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
        let (noted, event) = apply_change(&record, note, AuditActor::Worker(me()), at(9)).unwrap();
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

#[test]
fn an_operator_who_asks_for_a_deploy_is_on_its_record() {
    let begun_by = |by| {
        let ids = (id(), id().short_id(8));
        begin_deploy(ids, request(), None, at(600), by, start())
            .0
            .operator
    };
    let operator = AuditActor::Operator("root".to_owned());
    assert_eq!(begun_by(operator).as_deref(), Some("root"));
    assert_eq!(begun_by(AuditActor::Worker(me())), None);
}
