//! What has to be confirmed: an unknown outcome, its retries, and what a newer success has replaced.

use super::*;

#[test]
fn confirming_an_earlier_deploy_does_not_confirm_this_one() {
    let earlier = DeployId::of_request("T1", "A1", "earlier");
    let old = DeployRecord {
        unresolved_before: Some(earlier),
        ..record_in(Unresolved)
    };
    let confirmed = |deploy| {
        let mut action = retry(ActionRequester::User(grace()), true, false);
        action.action = DeployAction::Retry {
            deploy,
            confirm: true,
            force: false,
        };
        decided(&old, RetryCause::Action(&action), 120)
    };
    assert_eq!(confirmed(DeployRef::Short(old.short_id.clone())), Yes);
    assert_eq!(confirmed(DeployRef::Full(earlier)), NeedsConfirm);
    assert_eq!(
        confirmed(DeployRef::Short(earlier.short_id(8))),
        NeedsConfirm
    );
}

#[test]
fn confirming_before_the_end_confirms_nothing() {
    let old = record_in(Unresolved);
    let ended = old.end.as_ref().unwrap().at;
    let confirmed = |requested_at| {
        let action = ActionMessage {
            requested_at,
            ..retry(ActionRequester::User(grace()), true, false)
        };
        decided(&old, RetryCause::Action(&action), 200)
    };
    assert_eq!(confirmed(ended), Yes);
    assert_eq!(confirmed(ended - Duration::from_secs(1)), NeedsConfirm);
}

#[test]
fn a_cancel_confirms_nothing() {
    let deploy = DeployRef::Full(id());
    let cancel = action(operator(), DeployAction::Cancel { deploy });
    let why = |age| decided(&record_in(Unresolved), RetryCause::Action(&cancel), age);
    assert_eq!((why(0), why(86_401)), (NeedsConfirm, TooOld));
}

#[test]
fn a_doubt_lasts_until_something_after_it_was_triggered() {
    let doubtful = record_in(Unresolved);
    let person = |confirm| retry(ActionRequester::User(grace()), confirm, false);
    let commit = begun(&doubtful, RetryCause::Action(&person(true))).unwrap();
    // The retry was not triggered, whether it ends by itself or is retried in turn.
    let failed = DeployRecord {
        id: commit.record.id,
        unresolved_before: commit.record.unresolved_before,
        ..record_in(TriggerFailed)
    };
    for cause in [RetryCause::Ticket, RetryCause::Action(&person(false))] {
        assert_eq!(decided(&failed, cause, 120), NeedsConfirm);
    }
    // Either may be named: the deploy that may run, or the one that is retried.
    for named in [failed.id, doubtful.id] {
        let deploy = DeployRef::Full(named);
        let action = ActionMessage {
            action: DeployAction::Retry {
                deploy,
                confirm: true,
                force: false,
            },
            ..person(true)
        };
        assert_eq!(decided(&failed, RetryCause::Action(&action), 120), Yes);
        let next = begun(&failed, RetryCause::Action(&action)).unwrap().record;
        assert_eq!(next.unresolved_before, Some(doubtful.id));
    }
}

#[test]
fn an_older_deploy_replaces_a_newer_success_only_if_somebody_confirms() {
    let to_production = |state| {
        let mut record = record_in(state);
        record.request.environment = Some("production".into());
        record
    };
    let old = to_production(TriggerFailed);
    let success = |second| {
        let mut record = to_production(Succeeded);
        record.id = DeployId::of_request("T1", "A1", "newer");
        record.request.requested_at = at(second);
        record
    };
    let person = |confirm| retry(ActionRequester::User(grace()), confirm, false);
    let newer = success(50);
    for cause in [RetryCause::Ticket, RetryCause::Action(&person(false))] {
        let why = check_newer_success(&old, Some(&newer), cause);
        assert!(matches!(why, RetryDecision::Superseded(_)), "{why:?}");
        assert_eq!(check_newer_success(&old, Some(&success(-50)), cause), Yes);
        assert_eq!(check_newer_success(&old, None, cause), Yes);
        assert_eq!(check_newer_success(&newer, Some(&newer), cause), Yes);
    }
    let confirmed = person(true);
    let cause = RetryCause::Action(&confirmed);
    assert_eq!(check_newer_success(&old, Some(&newer), cause), Yes);
    let (config, me) = (config(), me());
    let [list] = &newest_success_filters(&old, ctx(&config, &me, 0, at(120)))[..] else {
        panic!("the project has one name")
    };
    assert!(list.matches(&newer) && !list.matches(&success(-50)));
    let elsewhere = |change: fn(&mut DeployRecord)| {
        let mut other = newer.clone();
        change(&mut other);
        other
    };
    for other in [
        elsewhere(|other| other.state = Failed),
        elsewhere(|other| other.request.project = Some(project("shop"))),
        elsewhere(|other| other.request.environment = Some("staging".to_owned())),
    ] {
        assert!(!list.matches(&other), "{other:?}");
    }
}
