//! Planted bugs: ports that are wrong in one known way each. Whatever tests the product must find
//! every one of them, or it would not find a real one either.
//!
//! [`Planted`] stands between a handler and its port. Without a bug it only passes on. One is made
//! for every run of a handler, so that what a bug keeps only in memory dies with the handler.

mod ledger;
mod ports;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chatops_core::deploy::DeployRecord;
use chatops_core::id::{DeployId, RequestId};
use chatops_core::notification::NotificationRecord;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeededBug {
    /// The intent to POST is kept in memory only.
    NoIntent,
    /// The HTTP client sends a POST again whose outcome it does not know.
    ClientResends,
    /// A look-up is believed before the horizon.
    LookupBelievedEarly,
    /// A time-out counts as "nothing was created".
    SecondPostWhenUnsure,
    /// Whoever finds an old intent takes it back.
    RolledBackByStranger,
    /// A 5xx counts as "nothing was created".
    RolledBackOnServerError,
    /// A found pipeline is bound whether or not it carries the proof or belongs to another.
    BoundWithoutDeployId,
    /// What is owed is written in a second transaction.
    PendingLater,
    /// The order to try again is forgotten.
    TicketForgotten,
    /// An end is opened again when evidence comes late.
    EndRewritten,
    /// A pipeline in setup counts as created.
    SetupIsFinal,
    /// The notifier records only after it has posted.
    SendThenRecord,
    /// Uses of the reply address are not counted.
    UsesNotCounted,
    /// The hash chain does not chain.
    BrokenChain,
    /// The lock is not part of the transaction that arms.
    LockLater,
    /// The id of a retry is drawn, not derived.
    RetryIdRandom,
    /// An order starts again what was tried again already.
    TicketStartsAgain,
    /// A press is not known again when it comes once more.
    ActionForgotten,
    /// Whoever tries again an UNRESOLVED deploy need not confirm.
    ConfirmIgnored,
    /// A deploy does not say who repeats it.
    RetriedNotWritten,
    /// The sweeper removes orders that nobody has carried out.
    LiveTicketRemoved,
    /// The wish to cancel is noted in the audit only.
    CancelForgotten,
    /// An intent whose write may have failed is written again, as another attempt.
    IntentRewritten,
    /// A message that may not have been taken counts as sent.
    UnknownIsSent,
    /// The sweeper believes an index that lags.
    IndexBelieved,
    /// A batch of which something was dealt with counts as dealt with.
    FailuresNotNamed,
}

impl SeededBug {
    /// All of them.
    pub const ALL: [SeededBug; 26] = [
        SeededBug::NoIntent,
        SeededBug::ClientResends,
        SeededBug::LookupBelievedEarly,
        SeededBug::SecondPostWhenUnsure,
        SeededBug::RolledBackByStranger,
        SeededBug::RolledBackOnServerError,
        SeededBug::BoundWithoutDeployId,
        SeededBug::PendingLater,
        SeededBug::TicketForgotten,
        SeededBug::EndRewritten,
        SeededBug::SetupIsFinal,
        SeededBug::SendThenRecord,
        SeededBug::UsesNotCounted,
        SeededBug::BrokenChain,
        SeededBug::LockLater,
        SeededBug::RetryIdRandom,
        SeededBug::TicketStartsAgain,
        SeededBug::ActionForgotten,
        SeededBug::ConfirmIgnored,
        SeededBug::RetriedNotWritten,
        SeededBug::LiveTicketRemoved,
        SeededBug::CancelForgotten,
        SeededBug::IntentRewritten,
        SeededBug::UnknownIsSent,
        SeededBug::IndexBelieved,
        SeededBug::FailuresNotNamed,
    ];

    /// Those that nothing finds but what only AWS does.
    pub const AWS_ONLY: [SeededBug; 3] = [
        SeededBug::UnknownIsSent,
        SeededBug::IndexBelieved,
        SeededBug::FailuresNotNamed,
    ];

    /// The bug in words.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            SeededBug::NoIntent => "no intent record",
            SeededBug::ClientResends => "client that resends the POST",
            SeededBug::LookupBelievedEarly => "look-up believed before the horizon",
            SeededBug::SecondPostWhenUnsure => "second POST when unsure",
            SeededBug::RolledBackByStranger => "disarm by a stranger",
            SeededBug::RolledBackOnServerError => "disarm on 5xx",
            SeededBug::BoundWithoutDeployId => "pipeline bound without \"absent or equal\"",
            SeededBug::PendingLater => "owed notice not in the transaction",
            SeededBug::TicketForgotten => "dead-letter order not owed",
            SeededBug::EndRewritten => "terminal rewritten",
            SeededBug::SetupIsFinal => "setup workflow taken as final",
            SeededBug::SendThenRecord => "send-then-record in the notifier",
            SeededBug::UsesNotCounted => "no use reserved for the final word",
            SeededBug::BrokenChain => "broken hash chain",
            SeededBug::LockLater => "lock not in the arming transaction",
            SeededBug::RetryIdRandom => "retry's id drawn, not derived",
            SeededBug::TicketStartsAgain => "redrive of a retried order starts again",
            SeededBug::ActionForgotten => "redelivered press derives again",
            SeededBug::ConfirmIgnored => "UNRESOLVED retried without \"confirm\"",
            SeededBug::RetriedNotWritten => "\"retried by\" not written",
            SeededBug::LiveTicketRemoved => "sweeper removes a live order",
            SeededBug::CancelForgotten => "wish to cancel forgotten",
            SeededBug::IntentRewritten => "failed arming taken for not written",
            SeededBug::UnknownIsSent => "unknown send taken for sent",
            SeededBug::IndexBelieved => "sweeper believes a lagging index",
            SeededBug::FailuresNotNamed => "batch failures not named",
        }
    }
}

/// A port with a bug, or without.
#[derive(Debug)]
pub struct BuggyPort<P> {
    port: P,
    bug: Option<SeededBug>,
    /// Whether it is the sweeper's, while it tidies.
    is_sweeper: bool,
    memory: Mutex<BugMemory>,
}

/// What a buggy handler keeps to itself.
#[derive(Debug, Default)]
struct BugMemory {
    record: Option<DeployRecord>,
    notification: Option<NotificationRecord>,
    began_trigger: bool,
    /// What is on record and was not shown: who repeats a deploy, and whose wish made it.
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

    /// A port as the sweeper sees it while it tidies.
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
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
