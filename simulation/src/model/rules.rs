//! The decision functions that the model calls: the product's, unless a test replaces one of them by a
//! wrong one to see that the model notices.

use std::fmt;
use std::time::Duration;

use chatops_core::Time;
use chatops_core::config::Timeouts;
use chatops_core::decide::{
    self, CancelDecision, Context, NextStep, RetryCause, RetryDecision, follow, trigger,
};
use chatops_core::deploy::{DeployRecord, DeployRequest};
use chatops_core::id::ShortId;
use chatops_core::machine::IllegalTransition;
use chatops_core::message::ActionMessage;
use chatops_core::notification::{
    self, DeliveryRoute, DeliveryStep, NotificationKind, NotificationRecord, PostResult,
};
use chatops_core::ports::{Commit, LookupResult, PollResult, TriggerOutcome};

/// What a decision comes to, unless the state machine does not allow it.
pub type Decided<T> = Result<T, IllegalTransition>;

/// What an answer from outside leads to.
pub type After<T> = fn(&DeployRecord, T, Context<'_>) -> Decided<Option<Commit>>;

/// The decisions. Each field stands for the function of the same name in `chatops_core`.
#[derive(Clone, Copy)]
pub struct DecisionRules {
    /// [`decide::next_step`].
    pub next_step: fn(&DeployRecord, Context<'_>) -> Decided<NextStep>,
    /// [`trigger::after_post`].
    pub after_post: fn(&DeployRecord, u32, &TriggerOutcome, Context<'_>) -> Decided<Option<Commit>>,
    /// [`trigger::after_lookup`].
    pub after_lookup: fn(&DeployRecord, &LookupResult, Context<'_>) -> Decided<Option<Commit>>,
    /// [`trigger::after_failed_lookup`].
    pub after_failed_lookup: After<Option<Duration>>,
    /// [`follow::after_poll`].
    pub after_poll: fn(&DeployRecord, &PollResult, Context<'_>) -> Decided<Option<Commit>>,
    /// [`follow::after_failed_poll`].
    pub after_failed_poll: After<Option<Duration>>,
    /// [`decide::decide_cancel`].
    pub decide_cancel: fn(&DeployRecord, &ActionMessage, Context<'_>) -> Decided<CancelDecision>,
    /// [`decide::decide_retry`].
    pub decide_retry: fn(&DeployRecord, RetryCause<'_>, Context<'_>) -> RetryDecision,
    /// [`decide::open_retry`], where no short id is taken.
    pub open_retry:
        fn(&DeployRecord, &DeployRequest, RetryCause<'_>, Context<'_>) -> Decided<Commit>,
    /// Whether the worker's sweeper removes a ticket for this deploy from the dead-letter queue.
    pub is_ticket_needless: fn(&DeployRecord) -> bool,
    /// Whether the worker looks up the deploy that an action has made before it makes one.
    pub remembers_actions: bool,
    /// [`notification::next_delivery`], where there is no bot.
    pub next_delivery: fn(&NotificationRecord, Time, &Timeouts) -> DeliveryStep,
    /// [`notification::after_post`].
    pub after_delivery:
        fn(&NotificationRecord, NotificationKind, &PostResult, Time) -> NotificationRecord,
    /// Whether the notifier writes the reservation before it posts.
    pub reserves_first: bool,
}

impl fmt::Debug for DecisionRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecisionRules").finish_non_exhaustive()
    }
}

/// The product's own decisions.
pub const PRODUCT_RULES: DecisionRules = DecisionRules {
    next_step: decide::next_step,
    after_post: trigger::after_post,
    after_lookup: trigger::after_lookup,
    after_failed_lookup: trigger::after_failed_lookup,
    after_poll: follow::after_poll,
    after_failed_poll: follow::after_failed_poll,
    decide_cancel: decide::decide_cancel,
    decide_retry: decide::decide_retry,
    open_retry: |old, first, cause, ctx| decide::open_retry(old, first, cause, ShortId::USUAL, ctx),
    is_ticket_needless: |old| old.retried_by.is_some(),
    remembers_actions: true,
    next_delivery: |record, now, timeouts| {
        notification::next_delivery(record, now, timeouts, false)
    },
    after_delivery: |reserved, kind, posted, now| {
        notification::after_post(reserved, kind, DeliveryRoute::ResponseUrl, posted, now)
    },
    reserves_first: true,
};
