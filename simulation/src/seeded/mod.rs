//! Seeded bugs: ports that are wrong in one known way each. The schedules must find every one of
//! them, or they would not find a real one either.
//!
//! [`BuggyPort`] is between a handler and its port. Without a bug it only forwards. One is made for
//! every run of a handler, so that what a bug keeps only in memory dies with the handler.

mod ledger;
mod ports;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use chatops_core::deploy::DeployRecord;
use chatops_core::id::{DeployId, RequestId};
use chatops_core::notification::NotificationRecord;
use strum::{EnumMessage, VariantArray};

use crate::memory::lock_mutex;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumMessage, VariantArray)]
pub enum SeededBug {
    /// The intent to POST is kept in memory only.
    NoIntent,
    /// The client resends a POST of unknown outcome.
    ClientResends,
    /// A lookup is believed before its timeout.
    LookupBelievedEarly,
    /// A timeout counts as "nothing was created".
    SecondPostWhenUnsure,
    /// An old intent of another is rolled back.
    RolledBackByStranger,
    /// A 5xx counts as "nothing was created".
    RolledBackOnServerError,
    /// A pipeline is claimed whatever id it carries.
    BoundWithoutDeployId,
    /// A notification becomes pending in a second write.
    PendingLater,
    /// The retry ticket is forgotten.
    TicketForgotten,
    /// Late evidence rewrites an end.
    EndRewritten,
    /// A pipeline in setup counts as created.
    SetupIsFinal,
    /// The notifier records only after it has posted.
    SendThenRecord,
    /// Uses of the response URL are not counted.
    UsesNotCounted,
    /// The hash chain does not chain.
    BrokenChain,
    /// The intent's transaction does not take the lock.
    LockLater,
    /// The id of a retry is random, not derived.
    RetryIdRandom,
    /// A ticket starts again what was retried already.
    TicketStartsAgain,
    /// A repeated retry request is not recognised.
    ActionForgotten,
    /// An UNRESOLVED deploy is retried without "confirm".
    ConfirmIgnored,
    /// A deploy does not name its retry.
    RetriedNotWritten,
    /// The sweeper removes tickets not carried out.
    LiveTicketRemoved,
    /// A cancel request is noted in the audit only.
    CancelForgotten,
    /// An intent that may be written is written again.
    IntentRewritten,
    /// A message of unknown outcome counts as sent.
    UnknownIsSent,
    /// The sweeper believes a lagging index.
    IndexBelieved,
    /// A partly handled batch counts as handled.
    FailuresNotNamed,
}

impl SeededBug {
    /// Those that only the faults of AWS find.
    pub const AWS_ONLY: [SeededBug; 3] = [
        SeededBug::UnknownIsSent,
        SeededBug::IndexBelieved,
        SeededBug::FailuresNotNamed,
    ];

    /// The bug in words.
    #[must_use]
    pub fn label(self) -> &'static str {
        let sentence = self.get_documentation().unwrap_or_default();
        sentence.trim_end_matches('.')
    }
}

/// A port with a bug, or without.
#[derive(Debug)]
pub struct BuggyPort<P> {
    port: P,
    bug: Option<SeededBug>,
    /// Whether it is the port of the dead-letter queue's sweeper.
    is_sweeper: bool,
    memory: Mutex<BugMemory>,
}

/// What a buggy handler keeps to itself.
#[derive(Debug, Default)]
struct BugMemory {
    record: Option<DeployRecord>,
    notification: Option<NotificationRecord>,
    began_trigger: bool,
    /// What is on record and was not shown: the retry of a deploy, and the request that made it.
    hidden: BTreeMap<DeployId, (Option<DeployId>, Option<RequestId>)>,
}

impl<P> BuggyPort<P> {
    /// A port as a handler sees it.
    pub fn new(port: P, bug: Option<SeededBug>) -> Self {
        Self {
            port,
            bug,
            is_sweeper: false,
            memory: Mutex::default(),
        }
    }

    /// A port as the sweeper of the dead-letter queue sees it.
    pub fn for_sweeper(port: P, bug: Option<SeededBug>) -> Self {
        Self {
            is_sweeper: true,
            ..Self::new(port, bug)
        }
    }

    fn has_bug(&self, bug: SeededBug) -> bool {
        self.bug == Some(bug)
    }

    fn lock_memory(&self) -> MutexGuard<'_, BugMemory> {
        lock_mutex(&self.memory)
    }
}
