//! The product's services over the world: every call is a crash point, and may have a bug.

use std::sync::Arc;

use chatops_core::Time;
use chatops_core::ports::Clock;
use chatops_ingest::Ingest;
use chatops_notifier::Notifier;
use chatops_worker::Worker;
use chrono::TimeDelta;

use crate::handler_ports::{HandlerPorts, WorldPorts};
use crate::world::World;
use chatops_testkit::memory::ManualClock;

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

impl World {
    pub(crate) fn ingest(&self, skew: TimeDelta) -> Ingest<HandlerPorts> {
        Ingest {
            ports: self.handler_ports(false),
            clock: self.skewed_clock(skew),
            config: Arc::clone(&self.config),
            refusals: Arc::default(),
        }
    }

    pub(crate) fn worker(&self, skew: TimeDelta) -> Worker<HandlerPorts> {
        Worker {
            ports: self.handler_ports(false),
            clock: self.skewed_clock(skew),
            config: Arc::clone(&self.config),
        }
    }

    /// The worker as the sweeper runs it over the dead-letter queue.
    pub(crate) fn dlq_sweeper(&self) -> Worker<HandlerPorts> {
        Worker {
            ports: self.handler_ports(true),
            ..self.worker(TimeDelta::zero())
        }
    }

    pub(crate) fn notifier(&self, skew: TimeDelta) -> Notifier<HandlerPorts> {
        Notifier {
            ports: self.handler_ports(false),
            clock: self.skewed_clock(skew),
            config: Arc::clone(&self.config),
        }
    }

    fn handler_ports(&self, is_sweeper: bool) -> HandlerPorts {
        let world = WorldPorts {
            ledger: Arc::clone(&self.cloud_ledger),
            queue: Arc::clone(&self.cloud_queue),
            circleci: Arc::clone(&self.circleci),
            slack: Arc::clone(&self.slack),
            secrets: Arc::clone(&self.secrets),
            outages: Arc::clone(&self.outages),
            has_bot: self.has_bot,
            points: self.points.clone(),
            config: Arc::clone(&self.config),
            confirmed: Arc::clone(&self.confirmed),
        };
        HandlerPorts::new(world, self.bug, is_sweeper)
    }

    fn skewed_clock(&self, skew: TimeDelta) -> Arc<dyn Clock> {
        let clock = self.clock.clone();
        Arc::new(SkewedClock { clock, skew })
    }
}
