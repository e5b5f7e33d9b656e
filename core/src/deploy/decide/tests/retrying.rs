//! Retries: whether, and what the first transaction writes.

use super::RetryDecision::{HasRun, InProgress, NeedsConfirm, Retried, TooOld, Yes};
use super::*;
use crate::ports::ActionOutcome;

/// A configuration that lets others deploy, too.
fn config() -> Config {
    let text = crate::fixtures::CONFIG
        .replace("[\"C012ABCDEF\"]", "[\"C012ABCDEF\", \"C99\"]")
        .replace("[\"U012ABCDEF\"]", "[\"U012ABCDEF\", \"U99\", \"U11\"]");
    Config::parse(&text, "chatops.toml").unwrap()
}

/// Another requester, in another conversation.
fn grace() -> Requester {
    Requester {
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

/// The request of the first deploy of the chain.
fn first() -> DeployRequest {
    DeployRequest {
        user: UserId::parse("U11").unwrap(),
        user_name: None,
        branch: branch("of-another-time"),
        ..requested().request
    }
}

fn begun(old: &DeployRecord, cause: RetryCause<'_>) -> Decision<Commit> {
    let (config, me) = (config(), me());
    let begun = begin_retry(old, &first(), cause, 8, ctx(&config, &me, 0, at(120)));
    begun.map(|allowed| allowed.unwrap())
}

/// What is decided about `old` at that second.
fn decided(old: &DeployRecord, cause: RetryCause<'_>, second: i64) -> RetryDecision {
    let (config, me) = (config(), me());
    decide_retry(old, &first(), cause, ctx(&config, &me, 0, at(second)))
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
            for (age, old) in [(0, false), (86_400, false), (86_401, true), (900_000, true)] {
                let action = action.clone().map(|action| ActionMessage {
                    requested_at: at(age),
                    ..action
                });
                let cause = action
                    .as_ref()
                    .map_or(RetryCause::Ticket, RetryCause::Action);
                for retried in [false, true] {
                    let mut record = record_in(state);
                    record.retried_by = retried.then(|| DeployId::of_retry(record.id, None));
                    let young = row[*column].clone();
                    let expected = match young {
                        InProgress | HasRun => young,
                        _ if retried => Retried,
                        _ if old && !forced => TooOld,
                        _ => young,
                    };
                    let decided = decided(&record, cause, age);
                    assert_eq!(decided, expected, "{state} {cause:?} {age} {retried}");
                }
            }
        }
    }
}

#[test]
fn confirming_an_earlier_deploy_does_not_confirm_this_one() {
    let old = record_in(Unresolved);
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
    let earlier = DeployId::of_request("T1", "A1", "earlier");
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
fn the_retry_of_a_person_is_theirs() {
    let action = retry(ActionRequester::User(grace()), true, false);
    for state in [TriggerFailed, Rejected, Unresolved] {
        let old = record_in(state);
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
            ..old.request.clone()
        };
        assert_eq!(record.request, expected);
        let by = AuditActor::User(expected.qualified_user());
        let entry = commit.events[0].entry().unwrap();
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
    assert_eq!(commit.record.request.branch, old.request.branch);
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
fn a_ticket_is_kept_as_long_as_it_can_be_carried_out() {
    let is_obsolete = |old: &DeployRecord, age| is_ticket_obsolete(old, at(age), &config());
    let old = record_in(TriggerFailed);
    assert!(!is_obsolete(&old, 86_400) && is_obsolete(&old, 86_401));
    let retried = begun(&old, RetryCause::Ticket).unwrap().retried.unwrap();
    assert!(is_obsolete(&retried.record, 120));
    // Whom the rules do not allow it today they may tomorrow; a doubt is for a person.
    let mut denied = old.clone();
    denied.request.branch = branch("feature/x");
    assert!(!is_obsolete(&denied, 120));
    let mut doubtful = old;
    doubtful.unresolved_before = Some(DeployId::of_request("T1", "A1", "earlier"));
    assert!(!is_obsolete(&doubtful, 120));
}

#[test]
fn what_cannot_be_retried_is_illegal() {
    for (state, row) in TABLE {
        let can = row.contains(&Yes);
        let action = retry(operator(), true, true);
        for cause in [RetryCause::Ticket, RetryCause::Action(&action)] {
            let opened = begun(&record_in(state), cause);
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
    let one = begun(&old, RetryCause::Ticket).unwrap();
    let other = begun(&old, RetryCause::Action(&action)).unwrap();
    // They are two deploys over the same version of the old one, so only one is written.
    assert_ne!(one.record.id, other.record.id);
    let version = |commit: Commit| commit.retried.unwrap().record.version;
    assert_eq!(version(one), version(other));
}

/// Users and channels that have no right to the job, each alone.
fn strangers() -> [Requester; 3] {
    let mallory = UserId::parse("U66").unwrap();
    let elsewhere = ChannelId::parse("C66").unwrap();
    [
        Requester {
            user: mallory,
            ..grace()
        },
        Requester {
            channel: elsewhere,
            ..grace()
        },
        Requester {
            team: TeamId::parse("T66").unwrap(),
            ..grace()
        },
    ]
}

#[test]
fn who_may_not_run_it_may_not_retry_it() {
    for state in [TriggerFailed, Rejected, Unresolved] {
        for stranger in strangers() {
            let action = retry(ActionRequester::User(stranger), true, false);
            let why = decided(&record_in(state), RetryCause::Action(&action), 120);
            let RetryDecision::NotAllowed { rejection } = why else {
                panic!("{state}: {why:?}")
            };
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
    old.request.branch = branch("feature/x");
    let why = decided(&old, RetryCause::Action(&action), 120);
    let RetryDecision::NotAllowed { rejection } = why else {
        panic!("{why:?}")
    };
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
    let why = decided(&old, RetryCause::Action(&action), 700);
    let RetryDecision::NotAllowed { rejection } = why else {
        panic!("{why:?}")
    };
    assert!(
        matches!(rejection, Rejection::Expired { .. }),
        "{rejection:?}"
    );
}

#[test]
fn a_doubt_lasts_until_something_after_it_was_triggered() {
    let doubtful = record_in(Unresolved);
    let person = |confirm| retry(ActionRequester::User(grace()), confirm, false);
    let commit = begun(&doubtful, RetryCause::Action(&person(true))).unwrap();
    // The retry was not triggered, whether it ends by itself or is retried in turn.
    let failed = DeployRecord {
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
    }
    let confirmed = person(true);
    let cause = RetryCause::Action(&confirmed);
    assert_eq!(check_newer_success(&old, Some(&newer), cause), Yes);
    let (config, me) = (config(), me());
    let [list] = &newest_success_filters(&old, ctx(&config, &me, 0, at(120)))[..] else {
        panic!("the project has one name")
    };
    assert!(list.matches(&newer) && !list.matches(&success(-50)));
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

#[test]
fn what_a_repetition_cannot_change_waits_for_none() {
    for (status, waits) in [
        (400, false),
        (404, false),
        (422, false),
        (401, true),
        (403, true),
    ] {
        let refused = TriggerOutcome::Refused {
            status,
            message: "no".into(),
        };
        let old = posted(&triggering(), &refused, at(1)).unwrap().record;
        assert_eq!(
            (old.owes_ticket, old.awaits_retry()),
            (waits, waits),
            "{status}"
        );
        // A person may know better.
        let person = retry(ActionRequester::User(grace()), false, false);
        assert_eq!(decided(&old, RetryCause::Action(&person), 120), Yes);
    }
}
