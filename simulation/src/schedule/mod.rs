//! One seed, one schedule: handlers interleaved at every port call, and everything else that can go
//! wrong, as the dice say. When the dice have no faults left, everything has to come to its end.

mod acts;
mod idle;
mod messages;
mod shell;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::deploy::State;
use chatops_core::id::{DeployId, RequestId};
use chatops_core::ports::{Clock, Delivery, Lane, Queue, Store};
use chrono::TimeDelta;

use self::acts::Act;
use self::shell::{Shell, Shown};
use crate::coverage::{self, Reached};
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
    /// Whether it ran on AWS.
    pub cloud: bool,
    /// How often a handler crashed.
    pub crashes: usize,
    /// What else went wrong, with the state of the deploy it hit (`None` if it was not on record).
    pub faults: Vec<(Fault, Option<State>)>,
    /// What came of what people did.
    pub reached: BTreeSet<Reached>,
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
    run_on(Dice::new(seed), seed, bug, keep_log)
}

/// Runs the schedule that a seed has where nothing runs on AWS.
#[must_use]
pub fn run_at_home(seed: u64, bug: Option<Bug>) -> Report {
    run_on(Dice::new(seed).at_home(), seed, bug, false)
}

fn run_on(dice: Dice, seed: u64, bug: Option<Bug>, keep_log: bool) -> Report {
    let delivering = Delivering {
        redelivery: Redelivery::AtOnce,
        twice: false,
        receives: u32::MAX,
    };
    let mut world = World::new(&Points::giving_way(&dice), delivering);
    world.bug = bug;
    world.tolerance = TimeDelta::seconds(i64::from(4 * PAUSE + 2 * SKEW));
    let mut schedule = Schedule {
        acts: acts::all(&dice, &mut world),
        poison: vec![],
        dice,
        world,
        tasks: vec![],
        faults: vec![],
        reached: BTreeSet::new(),
        batches: BTreeMap::new(),
        functions: 0,
        digest: DefaultHasher::new(),
        log: keep_log.then(String::new),
    };
    schedule.play();
    schedule.report(seed)
}

enum Ended {
    /// Ingest's answer.
    Answered(DeployId, String),
    /// Whether the message is done.
    Handled(bool),
    /// The run ends too soon for what is to be done.
    NoTime,
    /// A sweep or an event is over.
    Over,
}

struct Task {
    run: Pin<Box<dyn Future<Output = Ended> + Send>>,
    what: &'static str,
    about: Option<DeployId>,
    delivery: Option<(Lane, Delivery)>,
    shell: Shell,
}

struct Schedule {
    world: World,
    dice: Dice,
    acts: Vec<(Time, Act)>,
    /// The commands and wishes that kill whoever handles them, until somebody sends them back.
    poison: Vec<RequestId>,
    tasks: Vec<Task>,
    faults: Vec<(Fault, Option<State>)>,
    reached: BTreeSet<Reached>,
    /// What has been dealt with of each batch that is in hand.
    batches: BTreeMap<usize, Vec<Shown>>,
    /// How many functions have run.
    functions: usize,
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
        if let Some(at) = self.acts.iter().position(|(when, _)| *when <= now) {
            let (_, act) = self.acts.remove(at);
            self.happens(act);
            return true;
        }
        let ready = self.tasks.len();
        let choice = self.dice.below(ready + 1);
        if ready >= AT_ONCE || choice < ready {
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
            self.function_dies(&task.shell);
            return;
        }
        if self.dice.fires(Fault::Pause) {
            let pause = 1 + self.dice.below(PAUSE as usize);
            self.world.clock.advance(Duration::from_secs(pause as u64));
            self.note(state, &format!("{pause} s pass meanwhile"));
        }
        if self.tasks[at].shell.is_over(self.world.clock.now()) {
            let task = self.tasks.swap_remove(at);
            self.is_cut_off(task, state);
            return;
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
        if matches!(ended, Ended::NoTime) {
            self.reached.insert(Reached::NoTime);
        }
        let done = matches!(ended, Ended::Handled(true));
        match (ended, task.delivery) {
            (Ended::Handled(_) | Ended::NoTime, shown) if task.shell.batch.is_some() => {
                self.dealt_with(&task.shell, shown.map(|shown| (shown, done)));
            }
            (Ended::Answered(id, answer), _) => {
                if is_acknowledgement(&answer) {
                    self.world.acknowledged.push(id);
                }
            }
            (Ended::Handled(true), Some((lane, delivery))) => {
                let _ = drive(self.world.cloud_queue.delete(lane, &delivery.receipt));
            }
            (Ended::Handled(false) | Ended::NoTime, Some((lane, delivery))) => {
                self.release(lane, &delivery);
            }
            (Ended::Handled(_) | Ended::NoTime, None) | (Ended::Over, _) => {}
        }
    }

    fn happens(&mut self, act: Act) {
        let deploys = self.world.deploys();
        let nth = self.dice.below(deploys.len());
        match act {
            Act::Types { user, text } => {
                self.types(user, text);
            }
            Act::Presses { user, words } => {
                if let Some(text) = self.world.pressed(words, nth) {
                    self.types(user, &text);
                }
            }
            Act::Operates("cancel") => self.world.operator_cancels(nth),
            Act::Operates(words) => {
                let (confirm, force) = (words.contains("confirm"), words.contains("force"));
                self.world.operator_retries(nth, confirm, force);
            }
            Act::Withdraws => self.world.only("people = [\"U0001\"]"),
        }
    }

    fn types(&mut self, user: &str, text: &str) {
        let Some((id, request)) = self.world.request(user, "C0001", text) else {
            return;
        };
        if self.dice.below(25) == 0 {
            let typed = self.world.typed.last();
            self.poison.extend(typed.map(|typed| typed.request));
            self.world.faults += 1;
        }
        let skew = self.skew(None);
        let ingest = self.world.ingest(skew);
        self.start("ingest", Some(id), None, async move {
            let answer = ingest.handle(request).await;
            Ended::Answered(id, String::from_utf8_lossy(answer.body()).into_owned())
        });
    }

    fn start(
        &mut self,
        what: &'static str,
        about: Option<DeployId>,
        delivery: Option<(Lane, Delivery)>,
        run: impl Future<Output = Ended> + Send + 'static,
    ) {
        self.start_in(Shell::default(), what, about, delivery, run);
    }

    fn start_in(
        &mut self,
        shell: Shell,
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
            shell,
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

    fn state(&self, id: DeployId) -> Option<State> {
        drive(self.world.store.head(id))?
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
        self.world.faults += self.dice.count();
        let account = self.world.account();
        account.hash(&mut self.digest);
        let log = self
            .log
            .map(|log| format!("{log}{account}"))
            .unwrap_or_default();
        let crashes = self.world.points.crashes();
        self.reached.extend(coverage::of(&self.world));
        Report {
            seed,
            cloud: self.dice.cloud(),
            weather: self.dice.weather(),
            crashes,
            reached: self.reached,
            trace: self.digest.finish(),
            violations: invariants::check(&self.world),
            faults: self.faults,
            log,
        }
    }
}
