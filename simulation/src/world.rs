//! One run: people type, messages are delivered, handlers crash at given points, time passes, until
//! nothing is left to do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::AuditEvent;
use chatops_core::config::{Config, Timeouts};
use chatops_core::delivery::{self, HandlerFailure};
use chatops_core::id::{DeployId, InvocationId};
use chatops_core::message::{MessageBody, WorkMessage};
use chatops_core::ports::{Clock, DeployReader, MessageQueue, QueueName, ReceivedMessage};
use chatops_core::text::{MessageKind, MessageMark};
use chatops_sandbox::circleci::FakeProject;
use chatops_worker::Invocation;
use chrono::{DateTime, TimeDelta};
use serde_json::Value;

use crate::cloud::{CloudLedger, CloudQueue};
use crate::crash_points::{CrashPoints, drive};
use crate::fault_injector::FaultKind;
use crate::history::History;
use crate::invariants::{Invariant, Violation};
use crate::outside::{Dependency, MemoryCircleCi, MemorySlack, Outages, RotatingSecrets};
use crate::people::{IssuedCommand, Rights};
use crate::seeded::SeededBug;
use chatops_testkit::memory::{ManualClock, MemoryLedger, MemoryMessage, MemoryQueue};

/// Parsed once: a run takes less time than reading its configuration.
static DEFAULT_CONFIG: LazyLock<Arc<Config>> =
    LazyLock::new(|| Arc::new(Rights::default().config()));

pub(crate) const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const CIRCLECI_TOKEN: &str = "the-circleci-token";

/// The queues that handlers are run over.
pub(crate) const SERVED_QUEUES: [QueueName; 4] = [
    QueueName::Work,
    QueueName::Operators,
    QueueName::Polls,
    QueueName::Notify,
];

/// How long a received message stays hidden.
const VISIBILITY: Duration = Duration::from_mins(3);

/// A run that takes longer, in virtual time or in deliveries, will never end.
const MAX_RUN_TIME: Duration = Duration::from_hours(72);
const MAX_DELIVERIES: usize = 5_000;

/// When a crashed handler's message comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redelivery {
    /// At once.
    AtOnce,
    /// After the visibility timeout, when the sweeper has long been there.
    Late,
}

/// How messages are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryPlan {
    /// When the message of a handler that crashed or failed comes back.
    pub redelivery: Redelivery,
    /// Every message is delivered twice.
    pub twice: bool,
    /// How often a message is received before it is dead.
    pub max_receives: u32,
}

/// The world of one run.
#[derive(Debug)]
pub struct World {
    /// The time.
    pub clock: ManualClock,
    /// The ledger.
    pub ledger: Arc<MemoryLedger>,
    /// The queues.
    pub queue: Arc<MemoryQueue>,
    /// The ledger as the handlers see it.
    pub cloud_ledger: Arc<CloudLedger>,
    /// The queues as the handlers see them, and whoever delivers messages to them.
    pub cloud_queue: Arc<CloudQueue>,
    /// CircleCI.
    pub circleci: Arc<MemoryCircleCi>,
    /// Slack.
    pub slack: Arc<MemorySlack>,
    /// The secrets.
    pub secrets: Arc<RotatingSecrets>,
    /// What is out.
    pub outages: Arc<Outages>,
    /// The crash points.
    pub points: CrashPoints,
    /// By how much a handler may miss a moment: its clock may be off, and it may stand still between
    /// reading the clock and acting.
    pub tolerance: TimeDelta,
    /// The bug of its handlers.
    pub bug: Option<SeededBug>,
    /// How many things went wrong that may each cause one more message.
    pub faults: usize,
    /// The deploys whose command was acknowledged as accepted or as being checked.
    pub acknowledged: Vec<DeployId>,
    /// Everything that was typed.
    pub typed: Vec<IssuedCommand>,
    /// Whether a bot posts once a response URL has expired.
    pub has_bot: bool,
    /// Whether new commands kill their handlers.
    pub poisoned: bool,
    /// The tickets that were redriven, and when.
    pub redriven: Vec<(Time, DeployId)>,
    /// What was violated while it ran: audits that changed, runs that did not end.
    pub violations: Vec<Violation>,
    /// What was seen of the ledger from outside.
    pub history: History,
    /// Who may do what, and since when.
    pub rights: Vec<(Time, Rights)>,
    /// By how much the clock of the one process is wrong, where there is only one.
    pub(crate) process_skew: TimeDelta,
    pub(crate) config: Arc<Config>,
    delivery: DeliveryPlan,
    audits: BTreeMap<DeployId, Vec<AuditEvent>>,
    invocations: u64,
    pub(crate) next_sweep: Time,
    /// For the bug that lets another person's confirmation count.
    pub(crate) confirmed: Arc<Mutex<BTreeSet<String>>>,
}

impl World {
    /// A world at rest.
    #[must_use]
    pub fn new(points: &CrashPoints, delivery: DeliveryPlan) -> Self {
        let config = Arc::clone(&DEFAULT_CONFIG);
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default();
        let clock = ManualClock::new(start);
        let ledger = Arc::new(MemoryLedger::new());
        let outages = Arc::new(Outages::new(&clock));
        let secrets = RotatingSecrets::new(SIGNING_SECRET, CIRCLECI_TOKEN, &outages);
        let secrets = Arc::new(secrets);
        let project = FakeProject::declaring("gh/acme/web", CIRCLECI_TOKEN, &["job", "deploy_id"]);
        let queue = Arc::new(MemoryQueue::new(clock.clone(), delivery.max_receives));
        Self {
            cloud_ledger: Arc::new(CloudLedger::new(&ledger, points)),
            cloud_queue: Arc::new(CloudQueue::new(&queue, points, &outages, &clock)),
            queue,
            circleci: Arc::new(MemoryCircleCi::new(
                project, &secrets, &ledger, &outages, &clock,
            )),
            slack: Arc::new(MemorySlack::new(&clock, &outages)),
            next_sweep: start + config.timeouts.sweep_interval,
            points: points.clone(),
            tolerance: TimeDelta::zero(),
            bug: None,
            faults: 0,
            acknowledged: vec![],
            typed: vec![],
            redriven: vec![],
            has_bot: false,
            poisoned: false,
            violations: vec![],
            history: History::default(),
            rights: vec![(start, Rights::default())],
            process_skew: TimeDelta::zero(),
            audits: BTreeMap::new(),
            invocations: 0,
            confirmed: Arc::default(),
            clock,
            ledger,
            secrets,
            outages,
            config,
            delivery,
        }
    }

    /// The settings of every run.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether every message is delivered twice.
    #[must_use]
    pub fn delivers_twice(&self) -> bool {
        self.delivery.twice
    }

    /// From now on this is the configuration.
    pub(crate) fn set_config(&mut self, config: Arc<Config>) {
        self.config = config;
    }

    /// Changes the times of this run.
    pub fn change_timeouts(&mut self, change: impl FnOnce(&mut Timeouts)) {
        change(&mut Arc::make_mut(&mut self.config).timeouts);
    }

    /// A name for one more run of a handler.
    pub(crate) fn next_invocation(&mut self) -> InvocationId {
        self.invocations += 1;
        InvocationId::new(format!("run-{}", self.invocations))
    }

    /// Notes what is not as it must be.
    pub(crate) fn note_violation(&mut self, of: impl Into<Option<Invariant>>, detail: &str) {
        self.violations.push(Violation::new(of, detail.to_owned()));
    }

    /// Notes what a scenario expects and does not hold, unless a handler crashed.
    pub(crate) fn expect_undisturbed(&mut self, holds: bool, otherwise: &str) {
        if !holds && self.points.crash_count() == 0 {
            self.note_violation(None, otherwise);
        }
    }

    /// Runs until nothing is left to do. Faults set beforehand happen on the way.
    pub fn run_to_rest(&mut self) {
        let end = self.clock.now() + MAX_RUN_TIME;
        if !self.run_until(end) {
            self.note_violation(Invariant::Termination, "the run does not come to rest");
        }
    }

    /// Does what needs no waiting.
    pub fn run_now(&mut self) {
        self.run_for(Duration::ZERO);
    }

    /// Runs for so long, whether there is something to do or not.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.clock.now() + time;
        self.run_until(end);
        self.clock.set(end);
    }

    /// Runs until nothing is left to do or the next thing is to be done after `end`; whether
    /// nothing is left.
    fn run_until(&mut self, end: Time) -> bool {
        for _ in 0..MAX_DELIVERIES {
            if SERVED_QUEUES.iter().any(|queue| self.deliver_one(*queue)) {
                self.watch_ledger();
                self.watch_audits();
                continue;
            }
            self.cloud_ledger.flush_late_writes();
            let Some(next) = self.next_moment() else {
                return true;
            };
            if next > end {
                return false;
            }
            self.clock.set(next);
            if next >= self.next_sweep {
                self.next_sweep = next + self.config.timeouts.sweep_interval;
                let crashes = self.points.crash_count();
                // A sweep that crashes is followed by the next one.
                let _ = drive(self.worker(self.process_skew).sweep_due());
                let invocation = Invocation::from(self.next_invocation());
                let _ = drive(self.dlq_sweeper().sweep_dead_letters(&invocation));
                self.note_crashes_since(crashes);
                self.watch_ledger();
            }
        }
        false
    }

    /// Redrives a message from the work queue's dead-letter queue, as SQS does.
    pub fn redrive_one(&mut self) -> Option<MessageBody> {
        let dead = drive(self.queue.receive(QueueName::WorkDlq, 1, VISIBILITY))?
            .ok()?
            .pop()?;
        let _ = drive(self.queue.send(QueueName::Work, &dead.body, Duration::ZERO));
        let _ = drive(self.queue.delete(QueueName::WorkDlq, &dead.receipt));
        if let Ok(WorkMessage::Retry { deploy }) = dead.body.decode() {
            self.redriven.push((self.clock.now(), deploy));
        }
        Some(dead.body)
    }

    pub(crate) fn next_moment(&self) -> Option<Time> {
        let served_from = self.outages.end_of(Dependency::Queue);
        let visible = SERVED_QUEUES.map(|queue| {
            let visible_at = self.queue.next_visible(queue)?;
            Some(served_from.map_or(visible_at, |from| from.max(visible_at)))
        });
        let (records, notifications) = (self.ledger.records(), self.ledger.notifications());
        let due = records.iter().any(|record| record.due_at.is_some())
            || notifications.iter().any(|one| one.due_at().is_some());
        // The sweeper removes a ticket that was carried out in another way, and whatever is no ticket.
        let is_needless = |message: &MemoryMessage| match message.body.decode() {
            Ok(WorkMessage::Retry { deploy }) => {
                let mut of = records.iter().filter(|record| record.id == deploy);
                of.any(|record| record.retried_by.is_some() || record.dismissed_by.is_some())
            }
            other => other.is_ok(),
        };
        let dead = self.queue.messages(QueueName::WorkDlq);
        let needless = dead.iter().any(is_needless);
        let sweep = (due || needless).then_some(self.next_sweep);
        let next = visible.into_iter().chain([sweep]).flatten().min();
        next.map(|at| at.max(self.clock.now()))
    }

    pub(crate) fn receive_one(&self, queue: QueueName) -> Option<ReceivedMessage> {
        drive(self.cloud_queue.receive(queue, 1, VISIBILITY))?
            .ok()?
            .pop()
    }

    /// Delivers one visible message, if there is one.
    fn deliver_one(&mut self, queue: QueueName) -> bool {
        let Some(delivery) = self.receive_one(queue) else {
            return false;
        };
        let mut handled = self.handle_message(queue, &delivery);
        if self.delivery.twice {
            handled = self.handle_message(queue, &delivery);
        }
        if let Some(handled) = &handled {
            self.settle_message(queue, &delivery, handled.clone());
        }
        let comes_again = matches!(handled, None | Some(Err(HandlerFailure::Later { .. })));
        // While something is out, each delivery would be the last one's moment again.
        let at_once = self.delivery.redelivery == Redelivery::AtOnce && !self.outages.are_any();
        if comes_again && at_once {
            let (queues, now) = (&self.cloud_queue, Duration::ZERO);
            let _ = drive(queues.release(queue, &delivery.receipt, now));
        }
        true
    }

    /// What a shell does with a message after its handler has run.
    pub(crate) fn settle_message(
        &self,
        queue: QueueName,
        message: &ReceivedMessage,
        handled: Result<(), HandlerFailure>,
    ) {
        let queues = &*self.cloud_queue;
        let handled = match handled {
            Err(HandlerFailure::Later { error })
                if self.bug == Some(SeededBug::DependencyIsPoison) =>
            {
                Err(HandlerFailure::Poison { reason: error })
            }
            handled => handled,
        };
        match handled {
            Ok(()) => {
                let _ = drive(queues.delete(queue, &message.receipt));
            }
            Err(failure) => {
                let settled = delivery::settle_failure(queues, queue, message, failure);
                let _ = drive(settled);
            }
        }
    }

    /// Runs the handler; `None` if it crashed.
    fn handle_message(
        &mut self,
        queue: QueueName,
        delivery: &ReceivedMessage,
    ) -> Option<Result<(), HandlerFailure>> {
        if self.poisoned && matches!(delivery.body.decode(), Ok(WorkMessage::Deploy(_))) {
            return Some(Err(HandlerFailure::Panicked));
        }
        let mut invocation = Invocation::from(self.next_invocation());
        let skew = self.process_skew;
        let crashes = self.points.crash_count();
        let handled = if queue == QueueName::Notify {
            let handled = drive(self.notifier(skew).handle(&delivery.body));
            handled.map(|handled| handled.map_err(HandlerFailure::from))
        } else {
            // A run that is dropped is a crash; this one knows its deadline.
            let cut_short = self.points.should_fail(FaultKind::CutShort);
            invocation.deadline = cut_short.then(|| self.clock.now() + skew);
            let worker = self.worker(skew);
            let handled = drive(worker.handle(
                &invocation,
                self.queue_for(queue, &delivery.body),
                &delivery.body,
                None,
            ));
            handled.map(|handled| handled.map_err(HandlerFailure::from))
        };
        self.note_crashes_since(crashes);
        handled
    }

    /// The queue that a handler believes a message to come from.
    pub(crate) fn queue_for(&self, queue: QueueName, body: &MessageBody) -> QueueName {
        match body.decode() {
            Ok(WorkMessage::Action(action))
                if action.requested_by.is_operator()
                    && self.bug == Some(SeededBug::OperatorAnywhere) =>
            {
                QueueName::Operators
            }
            _ => queue,
        }
    }

    /// A deploy's audit.
    #[must_use]
    pub fn audit_events(&self, id: DeployId) -> Vec<AuditEvent> {
        drive(self.ledger.read_events(id))
            .and_then(Result::ok)
            .unwrap_or_default()
    }

    /// The audits and what Slack showed, for people.
    #[must_use]
    pub fn transcript(&self) -> String {
        let records = self.ledger.records();
        let events = records
            .iter()
            .flat_map(|record| self.audit_events(record.id));
        let shown = self.slack.shown_messages().into_iter();
        let mut lines = vec!["audit:".to_owned()];
        lines.extend(events.map(|event| event.body));
        lines.push("shown:".to_owned());
        lines.extend(shown.map(|message| format!("{} {}", message.at, message.text)));
        lines.join("\n")
    }

    /// Checks that every audit still begins as it did before.
    pub(crate) fn watch_audits(&mut self) {
        for record in self.ledger.records() {
            let known = self.audits.get(&record.id).map_or(0, Vec::len);
            if known as u64 == record.events {
                continue;
            }
            let now = self.audit_events(record.id);
            let before = self.audits.entry(record.id).or_default();
            if !now.starts_with(before) {
                let detail = format!("the audit of {} changed", record.id);
                self.violations
                    .push(Violation::new(Invariant::GrowingAudit, detail));
            }
            *before = now;
        }
    }
}

/// Whether the answer to a command promises that it is put on record.
pub(crate) fn is_acknowledgement(answer: &[u8]) -> bool {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let mark = answer["blocks"][0]["block_id"]
        .as_str()
        .and_then(MessageMark::parse);
    mark.is_some_and(|mark| matches!(mark.kind, MessageKind::Accepted))
}
