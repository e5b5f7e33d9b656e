//! What happens while no handler runs: time passes, the sweeper runs, webhooks come.

use std::time::Duration;

use chatops_core::deploy::DeployRecord;
use chatops_core::id::PipelineId;
use chatops_core::message::{MessageBody, NotifyMessage, WorkMessage};
use chatops_core::ports::{MessageQueue, QueueName};
use chatops_worker::Invocation;
use chrono::TimeDelta;
use uuid::Uuid;

use super::{ScheduleRun, TaskResult};
use crate::crash_points::drive;
use crate::fault_injector::FaultKind;
use crate::outside::{Dependency, ReadFault, WEBHOOK_SECRET};
use crate::world::World;

const OUTAGES: [(FaultKind, Dependency); 4] = [
    (FaultKind::LedgerOutage, Dependency::Ledger),
    (FaultKind::QueueOutage, Dependency::Queue),
    (FaultKind::SecretsOutage, Dependency::Secrets),
    (FaultKind::CircleCiOutage, Dependency::CircleCi),
];

/// How long an outage lasts: the longest one longer than any message is received again and again.
const OUTAGE_MINUTES: [u64; 4] = [3, 20, 80, 185];

/// How long CircleCI refuses reads: mostly for longer than a deploy that cannot be read is followed.
const REFUSAL_MINUTES: [u64; 4] = [1, 10, 20, 40];

/// While so many wake-ups wait, no more webhooks come.
const MAX_WAITING: usize = 20;

impl ScheduleRun {
    /// No handler runs: the next moment comes.
    pub(super) fn pass_time(&mut self) -> bool {
        self.world.cloud_ledger.flush_late_writes();
        let actions = self.actions.iter().map(|(when, _)| *when).min();
        let Some(next) = self.world.next_moment().into_iter().chain(actions).min() else {
            return self.maybe_redrive();
        };
        self.world.clock.set(next);
        self.disturb();
        if next >= self.world.next_sweep {
            self.world.next_sweep = next + self.world.config().timeouts.sweep_interval;
            let worker = self.world.worker(TimeDelta::zero());
            let dlq_sweeper = self.world.dlq_sweeper();
            let invocation = Invocation::from(self.world.next_invocation());
            let function = self.start_function(false);
            self.start_task_in(function, "sweeper", None, None, async move {
                let _ = worker.sweep_due().await;
                let _ = Box::pin(dlq_sweeper.sweep_dead_letters(&invocation)).await;
                TaskResult::Ended
            });
        }
        true
    }

    fn disturb(&mut self) {
        // Each message that waits is another moment: they must not breed while something is out.
        let waiting = self.world.queue.messages(QueueName::Polls).len();
        if self.injector.below(8) == 0 && waiting < MAX_WAITING {
            self.deliver_webhook();
        }
        self.interrupt();
        let records = self.world.ledger.records();
        let Some(record) = records.get(self.injector.below(records.len())) else {
            return;
        };
        if self.injector.should_inject(FaultKind::TokenRotated) {
            self.world.secrets.forget_token();
            if self.world.has_bot {
                self.world.slack.replace_bot_token();
            }
            self.note_event(Some(record.state), "the token is rotated");
        }
        if self.injector.should_inject(FaultKind::WakeUpFlood) {
            for _ in 0..4 {
                self.send_message(QueueName::Polls, &WorkMessage::Poll { deploy: record.id });
                self.send_message(
                    QueueName::Notify,
                    &NotifyMessage::Notify { deploy: record.id },
                );
            }
            self.note_event(Some(record.state), "a flood of wake-ups");
        }
        self.maybe_redrive();
    }

    /// Something is out for up to hours, CircleCI cannot be read for a while, or nothing here runs
    /// for an hour.
    fn interrupt(&mut self) {
        for (fault, dependency) in OUTAGES {
            if self.injector.should_inject(fault) {
                let minutes = OUTAGE_MINUTES[self.injector.below(OUTAGE_MINUTES.len())];
                self.world
                    .begin_outage(dependency, Duration::from_mins(minutes));
                self.note_event(None, "an outage begins");
            }
        }
        let is_followed = |record: &DeployRecord| record.run.is_some() && record.due_at.is_some();
        if self.world.ledger.records().iter().any(is_followed)
            && self.injector.should_inject(FaultKind::ReadsRefused)
        {
            // What comes after it is as likely to be hit as what it is made of.
            self.injector.rest();
            let minutes = REFUSAL_MINUTES[self.injector.below(REFUSAL_MINUTES.len())];
            self.world.refuse_reads(Duration::from_mins(minutes));
            self.note_event(None, "CircleCI refuses reads");
        }
        if self.injector.should_inject(FaultKind::LongStop) {
            let more = Duration::from_secs(self.injector.below_32(3_600).into());
            let give_up = self.world.config().timeouts.lookup_give_up;
            self.world.stand_still(give_up + more);
            if !self.world.circleci.fails_next_read() {
                self.world.circleci.fail_read(ReadFault::Error);
            }
            self.note_event(None, "nothing runs for a while");
        }
    }

    /// A webhook about a pipeline, true or forged, or about none that is there.
    fn deliver_webhook(&mut self) {
        let created = self.world.circleci.created_pipelines();
        let known = created.get(self.injector.below(created.len().max(1)));
        let (pipeline, secret) = match (known, self.injector.below(8)) {
            (None, _) | (_, 0) => (Uuid::from_u128(7), WEBHOOK_SECRET),
            (Some(known), 1) => (known.id, "somebody else's secret"),
            (Some(known), _) => (known.id, WEBHOOK_SECRET),
        };
        let Some(request) = World::webhook_request(PipelineId(pipeline), secret) else {
            return;
        };
        let ingest = self.world.ingest(TimeDelta::zero());
        self.start_task("event", None, None, async move {
            let _ = ingest.handle(request).await;
            TaskResult::Ended
        });
    }

    fn send_message<M: serde::Serialize>(&self, queue: QueueName, message: &M) {
        if let Ok(body) = MessageBody::encode(message) {
            let _ = drive(self.world.queue.send(queue, &body, Duration::ZERO));
        }
    }
}
