//! The next step of a deploy that is REQUESTED and due.

use super::*;

#[test]
fn opening_writes_the_first_event_and_the_notification_record() {
    let message = crate::fixtures::message();
    let config = config();
    let commit = open_deploy(&message, 8, ctx(&config, &me(), 0, at(3)));
    assert_eq!(commit.record.state, Requested);
    assert_eq!((commit.record.version, commit.record.events), (1, 1));
    assert_eq!(commit.record.valid_until, at(600));
    assert_eq!(commit.record.due_at, Some(at(3)));
    let notification = commit.open_notifications.unwrap();
    assert_eq!(notification.expires_at, at(1_740));
    assert_eq!(
        notification.response_url.unwrap().expose(),
        response_url().expose()
    );
    assert!(commit.notifications.is_empty() && commit.lock.is_none());
}

#[test]
fn an_unsigned_request_is_on_record_as_such() {
    let mut message = crate::fixtures::message();
    message.requester.unsigned = true;
    let config = config();
    let me = me();
    let ctx = ctx(&config, &me, 0, at(3));
    let commit = open_deploy(&message, 8, ctx);
    assert!(commit.record.request.unsigned);
    let entry = commit.events[0].entry().unwrap();
    let user = crate::fixtures::qualified_user();
    assert_eq!(entry.by, AuditActor::UnsignedUser(user));
    // A signed retry of it is signed.
    let mut old = commit.record;
    old.state = TriggerFailed;
    let deploy = DeployRef::Full(id());
    let retry = DeployAction::Retry {
        deploy,
        confirm: false,
        force: false,
    };
    let retry = action(ActionRequester::User(crate::fixtures::requester()), retry);
    let first = old.request.clone();
    let commit = begin_retry(&old, &first, RetryCause::Action(&retry), 8, ctx)
        .unwrap()
        .unwrap();
    assert!(!commit.record.request.unsigned);
}

#[test]
fn begin_trigger_writes_the_intent_and_takes_the_lock() {
    let commit = written(&requested(), at(9));
    let record = commit.record;
    assert_eq!((record.state, record.attempts), (Triggering, 1));
    let intent = record.trigger_intent.unwrap();
    assert_eq!(
        (intent.by, intent.at, intent.send_by),
        (me(), at(9), at(24))
    );
    assert_eq!(intent.deploy_id_parameter.as_deref(), Some("deploy_id"));
    assert_eq!(record.due_at, Some(at(24)));
    assert_eq!(record.locked_target, Some(target()));
    let take = LockChange::Take {
        target: target(),
        now: at(9),
        inherits: None,
    };
    assert_eq!(commit.lock, Some(take));
    assert!(commit.notifications.is_empty() && commit.claim.is_none());
}

/// The configuration's `request_timeout` is ten seconds.
#[test]
fn an_invocation_cut_off_before_an_answer_does_not_begin_the_trigger() {
    let (config, me) = (config(), me());
    let cut_off_at = |ends| Context {
        deadline: Some(at(ends)),
        ..ctx(&config, &me, 0, at(9))
    };
    let step = |record: &DeployRecord, ends| next_step(record, cut_off_at(ends)).unwrap();
    assert!(matches!(step(&requested(), 18), OutOfTime));
    assert!(matches!(step(&requested(), 19), Write(_)));
    // A decision without CircleCI is still made.
    let mut refused = requested();
    refused.request.job = job("unknown");
    assert!(matches!(step(&refused, 10), Write(_)));
}

#[test]
fn an_intent_that_cannot_be_sent_in_time_is_rolled_back() {
    let (config, me) = (config(), me());
    let triggering = written(&requested(), at(9)).record;
    let at_11 = |ends| Context {
        deadline: Some(at(ends)),
        ..ctx(&config, &me, 0, at(11))
    };
    assert!(matches!(
        next_step(&triggering, at_11(21)).unwrap(),
        Post(_)
    ));
    let Write(commit) = next_step(&triggering, at_11(20)).unwrap() else {
        panic!("it has to be rolled back");
    };
    assert_eq!(commit.record.state, Requested);
}

#[test]
fn a_job_that_opts_out_takes_no_lock() {
    let mut record = requested();
    record.request.job = job("test");
    let commit = written(&record, start());
    assert_eq!((commit.lock, commit.record.locked_target), (None, None));
    assert_eq!(
        commit.record.trigger_intent.unwrap().deploy_id_parameter,
        None
    );
}

#[test]
fn it_waits_until_it_is_due() {
    let mut record = requested();
    record.due_at = Some(at(10));
    assert!(matches!(step(&record, &me(), 0, at(9)), Wait));
    assert!(matches!(step(&record, &me(), 0, at(10)), Write(_)));
}

#[test]
fn policy_rejects_and_the_requester_is_notified() {
    let mut record = requested();
    record.request.git_ref = branch("feature");
    let commit = written(&record, start());
    assert_eq!(commit.record.state, Rejected);
    let rule = Rejection::Branch {
        project: record.request.project.unwrap(),
        job: job("deploy"),
        git_ref: branch("feature"),
        patterns: vec!["main".into(), "release/*".into()],
    };
    assert_eq!(reason(&commit), &EndReason::Rejected(rule));
    assert_eq!((commit.notifications, commit.lock), (vec![Final], None));
    assert_eq!(
        (commit.record.due_at, commit.record.owes_ticket),
        (None, false)
    );
}

#[test]
fn the_lock_of_another_deploy_rejects() {
    let lock = TargetLock {
        deploy: DeployId::of_retry(id(), None),
        since: start(),
        until: None,
    };
    let config = config();
    let me = me();
    let commit = reject_busy(
        &requested(),
        &lock,
        &triggering(),
        ctx(&config, &me, 0, at(1)),
    );
    let commit = commit.unwrap();
    assert_eq!(commit.record.state, Rejected);
    let rule = Rejection::Busy {
        target: target(),
        holder: lock.deploy,
        short_id: id().short_id(8),
        user: user(),
        held_by: Some(Box::new(crate::rejection::TargetHolder {
            requester: triggering().request.slack_user(),
            git_ref: triggering().request.git_ref,
            build: None,
        })),
        since: start(),
        until: None,
        unlockable: false,
    };
    assert_eq!(reason(&commit), &EndReason::Rejected(rule));
}

#[test]
fn expired_is_rejected_before_any_attempt_and_a_failed_trigger_after_one() {
    let commit = written(&requested(), at(600));
    let expired = Rejection::Expired {
        requested_at: start(),
    };
    assert_eq!(commit.record.state, Rejected);
    assert_eq!(reason(&commit), &EndReason::Rejected(expired));

    let tried = posted(&triggering(), &not_now(Some(500)), start())
        .unwrap()
        .record;
    let commit = written(&tried, at(600));
    assert_eq!(commit.record.state, TriggerFailed);
    let gave_up = EndReason::TriggerGivenUp {
        attempts: 1,
        last_error: "429 Too Many Requests".into(),
    };
    assert_eq!(
        (reason(&commit), commit.lock.clone()),
        (&gave_up, Some(free()))
    );
}

#[test]
fn a_cancel_before_the_trigger_ends_it_and_says_who() {
    let tried = posted(&triggering(), &not_now(None), start())
        .unwrap()
        .record;
    for (mut record, lock) in [(requested(), None), (tried, Some(free()))] {
        let by = ActedBy::User(crate::fixtures::qualified_user().into());
        record.cancel = Some(CancelRequest { by, at: at(1) });
        // Also when it has expired by then.
        for now in [at(60), at(9_999)] {
            let commit = written(&record, now);
            assert_eq!(commit.record.state, Canceled);
            let by = ActedBy::User(crate::fixtures::qualified_user().into());
            assert_eq!(reason(&commit), &EndReason::CanceledBeforeTrigger { by });
            assert_eq!(commit.lock, lock);
        }
    }
}
