//! One seed, one schedule: handlers interleaved at every port call, and everything else that can go
//! wrong, at random. When the injector has no faults left, every deploy has to end.

mod actions;
mod function;
mod idle;
mod messages;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use chatops_core::Time;
use chatops_core::delivery::HandlerFailure;
use chatops_core::deploy::DeployState;
use chatops_core::id::{DeployId, RequestId};
use chatops_core::ports::{Clock, DeployReader, MAX_RECEIVES, QueueName, ReceivedMessage};
use chrono::TimeDelta;
use http::Request;

use self::actions::UserAction;
use self::function::{FunctionRun, TaskMessage};
use crate::coverage::{self, CoveragePoint};
use crate::crash_points::{CrashPoints, drive};
use crate::fault_injector::{FaultInjector, FaultKind};
use crate::invariants;
use crate::people::{IssuedCommand, Person, Rights};
use crate::seeded::SeededBug;
use crate::violation::{Invariant, Violation};
use crate::world::{DeliveryPlan, Redelivery, World};

/// How many handlers run at a time.
const MAX_TASKS: usize = 4;

/// The longest a handler stands still at one point.
const MAX_PAUSE: u32 = 20;

/// How far a handler's clock may be off, in seconds.
const MAX_SKEW: u32 = 3;

/// A schedule that takes more steps will never end.
const MAX_STEPS: usize = 50_000;

/// What a schedule came to.
#[derive(Debug)]
pub struct ScheduleReport {
    /// Its seed.
    pub seed: u64,
    /// Whether it ran on AWS.
    pub on_aws: bool,
    /// How often a handler crashed.
    pub crashes: usize,
    /// What else went wrong, with the state of the deploy it hit (`None` if it was not on record).
    pub faults: Vec<(FaultKind, Option<DeployState>)>,
    /// What people's actions led to.
    pub reached: BTreeSet<CoveragePoint>,
    /// A digest of everything that happened: equal for equal runs.
    pub digest: u64,
    /// What is not as it must be.
    pub violations: Vec<Violation>,
    /// What happened, line by line, if it was kept.
    pub log: String,
}

/// Runs the schedule of a seed.
#[must_use]
pub fn run_seed(seed: u64, keep_log: bool) -> ScheduleReport {
    run_with_bug(seed, None, keep_log)
}

/// Runs the schedule of a seed with handlers that have a bug.
#[must_use]
pub fn run_with_bug(seed: u64, bug: Option<SeededBug>, keep_log: bool) -> ScheduleReport {
    run_schedule(FaultInjector::new(seed), seed, bug, keep_log)
}

/// Runs the schedule that a seed has where nothing runs on AWS.
#[must_use]
pub fn run_off_aws(seed: u64, bug: Option<SeededBug>) -> ScheduleReport {
    run_schedule(FaultInjector::new(seed).off_aws(), seed, bug, false)
}

fn run_schedule(
    injector: FaultInjector,
    seed: u64,
    bug: Option<SeededBug>,
    keep_log: bool,
) -> ScheduleReport {
    let delivering = DeliveryPlan {
        redelivery: Redelivery::AtOnce,
        twice: false,
        max_receives: MAX_RECEIVES,
    };
    let mut world = World::new(&CrashPoints::yielding(&injector), delivering);
    world.bug = bug;
    world.tolerance = TimeDelta::seconds(i64::from(4 * MAX_PAUSE + 2 * MAX_SKEW));
    let mut schedule = ScheduleRun {
        actions: actions::plan_actions(&injector, &mut world),
        poison: vec![],
        injector,
        world,
        tasks: vec![],
        task_count: 0,
        faults: vec![],
        reached: BTreeSet::new(),
        batches: BTreeMap::new(),
        function_count: 0,
        digest: DefaultHasher::new(),
        log: keep_log.then(String::new),
    };
    schedule.run_to_end();
    schedule.into_report(seed)
}

enum TaskResult {
    /// Ingest's answer.
    Answered(DeployId, Bytes),
    /// What a handler came to.
    Handled {
        /// Whether its deadline was too close.
        no_time: bool,
        result: Result<(), HandlerFailure>,
    },
    /// A sweep or a webhook is over.
    Ended,
}

struct HandlerTask {
    /// No other task of the run has it.
    id: u64,
    future: Pin<Box<dyn Future<Output = TaskResult> + Send>>,
    name: &'static str,
    deploy: Option<DeployId>,
    message: Option<(QueueName, ReceivedMessage)>,
    function: FunctionRun,
}

struct ScheduleRun {
    world: World,
    injector: FaultInjector,
    actions: Vec<(Time, UserAction)>,
    /// The commands and actions that kill their handlers, until somebody redrives them.
    poison: Vec<RequestId>,
    tasks: Vec<HandlerTask>,
    task_count: u64,
    faults: Vec<(FaultKind, Option<DeployState>)>,
    reached: BTreeSet<CoveragePoint>,
    /// What has been handled of each batch under way.
    batches: BTreeMap<usize, Vec<TaskMessage>>,
    /// How many functions have run.
    function_count: usize,
    digest: DefaultHasher,
    log: Option<String>,
}

impl ScheduleRun {
    fn run_to_end(&mut self) {
        for _ in 0..MAX_STEPS {
            if !self.take_step() {
                return;
            }
        }
        let detail = "the schedule does not come to rest";
        self.world.note_violation(Invariant::Termination, detail);
    }

    /// One thing happens; `false` if there is nothing left.
    fn take_step(&mut self) -> bool {
        let now = self.world.clock.now();
        if let Some(at) = self.actions.iter().position(|(when, _)| *when <= now) {
            let (_, action) = self.actions.remove(at);
            self.perform_action(action);
            return true;
        }
        let ready = self.tasks.len();
        let choice = self.injector.below(ready + 1);
        if ready >= MAX_TASKS || choice < ready {
            self.advance_task(choice.min(ready - 1));
            return true;
        }
        if self.receive_message() {
            return true;
        }
        if ready > 0 {
            self.advance_task(self.injector.below(ready));
            return true;
        }
        self.pass_time()
    }

    /// A task is polled, crashes, or stands still.
    fn advance_task(&mut self, at: usize) {
        let state = self.tasks[at].deploy.and_then(|id| self.deploy_state(id));
        if self.injector.should_inject(FaultKind::Crash) {
            let task = self.tasks.swap_remove(at);
            self.world.circleci.lose_reads(task.id);
            self.world.points.count_crash();
            let now = self.world.clock.now();
            self.world.history.note_disturbance(now, now);
            self.note_event(state, &format!("{} crashes", task.name));
            // The message comes back when its visibility runs out.
            self.kill_function(&task.function);
            return;
        }
        if self.injector.should_inject(FaultKind::Pause) {
            let pause = 1 + self.injector.below(MAX_PAUSE as usize);
            self.world.clock.advance(Duration::from_secs(pause as u64));
            self.note_event(state, &format!("{pause} s pass meanwhile"));
        }
        if self.tasks[at].function.has_ended(self.world.clock.now()) {
            let task = self.tasks.swap_remove(at);
            self.cut_off_task(task, state);
            return;
        }
        self.world.circleci.set_reader(self.tasks[at].id);
        let mut context = Context::from_waker(Waker::noop());
        let polled = self.tasks[at].future.as_mut().poll(&mut context);
        self.world.watch_ledger();
        let what = self.tasks[at].name;
        self.note_event(state, what);
        if let Poll::Ready(result) = polled {
            let task = self.tasks.swap_remove(at);
            self.end_task(task, result);
            self.world.watch_audits();
        }
    }

    fn end_task(&mut self, task: HandlerTask, result: TaskResult) {
        if matches!(result, TaskResult::Handled { no_time: true, .. }) {
            self.reached.insert(CoveragePoint::OutOfTime);
        }
        if matches!(result, TaskResult::Handled { result: Err(_), .. }) {
            self.world.circleci.lose_reads(task.id);
        }
        match (result, task.message) {
            (TaskResult::Handled { result, .. }, message) if task.function.batch.is_some() => {
                self.finish_message(&task.function, message.map(|message| (message, result)));
            }
            (TaskResult::Answered(id, answer), _) => {
                self.world.note_answer(id, &answer);
            }
            (TaskResult::Handled { result, .. }, Some((queue, delivery))) => {
                self.world.settle_message(queue, &delivery, result);
            }
            (TaskResult::Handled { .. }, None) | (TaskResult::Ended, _) => {}
        }
    }

    fn perform_action(&mut self, action: UserAction) {
        let deploys = self.world.deploys();
        let nth = self.injector.below(deploys.len());
        match action {
            UserAction::TypeCommand { person, text } => {
                self.type_command(person, text);
            }
            UserAction::ActOnDeploy { people, commands } => {
                for (person, command) in people.into_iter().zip(commands) {
                    let text = self.world.action_text(command, nth);
                    if let (Some(person), Some(text)) = (person, text) {
                        self.type_command(person, &text);
                    }
                }
            }
            UserAction::OperatorAction("cancel") => self.world.cancel_as_operator(nth),
            UserAction::OperatorAction(command) => {
                let (confirm, force) = (command.contains("confirm"), command.contains("force"));
                self.world.retry_as_operator(nth, confirm, force);
            }
            UserAction::RetryAll => {
                for nth in 0..deploys.len() {
                    self.world.retry_as_operator(nth, false, false);
                }
            }
            UserAction::RedriveTicket(times) => {
                if let Some(record) = deploys.get(nth) {
                    self.world.redrive_ticket(record.id, times);
                }
            }
            UserAction::ForgeOperator => self.world.forge_operator_action(nth),
            UserAction::Press { person, button } => {
                if let Some(request) = self.world.press_request(person, button, nth) {
                    self.submit(None, &request);
                }
            }
            UserAction::PressFirstCard(person, times) => {
                for _ in 0..times {
                    if let Some(request) = self.world.first_card_request(person, "cancel") {
                        self.submit(None, &request);
                    }
                }
            }
            UserAction::PressPlan(person, branch) => {
                if let Some(request) = self.world.plan_request(person, "web deploy", branch) {
                    self.submit(None, &request);
                }
            }
            UserAction::PressPlanned(person, times) => {
                for _ in 0..times {
                    if let Some((_, request)) = self.world.planned_request(person) {
                        self.submit(None, &request);
                    }
                }
            }
            UserAction::DeleteCard => self.world.delete_card(nth),
            UserAction::RemoveBot => self.world.slack.remove_bot("C0001"),
            UserAction::WithdrawRights => self.world.restrict_users(&["T0001/U0001"]),
            UserAction::RestoreRights => self.world.set_rights(Rights::default()),
        }
    }

    /// A person types a command, and at times presses twice.
    fn type_command(&mut self, person: Person, text: &str) {
        if let Some((id, request)) = self.world.command_request(person, text) {
            self.submit(Some(id), &request);
        }
    }

    /// Ingest receives what was just typed or pressed; of a command, with the deploy that it requests.
    fn submit(&mut self, id: Option<DeployId>, request: &Request<Bytes>) {
        let typed = self.world.typed.last();
        let once = typed.is_none_or(IssuedCommand::is_query);
        if self.injector.below(25) == 0 {
            self.poison.extend(typed.map(|typed| typed.request));
            self.world.faults += 1;
        }
        let twice = !once && self.injector.below(12) == 0;
        for _ in 0..=usize::from(twice) {
            let skew = self.draw_skew(None);
            let (ingest, request) = (self.world.ingest(skew), request.clone());
            self.start_task("ingest", id, None, async move {
                let answer = ingest.handle(request).await;
                match id {
                    Some(id) => TaskResult::Answered(id, answer.into_body()),
                    None => TaskResult::Ended,
                }
            });
        }
    }

    fn start_task(
        &mut self,
        what: &'static str,
        about: Option<DeployId>,
        delivery: Option<(QueueName, ReceivedMessage)>,
        run: impl Future<Output = TaskResult> + Send + 'static,
    ) {
        self.start_task_in(FunctionRun::default(), what, about, delivery, run);
    }

    fn start_task_in(
        &mut self,
        function: FunctionRun,
        what: &'static str,
        about: Option<DeployId>,
        delivery: Option<(QueueName, ReceivedMessage)>,
        run: impl Future<Output = TaskResult> + Send + 'static,
    ) {
        self.task_count += 1;
        self.tasks.push(HandlerTask {
            id: self.task_count,
            future: Box::pin(run),
            name: what,
            deploy: about,
            message: delivery,
            function,
        });
    }

    fn draw_skew(&mut self, about: Option<DeployId>) -> TimeDelta {
        if !self.injector.should_inject(FaultKind::ClockSkew) {
            return TimeDelta::zero();
        }
        let state = about.and_then(|id| self.deploy_state(id));
        self.note_event(state, "a clock is off");
        let skew = self.injector.below_32(2 * MAX_SKEW + 1);
        TimeDelta::seconds(i64::from(skew) - i64::from(MAX_SKEW))
    }

    fn deploy_state(&self, id: DeployId) -> Option<DeployState> {
        let record = drive(self.world.ledger.read_deploy(id))?.ok()??;
        Some(record.state)
    }

    /// Puts what has just happened into the digest and the log, and new faults into the matrix.
    fn note_event(&mut self, state: Option<DeployState>, what: &str) {
        let fired = self.injector.injected();
        let now = self.world.clock.now();
        if fired.len() > self.faults.len() {
            self.world.history.note_disturbance(now, now);
        }
        for fault in &fired[self.faults.len()..] {
            self.faults.push((*fault, state));
            if let Some(log) = &mut self.log {
                let _ = writeln!(log, "{now} !! {fault:?} ({state:?})");
            }
        }
        (now, what, self.tasks.len(), fired.len()).hash(&mut self.digest);
        if let Some(log) = &mut self.log {
            let passed = self.world.points.passed_count();
            let _ = writeln!(log, "{now} {what} ({state:?}), passed {passed}");
        }
    }

    fn into_report(mut self, seed: u64) -> ScheduleReport {
        self.world.faults += self.injector.injected().len();
        let account = self.world.transcript();
        account.hash(&mut self.digest);
        let log = self.log.map(|log| log + &account);
        let crashes = self.world.points.crash_count();
        let violations = invariants::check(&self.world);
        self.reached.extend(coverage::reached_by(&self.world));
        ScheduleReport {
            seed,
            on_aws: self.injector.is_on_aws(),
            crashes,
            reached: self.reached,
            digest: self.digest.finish(),
            violations,
            faults: self.faults,
            log: log.unwrap_or_default(),
        }
    }
}
