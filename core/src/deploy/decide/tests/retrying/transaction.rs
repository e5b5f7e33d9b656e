//! What the transaction that begins a retry writes: the new deploy, and the old one's next version.
//! Whether it may begin is decided elsewhere.

use super::*;
use crate::audit::Opened;
use crate::id::RequestId;
use crate::ports::{ActionOutcome, ActionRecord};
use crate::rejection::Rejection;

#[test]
fn the_retry_of_a_person_is_theirs() {
    let action = retry(ActionRequester::User(grace()), true, false);
    for state in [TriggerFailed, Rejected, Unresolved] {
        let mut old = record_in(state);
        // Neither is the retry's.
        old.request.refused = Some(Box::new(Rejection::NoProject { known: vec![] }));
        old.request.press = Some(RequestId::of_request("T1", "A1", "press"));
        let commit = begun(&old, RetryCause::Action(&action)).unwrap();
        let record = &commit.record;
        assert_eq!((record.state, record.version), (Triggering, 1));
        assert_eq!((record.events, commit.events.len()), (2, 2));
        assert_eq!(record.id, DeployId::of_retry(old.id, Some(action.id)));
        assert_eq!(record.retry_root, Some(old.id));
        let doubtful = (state == Unresolved).then_some(old.id);
        assert_eq!(record.unresolved_before, doubtful);
        assert_eq!(record.short_id, record.id.short_id(8));
        assert_eq!(record.retry_of, Some(old.id));
        assert_eq!(record.retry_request, Some(action.id));
        assert_eq!(
            (record.due_at, record.valid_until),
            (Some(at(135)), at(700))
        );
        let grace = grace();
        let expected = DeployRequest {
            team: grace.team,
            channel: grace.channel,
            user: grace.user.clone(),
            user_name: grace.user_name,
            requested_at: at(100),
            refused: None,
            press: None,
            ..old.request.clone()
        };
        assert_eq!(record.request, expected);
        let by = AuditActor::User(expected.qualified_user());
        let entry = commit.events[0].entry().unwrap();
        assert_eq!(entry.by, by);
        let change = AuditChange::Requested {
            request: expected,
            retry_of: Some(old.id),
            opened: Some(Box::new(Opened {
                short_id: record.short_id.clone(),
                valid_until: at(700),
                retry_root: Some(old.id),
                retry_request: Some(action.id),
                unresolved_before: record.unresolved_before,
                action: commit.action.as_ref().map(ActionRecord::digest),
            })),
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
        assert!(commit.notifications.is_empty() && commit.claim.is_none());
        let target = record.locked_target.clone().unwrap();
        let take = LockChange::Take {
            target,
            now: at(120),
            inherits: Some(old.id),
        };
        assert_eq!(commit.lock, Some(take));
        let done = commit.action.clone().unwrap();
        let retried = ActionOutcome::Retried { deploy: record.id };
        assert_eq!((done.id, done.outcome), (action.id, retried));
        assert_old_is_retried(&old, &commit, &by);
    }
}

#[test]
fn a_tickets_retry_is_the_first_requesters_and_requested_now() {
    let old = record_in(TriggerFailed);
    let commit = begun(&old, RetryCause::Ticket).unwrap();
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
    assert_eq!(commit.events[0].entry().unwrap().by, by);
    assert_old_is_retried(&old, &commit, &by);
}

#[test]
fn an_operators_retry_is_the_first_requesters_and_the_audit_names_the_operator() {
    let action = retry(operator(), true, true);
    let old = record_in(Unresolved);
    let commit = begun(&old, RetryCause::Action(&action)).unwrap();
    assert_eq!(commit.record.request.user.as_str(), "U11");
    assert_eq!(commit.record.request.git_ref, old.request.git_ref);
    assert_eq!(commit.record.request.requested_at, at(100));
    assert_eq!(commit.record.retry_request, Some(action.id));
    let notification = commit.open_notifications.as_ref().unwrap();
    assert_eq!(
        (notification.expires_at, notification.response_url.is_none()),
        (at(1_840), true)
    );
    let by = AuditActor::Operator("root".into());
    assert_eq!(commit.events[0].entry().unwrap().by, by);
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
        status: 403,
        message: "no".into(),
    };
    let old = posted(&triggering(), &refused, at(1)).unwrap().record;
    assert!(old.owes_ticket && old.due_at.is_some());
    assert!(matches!(step(&old, &me(), 0, at(2)), WriteTicket));
    let commit = begun(&old, RetryCause::Ticket).unwrap();
    let record = commit.retried.unwrap().record;
    assert_eq!((record.owes_ticket, record.due_at), (false, None));
    assert!(matches!(step(&record, &me(), 0, at(9_999)), Wait));
    // An invocation that is about to write the ticket has the same version, and loses.
    assert_eq!(ticket_written(&old).record.version, record.version);
}

#[test]
fn a_deploy_is_retried_only_once() {
    let old = record_in(TriggerFailed);
    let action = retry(ActionRequester::User(grace()), false, false);
    let one = begun(&old, RetryCause::Ticket).unwrap();
    let other = begun(&old, RetryCause::Action(&action)).unwrap();
    // They are two deploys over the same version of the old one, so only one is written.
    assert_ne!(one.record.id, other.record.id);
    let version = |commit: Commit| commit.retried.unwrap().record.version;
    assert_eq!(version(one), version(other));
}
