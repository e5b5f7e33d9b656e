//! Planted bugs: ports that are wrong in one known way each. Whatever tests the product must find
//! every one of them, or it would not find a real one either.
//!
//! [`Planted`] stands between a handler and its port. Without a bug it only passes on. One is made
//! for every run of a handler, so that what a bug keeps only in memory dies with the handler.

mod ports;
mod store;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chatops_core::deploy::Head;
use chatops_core::id::{DeployId, RequestId};
use chatops_core::reply::Reply;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// The intent to POST is kept in memory only.
    NoIntent,
    /// The HTTP client sends a POST again whose outcome it does not know.
    ClientResends,
    /// A look-up is believed before the horizon.
    BelievedEarly,
    /// A time-out counts as "nothing was created".
    SecondPostWhenUnsure,
    /// Whoever finds an old intent takes it back.
    DisarmedByStranger,
    /// A 5xx counts as "nothing was created".
    DisarmedOnServerError,
    /// A found pipeline is bound whether or not it carries the proof or belongs to another.
    BoundWithoutProof,
    /// What is owed is written in a second transaction.
    OwedLater,
    /// The order to try again is forgotten.
    OrderForgotten,
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
    RetryDrawn,
    /// An order starts again what was tried again already.
    OrderStartsAgain,
    /// A press is not known again when it comes once more.
    PressForgotten,
    /// Whoever tries again an UNRESOLVED deploy need not confirm.
    ConfirmIgnored,
    /// A deploy does not say who repeats it.
    RetriedNotWritten,
    /// The sweeper removes orders that nobody has carried out.
    LiveOrderRemoved,
    /// The wish to cancel is noted in the audit only.
    CancelForgotten,
    /// An intent whose write may have failed is written again, as another attempt.
    ArmedAgain,
    /// A message that may not have been taken counts as sent.
    UnknownIsSent,
    /// The sweeper believes an index that lags.
    IndexBelieved,
    /// A batch of which something was dealt with counts as dealt with.
    FailuresNotNamed,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 26] = [
        Bug::NoIntent,
        Bug::ClientResends,
        Bug::BelievedEarly,
        Bug::SecondPostWhenUnsure,
        Bug::DisarmedByStranger,
        Bug::DisarmedOnServerError,
        Bug::BoundWithoutProof,
        Bug::OwedLater,
        Bug::OrderForgotten,
        Bug::EndRewritten,
        Bug::SetupIsFinal,
        Bug::SendThenRecord,
        Bug::UsesNotCounted,
        Bug::BrokenChain,
        Bug::LockLater,
        Bug::RetryDrawn,
        Bug::OrderStartsAgain,
        Bug::PressForgotten,
        Bug::ConfirmIgnored,
        Bug::RetriedNotWritten,
        Bug::LiveOrderRemoved,
        Bug::CancelForgotten,
        Bug::ArmedAgain,
        Bug::UnknownIsSent,
        Bug::IndexBelieved,
        Bug::FailuresNotNamed,
    ];

    /// Those that nothing finds but what only AWS does.
    pub const OF_THE_CLOUD: [Bug; 3] = [
        Bug::UnknownIsSent,
        Bug::IndexBelieved,
        Bug::FailuresNotNamed,
    ];

    /// The bug in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Bug::NoIntent => "no intent record",
            Bug::ClientResends => "client that resends the POST",
            Bug::BelievedEarly => "look-up believed before the horizon",
            Bug::SecondPostWhenUnsure => "second POST when unsure",
            Bug::DisarmedByStranger => "disarm by a stranger",
            Bug::DisarmedOnServerError => "disarm on 5xx",
            Bug::BoundWithoutProof => "pipeline bound without \"absent or equal\"",
            Bug::OwedLater => "owed notice not in the transaction",
            Bug::OrderForgotten => "dead-letter order not owed",
            Bug::EndRewritten => "terminal rewritten",
            Bug::SetupIsFinal => "setup workflow taken as final",
            Bug::SendThenRecord => "send-then-record in the notifier",
            Bug::UsesNotCounted => "no use reserved for the final word",
            Bug::BrokenChain => "broken hash chain",
            Bug::LockLater => "lock not in the arming transaction",
            Bug::RetryDrawn => "retry's id drawn, not derived",
            Bug::OrderStartsAgain => "redrive of a retried order starts again",
            Bug::PressForgotten => "redelivered press derives again",
            Bug::ConfirmIgnored => "UNRESOLVED retried without \"confirm\"",
            Bug::RetriedNotWritten => "\"retried by\" not written",
            Bug::LiveOrderRemoved => "sweeper removes a live order",
            Bug::CancelForgotten => "wish to cancel forgotten",
            Bug::ArmedAgain => "failed arming taken for not written",
            Bug::UnknownIsSent => "unknown send taken for sent",
            Bug::IndexBelieved => "sweeper believes a lagging index",
            Bug::FailuresNotNamed => "batch failures not named",
        }
    }
}

/// A port with a bug, or without.
#[derive(Debug)]
pub struct Planted<P> {
    port: P,
    bug: Option<Bug>,
    /// Whether it is the sweeper's, while it tidies.
    tidying: bool,
    memory: Mutex<Memory>,
}

/// What a buggy handler keeps to itself.
#[derive(Debug, Default)]
struct Memory {
    head: Option<Head>,
    reply: Option<Reply>,
    armed: bool,
    /// What is on record and was not shown: who repeats a deploy, and whose wish made it.
    hidden: BTreeMap<DeployId, (Option<DeployId>, Option<RequestId>)>,
}

impl<P> Planted<P> {
    /// A port as a handler sees it.
    pub fn new(port: P, bug: Option<Bug>) -> Self {
        Self {
            port,
            bug,
            tidying: false,
            memory: Mutex::default(),
        }
    }

    /// A port as the sweeper sees it while it tidies.
    pub fn tidying(port: P, bug: Option<Bug>) -> Self {
        Self {
            tidying: true,
            ..Self::new(port, bug)
        }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
