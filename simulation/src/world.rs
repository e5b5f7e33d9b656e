//! One run: people type, messages are delivered, handlers crash where they are told to, time
//! passes, until nothing is left to do.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::Event;
use chatops_core::config::{Config, Times};
use chatops_core::id::{DeployId, Invocation};
use chatops_core::message::{Body, WorkMessage};
use chatops_core::ports::{Clock, Delivery, Lane, Queue, Store};
use chatops_sandbox::circleci::Project;
use chatops_worker::Turn;
use chrono::{DateTime, TimeDelta};

use crate::cloud::{CloudQueue, CloudStore};
use crate::dice::Fault;
use crate::memory::{Lying, ManualClock, MemoryQueue, MemoryStore};
use crate::outside::{CircleCi, RotatingSecrets, Slack};
use crate::people::Typed;
use crate::planted::Bug;
use crate::points::{Points, drive};

/// The configuration of every run: one project with an exclusive `deploy` and a free `check`.
pub const CONFIG: &str = r#"
version = 1
default_project = "web"
[times]
reply_for = "5m"
track_for = "4m"
grace = "1m"
[slack]
teams = ["T0001"]
[projects.web]
slug = "gh/acme/web"
[projects.web.jobs.deploy]
branches = ["main"]
channels = ["C0001"]
people = ["*"]
[projects.web.jobs.check]
exclusive = false
branches = ["*"]
channels = ["*"]
people = ["*"]
"#;

/// Parsed once: a run takes less time than reading its configuration.
static PARSED: LazyLock<Arc<Config>> = LazyLock::new(|| {
    let config = Config::parse(CONFIG, "simulation.toml");
    Arc::new(config.unwrap_or_else(|error| unreachable!("{error}")))
});

pub(crate) const SIGNING: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const TOKEN: &str = "the-circleci-token";

/// How long a received message stays hidden.
const VISIBILITY: Duration = Duration::from_mins(3);

/// No run takes longer, in virtual time or in deliveries: one that does will never end.
const LONGEST: Duration = Duration::from_hours(72);
const MOST_DELIVERIES: usize = 5_000;

/// When a crashed handler's message comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redelivery {
    /// At once.
    AtOnce,
    /// After the visibility time, when the sweeper has long been there.
    Late,
}

/// How messages are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivering {
    /// When a crashed handler's message comes back.
    pub redelivery: Redelivery,
    /// Every message is delivered twice.
    pub twice: bool,
    /// How often a message is received before it is dead.
    pub receives: u32,
}

/// The world of one run.
pub struct World {
    /// The time.
    pub clock: ManualClock,
    /// The ledger.
    pub store: Arc<MemoryStore>,
    /// The queues.
    pub queue: Arc<MemoryQueue>,
    /// The ledger as the handlers see it.
    pub cloud_store: Arc<CloudStore>,
    /// The queues as the handlers see them, and whoever delivers messages to them.
    pub cloud_queue: Arc<CloudQueue>,
    /// CircleCI.
    pub circleci: Arc<CircleCi>,
    /// Slack.
    pub slack: Arc<Slack>,
    /// The secrets.
    pub secrets: Arc<RotatingSecrets>,
    /// The crash points.
    pub points: Points,
    /// How far a handler's clock may be off, or a handler may stand still between looking at the
    /// clock and acting: by so much a moment may be missed.
    pub tolerance: TimeDelta,
    /// The bug that its handlers have.
    pub bug: Option<Bug>,
    /// How many things went wrong that may each make Slack be told once more.
    pub faults: usize,
    /// The deploys whose command was acknowledged as accepted or as being checked.
    pub acknowledged: Vec<DeployId>,
    /// Everything that was typed.
    pub typed: Vec<Typed>,
    /// Whether a bot tells what a reply address cannot any more.
    pub bot: bool,
    /// Whether new commands kill whoever handles them.
    pub poisoned: bool,
    /// The orders that were sent back, and when.
    pub redriven: Vec<(Time, DeployId)>,
    /// What went wrong while it ran: audits that changed, runs that did not end.
    pub broken: Vec<String>,
    pub(crate) config: Arc<Config>,
    delivering: Delivering,
    audits: BTreeMap<DeployId, Vec<Event>>,
    invocations: u64,
    pub(crate) next_sweep: Time,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("points", &self.points)
            .finish_non_exhaustive()
    }
}

impl World {
    /// A world at rest.
    #[must_use]
    pub fn new(points: &Points, delivering: Delivering) -> Self {
        let config = Arc::clone(&PARSED);
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default();
        let clock = ManualClock::new(start);
        let store = Arc::new(MemoryStore::new());
        let secrets = Arc::new(RotatingSecrets::new(SIGNING, TOKEN));
        let project = Project::declaring("gh/acme/web", TOKEN, &["job", "deploy_id"]);
        let queue = Arc::new(MemoryQueue::new(clock.clone(), delivering.receives));
        Self {
            cloud_store: Arc::new(CloudStore::new(&store, points)),
            cloud_queue: Arc::new(CloudQueue::new(&queue, points, &clock)),
            queue,
            circleci: Arc::new(CircleCi::new(project, &secrets, &store, &clock)),
            slack: Arc::new(Slack::new(&clock)),
            next_sweep: start + config.times.sweep_every,
            points: points.clone(),
            tolerance: TimeDelta::zero(),
            bug: None,
            faults: 0,
            acknowledged: vec![],
            typed: vec![],
            redriven: vec![],
            bot: false,
            poisoned: false,
            broken: vec![],
            audits: BTreeMap::new(),
            invocations: 0,
            clock,
            store,
            secrets,
            config,
            delivering,
        }
    }

    /// The settings of every run.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether every message is delivered twice.
    #[must_use]
    pub fn is_doubling(&self) -> bool {
        self.delivering.twice
    }

    /// From now on this is the configuration.
    pub(crate) fn set_config(&mut self, config: Arc<Config>) {
        self.config = config;
    }

    /// Changes the times of this run.
    pub fn change_times(&mut self, change: impl FnOnce(&mut Times)) {
        change(&mut Arc::make_mut(&mut self.config).times);
    }

    /// A name for one more run of a handler.
    pub(crate) fn invocation(&mut self) -> Invocation {
        self.invocations += 1;
        Invocation::new(format!("run-{}", self.invocations))
    }

    /// Runs until nothing is left to do. Faults set beforehand happen on the way.
    pub fn settle(&mut self) {
        let end = self.clock.now() + LONGEST;
        if !self.run_until(end) {
            self.broken
                .push("I15: the run does not come to rest".to_owned());
        }
    }

    /// Does what can be done without waiting.
    pub fn settle_now(&mut self) {
        self.settle_for(Duration::ZERO);
    }

    /// Runs for so long, whether there is something to do or not.
    pub fn settle_for(&mut self, time: Duration) {
        let end = self.clock.now() + time;
        self.run_until(end);
        self.clock.set(end);
    }

    /// Runs until nothing is left to do or the next thing is to be done after `end`; whether
    /// nothing is left.
    fn run_until(&mut self, end: Time) -> bool {
        for _ in 0..MOST_DELIVERIES {
            if self.deliver(Lane::Work) || self.deliver(Lane::Notice) {
                self.watch_audits();
                continue;
            }
            self.cloud_store.arrive();
            let Some(next) = self.next_moment() else {
                return true;
            };
            if next > end {
                return false;
            }
            self.clock.set(next);
            if next >= self.next_sweep {
                self.next_sweep = next + self.config.times.sweep_every;
                // A sweep that crashes is followed by the next one.
                let _ = drive(self.worker(TimeDelta::zero()).sweep());
                let _ = drive(self.tidier().tidy());
            }
        }
        false
    }

    /// Sends a message back from the work queue's dead-letter queue, as SQS's redrive does.
    pub fn redrive(&mut self) -> Option<Body> {
        let dead = drive(self.queue.receive(Lane::WorkDead, 1, VISIBILITY))?
            .ok()?
            .pop()?;
        let _ = drive(self.queue.send(Lane::Work, &dead.body, Duration::ZERO));
        let _ = drive(self.queue.delete(Lane::WorkDead, &dead.receipt));
        if let Ok(WorkMessage::Retry { deploy }) = dead.body.decode() {
            self.redriven.push((self.clock.now(), deploy));
        }
        Some(dead.body)
    }

    pub(crate) fn next_moment(&self) -> Option<Time> {
        let visible = [Lane::Work, Lane::Notice].map(|lane| self.queue.next_visible(lane));
        let due = self.store.heads().iter().any(|head| head.due_at.is_some())
            || self
                .store
                .replies()
                .iter()
                .any(|reply| reply.due_at().is_some());
        // An order that was carried out by another way is for the sweeper to remove.
        let carried_out = |lying: &Lying| match lying.body.decode() {
            Ok(WorkMessage::Retry { deploy }) => {
                let head = drive(self.store.head(deploy))
                    .and_then(Result::ok)
                    .flatten();
                head.is_some_and(|head| head.retried_by.is_some())
            }
            _ => false,
        };
        let needless = self.queue.messages(Lane::WorkDead).iter().any(carried_out);
        let sweep = (due || needless).then_some(self.next_sweep);
        visible
            .into_iter()
            .chain([sweep])
            .flatten()
            .min()
            .map(|at| at.max(self.clock.now()))
    }

    pub(crate) fn receive(&self, lane: Lane) -> Option<Delivery> {
        drive(self.cloud_queue.receive(lane, 1, VISIBILITY))?
            .ok()?
            .pop()
    }

    /// Delivers one visible message, if there is one.
    fn deliver(&mut self, lane: Lane) -> bool {
        let Some(delivery) = self.receive(lane) else {
            return false;
        };
        let times = if self.delivering.twice { 2 } else { 1 };
        let mut done = true;
        for _ in 0..times {
            done = self.handle(lane, &delivery);
        }
        if done {
            let _ = drive(self.cloud_queue.delete(lane, &delivery.receipt));
        } else if self.delivering.redelivery == Redelivery::AtOnce {
            let release = self
                .cloud_queue
                .release(lane, &delivery.receipt, Duration::ZERO);
            let _ = drive(release);
        }
        true
    }

    /// Runs the handler; whether it succeeded.
    fn handle(&mut self, lane: Lane, delivery: &Delivery) -> bool {
        if self.poisoned && matches!(delivery.body.decode(), Ok(WorkMessage::Deploy(_))) {
            return false;
        }
        let mut turn = Turn::from(self.invocation());
        let exact = TimeDelta::zero();
        match lane {
            Lane::Work => {
                // What is dropped where it waits is a crash; here is what it means to know before.
                let cut_short = self.points.fails(Fault::CutShort);
                turn.ends = cut_short.then(|| self.clock.now());
                drive(self.worker(exact).handle(&turn, &delivery.body))
                    .is_some_and(|done| done.is_ok())
            }
            _ => {
                drive(self.notifier(exact).handle(&delivery.body)).is_some_and(|done| done.is_ok())
            }
        }
    }

    /// A deploy's audit.
    #[must_use]
    pub fn audit(&self, id: DeployId) -> Vec<Event> {
        drive(self.store.events(id))
            .and_then(Result::ok)
            .unwrap_or_default()
    }

    /// The audits and what Slack showed, for a person who wants to see what happened.
    #[must_use]
    pub fn account(&self) -> String {
        let heads = self.store.heads();
        let audit = heads
            .iter()
            .flat_map(|head| self.audit(head.id))
            .map(|event| event.body);
        let shown = self
            .slack
            .shown()
            .into_iter()
            .map(|m| format!("{} {}", m.at, m.text));
        let lines: Vec<String> = ["audit:".to_owned()]
            .into_iter()
            .chain(audit)
            .chain(["shown:".to_owned()])
            .chain(shown)
            .collect();
        lines.join("\n")
    }

    /// I6: what an audit once said, it goes on saying.
    pub(crate) fn watch_audits(&mut self) {
        for head in self.store.heads() {
            let known = self.audits.get(&head.id).map_or(0, Vec::len);
            if known as u64 == head.events {
                continue;
            }
            let now = self.audit(head.id);
            let before = self.audits.entry(head.id).or_default();
            if !now.starts_with(before) {
                self.broken
                    .push(format!("I6: the audit of {} changed", head.id));
            }
            *before = now;
        }
    }
}

/// Whether an answer promises that the command is on its way.
pub(crate) fn is_acknowledgement(answer: &str) -> bool {
    answer.contains("*Accepted:*") || answer.contains("*Checking:*")
}
