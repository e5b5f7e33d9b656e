//! The decisions around a retry that the model calls: the product's, unless a test replaces one of them
//! by a wrong one to see that the model notices; and the bug that its runs have.

use std::fmt;

use chatops_core::deploy::decide::{self, Context, RetryCause, RetryDecision};
use chatops_core::deploy::machine::IllegalTransition;
use chatops_core::deploy::{DeployRecord, DeployRequest};
use chatops_core::id::ShortId;
use chatops_core::ports::Commit;

use crate::seeded::SeededBug;

/// What a decision comes to, unless the state machine does not allow it.
pub type Decided<T> = Result<T, IllegalTransition>;

/// The decisions. Each function stands for the one of the same name in `chatops_core`.
#[derive(Clone, Copy)]
pub struct DecisionRules {
    /// The bug of every run.
    pub bug: Option<SeededBug>,
    /// [`decide::decide_retry`].
    pub decide_retry: fn(&DeployRecord, RetryCause<'_>, Context<'_>) -> RetryDecision,
    /// [`decide::open_retry`], where no short id is taken.
    pub open_retry:
        fn(&DeployRecord, &DeployRequest, RetryCause<'_>, Context<'_>) -> Decided<Commit>,
    /// Whether the worker's sweeper removes a ticket for this deploy from the dead-letter queue.
    pub is_ticket_needless: fn(&DeployRecord) -> bool,
    /// Whether the worker looks up the deploy that an action has made before it makes one.
    pub remembers_actions: bool,
}

impl fmt::Debug for DecisionRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecisionRules").finish_non_exhaustive()
    }
}

/// The product's own decisions.
pub const PRODUCT_RULES: DecisionRules = DecisionRules {
    bug: None,
    decide_retry: decide::decide_retry,
    open_retry: |old, first, cause, ctx| decide::open_retry(old, first, cause, ShortId::USUAL, ctx),
    is_ticket_needless: |old| old.retried_by.is_some(),
    remembers_actions: true,
};
