//! What a deploy says it replaces, against the deploys that have succeeded.

use chatops_core::Time;
use chatops_core::audit::AuditChange;
use chatops_core::deploy::{DeployRecord, DeployState, Target};
use chatops_core::id::DeployId;
use chatops_core::release::MAX_RELEASES;

use super::{Findings, FinishedRun};
use crate::violation::Invariant::TrueBase;

impl FinishedRun<'_> {
    /// Nothing that had succeeded before the trigger is newer than what the deploy replaces.
    pub(super) fn check_base(&self, record: &DeployRecord, found: &mut Findings) {
        // Its job may run beside others, or a wrong clock says when it began.
        let (Some(before), Some(target)) = (&record.before, record.target()) else {
            return;
        };
        if self.world.history.is_mistimed(record.id) {
            return;
        }
        let replaced = before.replaced.as_ref().map(|release| release.deploy);
        let replaced_at = replaced.and_then(|id| self.succeeded_at(id, &target));
        let detail = format_args!("{} replaces {replaced:?}, which is no success", record.id);
        found.require(
            replaced.is_none() || replaced_at.is_some(),
            TrueBase,
            detail,
        );
        // What succeeded after it, or it itself, is nothing that it replaces.
        let ended_at = self.world.history.ended_at(record.id);
        // Two may end at one moment, as far as can be seen from outside.
        let is_later = replaced == Some(record.id)
            || replaced_at.is_some_and(|at| ended_at.is_some_and(|ended| at > ended));
        let detail = format_args!("{} replaces {replaced:?}, which came later", record.id);
        found.require(!is_later, TrueBase, detail);
        let Some(begun_at) = self.begun_at(record.id) else {
            return;
        };
        let certain = begun_at - self.world.tolerance;
        let is_missed = |one: &&DeployRecord| {
            let at = self.succeeded_at(one.id, &target);
            at.is_some_and(|at| at < certain && replaced_at.is_none_or(|known| known < at))
        };
        let missed = self.records.values().find(is_missed).map(|one| one.id);
        let detail = format_args!("{} replaces {replaced:?} and not {missed:?}", record.id);
        found.require(missed.is_none(), TrueBase, detail);
    }

    /// The history of each target has as many of its successes as it keeps, each once.
    pub(super) fn check_releases(&self, found: &mut Findings) {
        let ended = self.records.values().filter_map(DeployRecord::target);
        let mut targets: Vec<Target> = ended.collect();
        targets.sort();
        targets.dedup();
        for target in targets {
            let history = self.world.ledger.releases(&target);
            let succeeded = self.records.keys();
            let succeeded = succeeded.filter(|id| self.succeeded_at(**id, &target).is_some());
            let expected = succeeded.count().min(MAX_RELEASES);
            let mut listed: Vec<DeployId> = history.releases.iter().map(|one| one.deploy).collect();
            listed.sort();
            listed.dedup();
            let known = listed
                .iter()
                .filter(|id| self.succeeded_at(**id, &target).is_some());
            let detail = format_args!("{target} has the releases {listed:?} of {expected}");
            found.require(known.count() == expected, TrueBase, detail);
        }
    }

    /// When a deploy of the target was first seen to have succeeded.
    fn succeeded_at(&self, id: DeployId, target: &Target) -> Option<Time> {
        let record = self.records.get(&id)?;
        let is_success = record.state == DeployState::Succeeded;
        let is_there = record.target().as_ref() == Some(target);
        let at = self.world.history.ended_at(id);
        at.filter(|_| is_success && is_there)
    }

    /// When the latest trigger of a deploy began.
    fn begun_at(&self, id: DeployId) -> Option<Time> {
        let begun = |change: &AuditChange| matches!(change, AuditChange::TriggerBegun { .. });
        let entries = self.audit_entries(id).iter().rev();
        let mut begun = entries.filter(|entry| begun(&entry.change));
        begun.next().map(|entry| entry.at)
    }
}
