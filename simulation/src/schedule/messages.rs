//! The messages of a schedule: taken in hand, lost, late, doubled, dead and sent back.

use std::time::Duration;

use chatops_core::command::Wish;
use chatops_core::id::{DeployId, DeployRef, RequestId};
use chatops_core::message::{Body, NoticeMessage, WorkMessage};
use chatops_core::ports::{Clock, Delivery, Lane, Queue, Store};
use chatops_worker::{HandlerError, Turn};

use super::shell::{self, Shell};
use super::{Ended, Schedule};
use crate::dice::Fault;
use crate::points::drive;

impl Schedule {
    /// Takes a visible message in hand, unless something happens to it on the way.
    pub(super) fn receive(&mut self) -> bool {
        let lanes = [Lane::Work, Lane::Notice];
        let first = self.dice.below(2);
        let delivery = [lanes[first], lanes[1 - first]]
            .into_iter()
            .find_map(|lane| Some((lane, self.world.receive(lane)?)));
        let Some((lane, delivery)) = delivery else {
            return false;
        };
        let shell = self.shell(true);
        self.take(lane, delivery, shell);
        if shell.batch.is_some() {
            for _ in 0..self.dice.below(shell::BATCH) {
                if let Some(delivery) = self.world.receive(lane) {
                    self.take(lane, delivery, shell);
                }
            }
        }
        true
    }

    fn take(&mut self, lane: Lane, delivery: Delivery, shell: Shell) {
        if self.is_poison(&delivery.body) {
            // Everybody who took it in hand has died, and the queue has had enough.
            self.world.cloud_queue.remove(lane, &delivery.receipt);
            let _ = drive(
                self.world
                    .queue
                    .send(Lane::WorkDead, &delivery.body, Duration::ZERO),
            );
            self.note(None, "a message is dead");
            return;
        }
        let about = self.subject(&delivery.body);
        let state = about.and_then(|id| self.state(id));
        if state.is_some() && is_hint(&delivery.body) && self.dice.fires(Fault::HintLost) {
            let _ = drive(self.world.queue.delete(lane, &delivery.receipt));
            self.note(state, "a hint is lost");
            return;
        }
        if self.dice.fires(Fault::Delay) {
            let delay = Duration::from_secs(1 + self.dice.below(200) as u64);
            let _ = drive(self.world.queue.release(lane, &delivery.receipt, delay));
            self.note(state, "a message is late");
            return;
        }
        if self.dice.fires(Fault::Duplicate) {
            self.note(state, "a message comes twice");
            self.handle(lane, about, &delivery.body, None, shell);
        }
        let body = delivery.body.clone();
        self.handle(lane, about, &body, Some((lane, delivery)), shell);
    }

    fn handle(
        &mut self,
        lane: Lane,
        about: Option<DeployId>,
        body: &Body,
        delivery: Option<(Lane, Delivery)>,
        shell: Shell,
    ) {
        let skew = self.skew(about);
        let body = body.clone();
        if lane == Lane::Work {
            let (worker, me) = (self.world.worker(skew), self.world.invocation());
            let ends = shell.ends.map(|ends| ends + skew);
            self.start_in(shell, "worker", about, delivery, async move {
                match Box::pin(worker.handle(&Turn { me, ends }, &body)).await {
                    Err(HandlerError::NoTime) => Ended::NoTime,
                    done => Ended::Handled(done.is_ok()),
                }
            });
        } else {
            let notifier = self.world.notifier(skew);
            self.start_in(shell, "notifier", about, delivery, async move {
                Ended::Handled(notifier.handle(&body).await.is_ok())
            });
        }
    }

    /// Somebody sends a message back from the dead-letter queue, if there is one and the dice say
    /// so.
    pub(super) fn redrive(&mut self) -> bool {
        let now = self.world.clock.now();
        let dead = self.world.queue.next_visible(Lane::WorkDead);
        if dead.is_none_or(|at| at > now) || !self.dice.fires(Fault::Redrive) {
            return false;
        }
        self.redriven();
        true
    }

    /// Nobody leaves a command where it died.
    pub(super) fn redrive_poison(&mut self) -> bool {
        let Some(at) = self.world.queue.next_visible(Lane::WorkDead) else {
            return false;
        };
        let dead = self.world.queue.messages(Lane::WorkDead);
        if !dead.iter().any(|lying| has_died(&lying.body)) {
            return false;
        }
        self.world.clock.set(at.max(self.world.clock.now()));
        self.redriven();
        true
    }

    fn redriven(&mut self) {
        let Some(body) = self.world.redrive() else {
            return;
        };
        let state = match body.decode() {
            Ok(WorkMessage::Retry { deploy }) => self.state(deploy),
            _ => None,
        };
        if let Some(request) = self.poisonous(&body) {
            self.poison.retain(|known| *known != request);
        }
        self.note(state, "a message is sent back");
    }

    fn is_poison(&self, body: &Body) -> bool {
        self.poisonous(body).is_some()
    }

    /// The request of a message that kills its handler.
    fn poisonous(&self, body: &Body) -> Option<RequestId> {
        let request = match body.decode() {
            Ok(WorkMessage::Wish(message)) => message.id,
            Ok(WorkMessage::Deploy(message)) => {
                let mut typed = self.world.typed.iter();
                typed
                    .find(|typed| typed.deploy == Some(message.id))?
                    .request
            }
            _ => return None,
        };
        self.poison.contains(&request).then_some(request)
    }

    /// The deploy that a message is about.
    fn subject(&self, body: &Body) -> Option<DeployId> {
        let store = &*self.world.store;
        match body.decode::<WorkMessage>() {
            Ok(WorkMessage::Deploy(message)) => Some(message.id),
            Ok(WorkMessage::Look { deploy }) => Some(deploy),
            // What an order is about is the deploy that it starts.
            Ok(WorkMessage::Retry { deploy }) => Some(DeployId::of_retry(deploy)),
            Ok(WorkMessage::Event { pipeline }) => drive(store.owner(pipeline))?.ok()?,
            Ok(WorkMessage::Wish(message)) => match message.wish {
                Wish::Cancel {
                    deploy: DeployRef::Full(id),
                } => Some(id),
                Wish::Cancel {
                    deploy: DeployRef::Short(short),
                } => drive(store.by_short(&short))?.ok()?,
                // Which deploy it starts is known only when it is dealt with.
                Wish::Retry { .. } => None,
            },
            Ok(WorkMessage::Question(_)) => None,
            Err(_) => match body.decode::<NoticeMessage>().ok()? {
                NoticeMessage::Tell { deploy } => Some(deploy),
                NoticeMessage::Answer(_) => None,
            },
        }
    }
}

/// Whether a dead letter is one that nobody put there.
fn has_died(body: &Body) -> bool {
    !matches!(body.decode(), Ok(WorkMessage::Retry { .. }))
}

/// Whether nothing is lost with a message but time.
fn is_hint(body: &Body) -> bool {
    matches!(
        body.decode(),
        Ok(WorkMessage::Look { .. } | WorkMessage::Event { .. })
    ) || matches!(body.decode(), Ok(NoticeMessage::Tell { .. }))
}
