//! One seed, one schedule: handlers interleaved at every port call, and everything else that can go
//! wrong, as the dice say. When the dice have no faults left, everything has to come to its end.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::deploy::State;
use chatops_core::id::DeployId;
use chatops_core::message::{Body, NoticeMessage, WorkMessage};
use chatops_core::ports::{Clock, Delivery, Lane, Queue};
use chatops_sandbox::circleci::Script;
use chrono::TimeDelta;

use crate::dice::{Dice, Fault, Weather};
use crate::invariants;
use crate::planted::Bug;
use crate::points::{Points, drive};
use crate::world::{Delivering, Redelivery, World, is_acknowledgement};

/// How many handlers are at work at a time.
const AT_ONCE: usize = 4;

/// The longest a handler stands still at one point.
const PAUSE: u32 = 20;

/// How far a handler's clock may be off, in seconds.
const SKEW: u32 = 3;

/// A schedule that takes more steps will never end.
const STEPS: usize = 50_000;

/// What a schedule came to.
#[derive(Debug)]
pub struct Report {
    /// The seed it can be repeated by.
    pub seed: u64,
    /// How rough it was.
    pub weather: Weather,
    /// How often a handler crashed.
    pub crashes: usize,
    /// What else went wrong, with the state of the deploy it hit (`None` if it was not on record).
    pub faults: Vec<(Fault, Option<State>)>,
    /// A digest of everything that happened: equal for equal runs.
    pub trace: u64,
    /// What is not as it must be.
    pub violations: Vec<String>,
    /// What happened, line by line, if it was asked for.
    pub log: String,
}

/// Runs the schedule of a seed.
#[must_use]
pub fn run(seed: u64, keep_log: bool) -> Report {
    run_with(seed, None, keep_log)
}

/// Runs the schedule of a seed with handlers that have a bug.
#[must_use]
pub fn run_with(seed: u64, bug: Option<Bug>, keep_log: bool) -> Report {
    let dice = Dice::new(seed);
    let delivering = Delivering {
        redelivery: Redelivery::AtOnce,
        twice: false,
        receives: u32::MAX,
    };
    let mut world = World::new(&Points::giving_way(&dice), delivering);
    world.bug = bug;
    world.tolerance = TimeDelta::seconds(i64::from(4 * PAUSE + 2 * SKEW));
    let mut schedule = Schedule {
        commands: people(&dice, &world),
        dice,
        world,
        tasks: vec![],
        faults: vec![],
        digest: DefaultHasher::new(),
        log: keep_log.then(String::new),
    };
    schedule.play();
    schedule.report(seed)
}

/// What is typed, and when; the build that each command gets is set as well.
fn people(dice: &Dice, world: &World) -> Vec<(Time, &'static str, &'static str)> {
    let start = world.clock.now();
    let mut commands = vec![];
    for user in ["U0001", "U0002"]
        .into_iter()
        .take(1 + usize::from(dice.below(10) < 4))
    {
        let text = match dice.below(10) {
            0 => "hotfix deploy",
            1 => "feature/x check",
            _ => "main deploy",
        };
        let later = if commands.is_empty() {
            0
        } else {
            dice.below(90)
        };
        commands.push((start + Duration::from_secs(later as u64), user, text));
        world.circleci.script(build(dice));
    }
    commands
}

fn build(dice: &Dice) -> Script {
    let takes = Duration::from_secs(3 + dice.below(40) as u64);
    let script = match dice.below(12) {
        0..=3 => Script::success(takes),
        4 => Script::failure(takes),
        5 => Script::ending(takes, "canceled"),
        6 => Script::no_workflow(),
        7 => Script::config_error("Unexpected argument(s): job"),
        8 => Script::on_hold_then(takes, "success"),
        9 => Script::setup_then_success(takes),
        10 => Script::auto_rerun(takes),
        _ if dice.below(3) == 0 => Script::endless(),
        _ => Script::success(Duration::from_secs(200)),
    };
    if dice.below(4) == 0 {
        script.listed_after(Duration::from_secs(dice.below(100) as u64))
    } else {
        script
    }
}

enum Ended {
    /// Ingest's answer.
    Answered(DeployId, String),
    /// Whether the message is done.
    Handled(bool),
    /// A sweep is over.
    Swept,
}

struct Task {
    run: Pin<Box<dyn Future<Output = Ended> + Send>>,
    what: &'static str,
    about: Option<DeployId>,
    delivery: Option<(Lane, Delivery)>,
}

struct Schedule {
    world: World,
    dice: Dice,
    commands: Vec<(Time, &'static str, &'static str)>,
    tasks: Vec<Task>,
    faults: Vec<(Fault, Option<State>)>,
    digest: DefaultHasher,
    log: Option<String>,
}

impl Schedule {
    fn play(&mut self) {
        for _ in 0..STEPS {
            if !self.step() {
                return;
            }
        }
        self.world
            .broken
            .push("I15: the schedule does not come to rest".to_owned());
    }

    /// One thing happens; `false` if there is nothing left.
    fn step(&mut self) -> bool {
        let now = self.world.clock.now();
        if let Some(at) = self.commands.iter().position(|(when, ..)| *when <= now) {
            let (_, user, text) = self.commands.remove(at);
            self.types(user, text);
            return true;
        }
        let ready = self.tasks.len();
        let choice = self.dice.below(ready + 1);
        if ready == AT_ONCE || choice < ready {
            self.go_on(choice.min(ready - 1));
            return true;
        }
        if self.receive() {
            return true;
        }
        if ready > 0 {
            self.go_on(self.dice.below(ready));
            return true;
        }
        self.time_passes()
    }

    /// A task is polled, crashes, or stands still.
    fn go_on(&mut self, at: usize) {
        let state = self.tasks[at].about.and_then(|id| self.state(id));
        if self.dice.fires(Fault::Crash) {
            let task = self.tasks.swap_remove(at);
            self.world.points.crashed();
            self.note(state, &format!("{} crashes", task.what));
            // The message comes back when its visibility runs out.
            return;
        }
        if self.dice.fires(Fault::Pause) {
            let pause = 1 + self.dice.below(PAUSE as usize);
            self.world.clock.advance(Duration::from_secs(pause as u64));
            self.note(state, &format!("{pause} s pass meanwhile"));
        }
        let mut context = Context::from_waker(Waker::noop());
        let polled = self.tasks[at].run.as_mut().poll(&mut context);
        let what = self.tasks[at].what;
        self.note(state, what);
        if let Poll::Ready(ended) = polled {
            let task = self.tasks.swap_remove(at);
            self.end(task, ended);
            self.world.watch_audits();
        }
    }

    fn end(&mut self, task: Task, ended: Ended) {
        match (ended, task.delivery) {
            (Ended::Answered(id, answer), _) => {
                if is_acknowledgement(&answer) {
                    self.world.acknowledged.push(id);
                }
            }
            (Ended::Handled(true), Some((lane, delivery))) => {
                let _ = drive(self.world.queue.delete(lane, &delivery.receipt));
            }
            (Ended::Handled(false), Some((lane, delivery))) => {
                let delay = Duration::from_secs(2 << delivery.receives.min(5));
                let _ = drive(self.world.queue.release(lane, &delivery.receipt, delay));
            }
            (Ended::Handled(_), None) | (Ended::Swept, _) => {}
        }
    }

    fn types(&mut self, user: &'static str, text: &'static str) {
        let Some((id, request)) = self.world.request(user, "C0001", text) else {
            return;
        };
        let skew = self.skew(None);
        let ingest = self.world.ingest(skew);
        self.start("ingest", Some(id), None, async move {
            let answer = ingest.handle(request).await;
            Ended::Answered(id, String::from_utf8_lossy(answer.body()).into_owned())
        });
    }

    /// Takes a visible message in hand, unless something happens to it on the way.
    fn receive(&mut self) -> bool {
        let lanes = [Lane::Work, Lane::Notice];
        let first = self.dice.below(2);
        let delivery = [lanes[first], lanes[1 - first]]
            .into_iter()
            .find_map(|lane| Some((lane, self.world.receive(lane)?)));
        let Some((lane, delivery)) = delivery else {
            return false;
        };
        let about = subject(&delivery.body);
        let state = about.and_then(|id| self.state(id));
        let hint = !matches!(
            delivery.body.decode(),
            Ok(WorkMessage::Deploy(_) | WorkMessage::Retry { .. })
        );
        if hint && self.dice.fires(Fault::HintLost) {
            let _ = drive(self.world.queue.delete(lane, &delivery.receipt));
            self.note(state, "a hint is lost");
            return true;
        }
        if self.dice.fires(Fault::Delay) {
            let delay = Duration::from_secs(1 + self.dice.below(200) as u64);
            let _ = drive(self.world.queue.release(lane, &delivery.receipt, delay));
            self.note(state, "a message is late");
            return true;
        }
        if self.dice.fires(Fault::Duplicate) {
            self.note(state, "a message comes twice");
            self.handle(lane, about, &delivery.body, None);
        }
        self.handle(lane, about, &delivery.body.clone(), Some((lane, delivery)));
        true
    }

    fn handle(
        &mut self,
        lane: Lane,
        about: Option<DeployId>,
        body: &Body,
        delivery: Option<(Lane, Delivery)>,
    ) {
        let skew = self.skew(about);
        let body = body.clone();
        if lane == Lane::Work {
            let (worker, me) = (self.world.worker(skew), self.world.invocation());
            self.start("worker", about, delivery, async move {
                Ended::Handled(Box::pin(worker.handle(&me, &body)).await.is_ok())
            });
        } else {
            let notifier = self.world.notifier(skew);
            self.start("notifier", about, delivery, async move {
                Ended::Handled(notifier.handle(&body).await.is_ok())
            });
        }
    }

    fn start(
        &mut self,
        what: &'static str,
        about: Option<DeployId>,
        delivery: Option<(Lane, Delivery)>,
        run: impl Future<Output = Ended> + Send + 'static,
    ) {
        self.tasks.push(Task {
            run: Box::pin(run),
            what,
            about,
            delivery,
        });
    }

    fn skew(&mut self, about: Option<DeployId>) -> TimeDelta {
        if !self.dice.fires(Fault::ClockSkew) {
            return TimeDelta::zero();
        }
        let state = about.and_then(|id| self.state(id));
        self.note(state, "a clock is off");
        TimeDelta::seconds(i64::from(self.dice.below_32(2 * SKEW + 1)) - i64::from(SKEW))
    }

    /// Nobody is at work: the next moment comes, and what people and strangers do with it.
    fn time_passes(&mut self) -> bool {
        let typed = self.commands.iter().map(|(when, ..)| *when).min();
        let Some(next) = self.world.next_moment().into_iter().chain(typed).min() else {
            return self.redrive();
        };
        self.world.clock.set(next);
        self.strangers();
        if next >= self.world.next_sweep {
            self.world.next_sweep = next + self.world.config().times.sweep_every;
            let worker = self.world.worker(TimeDelta::zero());
            self.start("sweeper", None, None, async move {
                let _ = worker.sweep().await;
                Ended::Swept
            });
        }
        true
    }

    fn strangers(&mut self) {
        let heads = self.world.store.heads();
        let Some(head) = heads.get(self.dice.below(heads.len())) else {
            return;
        };
        if self.dice.fires(Fault::TokenRotated) {
            self.world.secrets.forget_token();
            self.note(Some(head.state), "the token is rotated");
        }
        if self.dice.fires(Fault::HintStorm) {
            for _ in 0..4 {
                self.send(Lane::Work, &WorkMessage::Look { deploy: head.id });
                self.send(Lane::Notice, &NoticeMessage::Tell { deploy: head.id });
            }
            self.note(Some(head.state), "a storm of hints");
        }
        self.redrive();
    }

    /// Somebody sends an order back, if there is one and the dice say so.
    fn redrive(&mut self) -> bool {
        let orders = self.world.queue.messages(Lane::WorkDead);
        let Some(order) = orders.first().filter(|_| self.dice.fires(Fault::Redrive)) else {
            return false;
        };
        let state = match order.body.decode() {
            Ok(WorkMessage::Retry { deploy }) => self.state(deploy),
            _ => None,
        };
        self.world.redrive();
        self.note(state, "an order is sent back");
        true
    }

    fn send<M: serde::Serialize>(&self, lane: Lane, message: &M) {
        if let Ok(body) = Body::encode(message) {
            let _ = drive(self.world.queue.send(lane, &body, Duration::ZERO));
        }
    }

    fn state(&self, id: DeployId) -> Option<State> {
        drive(chatops_core::ports::Store::head(&*self.world.store, id))?
            .ok()?
            .map(|head| head.state)
    }

    /// Puts what has just happened into the digest and the log, and new faults into the matrix.
    fn note(&mut self, state: Option<State>, what: &str) {
        let fired = self.dice.fired();
        let now = self.world.clock.now();
        for fault in &fired[self.faults.len()..] {
            self.faults.push((*fault, state));
            if let Some(log) = &mut self.log {
                let _ = writeln!(log, "{now} !! {fault:?} ({state:?})");
            }
        }
        (now, what, self.tasks.len(), fired.len()).hash(&mut self.digest);
        if let Some(log) = &mut self.log {
            let _ = writeln!(
                log,
                "{now} {what} ({state:?}), passed {}",
                self.world.points.passed()
            );
        }
    }

    fn report(mut self, seed: u64) -> Report {
        self.world.faults = self.dice.count();
        let account = self.world.account();
        account.hash(&mut self.digest);
        let log = self
            .log
            .map(|log| format!("{log}{account}"))
            .unwrap_or_default();
        let crashes = self.world.points.crashes();
        Report {
            seed,
            weather: self.dice.weather(),
            crashes,
            trace: self.digest.finish(),
            violations: invariants::check(&self.world),
            faults: self.faults,
            log,
        }
    }
}

/// The deploy a message is about.
fn subject(body: &Body) -> Option<DeployId> {
    match body.decode::<WorkMessage>() {
        Ok(WorkMessage::Deploy(message)) => Some(message.id),
        Ok(WorkMessage::Look { deploy }) => Some(deploy),
        // What an order is about is the deploy that it starts.
        Ok(WorkMessage::Retry { deploy }) => Some(DeployId::of_retry(deploy)),
        // Which deploy they are about is known only when they are dealt with.
        Ok(WorkMessage::Question(_) | WorkMessage::Wish(_) | WorkMessage::Event { .. }) => None,
        Err(_) => match body.decode::<NoticeMessage>().ok()? {
            NoticeMessage::Tell { deploy } => Some(deploy),
            NoticeMessage::Answer(_) => None,
        },
    }
}
