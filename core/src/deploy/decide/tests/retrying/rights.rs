//! Who may retry what, and for how long a request to do so counts. A doubt is no matter of rights.

use super::*;

/// Why the action may not retry `old` at that second.
fn denied(old: &DeployRecord, action: &ActionMessage, second: i64) -> Rejection {
    match decided(old, RetryCause::Action(action), second) {
        RetryDecision::NotAllowed { rejection } => rejection,
        why => panic!("{}: {why:?}", old.state),
    }
}

#[test]
fn who_may_not_run_it_may_not_retry_it() {
    for state in [TriggerFailed, Rejected, Unresolved] {
        for stranger in strangers() {
            let action = retry(ActionRequester::User(stranger), true, false);
            let rejection = denied(&record_in(state), &action, 120);
            let begun = begin_retry(
                &record_in(state),
                &first(),
                RetryCause::Action(&action),
                8,
                ctx(&config(), &me(), 0, at(120)),
            );
            assert_eq!(begun.unwrap().unwrap_err(), rejection);
        }
    }
}

#[test]
fn an_operator_is_asked_for_what_and_which_branch() {
    let action = retry(operator(), false, false);
    let mut old = record_in(TriggerFailed);
    assert_eq!(decided(&old, RetryCause::Action(&action), 120), Yes);
    old.request.git_ref = branch("feature/x");
    let rejection = denied(&old, &action, 120);
    assert!(
        matches!(rejection, Rejection::Branch { .. }),
        "{rejection:?}"
    );
}

#[test]
fn an_action_that_comes_too_late_retries_nothing() {
    let action = retry(ActionRequester::User(grace()), false, false);
    let old = record_in(TriggerFailed);
    assert_eq!(decided(&old, RetryCause::Action(&action), 699), Yes);
    let rejection = denied(&old, &action, 700);
    assert!(
        matches!(rejection, Rejection::Expired { .. }),
        "{rejection:?}"
    );
}
