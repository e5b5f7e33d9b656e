//! The POST, and what each outcome means.

use super::*;

#[test]
fn only_the_invocation_of_the_intent_sends_and_only_once() {
    let record = triggering();
    let Post(request) = step(&record, &me(), 0, start()) else {
        panic!("nothing was sent");
    };
    let parameters: Vec<_> = request.parameters.into_iter().collect();
    let expected = [
        ("deploy_id".to_owned(), Value::from(id().to_string())),
        ("job".to_owned(), Value::from("deploy")),
    ];
    assert_eq!(parameters, expected);
    assert_eq!(
        (request.git_ref, request.slug),
        (branch("main"), crate::fixtures::slug())
    );
    assert!(matches!(step(&record, &me(), 1, start()), Wait));
    assert!(matches!(step(&record, &other(), 0, start()), Wait));
    let attempts = DeployRecord {
        attempts: 2,
        ..record
    };
    assert!(matches!(step(&attempts, &me(), 1, start()), Post(_)));
}

#[test]
fn it_is_sent_only_with_time_left_for_the_answer() {
    assert!(matches!(step(&triggering(), &me(), 0, at(5)), Post(_)));
    // Otherwise the same invocation knows that nothing was sent, and rolls back.
    let commit = written(&triggering(), at(6));
    assert_eq!(commit.record.state, Requested);
    assert_eq!((commit.lock, commit.record.due_at), (None, Some(at(6))));
    assert_eq!(commit.record.locked_target, Some(target()));
    // Another invocation does not know it.
    assert!(matches!(step(&triggering(), &other(), 0, at(14)), Wait));
    assert!(matches!(
        step(&triggering(), &other(), 0, at(15)),
        Read(CiRead::LookUp(_))
    ));
}

#[test]
fn it_is_never_sent_once_the_request_has_expired() {
    let mut record = requested();
    record.valid_until = at(2);
    let record = written(&record, at(1)).record;
    assert!(matches!(step(&record, &me(), 0, at(2)), Post(_)));
    let commit = written(&record, at(3));
    assert_eq!(commit.record.state, Requested);
    assert_eq!(written(&commit.record, at(3)).record.state, TriggerFailed);
}

#[test]
fn created_is_triggered_and_claims_the_pipeline() {
    let commit = posted(&triggering(), &TriggerOutcome::Created(pipeline(7)), at(2)).unwrap();
    let run = commit.record.run.unwrap();
    assert_eq!(
        (run.pipeline, run.matched_by, run.triggered_at),
        (pipeline(7), MatchedBy::Response, at(2))
    );
    assert_eq!(commit.record.state, Triggered);
    assert_eq!(commit.claim, Some(pipeline(7).id));
    assert_eq!(
        (commit.lock, commit.record.locked_target),
        (None, Some(target()))
    );
    assert_eq!(commit.record.due_at, Some(at(7)));
}

#[test]
fn not_now_rolls_the_intent_back_and_waits_as_long_as_asked() {
    for (asked, wait) in [(Some(77), 77), (None, 5), (Some(0), 5), (Some(300), 300)] {
        let commit = posted(&triggering(), &not_now(asked), at(5)).unwrap();
        let record = commit.record;
        assert_eq!(
            (record.state, record.due_at),
            (Requested, Some(at(5 + wait)))
        );
        assert_eq!((commit.lock, record.locked_target), (None, Some(target())));
        assert_eq!(commit.claim, None);
        // Nobody has to wait for longer than thirty seconds without a word.
        let told = if wait < 25 { vec![] } else { vec![Notice] };
        assert_eq!(commit.notifications, told);
    }
}

#[test]
fn not_now_waits_longer_with_each_attempt() {
    let config = config();
    let waits: Vec<_> = [1, 2, 3, 4, 9]
        .into_iter()
        .map(|attempts| {
            let record = DeployRecord {
                attempts,
                ..triggering()
            };
            let me = me();
            let ctx = ctx(&config, &me, attempts, start());
            let commit = after_post(&record, attempts, &not_now(None), ctx).unwrap();
            (commit.unwrap().record.due_at.unwrap() - start()).as_seconds_f64()
        })
        .collect();
    assert_eq!(waits, [5.0, 7.5, 11.25, 16.875, 60.0]);
}

#[test]
fn not_now_until_it_expires_ends_at_once() {
    for asked in [Some(95), Some(86_400), Some(u64::MAX)] {
        let commit = posted(&triggering(), &not_now(asked), at(505)).unwrap();
        assert_eq!(commit.record.state, TriggerFailed);
        assert!(matches!(
            reason(&commit),
            EndReason::TriggerGivenUp { attempts: 1, .. }
        ));
        assert_eq!(
            (commit.lock, commit.notifications),
            (Some(free()), vec![Final])
        );
        assert!(commit.record.owes_ticket);
    }
}

#[test]
fn no_wait_that_circleci_asks_for_is_longer_than_five_minutes() {
    for asked in [301, 3_600, 86_400, 1_764_284_400, u64::MAX] {
        let commit = posted(&triggering(), &not_now(Some(asked)), at(5)).unwrap();
        assert_eq!(
            (commit.record.state, commit.record.due_at),
            (Requested, Some(at(305))),
            "{asked}"
        );
    }
}

#[test]
fn the_first_401_is_tried_again_at_once_and_the_second_ends() {
    let refused = TriggerOutcome::Unauthorized {
        message: "Invalid token".into(),
    };
    let commit = posted(&triggering(), &refused, at(2)).unwrap();
    assert_eq!(commit.record.state, Requested);
    assert_eq!(
        (commit.record.due_at, commit.record.token_refused),
        (Some(at(2)), true)
    );
    let again = written(&commit.record, at(2));
    assert_eq!(
        (again.record.attempts, &again.record.reads),
        (2, &ReadEfforts::default())
    );
    let config = config();
    let commit = after_post(&again.record, 2, &refused, ctx(&config, &me(), 2, at(3)));
    let commit = commit.unwrap().unwrap();
    assert_eq!(commit.record.state, TriggerFailed);
    assert!(matches!(
        reason(&commit),
        EndReason::TriggerRefused { status: 401, .. }
    ));
}

#[test]
fn a_definite_refusal_ends_it() {
    for status in [400, 403, 404, 422] {
        let message = "no".to_owned();
        let commit = posted(
            &triggering(),
            &TriggerOutcome::Refused { status, message },
            at(2),
        )
        .unwrap();
        assert_eq!(commit.record.state, TriggerFailed);
        assert_eq!((commit.lock.clone(), commit.claim), (Some(free()), None));
        assert_eq!(commit.notifications, [Final]);
        let expected = EndReason::TriggerRefused {
            status,
            message: "no".into(),
        };
        assert_eq!(reason(&commit), &expected);
    }
}

#[test]
fn a_failed_trigger_owes_the_ticket_until_it_is_written() {
    let refused = TriggerOutcome::Refused {
        status: 403,
        message: "no".into(),
    };
    let record = posted(&triggering(), &refused, at(2)).unwrap().record;
    assert!(record.owes_ticket && record.is_due(at(2)));
    assert!(matches!(step(&record, &other(), 0, at(2)), WriteTicket));
    let commit = ticket_written(&record);
    assert_eq!(
        (commit.record.owes_ticket, commit.record.due_at),
        (false, None)
    );
    assert_eq!(
        (commit.record.version, commit.events),
        (record.version + 1, vec![])
    );
    assert!(matches!(step(&commit.record, &other(), 0, at(9_999)), Wait));
}

#[test]
fn unknown_is_recorded_then_looked_up_and_never_sent_again() {
    let commit = posted(&triggering(), &unknown(), at(2)).unwrap();
    let record = commit.record;
    assert_eq!((record.state, record.due_at), (Triggering, Some(at(7))));
    assert_eq!(
        record
            .trigger_intent
            .as_ref()
            .unwrap()
            .unknown_because
            .as_deref(),
        Some("503")
    );
    assert!(commit.lock.is_none() && commit.notifications.is_empty());
    for run in [me(), other()] {
        assert!(matches!(step(&record, &run, 0, at(3)), Wait));
        let Read(CiRead::LookUp(lookup)) = step(&record, &run, 0, at(7)) else {
            panic!("{run:?} does not look up");
        };
        let matched_by = Some(("deploy_id".to_owned(), id().to_string()));
        assert_eq!((lookup.deploy_id, lookup.since), (matched_by, start()));
    }
}

#[test]
fn an_answer_after_another_invocations_decision_is_noted_or_ignored() {
    let created = TriggerOutcome::Created(pipeline(7));
    for state in DeployState::ALL {
        let record = match state {
            Triggering => continue,
            _ => record_in(state),
        };
        for outcome in [not_now(None), unknown()] {
            assert!(posted(&record, &outcome, at(30)).is_none(), "{state}");
        }
        match posted(&record, &created, at(30)) {
            None => assert_eq!(record.run.as_ref().unwrap().pipeline, pipeline(7)),
            Some(commit) => {
                assert!(record.run.is_none(), "{state}");
                let note = commit.events[0].entry().unwrap().change;
                assert!(matches!(note, AuditChange::Noted { .. }));
                assert_eq!(
                    (commit.record.state, commit.record.due_at),
                    (state, record.due_at)
                );
                assert_eq!((commit.lock, commit.claim), (None, None));
            }
        }
        let stranger = TriggerOutcome::Created(pipeline(8));
        assert!(posted(&record, &stranger, at(30)).is_some());
    }
    // The same for an intent of another invocation, or of another attempt.
    let config = config();
    let (other, me) = (other(), me());
    let theirs = ctx(&config, &other, 1, at(2));
    let commit = after_post(&triggering(), 1, &created, theirs)
        .unwrap()
        .unwrap();
    assert_eq!(commit.record.state, Triggering);
    let later = DeployRecord {
        attempts: 2,
        ..triggering()
    };
    let mine = ctx(&config, &me, 1, at(2));
    let commit = after_post(&later, 1, &created, mine).unwrap().unwrap();
    assert_eq!(commit.record.state, Triggering);
}

#[test]
fn an_answer_in_time_counts_even_during_a_lookup() {
    let record = looked_up(&triggering(), &absent(), at(20)).record;
    let commit = posted(&record, &TriggerOutcome::Created(pipeline(7)), at(21)).unwrap();
    assert_eq!(commit.record.state, Triggered);
}

#[test]
fn a_second_attempt_keeps_the_lock_of_the_first() {
    let tried = posted(&triggering(), &not_now(None), start())
        .unwrap()
        .record;
    let text = crate::fixtures::CONFIG.replace("production", "staging");
    let moved = Config::parse(&text, "chatops.toml").unwrap();
    let step = next_step(&tried, ctx(&moved, &me(), 0, at(60))).unwrap();
    let Write(commit) = step else {
        panic!("{step:?}");
    };
    // The deploy frees the lock that it holds.
    assert_eq!(commit.record.locked_target, Some(target()));
}
