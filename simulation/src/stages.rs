//! The product's stages over the world's ports: every call is a crash point, and may have a bug.

use std::sync::Arc;

use chatops_core::Time;
use chatops_core::ports::Clock;
use chatops_ingest::Ingest;
use chatops_notifier::Notifier;
use chatops_worker::Worker;
use chrono::TimeDelta;

use crate::cloud::{CloudQueue, CloudStore};
use crate::memory::ManualClock;
use crate::outside::{CircleCi, RotatingSecrets, Slack};
use crate::planted::Planted;
use crate::points::Pointed;
use crate::world::World;

/// A handler's clock: the world's, somewhat off.
#[derive(Debug, Clone)]
pub struct Skewed {
    clock: ManualClock,
    by: TimeDelta,
}

impl Clock for Skewed {
    fn now(&self) -> Time {
        self.clock.now() + self.by
    }
}

/// The store and the queue as a handler sees them.
type AStore = Planted<Pointed<CloudStore>>;
type AQueue = Pointed<CloudQueue>;

impl World {
    pub(crate) fn ingest(
        &self,
        skew: TimeDelta,
    ) -> Ingest<Planted<AQueue>, Pointed<RotatingSecrets>, Skewed> {
        Ingest {
            queue: Planted::new(Pointed::new(&self.cloud_queue, &self.points), self.bug),
            secrets: Pointed::new(&self.secrets, &self.points),
            clock: self.clock_of(skew),
            config: Arc::clone(&self.config),
        }
    }

    pub(crate) fn worker(
        &self,
        skew: TimeDelta,
    ) -> Worker<AStore, AQueue, Planted<Pointed<CircleCi>>, Pointed<RotatingSecrets>, Skewed> {
        Worker {
            store: Planted::new(Pointed::new(&self.cloud_store, &self.points), self.bug),
            queue: Pointed::new(&self.cloud_queue, &self.points),
            ci: Planted::new(Pointed::new(&self.circleci, &self.points), self.bug),
            secrets: Pointed::new(&self.secrets, &self.points),
            clock: self.clock_of(skew),
            config: Arc::clone(&self.config),
        }
    }

    /// The worker as the sweeper runs it over the dead-letter queue.
    pub(crate) fn tidier(
        &self,
    ) -> Worker<AStore, AQueue, Planted<Pointed<CircleCi>>, Pointed<RotatingSecrets>, Skewed> {
        let mut worker = self.worker(TimeDelta::zero());
        worker.store = Planted::tidying(Pointed::new(&self.cloud_store, &self.points), self.bug);
        worker
    }

    pub(crate) fn notifier(
        &self,
        skew: TimeDelta,
    ) -> Notifier<AStore, AQueue, Planted<Pointed<Slack>>, Skewed> {
        Notifier {
            replies: Planted::new(Pointed::new(&self.cloud_store, &self.points), self.bug),
            queue: Pointed::new(&self.cloud_queue, &self.points),
            chat: Planted::new(Pointed::new(&self.slack, &self.points), self.bug),
            bot: self.bot,
            clock: self.clock_of(skew),
            config: Arc::clone(&self.config),
        }
    }

    fn clock_of(&self, by: TimeDelta) -> Skewed {
        Skewed {
            clock: self.clock.clone(),
            by,
        }
    }
}
