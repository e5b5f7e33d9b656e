//! What happens while nobody is at work: time passes, the sweeper comes, and so do strangers.

use std::time::Duration;

use chatops_core::id::PipelineId;
use chatops_core::message::{Body, NoticeMessage, WorkMessage};
use chatops_core::ports::{Lane, Queue};
use chrono::TimeDelta;
use uuid::Uuid;

use super::{Ended, Schedule};
use crate::dice::Fault;
use crate::outside::WEBHOOK;
use crate::points::drive;
use crate::world::World;

impl Schedule {
    /// Nobody is at work: the next moment comes, and what people and strangers do with it.
    pub(super) fn time_passes(&mut self) -> bool {
        self.world.cloud_store.arrive();
        let acts = self.acts.iter().map(|(when, _)| *when).min();
        let Some(next) = self.world.next_moment().into_iter().chain(acts).min() else {
            return self.redrive() || self.redrive_poison();
        };
        self.world.clock.set(next);
        self.strangers();
        if next >= self.world.next_sweep {
            self.world.next_sweep = next + self.world.config().times.sweep_every;
            let worker = self.world.worker(TimeDelta::zero());
            let tidier = self.world.tidier();
            let shell = self.shell(false);
            self.start_in(shell, "sweeper", None, None, async move {
                let _ = worker.sweep().await;
                let _ = tidier.tidy().await;
                Ended::Over
            });
        }
        true
    }

    fn strangers(&mut self) {
        if self.dice.below(8) == 0 {
            self.event();
        }
        let heads = self.world.store.heads();
        let Some(head) = heads.get(self.dice.below(heads.len())) else {
            return;
        };
        if self.dice.fires(Fault::TokenRotated) {
            self.world.secrets.forget_token();
            if self.world.bot {
                self.world.slack.replace_bot_token();
            }
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

    /// CircleCI tells of a pipeline, or somebody else does, or of none that is there.
    fn event(&mut self) {
        let created = self.world.circleci.created();
        let known = created.get(self.dice.below(created.len().max(1)));
        let (pipeline, secret) = match (known, self.dice.below(8)) {
            (None, _) | (_, 0) => (Uuid::from_u128(7), WEBHOOK),
            (Some(known), 1) => (known.id, "somebody else's secret"),
            (Some(known), _) => (known.id, WEBHOOK),
        };
        let Some(request) = World::event(PipelineId(pipeline), secret) else {
            return;
        };
        let ingest = self.world.ingest(TimeDelta::zero());
        self.start("event", None, None, async move {
            let _ = ingest.handle(request).await;
            Ended::Over
        });
    }

    fn send<M: serde::Serialize>(&self, lane: Lane, message: &M) {
        if let Ok(body) = Body::encode(message) {
            let _ = drive(self.world.queue.send(lane, &body, Duration::ZERO));
        }
    }
}
