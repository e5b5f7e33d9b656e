//! The state table, row by row, and random ways through it.

use proptest::prelude::*;

use super::follow::{after_failed_look, after_look};
use super::trigger::{after_failed_search, after_post, after_search};
use super::*;
use crate::deploy::{CancelWish, Proof};
use crate::fixtures::{
    address, at, branch, config, head_in, id, job, look, me, pipeline, requested, secs, start,
    target, user, workflow,
};
use crate::ports::{Finding, Look, Outcome, PipelineState, WorkflowStatus};

/// Asks `next` at a moment, as a run that has or has not sent the POST of `posted`.
fn step(head: &Head, me: &Invocation, posted: u32, now: Time) -> Step {
    next(head, here(&config(), me, posted, now)).unwrap()
}

fn here<'a>(config: &'a Config, me: &'a Invocation, posted: u32, now: Time) -> Here<'a> {
    Here {
        now,
        me,
        posted,
        config,
    }
}

/// The write that `next` asks for.
fn written(head: &Head, now: Time) -> Commit {
    match step(head, &me(), 0, now) {
        Step::Write(commit) => *commit,
        other => panic!("{other:?}"),
    }
}

fn other() -> Invocation {
    Invocation::new("other")
}

/// A deploy that this run has armed at `start()`.
fn armed() -> Head {
    written(&requested(), start()).head
}

fn posted(head: &Head, outcome: &Outcome, now: Time) -> Option<Commit> {
    after_post(head, 1, outcome, here(&config(), &me(), 1, now)).unwrap()
}

fn searched(head: &Head, finding: &Finding, now: Time) -> Commit {
    let config = config();
    after_search(head, finding, here(&config, &other(), 0, now))
        .unwrap()
        .unwrap()
}

fn looked(head: &Head, look: &Look, now: Time) -> Commit {
    let config = config();
    after_look(head, look, here(&config, &other(), 0, now))
        .unwrap()
        .unwrap()
}

fn not_now(after: Option<u64>) -> Outcome {
    Outcome::NotNow {
        obstacle: "429 Too Many Requests".into(),
        after: after.map(secs),
    }
}

fn unknown() -> Outcome {
    Outcome::Unknown {
        doubt: "503".into(),
    }
}

fn absent() -> Finding {
    Finding::Absent {
        candidates: vec![pipeline(8)],
    }
}

fn reason(commit: &Commit) -> &Reason {
    &commit.head.end.as_ref().unwrap().reason
}

fn free() -> LockChange {
    LockChange::Free { target: target() }
}

mod requested_rows {
    use super::*;

    #[test]
    fn opening_writes_the_first_event_and_the_reply_item() {
        let message = crate::fixtures::message();
        let config = config();
        let commit = open(&message, 8, here(&config, &me(), 0, at(3)));
        assert_eq!(commit.head.state, State::Requested);
        assert_eq!((commit.head.version, commit.head.events), (1, 1));
        assert_eq!(commit.head.valid_until, at(600));
        assert_eq!(commit.head.due_at, Some(at(3)));
        let reply = commit.open.unwrap();
        assert_eq!(reply.expires_at, at(1_740));
        assert_eq!(reply.address.unwrap().expose(), address().expose());
        assert!(commit.owe.is_empty() && commit.lock.is_none());
    }

    #[test]
    fn arming_writes_the_intent_and_takes_the_lock() {
        let commit = written(&requested(), at(9));
        let head = commit.head;
        assert_eq!((head.state, head.attempts), (State::Armed, 1));
        let armed = head.armed.unwrap();
        assert_eq!((armed.by, armed.at, armed.send_by), (me(), at(9), at(24)));
        assert_eq!(armed.proof_parameter.as_deref(), Some("deploy_id"));
        assert_eq!(head.due_at, Some(at(24)));
        assert_eq!(head.holds, Some(target()));
        let take = LockChange::Take {
            target: target(),
            now: at(9),
        };
        assert_eq!(commit.lock, Some(take));
        assert!(commit.owe.is_empty() && commit.claim.is_none());
    }

    #[test]
    fn a_job_that_opts_out_takes_no_lock() {
        let mut head = requested();
        head.ask.job = job("test");
        let commit = written(&head, start());
        assert_eq!((commit.lock, commit.head.holds), (None, None));
        assert_eq!(commit.head.armed.unwrap().proof_parameter, None);
    }

    #[test]
    fn what_is_not_due_rests() {
        let mut head = requested();
        head.due_at = Some(at(10));
        assert!(matches!(step(&head, &me(), 0, at(9)), Step::Rest));
        assert!(matches!(step(&head, &me(), 0, at(10)), Step::Write(_)));
    }

    #[test]
    fn policy_refuses_and_the_asker_is_told() {
        let mut head = requested();
        head.ask.branch = branch("feature");
        let commit = written(&head, start());
        assert_eq!(commit.head.state, State::Refused);
        let rule = Refusal::Branch {
            project: head.ask.project.unwrap(),
            job: job("deploy"),
            branch: branch("feature"),
            patterns: vec!["main".into(), "release/*".into()],
        };
        assert_eq!(reason(&commit), &Reason::Refused(rule));
        assert_eq!((commit.owe, commit.lock), (vec![Kind::Final], None));
        assert_eq!((commit.head.due_at, commit.head.owes_order), (None, false));
    }

    #[test]
    fn the_lock_of_another_is_a_refusal() {
        let lock = Lock {
            deploy: DeployId::of_retry(id()),
            since: start(),
            until: None,
        };
        let config = config();
        let me = me();
        let commit = refuse_busy(&requested(), &lock, &armed(), here(&config, &me, 0, at(1)));
        let commit = commit.unwrap();
        assert_eq!(commit.head.state, State::Refused);
        let rule = Refusal::Busy {
            target: target(),
            holder: lock.deploy,
            short: id().short(8),
            user: user(),
            since: start(),
        };
        assert_eq!(reason(&commit), &Reason::Refused(rule));
    }

    #[test]
    fn stale_is_refused_before_any_attempt_and_a_failed_trigger_after_one() {
        let commit = written(&requested(), at(600));
        let stale = Refusal::Stale { asked_at: start() };
        assert_eq!(commit.head.state, State::Refused);
        assert_eq!(reason(&commit), &Reason::Refused(stale));

        let tried = posted(&armed(), &not_now(Some(500)), start()).unwrap().head;
        let commit = written(&tried, at(600));
        assert_eq!(commit.head.state, State::TriggerFailed);
        let gave_up = Reason::TriggerGaveUp {
            attempts: 1,
            last: "429 Too Many Requests".into(),
        };
        assert_eq!(
            (reason(&commit), commit.lock.clone()),
            (&gave_up, Some(free()))
        );
    }

    #[test]
    fn a_cancel_before_arming_ends_it_and_says_who() {
        let tried = posted(&armed(), &not_now(None), start()).unwrap().head;
        for (mut head, lock) in [(requested(), None), (tried, Some(free()))] {
            let by = user();
            head.cancel = Some(CancelWish { by, at: at(1) });
            // Also when it is stale by then: the person's word counts.
            for now in [at(60), at(9_999)] {
                let commit = written(&head, now);
                assert_eq!(commit.head.state, State::Canceled);
                assert_eq!(reason(&commit), &Reason::CanceledBefore { by: user() });
                assert_eq!(commit.lock, lock);
            }
        }
    }
}

mod the_post {
    use super::*;

    #[test]
    fn only_the_one_who_armed_sends_and_only_once() {
        let head = armed();
        let Step::Post(order) = step(&head, &me(), 0, start()) else {
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
        assert!(matches!(step(&head, &me(), 1, start()), Step::Rest));
        assert!(matches!(step(&head, &other(), 0, start()), Step::Rest));
        let attempts = Head {
            attempts: 2,
            ..head
        };
        assert!(matches!(step(&attempts, &me(), 1, start()), Step::Post(_)));
    }

    #[test]
    fn it_is_sent_only_with_time_left_to_hear_the_answer() {
        assert!(matches!(step(&armed(), &me(), 0, at(5)), Step::Post(_)));
        // Without, the one who armed knows that nothing was sent, and takes the intent back.
        let commit = written(&armed(), at(6));
        assert_eq!(commit.head.state, State::Requested);
        assert_eq!((commit.lock, commit.head.due_at), (None, Some(at(6))));
        assert_eq!(commit.head.holds, Some(target()));
        // Anybody else does not know it.
        assert!(matches!(step(&armed(), &other(), 0, at(14)), Step::Rest));
        assert!(matches!(
            step(&armed(), &other(), 0, at(15)),
            Step::Search(_)
        ));
    }

    #[test]
    fn it_is_never_sent_once_the_command_is_stale() {
        let mut head = requested();
        head.valid_until = at(2);
        let head = written(&head, at(1)).head;
        assert!(matches!(step(&head, &me(), 0, at(2)), Step::Post(_)));
        let commit = written(&head, at(3));
        assert_eq!(commit.head.state, State::Requested);
        assert_eq!(
            written(&commit.head, at(3)).head.state,
            State::TriggerFailed
        );
    }

    #[test]
    fn created_is_triggered_and_claims_the_pipeline() {
        let commit = posted(&armed(), &Outcome::Created(pipeline(7)), at(2)).unwrap();
        let run = commit.head.run.unwrap();
        assert_eq!(
            (run.pipeline, run.proof, run.since),
            (pipeline(7), Proof::Answer, at(2))
        );
        assert_eq!(commit.head.state, State::Triggered);
        assert_eq!(commit.claim, Some(pipeline(7).id));
        assert_eq!((commit.lock, commit.head.holds), (None, Some(target())));
        assert_eq!(commit.head.due_at, Some(at(7)));
    }

    #[test]
    fn not_now_takes_the_intent_back_and_waits_as_long_as_asked() {
        for (asked, wait) in [(Some(77), 77), (None, 5), (Some(0), 5), (Some(594), 594)] {
            let commit = posted(&armed(), &not_now(asked), at(5)).unwrap();
            let head = commit.head;
            assert_eq!(
                (head.state, head.due_at),
                (State::Requested, Some(at(5 + wait)))
            );
            assert_eq!((commit.lock, head.holds), (None, Some(target())));
            assert!(commit.owe.is_empty() && commit.claim.is_none());
        }
    }

    #[test]
    fn not_now_waits_longer_from_try_to_try() {
        let config = config();
        let waits: Vec<_> = [1, 2, 3, 4, 9]
            .into_iter()
            .map(|attempts| {
                let head = Head {
                    attempts,
                    ..armed()
                };
                let me = me();
                let here = here(&config, &me, attempts, start());
                let commit = after_post(&head, attempts, &not_now(None), here).unwrap();
                (commit.unwrap().head.due_at.unwrap() - start()).as_seconds_f64()
            })
            .collect();
        assert_eq!(waits, [5.0, 7.5, 11.25, 16.875, 60.0]);
    }

    #[test]
    fn not_now_until_it_is_stale_ends_at_once() {
        for asked in [Some(595), Some(86_400), Some(u64::MAX)] {
            let commit = posted(&armed(), &not_now(asked), at(5)).unwrap();
            assert_eq!(commit.head.state, State::TriggerFailed);
            assert!(matches!(
                reason(&commit),
                Reason::TriggerGaveUp { attempts: 1, .. }
            ));
            assert_eq!((commit.lock, commit.owe), (Some(free()), vec![Kind::Final]));
            assert!(commit.head.owes_order);
        }
    }

    #[test]
    fn the_first_401_is_tried_again_at_once_and_the_second_ends() {
        let refused = Outcome::Unauthorized {
            message: "Invalid token".into(),
        };
        let commit = posted(&armed(), &refused, at(2)).unwrap();
        assert_eq!(commit.head.state, State::Requested);
        assert_eq!(
            (commit.head.due_at, commit.head.token_refused),
            (Some(at(2)), true)
        );
        let again = written(&commit.head, at(2));
        assert_eq!((again.head.attempts, again.head.looks), (2, 0));
        let config = config();
        let commit = after_post(&again.head, 2, &refused, here(&config, &me(), 2, at(3)));
        let commit = commit.unwrap().unwrap();
        assert_eq!(commit.head.state, State::TriggerFailed);
        assert!(matches!(
            reason(&commit),
            Reason::TriggerRefused { status: 401, .. }
        ));
    }

    #[test]
    fn a_definite_refusal_ends_it() {
        for status in [400, 403, 404, 422] {
            let message = "no".to_owned();
            let commit = posted(&armed(), &Outcome::Refused { status, message }, at(2)).unwrap();
            assert_eq!(commit.head.state, State::TriggerFailed);
            assert_eq!((commit.lock.clone(), commit.claim), (Some(free()), None));
            assert_eq!(commit.owe, [Kind::Final]);
            let expected = Reason::TriggerRefused {
                status,
                message: "no".into(),
            };
            assert_eq!(reason(&commit), &expected);
        }
    }

    #[test]
    fn a_failed_trigger_owes_the_order_until_it_is_placed() {
        let refused = Outcome::Refused {
            status: 404,
            message: "no".into(),
        };
        let head = posted(&armed(), &refused, at(2)).unwrap().head;
        assert!(head.owes_order && head.is_due(at(2)));
        assert!(matches!(step(&head, &other(), 0, at(2)), Step::Order));
        let commit = order_placed(&head);
        assert_eq!((commit.head.owes_order, commit.head.due_at), (false, None));
        assert_eq!(
            (commit.head.version, commit.event),
            (head.version + 1, None)
        );
        assert!(matches!(
            step(&commit.head, &other(), 0, at(9_999)),
            Step::Rest
        ));
    }

    #[test]
    fn unknown_is_doubted_then_searched_for_and_never_sent_again() {
        let commit = posted(&armed(), &unknown(), at(2)).unwrap();
        let head = commit.head;
        assert_eq!((head.state, head.due_at), (State::Armed, Some(at(7))));
        assert_eq!(head.armed.as_ref().unwrap().doubt.as_deref(), Some("503"));
        assert!(commit.lock.is_none() && commit.owe.is_empty());
        for run in [me(), other()] {
            assert!(matches!(step(&head, &run, 0, at(3)), Step::Rest));
            let Step::Search(search) = step(&head, &run, 0, at(7)) else {
                panic!("{run:?} does not search");
            };
            let proof = Some(("deploy_id".to_owned(), id().to_string()));
            assert_eq!((search.proof, search.since), (proof, start()));
        }
    }

    #[test]
    fn an_answer_that_comes_after_another_run_has_concluded_is_noted_or_nothing() {
        let created = Outcome::Created(pipeline(7));
        for state in State::ALL {
            let head = match state {
                State::Armed => continue,
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
                    assert!(matches!(note, Change::Noted { .. }));
                    assert_eq!(
                        (commit.head.state, commit.head.due_at),
                        (state, head.due_at)
                    );
                    assert_eq!((commit.lock, commit.claim), (None, None));
                }
            }
            let stranger = Outcome::Created(pipeline(8));
            assert!(posted(&head, &stranger, at(30)).is_some());
        }
        // Armed by another, or for another attempt, is not this run's either.
        let config = config();
        let (other, me) = (other(), me());
        let theirs = here(&config, &other, 1, at(2));
        let commit = after_post(&armed(), 1, &created, theirs).unwrap().unwrap();
        assert_eq!(commit.head.state, State::Armed);
        let later = Head {
            attempts: 2,
            ..armed()
        };
        let mine = here(&config, &me, 1, at(2));
        let commit = after_post(&later, 1, &created, mine).unwrap().unwrap();
        assert_eq!(commit.head.state, State::Armed);
    }

    #[test]
    fn an_answer_in_time_counts_even_while_others_search() {
        let head = searched(&armed(), &absent(), at(20)).head;
        let commit = posted(&head, &Outcome::Created(pipeline(7)), at(21)).unwrap();
        assert_eq!(commit.head.state, State::Triggered);
    }

    #[test]
    fn a_second_attempt_keeps_the_lock_of_the_first() {
        let tried = posted(&armed(), &not_now(None), start()).unwrap().head;
        let text = crate::fixtures::CONFIG.replace("production", "staging");
        let moved = Config::parse(&text, "chatops.toml").unwrap();
        let step = next(&tried, here(&moved, &me(), 0, at(60))).unwrap();
        let Step::Write(commit) = step else {
            panic!("{step:?}");
        };
        // What is held is what will be freed.
        assert_eq!(commit.head.holds, Some(target()));
    }
}

mod searching {
    use super::*;

    #[test]
    fn found_is_triggered_and_claims_the_pipeline() {
        let commit = searched(&armed(), &Finding::Found(pipeline(7)), at(20));
        assert_eq!(commit.head.state, State::Triggered);
        assert_eq!(commit.head.run.unwrap().proof, Proof::CarriesId);
        assert_eq!(commit.claim, Some(pipeline(7).id));
    }

    #[test]
    fn absent_ends_it_at_the_horizon_and_not_before() {
        let mut head = posted(&armed(), &unknown(), at(2)).unwrap().head;
        for now in [7, 20, 60, 134] {
            let commit = searched(&head, &absent(), at(now));
            assert_eq!(
                (commit.head.state, commit.event),
                (State::Armed, None),
                "{now}"
            );
            assert!(commit.head.due_at.unwrap() > at(now));
            head = commit.head;
        }
        let commit = searched(&head, &absent(), at(135));
        assert_eq!(commit.head.state, State::Unresolved);
        let expected = Reason::Unproven {
            doubt: "503".into(),
            candidates: vec![pipeline(8)],
        };
        assert_eq!(reason(&commit), &expected);
        let expire = LockChange::Expire {
            target: target(),
            until: at(135 + 900),
        };
        assert_eq!(commit.lock, Some(expire));
        assert_eq!((commit.owe, commit.head.due_at), (vec![Kind::Final], None));
        assert!(!commit.head.owes_order);
    }

    #[test]
    fn failed_searches_prove_nothing_and_are_given_up_late() {
        let config = config();
        let (head, other) = (armed(), other());
        let failed = |now| after_failed_search(&head, None, here(&config, &other, 0, now));
        for now in [20, 135, 500, 914] {
            assert_eq!(
                failed(at(now)).unwrap().unwrap().head.state,
                State::Armed,
                "{now}"
            );
        }
        let commit = failed(at(915)).unwrap().unwrap();
        assert_eq!(commit.head.state, State::Unresolved);
        let Reason::Unproven { doubt, candidates } = reason(&commit) else {
            panic!("{commit:?}");
        };
        assert!(candidates.is_empty());
        assert_eq!(doubt, "the sender stopped before it could say");
    }

    #[test]
    fn a_search_that_comes_late_says_nothing() {
        let config = config();
        let other = other();
        let here = here(&config, &other, 0, at(9_999));
        for state in State::ALL.into_iter().filter(|s| *s != State::Armed) {
            let head = head_in(state);
            assert!(after_search(&head, &absent(), here).unwrap().is_none());
            let found = Finding::Found(pipeline(7));
            assert!(after_search(&head, &found, here).unwrap().is_none());
            assert!(after_failed_search(&head, None, here).unwrap().is_none());
        }
    }
}

mod following {
    use super::PipelineState as P;
    use super::WorkflowStatus as W;
    use super::*;

    fn running() -> Head {
        head_in(State::Running)
    }

    /// Name, moment of creation and status of each run of a workflow.
    type Runs<'a> = &'a [(&'a str, i64, W)];

    fn statuses(all: Runs<'_>) -> Look {
        let workflows = all.iter().map(|(n, c, s)| workflow(n, *c, *s)).collect();
        look(P::Created, workflows)
    }

    fn state_after(head: &Head, look: &Look) -> State {
        looked(head, look, at(10)).head.state
    }

    #[test]
    fn a_due_run_is_looked_at_and_a_wish_to_cancel_goes_along() {
        for wish in [
            None,
            Some(CancelWish {
                by: user(),
                at: at(1),
            }),
        ] {
            let mut head = running();
            head.cancel = wish;
            let Step::Look {
                slug,
                pipeline: id,
                cancel,
            } = step(&head, &other(), 0, at(1))
            else {
                panic!("it is not looked at");
            };
            assert_eq!((slug, id), (crate::fixtures::slug(), pipeline(7).id));
            assert_eq!(cancel, head.cancel.is_some());
        }
    }

    #[test]
    fn a_seen_workflow_is_running_and_progress_is_owed() {
        let mut seen = statuses(&[
            ("b", 1, W::Running),
            ("a", 1, W::OnHold),
            ("b", 2, W::Queued),
        ]);
        seen.revision = Some("abc".into());
        let commit = looked(&head_in(State::Triggered), &seen, at(9));
        assert_eq!(commit.head.state, State::Running);
        assert_eq!(commit.owe, [Kind::Progress]);
        assert_eq!((commit.head.due_at, commit.head.looks), (Some(at(9)), 0));
        assert_eq!(commit.head.run.unwrap().revision.as_deref(), Some("abc"));
        let workflows = vec!["a".to_owned(), "b".to_owned()];
        let change = commit.event.unwrap().entry().unwrap().change;
        assert_eq!(change, Change::Started { workflows });
    }

    #[test]
    fn no_workflow_is_believed_after_the_grace_and_only_of_a_created_pipeline() {
        let head = head_in(State::Triggered);
        for state in [P::SetupPending, P::Setup, P::Pending, P::Unknown] {
            let commit = looked(&head, &look(state, vec![]), at(3_000));
            assert_eq!(commit.head.state, State::Triggered);
        }
        // However long CircleCI took to create it, the grace begins when that is first seen.
        let none = look(P::Created, vec![]);
        let first = looked(&head, &none, at(1_000)).head;
        assert_eq!(first.state, State::Triggered);
        let early = looked(&first, &none, at(1_179)).head;
        assert_eq!(early.state, State::Triggered);
        let commit = looked(&early, &none, at(1_180));
        assert_eq!(commit.head.state, State::NothingRan);
        assert_eq!(reason(&commit), &Reason::NoWorkflow);
        assert_eq!((commit.lock, commit.owe), (Some(free()), vec![Kind::Final]));
        // What was seen running is not gone because one listing is empty.
        assert_eq!(
            looked(&running(), &none, at(3_000)).head.state,
            State::Running
        );
    }

    #[test]
    fn a_configuration_error_ends_it_in_circlecis_words() {
        for state in [State::Triggered, State::Running] {
            let mut errored = look(P::Errored, vec![]);
            errored.errors = vec!["no such job".into()];
            let commit = looked(&head_in(state), &errored, at(9));
            assert_eq!(commit.head.state, State::CiErrored);
            let messages = vec!["no such job".to_owned()];
            assert_eq!(reason(&commit), &Reason::ConfigErrors { messages });
        }
    }

    #[test]
    fn the_workflows_decide_how_it_ended() {
        let table: [(Runs<'_>, State); 12] = [
            (&[("a", 1, W::Success)], State::Succeeded),
            (&[("a", 1, W::Failed)], State::Failed),
            (&[("a", 1, W::Error)], State::Failed),
            (&[("a", 1, W::Unauthorized)], State::Failed),
            (&[("a", 1, W::Canceled)], State::Canceled),
            (&[("a", 1, W::NotRun)], State::NothingRan),
            (
                &[("a", 1, W::Success), ("b", 1, W::NotRun)],
                State::Succeeded,
            ),
            (&[("a", 1, W::Success), ("b", 1, W::Failed)], State::Failed),
            (
                &[("a", 1, W::Success), ("b", 1, W::Canceled)],
                State::Canceled,
            ),
            (&[("a", 1, W::Failed), ("b", 1, W::Canceled)], State::Failed),
            // The latest run of a name decides, wherever it stands in the list.
            (
                &[("a", 2, W::Success), ("a", 1, W::Failed)],
                State::Succeeded,
            ),
            (&[("a", 1, W::Success), ("a", 2, W::Failed)], State::Failed),
        ];
        for (workflows, end) in table {
            assert_eq!(
                state_after(&running(), &statuses(workflows)),
                end,
                "{workflows:?}"
            );
        }
    }

    #[test]
    fn those_that_decided_are_named_with_circlecis_words() {
        let seen = statuses(&[
            ("a", 1, W::Success),
            ("b", 1, W::Failed),
            ("c", 1, W::Error),
        ]);
        let decided_by = [("b", "failed"), ("c", "error")];
        let decided_by = decided_by
            .map(|(n, s)| (n.to_owned(), s.to_owned()))
            .to_vec();
        let commit = looked(&running(), &seen, at(9));
        assert_eq!(reason(&commit), &Reason::Workflows { decided_by });
        assert_eq!((commit.lock, commit.owe), (Some(free()), vec![Kind::Final]));
    }

    #[test]
    fn nothing_is_final_while_something_is_open() {
        for open in [W::Running, W::Failing, W::OnHold, W::Queued, W::Unknown] {
            let seen = statuses(&[("a", 1, W::Failed), ("b", 1, open)]);
            assert_eq!(state_after(&running(), &seen), State::Running, "{open:?}");
        }
        for state in [P::SetupPending, P::Setup, P::Pending, P::Unknown] {
            let setup = look(state, vec![workflow("setup", 1, W::Success)]);
            assert_eq!(state_after(&running(), &setup), State::Running, "{state:?}");
        }
        let mut rerun = statuses(&[("a", 1, W::Failed)]);
        rerun.workflows[0].rerun_coming = true;
        assert_eq!(state_after(&running(), &rerun), State::Running);
    }

    #[test]
    fn words_we_do_not_know_are_read_and_never_final() {
        assert_eq!(serde_json::from_str::<P>("\"paused\"").unwrap(), P::Unknown);
        assert_eq!(serde_json::from_str::<W>("\"paused\"").unwrap(), W::Unknown);
        assert!(!W::Unknown.is_final());
    }

    #[test]
    fn the_looks_grow_from_five_seconds_to_sixty() {
        let config = config();
        let (mut head, mut now, other) = (running(), start(), other());
        let mut waits = vec![];
        for _ in 0..9 {
            let none = look(P::Pending, vec![]);
            let commit = after_look(&head, &none, here(&config, &other, 0, now));
            head = commit.unwrap().unwrap().head;
            waits.push((head.due_at.unwrap() - now).as_seconds_f64().round());
            now = head.due_at.unwrap();
        }
        assert_eq!(waits, [5.0, 8.0, 11.0, 17.0, 25.0, 38.0, 57.0, 60.0, 60.0]);
    }

    #[test]
    fn a_failed_look_waits_as_asked_but_not_past_the_limit() {
        let config = config();
        let (head, other) = (running(), other());
        let due = |after: Option<u64>, now| {
            let here = here(&config, &other, 0, now);
            let commit = after_failed_look(&head, after.map(secs), here).unwrap();
            commit.unwrap().head.due_at
        };
        assert_eq!(due(None, at(9)), Some(at(14)));
        assert_eq!(due(Some(1), at(9)), Some(at(14)));
        assert_eq!(due(Some(90), at(9)), Some(at(99)));
        assert_eq!(due(Some(u64::MAX), at(9)), Some(at(86_400)));
    }

    #[test]
    fn it_is_followed_to_the_limit_and_not_further() {
        let config = config();
        let other = other();
        for head in [running(), head_in(State::Triggered)] {
            let pending = look(P::Pending, vec![]);
            assert_eq!(looked(&head, &pending, at(86_399)).head.state, head.state);
            let lost = looked(&head, &pending, at(86_400));
            assert_eq!(lost.head.state, State::LostTrack);
            assert_eq!(reason(&lost), &Reason::TrackedTooLong);
            let here = here(&config, &other, 0, at(90_000));
            let failed = after_failed_look(&head, Some(secs(5)), here);
            assert_eq!(failed.unwrap().unwrap().head.state, State::LostTrack);
        }
        // An end that is seen late is still an end.
        let seen = statuses(&[("a", 1, W::Success)]);
        assert_eq!(
            looked(&running(), &seen, at(90_000)).head.state,
            State::Succeeded
        );
    }

    #[test]
    fn a_look_that_comes_late_says_nothing() {
        let config = config();
        let other = other();
        let here = here(&config, &other, 0, at(10));
        for state in State::ALL {
            if matches!(state, State::Triggered | State::Running) {
                continue;
            }
            let seen = statuses(&[("a", 1, W::Success)]);
            assert!(after_look(&head_in(state), &seen, here).unwrap().is_none());
            assert!(
                after_failed_look(&head_in(state), None, here)
                    .unwrap()
                    .is_none()
            );
        }
    }
}

/// One thing the outside world does in a random way through the states.
#[derive(Debug, Clone)]
struct Turn {
    /// How many seconds pass before.
    pause: i64,
    /// Whether the run that had armed is gone by now.
    crash: bool,
    cancel: bool,
    outcome: u8,
    finding: u8,
    look: u8,
}

fn turn() -> impl Strategy<Value = Turn> {
    let pause = prop_oneof![4 => 0..3_i64, 3 => 3..70_i64, 1 => 70..2_000_i64];
    let chance = || prop_oneof![9 => Just(false), 1 => Just(true)];
    (pause, chance(), chance(), 0..7_u8, 0..4_u8, 0..9_u8).prop_map(
        |(pause, crash, cancel, outcome, finding, look)| Turn {
            pause,
            crash,
            cancel,
            outcome,
            finding,
            look,
        },
    )
}

impl Turn {
    fn outcome(&self) -> Outcome {
        match self.outcome {
            0 => Outcome::Created(pipeline(7)),
            1 => not_now(None),
            2 => not_now(Some(u64::from(self.look) * 90)),
            3 => Outcome::Unauthorized {
                message: "Invalid token".into(),
            },
            4 => Outcome::Refused {
                status: 404,
                message: "no".into(),
            },
            _ => unknown(),
        }
    }

    fn finding(&self) -> Option<Finding> {
        match self.finding {
            0 => Some(Finding::Found(pipeline(7))),
            1 | 2 => Some(absent()),
            _ => None,
        }
    }

    fn look(&self) -> Option<Look> {
        use WorkflowStatus as W;
        let seen = |state, status| look(state, vec![workflow("a", 1, status)]);
        Some(match self.look {
            0 => look(PipelineState::Pending, vec![]),
            1 => look(PipelineState::Created, vec![]),
            2 => look(PipelineState::Errored, vec![]),
            3 | 4 => seen(PipelineState::Created, W::Running),
            5 => seen(PipelineState::Setup, W::Success),
            6 => seen(PipelineState::Created, W::Success),
            7 => seen(PipelineState::Created, W::Failed),
            _ => return None,
        })
    }
}

/// One deploy, and the worker's loop around it.
struct World {
    config: Config,
    head: Head,
    now: Time,
    run: u32,
    posted: u32,
    /// The attempt of each POST, in order.
    posts: Vec<u32>,
    /// Since the last POST: whether its outcome is a definite "nothing was created".
    clear: bool,
    held: bool,
    ended: Option<State>,
}

impl World {
    fn new() -> Self {
        Self {
            config: config(),
            head: requested(),
            now: start(),
            run: 0,
            posted: 0,
            posts: vec![],
            clear: true,
            held: false,
            ended: None,
        }
    }

    fn decide<T>(&self, f: impl Fn(&Head, Here<'_>) -> Result<T, Illegal>) -> T {
        let me = Invocation::new(format!("run {}", self.run));
        f(&self.head, here(&self.config, &me, self.posted, self.now)).unwrap()
    }

    fn commit(&mut self, commit: Option<Commit>) {
        let Some(commit) = commit else { return };
        assert_eq!(commit.head.version, self.head.version + 1);
        assert_eq!(
            commit.event.is_some(),
            commit.head.events == self.head.events + 1
        );
        match commit.lock {
            Some(LockChange::Take { .. }) => self.held = true,
            Some(LockChange::Free { .. } | LockChange::Expire { .. }) => {
                assert!(self.held);
                self.held = false;
            }
            None => {}
        }
        assert_eq!(self.held, commit.head.holds.is_some());
        let owed_final = commit.owe.contains(&Kind::Final);
        assert_eq!(
            owed_final,
            commit.head.state.is_terminal() && self.ended.is_none()
        );
        if let Some(end) = self.ended {
            assert_eq!(commit.head.state, end);
        }
        if commit.head.state.is_terminal() {
            self.ended = Some(commit.head.state);
        } else {
            assert!(commit.head.due_at.is_some(), "an open deploy has a timer");
        }
        self.head = commit.head;
    }

    fn post(&mut self, turn: &Turn) {
        let attempt = self.head.attempts;
        assert!(
            !self.posts.contains(&attempt),
            "a second POST of one attempt"
        );
        assert!(self.clear, "a POST while an earlier one may have worked");
        assert!(
            self.now <= self.head.valid_until,
            "a POST of a stale command"
        );
        self.posts.push(attempt);
        self.posted = attempt;
        let outcome = turn.outcome();
        self.clear = matches!(
            outcome,
            Outcome::NotNow { .. } | Outcome::Unauthorized { .. }
        );
        if turn.crash {
            // The answer is lost with the run.
            self.clear = false;
            self.next_run();
            return;
        }
        self.now += chrono::TimeDelta::seconds(turn.pause);
        let commit = self.decide(|head, here| after_post(head, attempt, &outcome, here));
        self.commit(commit);
    }

    fn next_run(&mut self) {
        self.run += 1;
        self.posted = 0;
    }

    /// One step of the worker.
    fn step(&mut self, turn: &Turn) {
        if turn.cancel && !self.head.state.is_terminal() && self.head.cancel.is_none() {
            let wish = Change::CancelWished { by: user() };
            let by = Actor::Person(user());
            let due = self.head.due_at;
            self.head = machine::apply(&self.head, wish, by, self.now).unwrap().0;
            self.head.due_at = due;
        }
        match self.decide(next) {
            Step::Rest => self.next_run(),
            Step::Write(commit) => self.commit(Some(*commit)),
            Step::Post(_) => self.post(turn),
            Step::Search(_) => {
                let commit = match turn.finding() {
                    Some(found) => self.decide(|head, here| after_search(head, &found, here)),
                    None => self.decide(|head, here| after_failed_search(head, None, here)),
                };
                self.commit(commit);
            }
            Step::Look { .. } => {
                let commit = match turn.look() {
                    Some(seen) => self.decide(|head, here| after_look(head, &seen, here)),
                    None => self.decide(|head, here| after_failed_look(head, None, here)),
                };
                self.commit(commit);
            }
            Step::Order => {
                self.head = order_placed(&self.head).head;
            }
        }
        if turn.crash {
            self.next_run();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_way_ends_and_none_sends_twice(turns in prop::collection::vec(turn(), 1..60)) {
        let mut world = World::new();
        for turn in &turns {
            world.now += chrono::TimeDelta::seconds(turn.pause);
            world.step(turn);
        }
        // From here on time goes by and CircleCI says nothing new.
        let quiet = Turn { pause: 0, crash: false, cancel: false, outcome: 1, finding: 1, look: 0 };
        for _ in 0..4_000 {
            if world.head.state.is_terminal() && world.head.due_at.is_none() {
                break;
            }
            world.now = world.head.due_at.unwrap().max(world.now);
            world.step(&quiet);
        }
        prop_assert!(world.head.state.is_terminal(), "{:?}", world.head);
        prop_assert!(!world.held && world.head.due_at.is_none() && !world.head.owes_order);
        prop_assert!(world.posts.is_sorted());
        // What may have created something never ends as if nothing had been.
        let never = [State::Refused, State::TriggerFailed];
        let definite = world.clear || matches!(world.head.end.as_ref().map(|e| &e.reason),
            Some(Reason::TriggerRefused { .. }));
        prop_assert!(definite || !never.contains(&world.head.state));
    }
}
