//! The one POST, and what each outcome of it means.

use super::*;

#[test]
fn only_the_one_who_armed_sends_and_only_once() {
    let head = armed();
    let NextStep::Post(order) = step(&head, &me(), 0, start()) else {
        panic!("nothing was sent");
    };
    let parameters: Vec<_> = order.parameters.into_iter().collect();
    let expected = [
        ("deploy_id".to_owned(), Value::from(id().to_string())),
        ("job".to_owned(), Value::from("deploy")),
    ];
    assert_eq!(parameters, expected);
    assert_eq!(
        (order.branch, order.slug),
        (branch("main"), crate::fixtures::slug())
    );
    assert!(matches!(step(&head, &me(), 1, start()), NextStep::Wait));
    assert!(matches!(step(&head, &other(), 0, start()), NextStep::Wait));
    let attempts = DeployRecord {
        attempts: 2,
        ..head
    };
    assert!(matches!(
        step(&attempts, &me(), 1, start()),
        NextStep::Post(_)
    ));
}

#[test]
fn it_is_sent_only_with_time_left_to_hear_the_answer() {
    assert!(matches!(step(&armed(), &me(), 0, at(5)), NextStep::Post(_)));
    // Without, the one who armed knows that nothing was sent, and takes the intent back.
    let commit = written(&armed(), at(6));
    assert_eq!(commit.record.state, DeployState::Requested);
    assert_eq!((commit.lock, commit.record.due_at), (None, Some(at(6))));
    assert_eq!(commit.record.locked_target, Some(target()));
    // Anybody else does not know it.
    assert!(matches!(
        step(&armed(), &other(), 0, at(14)),
        NextStep::Wait
    ));
    assert!(matches!(
        step(&armed(), &other(), 0, at(15)),
        NextStep::LookUp(_)
    ));
}

#[test]
fn it_is_never_sent_once_the_command_is_stale() {
    let mut head = requested();
    head.valid_until = at(2);
    let head = written(&head, at(1)).record;
    assert!(matches!(step(&head, &me(), 0, at(2)), NextStep::Post(_)));
    let commit = written(&head, at(3));
    assert_eq!(commit.record.state, DeployState::Requested);
    assert_eq!(
        written(&commit.record, at(3)).record.state,
        DeployState::TriggerFailed
    );
}

#[test]
fn created_is_triggered_and_claims_the_pipeline() {
    let commit = posted(&armed(), &TriggerOutcome::Created(pipeline(7)), at(2)).unwrap();
    let run = commit.record.run.unwrap();
    assert_eq!(
        (run.pipeline, run.matched_by, run.triggered_at),
        (pipeline(7), MatchedBy::Response, at(2))
    );
    assert_eq!(commit.record.state, DeployState::Triggered);
    assert_eq!(commit.claim, Some(pipeline(7).id));
    assert_eq!(
        (commit.lock, commit.record.locked_target),
        (None, Some(target()))
    );
    assert_eq!(commit.record.due_at, Some(at(7)));
}

#[test]
fn not_now_takes_the_intent_back_and_waits_as_long_as_asked() {
    for (asked, wait) in [(Some(77), 77), (None, 5), (Some(0), 5), (Some(594), 594)] {
        let commit = posted(&armed(), &not_now(asked), at(5)).unwrap();
        let head = commit.record;
        assert_eq!(
            (head.state, head.due_at),
            (DeployState::Requested, Some(at(5 + wait)))
        );
        assert_eq!((commit.lock, head.locked_target), (None, Some(target())));
        assert!(commit.notifications.is_empty() && commit.claim.is_none());
    }
}

#[test]
fn not_now_waits_longer_from_try_to_try() {
    let config = config();
    let waits: Vec<_> = [1, 2, 3, 4, 9]
        .into_iter()
        .map(|attempts| {
            let head = DeployRecord {
                attempts,
                ..armed()
            };
            let me = me();
            let here = here(&config, &me, attempts, start());
            let commit = after_post(&head, attempts, &not_now(None), here).unwrap();
            (commit.unwrap().record.due_at.unwrap() - start()).as_seconds_f64()
        })
        .collect();
    assert_eq!(waits, [5.0, 7.5, 11.25, 16.875, 60.0]);
}

#[test]
fn not_now_until_it_is_stale_ends_at_once() {
    for asked in [Some(595), Some(86_400), Some(u64::MAX)] {
        let commit = posted(&armed(), &not_now(asked), at(5)).unwrap();
        assert_eq!(commit.record.state, DeployState::TriggerFailed);
        assert!(matches!(
            reason(&commit),
            EndReason::TriggerGivenUp { attempts: 1, .. }
        ));
        assert_eq!(
            (commit.lock, commit.notifications),
            (Some(free()), vec![NotificationKind::Final])
        );
        assert!(commit.record.owes_ticket);
    }
}

#[test]
fn the_first_401_is_tried_again_at_once_and_the_second_ends() {
    let refused = TriggerOutcome::Unauthorized {
        message: "Invalid token".into(),
    };
    let commit = posted(&armed(), &refused, at(2)).unwrap();
    assert_eq!(commit.record.state, DeployState::Requested);
    assert_eq!(
        (commit.record.due_at, commit.record.token_refused),
        (Some(at(2)), true)
    );
    let again = written(&commit.record, at(2));
    assert_eq!((again.record.attempts, again.record.poll_count), (2, 0));
    let config = config();
    let commit = after_post(&again.record, 2, &refused, here(&config, &me(), 2, at(3)));
    let commit = commit.unwrap().unwrap();
    assert_eq!(commit.record.state, DeployState::TriggerFailed);
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
            &armed(),
            &TriggerOutcome::Rejected { status, message },
            at(2),
        )
        .unwrap();
        assert_eq!(commit.record.state, DeployState::TriggerFailed);
        assert_eq!((commit.lock.clone(), commit.claim), (Some(free()), None));
        assert_eq!(commit.notifications, [NotificationKind::Final]);
        let expected = EndReason::TriggerRefused {
            status,
            message: "no".into(),
        };
        assert_eq!(reason(&commit), &expected);
    }
}

#[test]
fn a_failed_trigger_owes_the_order_until_it_is_placed() {
    let refused = TriggerOutcome::Rejected {
        status: 404,
        message: "no".into(),
    };
    let head = posted(&armed(), &refused, at(2)).unwrap().record;
    assert!(head.owes_ticket && head.is_due(at(2)));
    assert!(matches!(
        step(&head, &other(), 0, at(2)),
        NextStep::WriteTicket
    ));
    let commit = ticket_written(&head);
    assert_eq!(
        (commit.record.owes_ticket, commit.record.due_at),
        (false, None)
    );
    assert_eq!(
        (commit.record.version, commit.event),
        (head.version + 1, None)
    );
    assert!(matches!(
        step(&commit.record, &other(), 0, at(9_999)),
        NextStep::Wait
    ));
}

#[test]
fn unknown_is_doubted_then_searched_for_and_never_sent_again() {
    let commit = posted(&armed(), &unknown(), at(2)).unwrap();
    let head = commit.record;
    assert_eq!(
        (head.state, head.due_at),
        (DeployState::Triggering, Some(at(7)))
    );
    assert_eq!(
        head.trigger_intent
            .as_ref()
            .unwrap()
            .unknown_because
            .as_deref(),
        Some("503")
    );
    assert!(commit.lock.is_none() && commit.notifications.is_empty());
    for run in [me(), other()] {
        assert!(matches!(step(&head, &run, 0, at(3)), NextStep::Wait));
        let NextStep::LookUp(search) = step(&head, &run, 0, at(7)) else {
            panic!("{run:?} does not search");
        };
        let proof = Some(("deploy_id".to_owned(), id().to_string()));
        assert_eq!((search.deploy_id, search.since), (proof, start()));
    }
}

#[test]
fn an_answer_that_comes_after_another_run_has_concluded_is_noted_or_nothing() {
    let created = TriggerOutcome::Created(pipeline(7));
    for state in DeployState::ALL {
        let head = match state {
            DeployState::Triggering => continue,
            _ => head_in(state),
        };
        for outcome in [not_now(None), unknown()] {
            assert!(posted(&head, &outcome, at(30)).is_none(), "{state}");
        }
        match posted(&head, &created, at(30)) {
            None => assert_eq!(head.run.as_ref().unwrap().pipeline, pipeline(7)),
            Some(commit) => {
                assert!(head.run.is_none(), "{state}");
                let note = commit.event.unwrap().entry().unwrap().change;
                assert!(matches!(note, AuditChange::Noted { .. }));
                assert_eq!(
                    (commit.record.state, commit.record.due_at),
                    (state, head.due_at)
                );
                assert_eq!((commit.lock, commit.claim), (None, None));
            }
        }
        let stranger = TriggerOutcome::Created(pipeline(8));
        assert!(posted(&head, &stranger, at(30)).is_some());
    }
    // Armed by another, or for another attempt, is not this run's either.
    let config = config();
    let (other, me) = (other(), me());
    let theirs = here(&config, &other, 1, at(2));
    let commit = after_post(&armed(), 1, &created, theirs).unwrap().unwrap();
    assert_eq!(commit.record.state, DeployState::Triggering);
    let later = DeployRecord {
        attempts: 2,
        ..armed()
    };
    let mine = here(&config, &me, 1, at(2));
    let commit = after_post(&later, 1, &created, mine).unwrap().unwrap();
    assert_eq!(commit.record.state, DeployState::Triggering);
}

#[test]
fn an_answer_in_time_counts_even_while_others_search() {
    let head = searched(&armed(), &absent(), at(20)).record;
    let commit = posted(&head, &TriggerOutcome::Created(pipeline(7)), at(21)).unwrap();
    assert_eq!(commit.record.state, DeployState::Triggered);
}

#[test]
fn a_second_attempt_keeps_the_lock_of_the_first() {
    let tried = posted(&armed(), &not_now(None), start()).unwrap().record;
    let text = crate::fixtures::CONFIG.replace("production", "staging");
    let moved = Config::parse(&text, "chatops.toml").unwrap();
    let step = next_step(&tried, here(&moved, &me(), 0, at(60))).unwrap();
    let NextStep::Write(commit) = step else {
        panic!("{step:?}");
    };
    // What is held is what will be freed.
    assert_eq!(commit.record.locked_target, Some(target()));
}
