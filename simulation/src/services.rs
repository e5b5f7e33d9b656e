//! The product's services over the world's ports: every call is a crash point, and may have a bug.

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

type HandlerLedger = BuggyPort<CrashPort<CloudLedger>>;
type HandlerQueue = CrashPort<CloudQueue>;
type HandlerSecrets = CrashPort<RotatingSecrets>;
type HandlerCi = BuggyPort<CrashPort<MemoryCircleCi>>;
type SimulatedIngest = Ingest<BuggyPort<HandlerQueue>, HandlerSecrets, SkewedClock>;
type SimulatedWorker = Worker<HandlerLedger, HandlerQueue, HandlerCi, HandlerSecrets, SkewedClock>;
type SimulatedNotifier = Notifier<HandlerLedger, HandlerQueue, CrashPort<MemorySlack>, SkewedClock>;

impl World {
    pub(crate) fn ingest(&self, skew: TimeDelta) -> SimulatedIngest {
        Ingest {
            queue: self.with_bug(self.at_points(&self.cloud_queue)),
            secrets: self.at_points(&self.secrets),
            clock: self.skewed_clock(skew),
            config: Arc::clone(&self.config),
        }
    }

    pub(crate) fn worker(&self, skew: TimeDelta) -> SimulatedWorker {
        Worker {
            ledger: self.with_bug(self.at_points(&self.cloud_ledger)),
            queue: self.at_points(&self.cloud_queue),
            ci: self.with_bug(self.at_points(&self.circleci)),
            secrets: self.at_points(&self.secrets),
            clock: self.skewed_clock(skew),
            config: Arc::clone(&self.config),
        }
    }

    /// The worker as the sweeper runs it over the dead-letter queue.
    pub(crate) fn dlq_sweeper(&self) -> SimulatedWorker {
        let ledger = BuggyPort::for_sweeper(self.at_points(&self.cloud_ledger), self.bug);
        Worker {
            ledger,
            ..self.worker(TimeDelta::zero())
        }
    }

    pub(crate) fn notifier(&self, skew: TimeDelta) -> SimulatedNotifier {
        Notifier {
            notifications: self.with_bug(self.at_points(&self.cloud_ledger)),
            queue: self.at_points(&self.cloud_queue),
            chat: self.at_points(&self.slack),
            has_bot: self.has_bot,
            clock: self.skewed_clock(skew),
            config: Arc::clone(&self.config),
        }
    }

    fn at_points<P>(&self, port: &Arc<P>) -> CrashPort<P> {
        CrashPort::new(port, &self.points)
    }

    fn with_bug<P>(&self, port: P) -> BuggyPort<P> {
        BuggyPort::new(port, self.bug)
    }

    fn skewed_clock(&self, skew: TimeDelta) -> SkewedClock {
        let clock = self.clock.clone();
        SkewedClock { clock, skew }
    }
}
