//! Random walks through the table: whatever CircleCI answers, a deploy ends and no POST is sent twice.

use proptest::prelude::*;

use super::*;

/// One step of a random walk.
#[derive(Debug, Clone)]
struct Turn {
    /// How many seconds pass before.
    pause: i64,
    /// Whether the invocation crashes.
    crash: bool,
    cancel: bool,
    /// The cause of a retry, once it has ended.
    retry: u8,
    outcome: u8,
    result: u8,
    poll: u8,
}

fn turn() -> impl Strategy<Value = Turn> {
    let pause = prop_oneof![4 => 0..3_i64, 3 => 3..70_i64, 1 => 70..2_000_i64];
    let chance = || prop_oneof![9 => Just(false), 1 => Just(true)];
    let ours = (pause, chance(), chance(), 0..8_u8);
    (ours, 0..7_u8, 0..4_u8, 0..10_u8).prop_map(
        |((pause, crash, cancel, retry), outcome, result, poll)| Turn {
            pause,
            crash,
            cancel,
            retry,
            outcome,
            result,
            poll,
        },
    )
}

impl Turn {
    fn outcome(&self) -> TriggerOutcome {
        match self.outcome {
            0 => TriggerOutcome::Created(pipeline(7)),
            1 => not_now(None),
            2 => not_now(Some(u64::from(self.poll) * 90)),
            3 => TriggerOutcome::Unauthorized {
                message: "Invalid token".into(),
            },
            4 => TriggerOutcome::Refused {
                status: 404,
                message: "no".into(),
            },
            _ => unknown(),
        }
    }

    fn result(&self) -> Option<LookupResult> {
        match self.result {
            0 => Some(LookupResult::Found(pipeline(7))),
            1 | 2 => Some(absent()),
            _ => None,
        }
    }

    fn poll(&self) -> Option<RunReport> {
        use WorkflowStatus as W;
        Some(match self.poll {
            0 => empty(PipelineState::Pending),
            1 => empty(PipelineState::Created),
            2 => empty(PipelineState::Errored),
            3 | 4 => created(vec![deploy_run(W::Running)]),
            5 => created(vec![setup_run(W::Success)]),
            6 => created(vec![deploy_run(W::Success)]),
            7 => created(vec![deploy_run(W::Failed)]),
            8 => created(vec![deploy_run(W::OnHold)]),
            _ => return None,
        })
    }
}

/// One deploy and the worker's loop.
struct World {
    config: Config,
    record: DeployRecord,
    now: Time,
    run: u32,
    posted: u32,
    /// The attempt of each POST, in order.
    posts: Vec<u32>,
    /// Since the last POST: whether its outcome is a definite "nothing was created".
    clear: bool,
    held: bool,
    /// The requested notifications.
    requested: Vec<NotificationKind>,
    ended: Option<DeployState>,
    /// The number of retries.
    retries: u32,
}

impl World {
    fn new() -> Self {
        Self {
            config: config(),
            record: requested(),
            now: start(),
            run: 0,
            posted: 0,
            posts: vec![],
            clear: true,
            held: false,
            requested: vec![],
            ended: None,
            retries: 0,
        }
    }

    fn decide<T>(&self, f: impl Fn(&DeployRecord, Context<'_>) -> Decision<T>) -> T {
        let me = InvocationId::new(format!("run {}", self.run));
        f(&self.record, ctx(&self.config, &me, self.posted, self.now)).unwrap()
    }

    fn commit(&mut self, commit: Option<Commit>) {
        let Some(commit) = commit else { return };
        assert_eq!(commit.record.version, self.record.version + 1);
        assert_eq!(
            commit.record.events,
            self.record.events + commit.events.len() as u64
        );
        match commit.lock {
            Some(LockChange::Take { .. }) => self.held = true,
            Some(LockChange::Free { .. } | LockChange::Expire { .. }) => {
                assert!(self.held);
                self.held = false;
            }
            None => {}
        }
        assert_eq!(self.held, commit.record.locked_target.is_some());
        for kind in &commit.notifications {
            assert!(
                *kind == Notice || !self.requested.contains(kind),
                "{kind:?} is requested twice"
            );
        }
        self.requested.extend(&commit.notifications);
        let final_requested = commit.notifications.contains(&Final);
        assert_eq!(
            final_requested,
            commit.record.state.is_terminal() && self.ended.is_none()
        );
        if let Some(end) = self.ended {
            assert_eq!(commit.record.state, end);
        }
        if commit.record.state.is_terminal() {
            self.ended = Some(commit.record.state);
        } else {
            assert!(
                commit.record.due_at.is_some(),
                "a deploy in progress has a timer"
            );
        }
        self.record = commit.record;
    }

    fn post(&mut self, turn: &Turn) {
        let attempt = self.record.attempts;
        assert!(
            !self.posts.contains(&attempt),
            "a second POST of one attempt"
        );
        assert!(self.clear, "a POST while an earlier one may have worked");
        assert!(
            self.now <= self.record.valid_until,
            "a POST of an expired request"
        );
        self.posts.push(attempt);
        self.posted = attempt;
        let outcome = turn.outcome();
        self.clear = matches!(
            outcome,
            TriggerOutcome::NotNow { .. } | TriggerOutcome::Unauthorized { .. }
        );
        if turn.crash {
            // The answer is lost with the invocation.
            self.clear = false;
            self.next_run();
            return;
        }
        self.now += chrono::TimeDelta::seconds(turn.pause);
        let commit = self.decide(|r, ctx| after_post(r, attempt, &outcome, ctx));
        self.commit(commit);
    }

    fn next_run(&mut self) {
        self.run += 1;
        self.posted = 0;
    }

    /// A person's action, now.
    fn action(&self, from: ActionRequester, what: DeployAction) -> ActionMessage {
        ActionMessage {
            requested_at: self.now,
            ..action(from, what)
        }
    }

    fn cancel(&mut self) {
        let deploy = DeployRef::Full(self.record.id);
        let action = self.action(
            ActionRequester::User(requester()),
            DeployAction::Cancel { deploy },
        );
        match self.decide(|r, ctx| decide_cancel(r, &action, ctx)) {
            CancelDecision::Write(commit) => self.commit(Some(*commit)),
            CancelDecision::Ended => assert!(self.record.state.is_terminal()),
            CancelDecision::AlreadyRequested(_) => assert!(self.record.cancel.is_some()),
            CancelDecision::Denied(rejection) => panic!("{rejection:?}"),
        }
    }

    /// Retries the deploy if possible, and continues with the new one.
    fn retry(&mut self, turn: &Turn) {
        let deploy = DeployRef::Full(self.record.id);
        let (confirm, force) = (turn.retry == 1, turn.retry == 2);
        let what = DeployAction::Retry {
            deploy,
            confirm,
            force,
        };
        let name = "root".to_owned();
        let action = match turn.retry {
            0 => None,
            1 => Some(self.action(ActionRequester::User(requester()), what)),
            2 => Some(self.action(ActionRequester::Operator { name }, what)),
            _ => return,
        };
        let cause = action
            .as_ref()
            .map_or(RetryCause::Ticket, RetryCause::Action);
        let first = requested().request;
        if self.decide(|r, ctx| Ok(decide_retry(r, &first, cause, ctx))) != RetryDecision::Yes {
            return;
        }
        let commit = self.decide(|r, ctx| begin_retry(r, &first, cause, 8, ctx));
        let commit = commit.unwrap();
        let old = commit.retried.as_ref().unwrap();
        assert_eq!(old.record.version, self.record.version + 1);
        assert_eq!(
            (old.record.state, &old.record.end),
            (self.record.state, &self.record.end)
        );
        assert!(old.record.due_at.is_none() && !old.record.owes_ticket);
        assert_eq!(old.record.retried_by, Some(commit.record.id));
        self.record = old.record.clone();
        let again = self.decide(|r, ctx| Ok(decide_retry(r, &first, cause, ctx)));
        assert_eq!(again, RetryDecision::Retried);
        assert!(matches!(self.decide(next_step), Wait));

        let (config, now, run) = (self.config.clone(), self.now, self.run + 1);
        let retries = self.retries + 1;
        *self = Self {
            config,
            now,
            run,
            retries,
            held: matches!(commit.lock, Some(LockChange::Take { .. })),
            record: commit.record,
            ..Self::new()
        };
    }

    fn reserve(&mut self) {
        self.record = reserved(&self.record, self.now);
    }

    /// Writes all that a poll means.
    fn record_poll(&mut self, seen: &RunReport) {
        for _ in 0..=6 {
            match self.decide(|r, ctx| after_poll(r, seen, ctx)) {
                Some(commit) => self.commit(Some(commit)),
                None => return,
            }
        }
        panic!("one report is written again and again: {:?}", self.record);
    }

    /// One step of the worker.
    fn step(&mut self, turn: &Turn) {
        if turn.cancel {
            self.cancel();
        }
        if self.record.state.is_terminal() {
            self.retry(turn);
        }
        match self.decide(next_step) {
            // These invocations have no deadline.
            Wait | OutOfTime => self.next_run(),
            Write(commit) => self.commit(Some(*commit)),
            Post(_) => self.post(turn),
            Read(CiRead::LookUp(_)) => {
                self.reserve();
                let commit = match turn.result() {
                    Some(found) => self.decide(|r, ctx| after_lookup(r, &found, ctx)),
                    None => self.decide(|r, ctx| after_failed_lookup(r, "503", None, ctx)),
                };
                self.commit(commit);
            }
            Read(CiRead::Poll(_)) => {
                self.reserve();
                let commit = match turn.poll() {
                    Some(seen) => return self.record_poll(&seen),
                    None => self.decide(|r, ctx| after_failed_poll(r, "503", None, ctx)),
                };
                self.commit(commit);
            }
            WriteTicket => {
                self.record = ticket_written(&self.record).record;
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
    fn every_walk_ends_and_none_sends_twice(turns in prop::collection::vec(turn(), 1..60)) {
        let mut world = World::new();
        for turn in &turns {
            world.now += chrono::TimeDelta::seconds(turn.pause);
            world.step(turn);
        }
        // From here on time passes and CircleCI reports nothing new.
        let quiet = Turn { pause: 0, crash: false, cancel: false, retry: 9, outcome: 1, result: 1, poll: 0 };
        for _ in 0..4_000 {
            if world.record.state.is_terminal() && world.record.due_at.is_none() {
                break;
            }
            world.now = world.record.due_at.unwrap().max(world.now);
            world.step(&quiet);
        }
        prop_assert!(world.record.state.is_terminal(), "{:?}", world.record);
        prop_assert!(!world.held && world.record.due_at.is_none() && !world.record.owes_ticket);
        prop_assert!(world.posts.is_sorted());
        // If a POST may have created something, the end does not deny it.
        let never = [Rejected, TriggerFailed];
        let definite = world.clear || matches!(world.record.end.as_ref().map(|e| &e.reason),
            Some(EndReason::TriggerRefused { .. }));
        prop_assert!(definite || !never.contains(&world.record.state));
    }
}
