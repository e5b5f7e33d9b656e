use chrono::TimeDelta;

use super::super::Context;
use super::*;
use crate::deploy::TargetRef;
use crate::deploy::{ActedBy, CancelRequest, FailedReads, Notice};
use crate::fixtures::{
    action, at, config, id, me, qualified_user, record_in, requester, start, target,
};
use crate::notification::NotificationKind;

const LATER: i64 = 700;

fn unlock(confirm: bool, by: ActionRequester, at: Time) -> ActionMessage {
    let target = TargetRef::parse("web/production").unwrap();
    let message = action(by, DeployAction::Unlock { target, confirm });
    ActionMessage {
        requested_at: at,
        ..message
    }
}

fn user() -> ActionRequester {
    ActionRequester::User(requester())
}

fn held(until: Option<Time>) -> TargetLock {
    TargetLock {
        deploy: id(),
        since: start(),
        until,
    }
}

/// What comes of a request at [`LATER`], about the deploy that holds the target.
fn decide(record: &DeployRecord, until: Option<Time>, action: &ActionMessage) -> UnlockDecision {
    let (config, me) = (config(), me());
    let ctx = Context {
        now: at(LATER),
        invocation: &me,
        posted_attempt: 0,
        deadline: None,
        config: &config,
    };
    let lock = held(until);
    decide_unlock(&target(), Some((&lock, record)), action, ctx).unwrap()
}

fn running() -> DeployRecord {
    DeployRecord {
        locked_target: Some(target()),
        ..record_in(DeployState::Running)
    }
}

fn unreadable(told: bool) -> DeployRecord {
    let mut record = running();
    record.reads.failed = Some(FailedReads {
        count: 5,
        last: 3,
        waited: Duration::from_mins(1),
        since: at(10),
        error: "HTTP 401".to_owned(),
        told,
    });
    record
}

fn canceling(since: Time) -> DeployRecord {
    DeployRecord {
        cancel: Some(CancelRequest {
            by: ActedBy::User(qualified_user().into()),
            at: since,
        }),
        ..running()
    }
}

#[test]
fn only_what_has_ended_cannot_be_read_or_is_not_canceled_can_be_unlocked() {
    use UnlockCause::{Ended, NotCanceled, Unreadable};
    let ten_minutes_ago = at(LATER) - TimeDelta::minutes(10);
    for (record, cause) in [
        (record_in(DeployState::Unresolved), Some(Ended)),
        (record_in(DeployState::LostTrack), Some(Ended)),
        (unreadable(true), Some(Unreadable)),
        (unreadable(false), None),
        (canceling(ten_minutes_ago), Some(NotCanceled)),
        (canceling(ten_minutes_ago + TimeDelta::seconds(1)), None),
        (running(), None),
        (record_in(DeployState::Triggering), None),
    ] {
        let found = unlock_cause(&record, at(LATER)).map(|(cause, _)| cause);
        assert_eq!(found, cause, "{record:?}");
        let decision = decide(&record, None, &unlock(true, user(), at(LATER)));
        let written = match decision {
            UnlockDecision::Write(cause, _) => Some(cause),
            UnlockDecision::InProgress => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(written, cause, "{record:?}");
    }
}

#[test]
fn it_is_on_record_told_and_frees_the_lock_in_one_transaction() {
    for record in [unreadable(true), record_in(DeployState::LostTrack)] {
        let decision = decide(&record, None, &unlock(true, user(), at(LATER)));
        let UnlockDecision::Write(_, commit) = decision else {
            panic!("{decision:?}");
        };
        let target = target();
        assert_eq!(commit.lock, Some(LockChange::Free { target }));
        assert_eq!(commit.notifications, [NotificationKind::Notice]);
        let by = crate::fixtures::request().requested_by();
        assert_eq!(commit.record.notice, Some(Notice::Unlocked { by }));
        let held = (&commit.record.locked_target, commit.record.state);
        assert_eq!(held, (&None, record.state));
    }
}

#[test]
fn without_confirmation_after_the_fact_nothing_is_written() {
    let record = unreadable(true);
    for (confirm, requested_at) in [(false, at(LATER)), (true, at(9))] {
        let decision = decide(&record, None, &unlock(confirm, user(), requested_at));
        let asks = matches!(
            decision,
            UnlockDecision::NeedsConfirm(UnlockCause::Unreadable)
        );
        assert!(asks, "{decision:?}");
    }
}

#[test]
fn a_lock_that_has_expired_is_not_held() {
    let record = record_in(DeployState::Unresolved);
    let action = unlock(true, user(), at(LATER));
    let decision = decide(&record, Some(at(LATER)), &action);
    assert!(matches!(decision, UnlockDecision::NotHeld), "{decision:?}");
}

#[test]
fn whoever_may_not_deploy_there_is_denied_and_an_operator_is_not() {
    let mut stranger = requester();
    stranger.channel = crate::id::ChannelId::parse("C0STRANGE").unwrap();
    let by = ActionRequester::User(stranger);
    let decision = decide(&unreadable(true), None, &unlock(true, by, at(LATER)));
    assert!(
        matches!(decision, UnlockDecision::Denied(_)),
        "{decision:?}"
    );
    let by = ActionRequester::Operator {
        name: "ops".to_owned(),
    };
    let decision = decide(&unreadable(true), None, &unlock(true, by, at(LATER)));
    assert!(
        matches!(decision, UnlockDecision::Write(..)),
        "{decision:?}"
    );
}
