//! How long a deploy waits for what will not come.

use std::time::Duration;

use chatops_core::Time;
use chatops_core::deploy::{DeployRecord, DeployState};

use super::true_end::EMPTY_WAIT;
use super::{Findings, FinishedRun};
use crate::outside::PipelineTruth;
use crate::violation::Invariant::BoundedWait;

/// How long a deploy may take to end once CircleCI is finished with it.
const LONGEST_WAIT: Duration = Duration::from_mins(15);

impl FinishedRun<'_> {
    pub(super) fn check_wait(&self, record: &DeployRecord, found: &mut Findings) {
        let (world, id) = (self.world, record.id);
        let Some(ended_at) = world.history.ended_at(id) else {
            return;
        };
        let Some((finished_at, wait)) = self.finished_at(record, ended_at) else {
            return;
        };
        // A read that failed disturbs when it is made, which may be long after its fault was injected.
        let tries = self.tries_of(record, ended_at).into_iter();
        let failed_at = tries.filter(|(_, answered)| !answered).map(|(at, _)| at);
        let disturbed = world.history.last_disturbance(ended_at);
        let disturbed = disturbed.into_iter().chain(failed_at).max();
        // What is waited for counts by polls, so a disturbance makes it longer.
        let quiet_since = disturbed.map_or(finished_at, |at| at.max(finished_at)) + wait;
        let timeouts = &world.config().timeouts;
        // A configuration may have longer pauses than these 15 minutes allow for.
        let own = timeouts.poll_interval_max + timeouts.sweep_interval;
        let limit = LONGEST_WAIT.max(own + own);
        let detail =
            format_args!("{id} ended only at {ended_at}, and all was over at {finished_at}");
        let in_time = ended_at <= quiet_since + limit + world.tolerance;
        found.require(in_time, BoundedWait, detail);
    }

    /// When nothing more can come of a deploy, and how long something is waited for all the same.
    fn finished_at(&self, record: &DeployRecord, ended_at: Time) -> Option<(Time, Duration)> {
        let at_once = |at| (at, Duration::ZERO);
        let timeouts = &self.world.config().timeouts;
        let begun = record.trigger_intent.as_ref().map(|intent| intent.at);
        match record.state {
            // A command may come on record late, from the dead-letter queue.
            DeployState::TriggerFailed | DeployState::Rejected => {
                let opened_at = self.world.history.opened_at(record.id)?;
                Some(at_once(record.valid_until.max(opened_at)))
            }
            DeployState::Unresolved => begun.map(|at| at_once(at + timeouts.lookup_give_up)),
            DeployState::LostTrack if self.was_unreadable(record, ended_at) => None,
            _ => {
                let of = |truth: &&PipelineTruth| truth.deploy == Some(record.id);
                let truth = self.truths.iter().find(of)?;
                let finished = truth.finished_at()?.max(truth.listed_at);
                let is_empty = truth.runs.is_empty() && truth.errors_at.is_none();
                let empty = if is_empty { EMPTY_WAIT } else { Duration::ZERO };
                Some((finished, empty))
            }
        }
    }
}
