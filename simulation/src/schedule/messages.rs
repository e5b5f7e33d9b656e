//! The messages of a schedule: received, lost, late, repeated, dead and redriven.

use std::time::Duration;

use chatops_core::command::DeployAction;
use chatops_core::delivery::HandlerFailure;
use chatops_core::deploy::handler::RunError;
use chatops_core::deploy::{DeployState, USUAL_PAUSE};
use chatops_core::id::{DeployId, DeployRef, RequestId};
use chatops_core::message::{MessageBody, NotifyMessage, WorkMessage};
use chatops_core::ports::{Clock, DeployReader, Ledger, MessageQueue, QueueName, ReceivedMessage};
use chatops_worker::{Invocation, WorkError};
use chrono::TimeDelta;

use super::function::{self, FunctionRun};
use super::{ScheduleRun, TaskResult};
use crate::crash_points::drive;
use crate::fault_injector::FaultKind;
use crate::world::SERVED_QUEUES;

impl ScheduleRun {
    /// Receives a visible message, unless something happens to it on the way.
    pub(super) fn receive_message(&mut self) -> bool {
        let mut queues = SERVED_QUEUES;
        let first = self.injector.below(queues.len());
        queues.rotate_left(first);
        let mut queues = queues.into_iter();
        let received = queues.find_map(|queue| Some((queue, self.world.receive_one(queue)?)));
        let Some((queue, delivery)) = received else {
            return false;
        };
        let function = self.start_function(true);
        self.take_message(queue, delivery, function);
        if function.batch.is_some() {
            for _ in 0..self.injector.below(function::MAX_BATCH) {
                if let Some(delivery) = self.world.receive_one(queue) {
                    self.take_message(queue, delivery, function);
                }
            }
        }
        true
    }

    fn take_message(&mut self, queue: QueueName, delivery: ReceivedMessage, function: FunctionRun) {
        if self.is_poison(&delivery.body) {
            let panicked = Err(HandlerFailure::Panicked);
            self.world.settle_message(queue, &delivery, panicked);
            self.note_event(None, "a handler panics");
            return;
        }
        let about = self.subject_deploy(&delivery.body);
        let state = about.and_then(|id| self.deploy_state(id));
        if state.is_some()
            && is_wake_up(&delivery.body)
            && self.injector.should_inject(FaultKind::WakeUpLost)
        {
            let _ = drive(self.world.queue.delete(queue, &delivery.receipt));
            self.note_event(state, "a wake-up is lost");
            return;
        }
        if self.injector.should_inject(FaultKind::Delay) {
            let delay = Duration::from_secs(1 + self.injector.below(200) as u64);
            let _ = drive(self.world.queue.release(queue, &delivery.receipt, delay));
            self.note_event(state, "a message is late");
            return;
        }
        if self.injector.should_inject(FaultKind::Duplicate) {
            self.note_event(state, "a message comes twice");
            self.handle_message(queue, about, &delivery.body, None, function);
        }
        let body = delivery.body.clone();
        self.handle_message(queue, about, &body, Some((queue, delivery)), function);
    }

    fn handle_message(
        &mut self,
        queue: QueueName,
        about: Option<DeployId>,
        body: &MessageBody,
        delivery: Option<(QueueName, ReceivedMessage)>,
        function: FunctionRun,
    ) {
        let skew = self.draw_step(about, body);
        let skew = skew.unwrap_or_else(|| self.draw_skew(about));
        let queue = self.world.queue_for(queue, body);
        let body = body.clone();
        if queue == QueueName::Notify {
            let notifier = self.world.notifier(skew);
            self.start_task_in(function, "notifier", about, delivery, async move {
                let result = notifier.handle(&body).await.map_err(HandlerFailure::from);
                TaskResult::Handled {
                    no_time: false,
                    result,
                }
            });
        } else {
            let (worker, me) = (self.world.worker(skew), self.world.next_invocation());
            let deadline = function.deadline.map(|deadline| deadline + skew);
            self.start_task_in(function, "worker", about, delivery, async move {
                let invocation = Invocation { id: me, deadline };
                let handled = Box::pin(worker.handle(&invocation, queue, &body, None)).await;
                TaskResult::Handled {
                    no_time: matches!(handled, Err(WorkError::Run(RunError::DeadlineTooClose))),
                    result: handled.map_err(HandlerFailure::from),
                }
            });
        }
    }

    /// By how many hours the clock is wrong of a process that follows a run.
    ///
    /// No other handler has such a clock: a request's expiry, locks and response URLs go by it.
    fn draw_step(&mut self, about: Option<DeployId>, body: &MessageBody) -> Option<TimeDelta> {
        let polls = matches!(
            body.decode(),
            Ok(WorkMessage::Poll { .. } | WorkMessage::Webhook { .. })
        );
        let state = about.and_then(|id| self.deploy_state(id));
        let is_followed = matches!(state, Some(DeployState::Triggered | DeployState::Running));
        // A timeout that is shorter than what one read counts is over after one step.
        let is_patient = self.world.config().timeouts.follow_timeout > USUAL_PAUSE;
        let steps = polls && is_followed && is_patient;
        if !steps || !self.injector.should_inject(FaultKind::ClockStep) {
            return None;
        }
        self.world.history.note_wrong_clock(about?);
        self.note_event(state, "a clock is wrong by hours");
        let hours = i64::from(1 + self.injector.below_32(30));
        let ahead = self.injector.below(2) == 0;
        Some(TimeDelta::hours(if ahead { hours } else { -hours }))
    }

    /// Redrives a message from the dead-letter queue, if there is one and the injector says so.
    pub(super) fn maybe_redrive(&mut self) -> bool {
        let now = self.world.clock.now();
        let dead = self.world.queue.next_visible(QueueName::WorkDlq);
        if dead.is_none_or(|at| at > now) || !self.injector.should_inject(FaultKind::Redrive) {
            return false;
        }
        self.redrive_message();
        true
    }

    fn redrive_message(&mut self) {
        let Some(body) = self.world.redrive_one() else {
            return;
        };
        let state = match body.decode() {
            Ok(WorkMessage::Retry { deploy }) => self.deploy_state(deploy),
            _ => None,
        };
        if let Some(request) = self.poisoned_request(&body) {
            self.poison.retain(|known| *known != request);
        }
        self.note_event(state, "a message is redriven");
    }

    fn is_poison(&self, body: &MessageBody) -> bool {
        self.poisoned_request(body).is_some()
    }

    /// The request of a message that kills its handler.
    fn poisoned_request(&self, body: &MessageBody) -> Option<RequestId> {
        let request = match body.decode() {
            Ok(WorkMessage::Action(message)) => message.id,
            Ok(WorkMessage::Deploy(message)) => {
                let mut typed = self.world.typed.iter();
                let typed = typed.find(|typed| typed.deploy == Some(message.id));
                typed?.request
            }
            _ => return None,
        };
        self.poison.contains(&request).then_some(request)
    }

    /// The deploy that a message is about.
    fn subject_deploy(&self, body: &MessageBody) -> Option<DeployId> {
        let store = &*self.world.ledger;
        match body.decode::<WorkMessage>() {
            Ok(WorkMessage::Deploy(message)) => Some(message.id),
            Ok(WorkMessage::Poll { deploy }) => Some(deploy),
            // A ticket is about the deploy that it starts.
            Ok(WorkMessage::Retry { deploy }) => Some(DeployId::of_retry(deploy, None)),
            Ok(WorkMessage::Webhook { pipeline }) => drive(store.pipeline_owner(pipeline))?.ok()?,
            Ok(WorkMessage::Action(message)) => match message.action {
                DeployAction::Cancel { deploy } | DeployAction::Dismiss { deploy } => {
                    match deploy {
                        DeployRef::Full(id) => Some(id),
                        DeployRef::Short(short) => drive(store.find_by_short_id(&short))?.ok()?,
                    }
                }
                // Which deploy it starts is known only when it is handled.
                DeployAction::Retry { .. } | DeployAction::Unlock { .. } => None,
            },
            Ok(WorkMessage::Query(_)) => None,
            Err(_) => match body.decode::<NotifyMessage>().ok()? {
                NotifyMessage::Notify { deploy } | NotifyMessage::CardPressed { deploy, .. } => {
                    Some(deploy)
                }
                NotifyMessage::QueryReply(_) => None,
            },
        }
    }
}

/// Whether only time is lost with a message.
fn is_wake_up(body: &MessageBody) -> bool {
    match body.decode() {
        Ok(message) => matches!(
            message,
            WorkMessage::Poll { .. } | WorkMessage::Webhook { .. }
        ),
        Err(_) => matches!(body.decode(), Ok(NotifyMessage::Notify { .. })),
    }
}
