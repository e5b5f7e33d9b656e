//! The product's stages over the world's ports: every call is a crash point, and may have a bug.

use std::sync::Arc;

use chatops_core::Time;
use chatops_core::ports::Clock;
use chatops_ingest::Ingest;
use chatops_notifier::Notifier;
use chatops_worker::Worker;
use chrono::TimeDelta;

use crate::cloud::{CloudLedger, CloudQueue};
use crate::crash_points::CrashPort;
use crate::memory::ManualClock;
use crate::outside::{MemoryCircleCi, MemorySlack, RotatingSecrets};
use crate::seeded::BuggyPort;
use crate::world::World;

/// A handler's clock: the world's, somewhat off.
#[derive(Debug, Clone)]
pub struct SkewedClock {
    clock: ManualClock,
    skew: TimeDelta,
}

impl Clock for SkewedClock {
    fn now(&self) -> Time {
        self.clock.now() + self.skew
    }
}

/// The store and the queue as a handler sees them.
type HandlerLedger = BuggyPort<CrashPort<CloudLedger>>;
type HandlerQueue = CrashPort<CloudQueue>;

impl World {
    pub(crate) fn ingest(
        &self,
        skew: TimeDelta,
    ) -> Ingest<BuggyPort<HandlerQueue>, CrashPort<RotatingSecrets>, SkewedClock> {
        Ingest {
            queue: BuggyPort::new(CrashPort::new(&self.cloud_queue, &self.points), self.bug),
            secrets: CrashPort::new(&self.secrets, &self.points),
            clock: self.skewed_clock(skew),
            config: Arc::clone(&self.config),
        }
    }

    pub(crate) fn worker(
        &self,
        skew: TimeDelta,
    ) -> Worker<
        HandlerLedger,
        HandlerQueue,
        BuggyPort<CrashPort<MemoryCircleCi>>,
        CrashPort<RotatingSecrets>,
        SkewedClock,
    > {
        Worker {
            ledger: BuggyPort::new(CrashPort::new(&self.cloud_ledger, &self.points), self.bug),
            queue: CrashPort::new(&self.cloud_queue, &self.points),
            ci: BuggyPort::new(CrashPort::new(&self.circleci, &self.points), self.bug),
            secrets: CrashPort::new(&self.secrets, &self.points),
            clock: self.skewed_clock(skew),
            config: Arc::clone(&self.config),
        }
    }

    /// The worker as the sweeper runs it over the dead-letter queue.
    pub(crate) fn dlq_sweeper(
        &self,
    ) -> Worker<
        HandlerLedger,
        HandlerQueue,
        BuggyPort<CrashPort<MemoryCircleCi>>,
        CrashPort<RotatingSecrets>,
        SkewedClock,
    > {
        let mut worker = self.worker(TimeDelta::zero());
        worker.ledger =
            BuggyPort::for_sweeper(CrashPort::new(&self.cloud_ledger, &self.points), self.bug);
        worker
    }

    pub(crate) fn notifier(
        &self,
        skew: TimeDelta,
    ) -> Notifier<HandlerLedger, HandlerQueue, BuggyPort<CrashPort<MemorySlack>>, SkewedClock> {
        Notifier {
            notifications: BuggyPort::new(
                CrashPort::new(&self.cloud_ledger, &self.points),
                self.bug,
            ),
            queue: CrashPort::new(&self.cloud_queue, &self.points),
            chat: BuggyPort::new(CrashPort::new(&self.slack, &self.points), self.bug),
            has_bot: self.has_bot,
            clock: self.skewed_clock(skew),
            config: Arc::clone(&self.config),
        }
    }

    fn skewed_clock(&self, by: TimeDelta) -> SkewedClock {
        SkewedClock {
            clock: self.clock.clone(),
            skew: by,
        }
    }
}
