//! Random ways through the table: whatever the world answers, it ends, and nothing is sent twice.

use proptest::prelude::*;

use super::*;

/// One thing the outside world does in a random way through the states.
#[derive(Debug, Clone)]
struct Turn {
    /// How many seconds pass before.
    pause: i64,
    /// Whether the run that had armed is gone by now.
    crash: bool,
    cancel: bool,
    /// What wishes it to be tried again, once it has ended.
    retry: u8,
    outcome: u8,
    finding: u8,
    look: u8,
}

fn turn() -> impl Strategy<Value = Turn> {
    let pause = prop_oneof![4 => 0..3_i64, 3 => 3..70_i64, 1 => 70..2_000_i64];
    let chance = || prop_oneof![9 => Just(false), 1 => Just(true)];
    let ours = (pause, chance(), chance(), 0..8_u8);
    (ours, 0..7_u8, 0..4_u8, 0..10_u8).prop_map(
        |((pause, crash, cancel, retry), outcome, finding, look)| Turn {
            pause,
            crash,
            cancel,
            retry,
            outcome,
            finding,
            look,
        },
    )
}

impl Turn {
    fn outcome(&self) -> TriggerOutcome {
        match self.outcome {
            0 => TriggerOutcome::Created(pipeline(7)),
            1 => not_now(None),
            2 => not_now(Some(u64::from(self.look) * 90)),
            3 => TriggerOutcome::Unauthorized {
                message: "Invalid token".into(),
            },
            4 => TriggerOutcome::Rejected {
                status: 404,
                message: "no".into(),
            },
            _ => unknown(),
        }
    }

    fn finding(&self) -> Option<LookupResult> {
        match self.finding {
            0 => Some(LookupResult::Found(pipeline(7))),
            1 | 2 => Some(absent()),
            _ => None,
        }
    }

    fn look(&self) -> Option<PollResult> {
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
            8 => seen(PipelineState::Created, W::OnHold),
            _ => return None,
        })
    }
}

/// One deploy, and the worker's loop around it.
struct World {
    config: Config,
    head: DeployRecord,
    now: Time,
    run: u32,
    posted: u32,
    /// The attempt of each POST, in order.
    posts: Vec<u32>,
    /// Since the last POST: whether its outcome is a definite "nothing was created".
    clear: bool,
    held: bool,
    /// What was made owed so far.
    owed: Vec<NotificationKind>,
    ended: Option<DeployState>,
    /// How often a deploy was tried again so far.
    retries: u32,
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
            owed: vec![],
            ended: None,
            retries: 0,
        }
    }

    fn decide<T>(
        &self,
        f: impl Fn(&DeployRecord, Context<'_>) -> Result<T, IllegalTransition>,
    ) -> T {
        let me = InvocationId::new(format!("run {}", self.run));
        f(&self.head, here(&self.config, &me, self.posted, self.now)).unwrap()
    }

    fn commit(&mut self, commit: Option<Commit>) {
        let Some(commit) = commit else { return };
        assert_eq!(commit.record.version, self.head.version + 1);
        assert_eq!(
            commit.event.is_some(),
            commit.record.events == self.head.events + 1
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
            assert!(!self.owed.contains(kind), "{kind:?} is owed twice");
        }
        self.owed.extend(&commit.notifications);
        let owed_final = commit.notifications.contains(&NotificationKind::Final);
        assert_eq!(
            owed_final,
            commit.record.state.is_terminal() && self.ended.is_none()
        );
        if let Some(end) = self.ended {
            assert_eq!(commit.record.state, end);
        }
        if commit.record.state.is_terminal() {
            self.ended = Some(commit.record.state);
        } else {
            assert!(commit.record.due_at.is_some(), "an open deploy has a timer");
        }
        self.head = commit.record;
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
            TriggerOutcome::NotNow { .. } | TriggerOutcome::Unauthorized { .. }
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

    /// Somebody's wish, now.
    fn wish(&self, from: ActionRequester, what: DeployAction) -> ActionMessage {
        ActionMessage {
            requested_at: self.now,
            ..wish(from, what)
        }
    }

    fn cancel(&mut self) {
        let deploy = DeployRef::Full(self.head.id);
        let wish = self.wish(
            ActionRequester::User(requester()),
            DeployAction::Cancel { deploy },
        );
        match self.decide(|head, here| decide_cancel(head, &wish, here)) {
            CancelDecision::Write(commit) => self.commit(Some(*commit)),
            CancelDecision::Ended => assert!(self.head.state.is_terminal()),
            CancelDecision::AlreadyRequested(_) => assert!(self.head.cancel.is_some()),
            CancelDecision::Denied(refusal) => panic!("{refusal:?}"),
        }
    }

    /// Tries the deploy again if that can be, and goes on with the new one.
    fn retry(&mut self, turn: &Turn) {
        let deploy = DeployRef::Full(self.head.id);
        let (confirm, force) = (turn.retry == 1, turn.retry == 2);
        let what = DeployAction::Retry {
            deploy,
            confirm,
            force,
        };
        let name = "root".to_owned();
        let wish = match turn.retry {
            0 => None,
            1 => Some(self.wish(ActionRequester::User(requester()), what)),
            2 => Some(self.wish(ActionRequester::Operator { name }, what)),
            _ => return,
        };
        let cause = wish.as_ref().map_or(RetryCause::Ticket, RetryCause::Action);
        if self.decide(|head, here| Ok(decide_retry(head, cause, here))) != RetryDecision::Yes {
            return;
        }
        let first = requested().request;
        let commit = self.decide(|head, here| open_retry(head, &first, cause, 8, here));
        let old = commit.retried.as_ref().unwrap();
        assert_eq!(old.record.version, self.head.version + 1);
        assert_eq!(
            (old.record.state, &old.record.end),
            (self.head.state, &self.head.end)
        );
        assert!(old.record.due_at.is_none() && !old.record.owes_ticket);
        assert_eq!(old.record.retried_by, Some(commit.record.id));
        self.head = old.record.clone();
        let again = self.decide(|head, here| Ok(decide_retry(head, cause, here)));
        assert_eq!(again, RetryDecision::Retried);
        assert!(matches!(self.decide(next_step), NextStep::Wait));

        let (config, now, run) = (self.config.clone(), self.now, self.run + 1);
        let retries = self.retries + 1;
        *self = Self {
            config,
            now,
            run,
            retries,
            head: commit.record,
            ..Self::new()
        };
    }

    /// One step of the worker.
    fn step(&mut self, turn: &Turn) {
        if turn.cancel {
            self.cancel();
        }
        if self.head.state.is_terminal() {
            self.retry(turn);
        }
        match self.decide(next_step) {
            // Nobody cuts these runs off.
            NextStep::Wait | NextStep::OutOfTime => self.next_run(),
            NextStep::Write(commit) => self.commit(Some(*commit)),
            NextStep::Post(_) => self.post(turn),
            NextStep::LookUp(_) => {
                let commit = match turn.finding() {
                    Some(found) => self.decide(|head, here| after_lookup(head, &found, here)),
                    None => self.decide(|head, here| after_failed_lookup(head, None, here)),
                };
                self.commit(commit);
            }
            NextStep::Poll { .. } => {
                let commit = match turn.look() {
                    Some(seen) => self.decide(|head, here| after_poll(head, &seen, here)),
                    None => self.decide(|head, here| after_failed_poll(head, None, here)),
                };
                self.commit(commit);
            }
            NextStep::WriteTicket => {
                self.head = ticket_written(&self.head).record;
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
        let quiet = Turn { pause: 0, crash: false, cancel: false, retry: 9, outcome: 1, finding: 1, look: 0 };
        for _ in 0..4_000 {
            if world.head.state.is_terminal() && world.head.due_at.is_none() {
                break;
            }
            world.now = world.head.due_at.unwrap().max(world.now);
            world.step(&quiet);
        }
        prop_assert!(world.head.state.is_terminal(), "{:?}", world.head);
        prop_assert!(!world.held && world.head.due_at.is_none() && !world.head.owes_ticket);
        prop_assert!(world.posts.is_sorted());
        // What may have created something never ends as if nothing had been.
        let never = [DeployState::Rejected, DeployState::TriggerFailed];
        let definite = world.clear || matches!(world.head.end.as_ref().map(|e| &e.reason),
            Some(EndReason::TriggerRefused { .. }));
        prop_assert!(definite || !never.contains(&world.head.state));
    }
}
