//! Trying a deploy again: whether, and what the first transaction of the retry writes.

use super::RetryDecision::{HasRun, InProgress, NeedsConfirm, Retried, TooOld, Yes};
use super::*;

/// One who presses from another place, under another name.
fn presser() -> Requester {
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
        ..wish(
            from,
            DeployAction::Retry {
                deploy,
                confirm,
                force,
            },
        )
    }
}

fn opened(old: &DeployRecord, cause: RetryCause<'_>) -> Result<Commit, IllegalTransition> {
    let config = config();
    let me = me();
    let first = DeployRequest {
        user: UserId::parse("U11").unwrap(),
        user_name: None,
        branch: branch("of-another-time"),
        ..requested().request
    };
    open_retry(old, &first, cause, 8, here(&config, &me, 0, at(120)))
}

/// Every state, and what an order, a wish and a wish with `confirm` come to while it is young.
const TABLE: [(DeployState, [RetryDecision; 3]); 13] = [
    (DeployState::Requested, [InProgress, InProgress, InProgress]),
    (
        DeployState::Triggering,
        [InProgress, InProgress, InProgress],
    ),
    (DeployState::Triggered, [InProgress, InProgress, InProgress]),
    (DeployState::Running, [InProgress, InProgress, InProgress]),
    (DeployState::Succeeded, [HasRun, HasRun, HasRun]),
    (DeployState::Failed, [HasRun, HasRun, HasRun]),
    (DeployState::Canceled, [HasRun, HasRun, HasRun]),
    (DeployState::NothingRan, [HasRun, HasRun, HasRun]),
    (DeployState::CiError, [HasRun, HasRun, HasRun]),
    (DeployState::TriggerFailed, [Yes, Yes, Yes]),
    (DeployState::Rejected, [HasRun, Yes, Yes]),
    (DeployState::Unresolved, [HasRun, NeedsConfirm, Yes]),
    (DeployState::LostTrack, [HasRun, HasRun, HasRun]),
];

#[test]
fn every_state_under_every_cause_at_every_age() {
    let config = config();
    let me = me();
    let person = || ActionRequester::User(presser());
    // The wish, its column, and whether it may be old.
    let wishes = [
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
        for (wish, column, forced) in &wishes {
            let cause = wish.as_ref().map_or(RetryCause::Ticket, RetryCause::Action);
            for (age, old) in [(0, false), (86_400, false), (86_401, true), (900_000, true)] {
                for retried in [false, true] {
                    let mut head = head_in(state);
                    head.retried_by = retried.then(|| DeployId::of_retry(head.id));
                    let young = row[*column];
                    let expected = match young {
                        InProgress | HasRun => young,
                        _ if retried => Retried,
                        _ if old && !forced => TooOld,
                        _ => young,
                    };
                    let decided = decide_retry(&head, cause, here(&config, &me, 0, at(age)));
                    assert_eq!(decided, expected, "{state} {cause:?} {age} {retried}");
                }
            }
        }
    }
}

#[test]
fn who_confirms_an_earlier_link_has_not_looked_for_this_one() {
    let (config, me) = (config(), me());
    let old = head_in(DeployState::Unresolved);
    let confirmed = |deploy| {
        let mut wish = retry(ActionRequester::User(presser()), true, false);
        wish.action = DeployAction::Retry {
            deploy,
            confirm: true,
            force: false,
        };
        decide_retry(
            &old,
            RetryCause::Action(&wish),
            here(&config, &me, 0, at(120)),
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
fn who_confirms_before_it_ended_has_not_looked_in_time() {
    let (config, me) = (config(), me());
    let old = head_in(DeployState::Unresolved);
    let ended = old.end.as_ref().unwrap().at;
    let confirmed = |asked_at| {
        let wish = ActionMessage {
            requested_at: asked_at,
            ..retry(ActionRequester::User(presser()), true, false)
        };
        decide_retry(
            &old,
            RetryCause::Action(&wish),
            here(&config, &me, 0, at(200)),
        )
    };
    assert_eq!(confirmed(ended), Yes);
    assert_eq!(confirmed(ended - Duration::from_secs(1)), NeedsConfirm);
}

#[test]
fn a_wish_to_cancel_confirms_nothing() {
    let config = config();
    let me = me();
    let deploy = DeployRef::Full(id());
    let cancel = wish(operator(), DeployAction::Cancel { deploy });
    let why = |age| {
        let here = here(&config, &me, 0, at(age));
        decide_retry(
            &head_in(DeployState::Unresolved),
            RetryCause::Action(&cancel),
            here,
        )
    };
    assert_eq!((why(0), why(86_401)), (NeedsConfirm, TooOld));
}

#[test]
fn the_retry_of_a_person_is_theirs() {
    let wish = retry(ActionRequester::User(presser()), true, false);
    for state in [
        DeployState::TriggerFailed,
        DeployState::Rejected,
        DeployState::Unresolved,
    ] {
        let old = head_in(state);
        let commit = opened(&old, RetryCause::Action(&wish)).unwrap();
        let head = &commit.record;
        assert_eq!((head.state, head.version), (DeployState::Requested, 1));
        assert_eq!(head.id, DeployId::of_retry(old.id));
        assert_eq!(head.short_id, head.id.short_id(8));
        assert_eq!(head.retry_of, Some(old.id));
        assert_eq!(head.retry_request, Some(wish.id));
        assert_eq!((head.due_at, head.valid_until), (Some(at(120)), at(700)));
        let presser = presser();
        let expected = DeployRequest {
            team: presser.team,
            channel: presser.channel,
            user: presser.user.clone(),
            user_name: presser.user_name,
            requested_at: at(100),
            ..old.request.clone()
        };
        assert_eq!(head.request, expected);
        let by = AuditActor::User(expected.qualified_user());
        let entry = commit.event.as_ref().unwrap().entry().unwrap();
        assert_eq!(entry.by, by);
        let change = AuditChange::Requested {
            request: expected,
            retry_of: Some(old.id),
        };
        assert_eq!(entry.change, change);
        let reply = commit.open_notifications.as_ref().unwrap();
        assert_eq!((reply.deploy, reply.expires_at), (head.id, at(1_840)));
        assert_eq!(
            reply.response_url.as_ref().unwrap().expose(),
            address().expose()
        );
        assert!(commit.notifications.is_empty() && commit.lock.is_none() && commit.claim.is_none());
        the_old_one_says_so(&old, &commit, &by);
    }
}

#[test]
fn an_orders_retry_is_the_first_askers_and_asked_now() {
    let old = head_in(DeployState::TriggerFailed);
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
    let reply = commit.open_notifications.as_ref().unwrap();
    assert_eq!(
        (reply.expires_at, reply.response_url.is_none()),
        (at(1_860), true)
    );
    let by = AuditActor::Worker(me());
    assert_eq!(commit.event.as_ref().unwrap().entry().unwrap().by, by);
    the_old_one_says_so(&old, &commit, &by);
}

#[test]
fn an_operators_retry_is_the_first_askers_and_the_audit_names_the_operator() {
    let wish = retry(operator(), true, true);
    let old = head_in(DeployState::Unresolved);
    let commit = opened(&old, RetryCause::Action(&wish)).unwrap();
    assert_eq!(commit.record.request.user.as_str(), "U11");
    assert_eq!(commit.record.request.branch, old.request.branch);
    assert_eq!(commit.record.request.requested_at, at(100));
    assert_eq!(commit.record.retry_request, Some(wish.id));
    let reply = commit.open_notifications.as_ref().unwrap();
    assert_eq!(
        (reply.expires_at, reply.response_url.is_none()),
        (at(1_840), true)
    );
    let by = AuditActor::Operator("root".into());
    assert_eq!(commit.event.as_ref().unwrap().entry().unwrap().by, by);
    the_old_one_says_so(&old, &commit, &by);
}

/// The old deploy's next version: repeated, and nothing left to do about it.
fn the_old_one_says_so(old: &DeployRecord, commit: &Commit, by: &AuditActor) {
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
fn an_order_that_was_not_placed_yet_is_not_owed_any_more() {
    let refused = TriggerOutcome::Rejected {
        status: 404,
        message: "no".into(),
    };
    let old = posted(&armed(), &refused, at(1)).unwrap().record;
    assert!(old.owes_ticket && old.due_at.is_some());
    assert!(matches!(step(&old, &me(), 0, at(2)), NextStep::WriteTicket));
    let commit = opened(&old, RetryCause::Ticket).unwrap();
    let head = commit.retried.unwrap().record;
    assert_eq!((head.owes_ticket, head.due_at), (false, None));
    assert!(matches!(step(&head, &me(), 0, at(9_999)), NextStep::Wait));
    // Whoever was about to place it writes over the version that both have seen, and loses.
    assert_eq!(ticket_written(&old).record.version, head.version);
}

#[test]
fn what_cannot_be_retried_is_illegal() {
    for (state, row) in TABLE {
        let can = row.contains(&Yes);
        let wish = retry(operator(), true, true);
        for cause in [RetryCause::Ticket, RetryCause::Action(&wish)] {
            let opened = opened(&head_in(state), cause);
            assert_eq!(opened.is_ok(), can, "{state}");
            if let Err(illegal) = opened {
                assert_eq!(illegal.from, state);
            }
        }
    }
}

#[test]
fn the_same_deploy_is_retried_by_one_only() {
    let old = head_in(DeployState::TriggerFailed);
    let wish = retry(ActionRequester::User(presser()), false, false);
    let one = opened(&old, RetryCause::Ticket).unwrap();
    let other = opened(&old, RetryCause::Action(&wish)).unwrap();
    // Both are a first version of the same deploy, over the same version of the old one.
    assert_eq!(one.record.id, other.record.id);
    let version = |commit: Commit| commit.retried.unwrap().record.version;
    assert_eq!(version(one), version(other));
}
