//! What becomes of a deploy that is REQUESTED and due.

use super::*;

#[test]
fn opening_writes_the_first_event_and_the_reply_item() {
    let message = crate::fixtures::message();
    let config = config();
    let commit = open_deploy(&message, 8, here(&config, &me(), 0, at(3)));
    assert_eq!(commit.record.state, DeployState::Requested);
    assert_eq!((commit.record.version, commit.record.events), (1, 1));
    assert_eq!(commit.record.valid_until, at(600));
    assert_eq!(commit.record.due_at, Some(at(3)));
    let reply = commit.open_notifications.unwrap();
    assert_eq!(reply.expires_at, at(1_740));
    assert_eq!(reply.response_url.unwrap().expose(), address().expose());
    assert!(commit.notifications.is_empty() && commit.lock.is_none());
}

#[test]
fn arming_writes_the_intent_and_takes_the_lock() {
    let commit = written(&requested(), at(9));
    let head = commit.record;
    assert_eq!((head.state, head.attempts), (DeployState::Triggering, 1));
    let armed = head.trigger_intent.unwrap();
    assert_eq!((armed.by, armed.at, armed.send_by), (me(), at(9), at(24)));
    assert_eq!(armed.deploy_id_parameter.as_deref(), Some("deploy_id"));
    assert_eq!(head.due_at, Some(at(24)));
    assert_eq!(head.locked_target, Some(target()));
    let take = LockChange::Take {
        target: target(),
        now: at(9),
    };
    assert_eq!(commit.lock, Some(take));
    assert!(commit.notifications.is_empty() && commit.claim.is_none());
}

/// The configuration's `request_timeout` is ten seconds.
#[test]
fn a_run_that_is_cut_off_before_an_answer_could_come_does_not_arm() {
    let (config, me) = (config(), me());
    let cut_off_at = |ends| Context {
        deadline: Some(at(ends)),
        ..here(&config, &me, 0, at(9))
    };
    let step = |head: &DeployRecord, ends| next_step(head, cut_off_at(ends)).unwrap();
    assert!(matches!(step(&requested(), 18), NextStep::OutOfTime));
    assert!(matches!(step(&requested(), 19), NextStep::Write(_)));
    // What needs no answer of CircleCI's is done all the same.
    let mut refused = requested();
    refused.request.job = job("unknown");
    assert!(matches!(step(&refused, 10), NextStep::Write(_)));
}

#[test]
fn what_was_armed_and_cannot_be_sent_in_time_is_disarmed() {
    let (config, me) = (config(), me());
    let armed = written(&requested(), at(9)).record;
    let at_11 = |ends| Context {
        deadline: Some(at(ends)),
        ..here(&config, &me, 0, at(11))
    };
    assert!(matches!(
        next_step(&armed, at_11(21)).unwrap(),
        NextStep::Post(_)
    ));
    let NextStep::Write(commit) = next_step(&armed, at_11(20)).unwrap() else {
        panic!("it has to be disarmed");
    };
    assert_eq!(commit.record.state, DeployState::Requested);
}

#[test]
fn a_job_that_opts_out_takes_no_lock() {
    let mut head = requested();
    head.request.job = job("test");
    let commit = written(&head, start());
    assert_eq!((commit.lock, commit.record.locked_target), (None, None));
    assert_eq!(
        commit.record.trigger_intent.unwrap().deploy_id_parameter,
        None
    );
}

#[test]
fn what_is_not_due_rests() {
    let mut head = requested();
    head.due_at = Some(at(10));
    assert!(matches!(step(&head, &me(), 0, at(9)), NextStep::Wait));
    assert!(matches!(step(&head, &me(), 0, at(10)), NextStep::Write(_)));
}

#[test]
fn policy_refuses_and_the_asker_is_told() {
    let mut head = requested();
    head.request.branch = branch("feature");
    let commit = written(&head, start());
    assert_eq!(commit.record.state, DeployState::Rejected);
    let rule = Rejection::Branch {
        project: head.request.project.unwrap(),
        job: job("deploy"),
        branch: branch("feature"),
        patterns: vec!["main".into(), "release/*".into()],
    };
    assert_eq!(reason(&commit), &EndReason::Rejected(rule));
    assert_eq!(
        (commit.notifications, commit.lock),
        (vec![NotificationKind::Final], None)
    );
    assert_eq!(
        (commit.record.due_at, commit.record.owes_ticket),
        (None, false)
    );
}

#[test]
fn the_lock_of_another_is_a_refusal() {
    let lock = TargetLock {
        deploy: DeployId::of_retry(id()),
        since: start(),
        until: None,
    };
    let config = config();
    let me = me();
    let commit = reject_busy(&requested(), &lock, &armed(), here(&config, &me, 0, at(1)));
    let commit = commit.unwrap();
    assert_eq!(commit.record.state, DeployState::Rejected);
    let rule = Rejection::Busy {
        target: target(),
        holder: lock.deploy,
        short_id: id().short_id(8),
        user: user(),
        since: start(),
        until: None,
    };
    assert_eq!(reason(&commit), &EndReason::Rejected(rule));
}

#[test]
fn stale_is_refused_before_any_attempt_and_a_failed_trigger_after_one() {
    let commit = written(&requested(), at(600));
    let stale = Rejection::Expired {
        requested_at: start(),
    };
    assert_eq!(commit.record.state, DeployState::Rejected);
    assert_eq!(reason(&commit), &EndReason::Rejected(stale));

    let tried = posted(&armed(), &not_now(Some(500)), start())
        .unwrap()
        .record;
    let commit = written(&tried, at(600));
    assert_eq!(commit.record.state, DeployState::TriggerFailed);
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
fn a_cancel_before_arming_ends_it_and_says_who() {
    let tried = posted(&armed(), &not_now(None), start()).unwrap().record;
    for (mut head, lock) in [(requested(), None), (tried, Some(free()))] {
        let by = ActedBy::User(crate::fixtures::qualified_user());
        head.cancel = Some(CancelRequest { by, at: at(1) });
        // Also when it is stale by then: the person's word counts.
        for now in [at(60), at(9_999)] {
            let commit = written(&head, now);
            assert_eq!(commit.record.state, DeployState::Canceled);
            let by = ActedBy::User(crate::fixtures::qualified_user());
            assert_eq!(reason(&commit), &EndReason::CanceledBeforeTrigger { by });
            assert_eq!(commit.lock, lock);
        }
    }
}
