//! Messages are delivered to the handlers and time passes, until nothing is left to do.
//!
//! The handlers are the product's own; here is only what AWS does around them. One handler runs at a
//! time: those that interleave are the schedules'.

use std::time::Duration;

use chatops_core::Time;
use chatops_core::delivery::{self, HandlerFailure};
use chatops_core::message::{MessageBody, WorkMessage};
use chatops_core::ports::{Clock, MessageQueue, QueueName, ReceivedMessage};
use chatops_worker::Invocation;

use super::{Redelivery, World};
use crate::crash_points::drive;
use crate::fault_injector::FaultKind;
use crate::outside::Dependency;
use crate::seeded::SeededBug;
use crate::violation::Invariant;
use chatops_testkit::memory::MemoryMessage;

/// The queues that handlers are run over.
pub(crate) const SERVED_QUEUES: [QueueName; 4] = [
    QueueName::Work,
    QueueName::Operators,
    QueueName::Polls,
    QueueName::Notify,
];

/// How long a received message stays hidden.
pub(super) const VISIBILITY: Duration = Duration::from_mins(3);

/// A run that takes longer, in virtual time or in deliveries, will never end.
const MAX_RUN_TIME: Duration = Duration::from_hours(72);
const MAX_DELIVERIES: usize = 5_000;

impl World {
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
}
