//! Locks, from outside: whatever a deploy has running keeps its target locked.

use chatops_core::Time;
use chatops_core::audit::AuditChange;
use chatops_core::deploy::{DeployRecord, DeployState, Target};
use chatops_core::id::DeployId;
use chrono::TimeDelta;

use super::true_end::{EMPTY_WAIT, RERUN_WAIT};
use super::{Findings, FinishedRun};
use crate::outside::{PipelineTruth, RunTruth};
use crate::violation::Invariant::{HonestLock, LateCanceled};

/// How long a deploy may go unpolled.
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(5);

/// A moment after everything that a run of the simulation looks at.
const LONG: TimeDelta = TimeDelta::days(100);

impl FinishedRun<'_> {
    /// Every open run is under its deploy's lock. What appears later than the lock lives after the
    /// end, or than a rerun is waited for, is nobody's to expect.
    pub(super) fn check_lock(&self, record: &DeployRecord, found: &mut Findings) {
        let id = record.id;
        // The other job takes no lock; locks go by the clock, so a wrong one may end them.
        if record.request.job.as_str() != "deploy" || self.world.history.is_mistimed(id) {
            return;
        }
        let Some(target) = self.locked_target(record) else {
            return;
        };
        for truth in self.truths.iter().filter(|truth| truth.deploy == Some(id)) {
            for run in &truth.runs {
                let Some((from, until)) = self.guarded_time(record, truth, run) else {
                    continue;
                };
                let changes = self.world.history.lock_changes(from, until);
                let mut moments = std::iter::once(from).chain(changes);
                let free = moments.find(|at| from < until && !self.is_locked(&target, id, *at));
                if let Some(at) = free {
                    let name = &run.name;
                    let detail = format_args!(
                        "{id} does not hold {target} at {at}, and its {name} runs until {until}"
                    );
                    found.require(false, HonestLock, detail);
                }
            }
        }
    }

    /// What appears after the end, while the lock lives and nothing disturbs, does not run on.
    pub(super) fn check_late_runs(&self, record: &DeployRecord, found: &mut Findings) {
        let (history, id) = (&self.world.history, record.id);
        let keeps_looking = record.state == DeployState::Canceled;
        let Some(ended_at) = history.ended_at(id).filter(|_| keeps_looking) else {
            return;
        };
        let timeouts = &self.world.config().timeouts;
        let seen_after = LONGEST_PAUSE + self.world.tolerance;
        let of_deploy = |truth: &&PipelineTruth| truth.deploy == Some(id);
        let runs = self.truths.iter().filter(of_deploy).flat_map(|t| &t.runs);
        for run in runs.filter(|run| run.is_asked && run.starts_at > ended_at) {
            let seen_by = run.starts_at + seen_after;
            let disturbed = history.last_disturbance(seen_by);
            let is_quiet = disturbed.is_none_or(|at| at <= ended_at);
            let lives = seen_by < ended_at + timeouts.lock_ttl;
            let stopped = run.end_by(seen_by).is_some();
            let detail = format_args!(
                "{id} ended {} at {ended_at}, and its {} runs on since {}",
                record.state, run.name, run.starts_at
            );
            found.require(stopped || !lives || !is_quiet, LateCanceled, detail);
        }
    }

    /// The target that a deploy has locked at any time.
    fn locked_target(&self, record: &DeployRecord) -> Option<Target> {
        let posts = self.world.circleci.received_posts();
        let locks = posts.iter().flat_map(|post| &post.locks);
        let mut own = locks.filter(|(_, lock)| lock.deploy == record.id);
        own.next().map(|(target, _)| target.clone())
    }

    /// Whether a deploy, or a retry of it that has inherited the lock, holds a target.
    fn is_locked(&self, target: &Target, id: DeployId, at: Time) -> bool {
        let Some(lock) = self.world.history.lock_at(target, at) else {
            return false;
        };
        let older = |holder: &DeployId| self.records.get(holder)?.retry_of;
        std::iter::successors(Some(lock.deploy), older).any(|holder| holder == id)
    }

    /// When the lock of a deploy was freed by somebody, or since CircleCI could not be read for so long that
    /// an open deploy would have been given up, too.
    fn given_up_at(&self, record: &DeployRecord) -> Option<Time> {
        let timeouts = &self.world.config().timeouts;
        let limit = timeouts.follow_timeout.max(timeouts.lock_ttl);
        let mut entries = self.audit_entries(record.id).iter();
        let freed = entries.find(|entry| match entry.change {
            AuditChange::Unlocked { by: Some(_) } => true,
            AuditChange::Unlocked { by: None } => self.was_unreadable_for(record, entry.at, limit),
            _ => false,
        });
        freed.map(|entry| entry.at)
    }

    /// From when to when a run has to be under the lock.
    fn guarded_time(
        &self,
        record: &DeployRecord,
        truth: &PipelineTruth,
        run: &RunTruth,
    ) -> Option<(Time, Time)> {
        let (history, tolerance) = (&self.world.history, self.world.tolerance);
        let (from, ended_at) = (run.starts_at, history.ended_at(record.id));
        let until = run.end.as_ref().map_or(from + LONG, |end| end.job_until);
        // Whoever frees a lock by a command answers for what runs.
        let given_up_at = self.given_up_at(record);
        let until = given_up_at.map_or(until, |at| until.min(at - tolerance));
        let Some(ended_at) = ended_at else {
            return Some((from, until.min(self.now())));
        };
        // What runs beside the workflow that was asked for is not the deploy's.
        let is_beside = !run.is_asked && truth.asked_by(ended_at).next().is_some();
        let ttl = self.world.config().timeouts.lock_ttl;
        let mut expires = ended_at + ttl - tolerance;
        // Where nothing at all is listed yet, something may come for longer than that.
        let is_empty = truth.runs_by(ended_at).next().is_none();
        if let Some(processed) = truth.processed_at.filter(|_| is_empty)
            && record.state == DeployState::NothingRan
        {
            expires = expires.max(processed + EMPTY_WAIT - tolerance);
        }
        let given_up = matches!(
            record.state,
            DeployState::Unresolved | DeployState::LostTrack
        );
        if given_up {
            // Whoever confirms a retry says that nothing runs; from then on the lock is the retry's.
            let confirmed_at = record.retried_by.and_then(|retry| history.opened_at(retry));
            let expires = confirmed_at.map_or(expires, |at| expires.min(at));
            return Some((from, until.min(expires)));
        }
        if is_beside || (from > ended_at && from > expires) {
            return None;
        }
        let is_late_rerun = from > ended_at
            && truth.asked_by(ended_at).next_back().is_some_and(|before| {
                let end = before.end_by(ended_at);
                end.is_some_and(|end| from > end.at + RERUN_WAIT - tolerance)
            });
        (!is_late_rerun).then_some((from, until))
    }
}
