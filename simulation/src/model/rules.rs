//! The decision functions as the model calls them: the real ones, unless a test puts a wrong one in
//! the place of one of them to see that the model notices.

use std::time::Duration;

use chatops_core::Time;
use chatops_core::config::Times;
use chatops_core::decide::{self, Cancel, Cause, Here, Retryable, Step, follow, trigger};
use chatops_core::deploy::{Ask, Head};
use chatops_core::id::ShortId;
use chatops_core::machine::Illegal;
use chatops_core::message::WishMessage;
use chatops_core::ports::{Commit, Finding, Look, Outcome};
use chatops_core::reply::{self, Kind, Next, Posted, Reply, Via};

/// The decisions. Every method stands for the function of the same name in `chatops_core`.
pub trait Rules: Sync {
    /// [`decide::next`].
    fn next(&self, head: &Head, here: Here<'_>) -> Result<Step, Illegal> {
        decide::next(head, here)
    }

    /// [`trigger::after_post`].
    fn after_post(
        &self,
        head: &Head,
        attempt: u32,
        outcome: &Outcome,
        here: Here<'_>,
    ) -> Result<Option<Commit>, Illegal> {
        trigger::after_post(head, attempt, outcome, here)
    }

    /// [`trigger::after_search`].
    fn after_search(
        &self,
        head: &Head,
        finding: &Finding,
        here: Here<'_>,
    ) -> Result<Option<Commit>, Illegal> {
        trigger::after_search(head, finding, here)
    }

    /// [`trigger::after_failed_search`].
    fn after_failed_search(
        &self,
        head: &Head,
        after: Option<Duration>,
        here: Here<'_>,
    ) -> Result<Option<Commit>, Illegal> {
        trigger::after_failed_search(head, after, here)
    }

    /// [`follow::after_look`].
    fn after_look(
        &self,
        head: &Head,
        look: &Look,
        here: Here<'_>,
    ) -> Result<Option<Commit>, Illegal> {
        follow::after_look(head, look, here)
    }

    /// [`follow::after_failed_look`].
    fn after_failed_look(
        &self,
        head: &Head,
        after: Option<Duration>,
        here: Here<'_>,
    ) -> Result<Option<Commit>, Illegal> {
        follow::after_failed_look(head, after, here)
    }

    /// [`decide::cancel`].
    fn cancel(&self, head: &Head, wish: &WishMessage, here: Here<'_>) -> Result<Cancel, Illegal> {
        decide::cancel(head, wish, here)
    }

    /// [`decide::retryable`].
    fn retryable(&self, old: &Head, cause: Cause<'_>, here: Here<'_>) -> Retryable {
        decide::retryable(old, cause, here)
    }

    /// [`decide::open_retry`], where no short id is taken.
    fn open_retry(
        &self,
        old: &Head,
        first: &Ask,
        cause: Cause<'_>,
        here: Here<'_>,
    ) -> Result<Commit, Illegal> {
        decide::open_retry(old, first, cause, ShortId::USUAL, here)
    }

    /// Whether the sweeper removes an order for `old` from the dead-letter queue. The worker decides
    /// that in its sweeper, and decides it like this.
    fn needless(&self, old: &Head) -> bool {
        old.retried_by.is_some()
    }

    /// Whether the worker looks for the deploy that a wish has made before it makes one. It does.
    fn remembers(&self) -> bool {
        true
    }

    /// [`reply::next`], where there is no bot.
    fn reply_next(&self, item: &Reply, now: Time, times: &Times) -> Next {
        reply::next(item, now, times, false)
    }

    /// [`reply::after`].
    fn reply_after(&self, reserved: &Reply, kind: Kind, posted: &Posted, now: Time) -> Reply {
        reply::after(reserved, kind, Via::Address, posted, now)
    }

    /// Whether the notifier writes the reservation before it posts. It does.
    fn reserves(&self) -> bool {
        true
    }
}

/// The product's own decisions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Real;

impl Rules for Real {}
