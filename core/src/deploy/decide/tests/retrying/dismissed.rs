//! What no longer waits for a retry: dismissed deploys, and tickets that cannot be carried out any more.

use super::*;

#[test]
fn a_ticket_is_kept_as_long_as_it_can_be_carried_out() {
    let is_obsolete = |old: &DeployRecord, age| is_ticket_obsolete(old, at(age), &config());
    let old = record_in(TriggerFailed);
    assert!(!is_obsolete(&old, 86_400) && is_obsolete(&old, 86_401));
    let retried = begun(&old, RetryCause::Ticket).unwrap().retried.unwrap();
    assert!(is_obsolete(&retried.record, 120));
    // Whom the rules do not allow it today they may tomorrow; a doubt is for a person.
    let mut denied = old.clone();
    denied.request.git_ref = branch("feature/x");
    assert!(!is_obsolete(&denied, 120));
    let mut doubtful = old;
    doubtful.unresolved_before = Some(DeployId::of_request("T1", "A1", "earlier"));
    assert!(!is_obsolete(&doubtful, 120));
}

#[test]
fn what_is_dismissed_waits_no_longer_and_can_be_retried_by_name() {
    let (config, me) = (config(), me());
    let ctx = ctx(&config, &me, 0, at(120));
    let deploy = DeployRef::Full(id());
    let by = |from| ActionMessage {
        requested_at: at(100),
        ..action(
            from,
            DeployAction::Dismiss {
                deploy: deploy.clone(),
            },
        )
    };
    for state in TABLE.map(|(state, _)| state) {
        let old = record_in(state);
        let person = by(ActionRequester::User(grace()));
        match decide_dismiss(&old, &person, ctx).unwrap() {
            DismissDecision::Write(commit) => {
                assert!(matches!(state, TriggerFailed | Unresolved), "{state}");
                let record = commit.record;
                assert!(!record.awaits_retry() && !record.owes_ticket);
                assert_eq!((record.due_at, record.state), (None, state));
                let again = decide_dismiss(&record, &person, ctx).unwrap();
                assert!(matches!(again, DismissDecision::AlreadyDismissed(_)));
                let ticket = decided(&record, RetryCause::Ticket, 120);
                let retry = retry(ActionRequester::User(grace()), true, false);
                let retry = decided(&record, RetryCause::Action(&retry), 120);
                assert_eq!(retry, Yes);
                assert_ne!(ticket, Yes);
            }
            DismissDecision::NotWaiting => {
                assert!(!matches!(state, TriggerFailed | Unresolved), "{state}");
            }
            other => panic!("{state}: {other:?}"),
        }
        for stranger in strangers() {
            let denied = decide_dismiss(&old, &by(ActionRequester::User(stranger)), ctx);
            assert!(
                matches!(denied.unwrap(), DismissDecision::Denied(_)),
                "{state}"
            );
        }
    }
}
