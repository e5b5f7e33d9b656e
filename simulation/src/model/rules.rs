//! The decision functions as the model calls them: the real ones, unless a test puts a wrong one in
//! the place of one of them to see that the model notices.

use std::time::Duration;

use chatops_core::Time;
use chatops_core::config::Times;
use chatops_core::decide::{self, Here, Step, follow, trigger};
use chatops_core::deploy::Head;
use chatops_core::machine::Illegal;
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
