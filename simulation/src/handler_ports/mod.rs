//! What a handler sees of the world: one wrapper over every request, in which calls crash, fail and,
//! with a seeded bug, are made wrongly.
//!
//! Each request is two crash points, before it takes effect and after. The world answers at once, so a
//! future that is pending is at a point at which it crashes, and is dropped. One wrapper is made for
//! every run of a handler, so that what a bug keeps only in memory dies with the handler.

mod faults;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use chatops_core::config::Config;
use chatops_core::ports::{Perform, Request};

pub(crate) use self::faults::SimulatedRequest;
use crate::cloud::{CloudLedger, CloudQueue};
use crate::crash_points::CrashPoints;
use crate::outside::{MemoryCircleCi, MemorySlack, Outages, RotatingSecrets};
use crate::seeded::{BugMemory, SeededBug};
use chatops_testkit::memory::lock_mutex;

/// The world as requests reach it.
#[derive(Debug, Clone)]
pub(crate) struct WorldPorts {
    pub(crate) ledger: Arc<CloudLedger>,
    pub(crate) queue: Arc<CloudQueue>,
    pub(crate) circleci: Arc<MemoryCircleCi>,
    pub(crate) slack: Arc<MemorySlack>,
    pub(crate) secrets: Arc<RotatingSecrets>,
    pub(crate) outages: Arc<Outages>,
    /// Whether the bot's token is known.
    pub(crate) has_bot: bool,
    pub(crate) points: CrashPoints,
    /// What a bug needs to decide as the handlers do.
    pub(crate) config: Arc<Config>,
    /// The deploys that somebody has confirmed a retry of.
    pub(crate) confirmed: Arc<Mutex<BTreeSet<String>>>,
}

/// The ports of one run of a handler.
#[derive(Debug)]
pub(crate) struct HandlerPorts {
    pub(crate) world: WorldPorts,
    pub(crate) bug: Option<SeededBug>,
    /// Whether they are the ports of the dead-letter queue's sweeper.
    pub(crate) is_sweeper: bool,
    memory: Mutex<BugMemory>,
}

impl HandlerPorts {
    pub(crate) fn new(world: WorldPorts, bug: Option<SeededBug>, is_sweeper: bool) -> Self {
        world.points.begin_run();
        Self {
            world,
            bug,
            is_sweeper,
            memory: Mutex::default(),
        }
    }

    pub(crate) fn has_bug(&self, bug: SeededBug) -> bool {
        self.bug == Some(bug)
    }

    pub(crate) fn lock_memory(&self) -> MutexGuard<'_, BugMemory> {
        lock_mutex(&self.memory)
    }
}

impl<R: SimulatedRequest> Perform<R> for HandlerPorts {
    async fn perform(&self, request: R) -> <R as Request>::Answer {
        request.with_bug(self).await
    }
}
