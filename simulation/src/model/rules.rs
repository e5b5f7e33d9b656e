//! The decision functions as the model calls them: the real ones, unless a test puts a wrong one in
//! the place of one of them to see that the model notices.

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

/// The decisions. Every method stands for the function of the same name in `chatops_core`.
pub trait DecisionRules: Sync {
    /// [`decide::next`].
    fn next_step(
        &self,
        record: &DeployRecord,
        ctx: Context<'_>,
    ) -> Result<NextStep, IllegalTransition> {
        decide::next_step(record, ctx)
    }

    /// [`trigger::after_post`].
    fn after_post(
        &self,
        record: &DeployRecord,
        attempt: u32,
        outcome: &TriggerOutcome,
        ctx: Context<'_>,
    ) -> Result<Option<Commit>, IllegalTransition> {
        trigger::after_post(record, attempt, outcome, ctx)
    }

    /// [`trigger::after_search`].
    fn after_lookup(
        &self,
        record: &DeployRecord,
        result: &LookupResult,
        ctx: Context<'_>,
    ) -> Result<Option<Commit>, IllegalTransition> {
        trigger::after_lookup(record, result, ctx)
    }

    /// [`trigger::after_failed_search`].
    fn after_failed_lookup(
        &self,
        record: &DeployRecord,
        after: Option<Duration>,
        ctx: Context<'_>,
    ) -> Result<Option<Commit>, IllegalTransition> {
        trigger::after_failed_lookup(record, after, ctx)
    }

    /// [`follow::after_look`].
    fn after_poll(
        &self,
        record: &DeployRecord,
        poll: &PollResult,
        ctx: Context<'_>,
    ) -> Result<Option<Commit>, IllegalTransition> {
        follow::after_poll(record, poll, ctx)
    }

    /// [`follow::after_failed_look`].
    fn after_failed_poll(
        &self,
        record: &DeployRecord,
        after: Option<Duration>,
        ctx: Context<'_>,
    ) -> Result<Option<Commit>, IllegalTransition> {
        follow::after_failed_poll(record, after, ctx)
    }

    /// [`decide::cancel`].
    fn decide_cancel(
        &self,
        record: &DeployRecord,
        action: &ActionMessage,
        ctx: Context<'_>,
    ) -> Result<CancelDecision, IllegalTransition> {
        decide::decide_cancel(record, action, ctx)
    }

    /// [`decide::retryable`].
    fn decide_retry(
        &self,
        old: &DeployRecord,
        cause: RetryCause<'_>,
        ctx: Context<'_>,
    ) -> RetryDecision {
        decide::decide_retry(old, cause, ctx)
    }

    /// [`decide::open_retry`], where no short id is taken.
    fn open_retry(
        &self,
        old: &DeployRecord,
        first: &DeployRequest,
        cause: RetryCause<'_>,
        ctx: Context<'_>,
    ) -> Result<Commit, IllegalTransition> {
        decide::open_retry(old, first, cause, ShortId::USUAL, ctx)
    }

    /// Whether the sweeper removes an order for `old` from the dead-letter queue. The worker decides
    /// that in its sweeper, and decides it like this.
    fn is_ticket_needless(&self, old: &DeployRecord) -> bool {
        old.retried_by.is_some()
    }

    /// Whether the worker looks for the deploy that a wish has made before it makes one. It does.
    fn remembers_actions(&self) -> bool {
        true
    }

    /// [`reply::next`], where there is no bot.
    fn next_delivery(
        &self,
        item: &NotificationRecord,
        now: Time,
        timeouts: &Timeouts,
    ) -> DeliveryStep {
        notification::next_delivery(item, now, timeouts, false)
    }

    /// [`reply::after`].
    fn after_delivery(
        &self,
        reserved: &NotificationRecord,
        kind: NotificationKind,
        posted: &PostResult,
        now: Time,
    ) -> NotificationRecord {
        notification::after_post(reserved, kind, DeliveryRoute::ResponseUrl, posted, now)
    }

    /// Whether the notifier writes the reservation before it posts. It does.
    fn reserves_first(&self) -> bool {
        true
    }
}

/// The product's own decisions.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProductRules;

impl DecisionRules for ProductRules {}
