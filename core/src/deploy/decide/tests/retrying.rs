//! Retries: whether, and what the first transaction writes.

use super::RetryDecision::{HasRun, InProgress, NeedsConfirm, Retried, TooOld, Yes};
use super::*;

/// Another requester, in another conversation.
fn grace() -> Requester {
    Requester {
        team: TeamId::parse("T99").unwrap(),
        channel: ChannelId::parse("C99").unwrap(),
        user: UserId::parse("U99").unwrap(),
        user_name: Some("grace".into()),
        ..requester()
    }
}

fn operator() -> ActionRequester {
    ActionRequester::Operator {
        name: "root".into(),
    }
}

fn retry(from: ActionRequester, confirm: bool, force: bool) -> ActionMessage {
    let deploy = DeployRef::Full(id());
    ActionMessage {
        requested_at: at(100),
        ..action(
            from,
            DeployAction::Retry {
                deploy,
                confirm,
                force,
            },
        )
    }
}

fn opened(old: &DeployRecord, cause: RetryCause<'_>) -> Decision<Commit> {
    let config = config();
    let me = me();
    let first = DeployRequest {
        user: UserId::parse("U11").unwrap(),
        user_name: None,
        branch: branch("of-another-time"),
        ..requested().request
    };
    open_retry(old, &first, cause, 8, ctx(&config, &me, 0, at(120)))
}

/// Every state with the decisions for a ticket, an action and one with `confirm` while it is young.
const TABLE: [(DeployState, [RetryDecision; 3]); 13] = [
    (Requested, [InProgress, InProgress, InProgress]),
    (Triggering, [InProgress, InProgress, InProgress]),
    (Triggered, [InProgress, InProgress, InProgress]),
    (Running, [InProgress, InProgress, InProgress]),
    (Succeeded, [HasRun, HasRun, HasRun]),
    (Failed, [HasRun, HasRun, HasRun]),
    (Canceled, [HasRun, HasRun, HasRun]),
    (NothingRan, [HasRun, HasRun, HasRun]),
    (CiError, [HasRun, HasRun, HasRun]),
    (TriggerFailed, [Yes, Yes, Yes]),
    (Rejected, [HasRun, Yes, Yes]),
    (Unresolved, [HasRun, NeedsConfirm, Yes]),
    (LostTrack, [HasRun, HasRun, HasRun]),
];

#[test]
fn every_state_under_every_cause_at_every_age() {
    let config = config();
    let me = me();
    let person = || ActionRequester::User(grace());
    // The action, its column, and whether the deploy may be old.
    let actions = [
        (None, 0, false),
        (Some(retry(person(), false, false)), 1, false),
        (Some(retry(person(), true, false)), 2, false),
        (Some(retry(operator(), false, false)), 1, false),
        (Some(retry(operator(), true, false)), 2, false),
        (Some(retry(operator(), false, true)), 1, true),
        (Some(retry(operator(), true, true)), 2, true),
        // Nobody in Slack can force, whatever a message says.
        (Some(retry(person(), true, true)), 2, false),
    ];
    for (state, row) in TABLE {
        for (action, column, forced) in &actions {
            let cause = action
                .as_ref()
                .map_or(RetryCause::Ticket, RetryCause::Action);
            for (age, old) in [(0, false), (86_400, false), (86_401, true), (900_000, true)] {
                for retried in [false, true] {
                    let mut record = record_in(state);
                    record.retried_by = retried.then(|| DeployId::of_retry(record.id));
                    let young = row[*column];
                    let expected = match young {
                        InProgress | HasRun => young,
                        _ if retried => Retried,
                        _ if old && !forced => TooOld,
                        _ => young,
                    };
                    let decided = decide_retry(&record, cause, ctx(&config, &me, 0, at(age)));
                    assert_eq!(decided, expected, "{state} {cause:?} {age} {retried}");
                }
            }
        }
    }
}

#[test]
fn confirming_an_earlier_deploy_does_not_confirm_this_one() {
    let (config, me) = (config(), me());
    let old = record_in(Unresolved);
    let confirmed = |deploy| {
        let mut action = retry(ActionRequester::User(grace()), true, false);
        action.action = DeployAction::Retry {
            deploy,
            confirm: true,
            force: false,
        };
        decide_retry(
            &old,
            RetryCause::Action(&action),
            ctx(&config, &me, 0, at(120)),
        )
    };
    assert_eq!(confirmed(DeployRef::Short(old.short_id.clone())), Yes);
    let earlier = DeployId::of_request("T1", "A1", "earlier");
    assert_eq!(confirmed(DeployRef::Full(earlier)), NeedsConfirm);
    assert_eq!(
        confirmed(DeployRef::Short(earlier.short_id(8))),
        NeedsConfirm
    );
}

#[test]
fn confirming_before_the_end_confirms_nothing() {
    let (config, me) = (config(), me());
    let old = record_in(Unresolved);
    let ended = old.end.as_ref().unwrap().at;
    let confirmed = |requested_at| {
        let action = ActionMessage {
            requested_at,
            ..retry(ActionRequester::User(grace()), true, false)
        };
        decide_retry(
            &old,
            RetryCause::Action(&action),
            ctx(&config, &me, 0, at(200)),
        )
    };
    assert_eq!(confirmed(ended), Yes);
    assert_eq!(confirmed(ended - Duration::from_secs(1)), NeedsConfirm);
}

#[test]
fn a_cancel_confirms_nothing() {
    let config = config();
    let me = me();
    let deploy = DeployRef::Full(id());
    let cancel = action(operator(), DeployAction::Cancel { deploy });
    let why = |age| {
        let ctx = ctx(&config, &me, 0, at(age));
        decide_retry(&record_in(Unresolved), RetryCause::Action(&cancel), ctx)
    };
    assert_eq!((why(0), why(86_401)), (NeedsConfirm, TooOld));
}

#[test]
fn the_retry_of_a_person_is_theirs() {
    let action = retry(ActionRequester::User(grace()), true, false);
    for state in [TriggerFailed, Rejected, Unresolved] {
        let old = record_in(state);
        let commit = opened(&old, RetryCause::Action(&action)).unwrap();
        let record = &commit.record;
        assert_eq!((record.state, record.version), (Requested, 1));
        assert_eq!(record.id, DeployId::of_retry(old.id));
        assert_eq!(record.short_id, record.id.short_id(8));
        assert_eq!(record.retry_of, Some(old.id));
        assert_eq!(record.retry_request, Some(action.id));
        assert_eq!(
            (record.due_at, record.valid_until),
            (Some(at(120)), at(700))
        );
        let grace = grace();
        let expected = DeployRequest {
            team: grace.team,
            channel: grace.channel,
            user: grace.user.clone(),
            user_name: grace.user_name,
            requested_at: at(100),
            ..old.request.clone()
        };
        assert_eq!(record.request, expected);
        let by = AuditActor::User(expected.qualified_user());
        let entry = commit.event.as_ref().unwrap().entry().unwrap();
        assert_eq!(entry.by, by);
        let change = AuditChange::Requested {
            request: expected,
            retry_of: Some(old.id),
        };
        assert_eq!(entry.change, change);
        let notification = commit.open_notifications.as_ref().unwrap();
        assert_eq!(
            (notification.deploy, notification.expires_at),
            (record.id, at(1_840))
        );
        assert_eq!(
            notification.response_url.as_ref().unwrap().expose(),
            response_url().expose()
        );
        assert!(commit.notifications.is_empty() && commit.lock.is_none() && commit.claim.is_none());
        assert_old_is_retried(&old, &commit, &by);
    }
}

#[test]
fn a_tickets_retry_is_the_first_requesters_and_requested_now() {
    let old = record_in(TriggerFailed);
    let commit = opened(&old, RetryCause::Ticket).unwrap();
    let expected = DeployRequest {
        user: UserId::parse("U11").unwrap(),
        user_name: None,
        requested_at: at(120),
        ..old.request.clone()
    };
    assert_eq!(commit.record.request, expected);
    assert_eq!(commit.record.retry_request, None);
    assert_eq!(commit.record.valid_until, at(720));
    let notification = commit.open_notifications.as_ref().unwrap();
    assert_eq!(
        (notification.expires_at, notification.response_url.is_none()),
        (at(1_860), true)
    );
    let by = AuditActor::Worker(me());
    assert_eq!(commit.event.as_ref().unwrap().entry().unwrap().by, by);
    assert_old_is_retried(&old, &commit, &by);
}

#[test]
fn an_operators_retry_is_the_first_requesters_and_the_audit_names_the_operator() {
    let action = retry(operator(), true, true);
    let old = record_in(Unresolved);
    let commit = opened(&old, RetryCause::Action(&action)).unwrap();
    assert_eq!(commit.record.request.user.as_str(), "U11");
    assert_eq!(commit.record.request.branch, old.request.branch);
    assert_eq!(commit.record.request.requested_at, at(100));
    assert_eq!(commit.record.retry_request, Some(action.id));
    let notification = commit.open_notifications.as_ref().unwrap();
    assert_eq!(
        (notification.expires_at, notification.response_url.is_none()),
        (at(1_840), true)
    );
    let by = AuditActor::Operator("root".into());
    assert_eq!(commit.event.as_ref().unwrap().entry().unwrap().by, by);
    assert_old_is_retried(&old, &commit, &by);
}

/// The old deploy's next version: retried, and nothing left to do.
fn assert_old_is_retried(old: &DeployRecord, commit: &Commit, by: &AuditActor) {
    let repeated = commit.retried.as_ref().unwrap();
    let new = commit.record.id;
    let expected = DeployRecord {
        version: old.version + 1,
        events: old.events + 1,
        last_hash: repeated.event.hash,
        retried_by: Some(new),
        owes_ticket: false,
        due_at: None,
        ..old.clone()
    };
    assert_eq!(repeated.record, expected);
    let entry = repeated.event.entry().unwrap();
    assert_eq!((&entry.by, entry.at), (by, at(120)));
    assert_eq!(
        (entry.change, entry.prev),
        (AuditChange::Retried { by: new }, old.last_hash)
    );
    assert!(!expected.awaits_retry());
}

#[test]
fn a_retry_makes_an_unwritten_ticket_obsolete() {
    let refused = TriggerOutcome::Refused {
        status: 404,
        message: "no".into(),
    };
    let old = posted(&triggering(), &refused, at(1)).unwrap().record;
    assert!(old.owes_ticket && old.due_at.is_some());
    assert!(matches!(step(&old, &me(), 0, at(2)), WriteTicket));
    let commit = opened(&old, RetryCause::Ticket).unwrap();
    let record = commit.retried.unwrap().record;
    assert_eq!((record.owes_ticket, record.due_at), (false, None));
    assert!(matches!(step(&record, &me(), 0, at(9_999)), Wait));
    // An invocation that is about to write the ticket has the same version, and loses.
    assert_eq!(ticket_written(&old).record.version, record.version);
}

#[test]
fn what_cannot_be_retried_is_illegal() {
    for (state, row) in TABLE {
        let can = row.contains(&Yes);
        let action = retry(operator(), true, true);
        for cause in [RetryCause::Ticket, RetryCause::Action(&action)] {
            let opened = opened(&record_in(state), cause);
            assert_eq!(opened.is_ok(), can, "{state}");
            if let Err(illegal) = opened {
                assert_eq!(illegal.from, state);
            }
        }
    }
}

#[test]
fn a_deploy_is_retried_only_once() {
    let old = record_in(TriggerFailed);
    let action = retry(ActionRequester::User(grace()), false, false);
    let one = opened(&old, RetryCause::Ticket).unwrap();
    let other = opened(&old, RetryCause::Action(&action)).unwrap();
    // Both are version 1 of the same deploy, over the same version of the old one.
    assert_eq!(one.record.id, other.record.id);
    let version = |commit: Commit| commit.retried.unwrap().record.version;
    assert_eq!(version(one), version(other));
}
