//! Checks what must be true after any run.
//!
//! The outside ledgers decide: the pipelines that CircleCI created, the POSTs that it received, and
//! the messages that Slack showed. The product's own records are compared with them. [`World`]
//! checks [`Invariant::GrowingAudit`], [`Invariant::NearTimer`] and parts of [`Invariant::SoundAudit`] and
//! [`Invariant::Termination`] during the run, and notes the locks for [`Invariant::HonestLock`].

mod actions;
mod announcements;
mod cards;
mod locks;
mod notifications;
mod releases;
mod rights;
mod tickets;
mod true_end;
mod waits;

use std::collections::BTreeMap;
use std::fmt;

use chatops_core::Time;
use chatops_core::audit::{self, AuditChange, AuditEntry};
use chatops_core::deploy::DeployRecord;
use chatops_core::id::DeployId;
use chatops_core::ports::{Clock, QueueName};
use chatops_sandbox::circleci::FakePipeline;

use crate::outside::{MemoryCircleCi, PipelineTruth};
use crate::seeded::SeededBug;
use crate::violation::Invariant::{
    self, IntentFirst, NothingLeft, NothingLost, OneEnd, OnePipeline, OwnPipeline, SoundAudit,
    ValidPost,
};
use crate::violation::Violation;
use crate::world::World;

/// Everything that is not as it must be.
#[must_use]
pub fn check(world: &World) -> Vec<Violation> {
    let records = world.ledger.records().into_iter();
    let mut run = FinishedRun {
        world,
        records: records.map(|record| (record.id, record)).collect(),
        pipelines: world.circleci.created_pipelines(),
        truths: world.circleci.truths(),
        audits: BTreeMap::new(),
    };
    run.read_audits();
    let mut findings = Findings {
        violations: world.violations.clone(),
    };
    let found = &mut findings;
    run.check_pipelines(found);
    for record in run.records.values() {
        run.check_audit(record, found);
        run.check_claim(record, found);
        run.check_true_end(record, found);
        run.check_lock(record, found);
        run.check_late_runs(record, found);
        run.check_wait(record, found);
        run.check_changes(record, found);
        run.check_notifications(record, found);
        run.check_base(record, found);
        run.check_announcements(record, found);
        run.check_card(record, found);
    }
    run.check_releases(found);
    run.check_leftovers(found);
    run.check_tickets(found);
    run.check_retries(found);
    run.check_triggers(found);
    run.check_cancels(found);
    run.check_replies(found);
    run.check_response_urls(found);
    run.check_secrecy(found);
    findings.violations
}

/// What the checks of one run find.
#[derive(Debug, Default)]
struct Findings {
    violations: Vec<Violation>,
}

impl Findings {
    /// Notes a violation unless something holds.
    fn require(&mut self, holds: bool, of: Invariant, otherwise: fmt::Arguments<'_>) {
        if !holds {
            self.violations
                .push(Violation::new(of, otherwise.to_string()));
        }
    }
}

/// A run that is over.
struct FinishedRun<'w> {
    world: &'w World,
    records: BTreeMap<DeployId, DeployRecord>,
    pipelines: Vec<FakePipeline>,
    /// What CircleCI knows of them.
    truths: Vec<PipelineTruth>,
    audits: BTreeMap<DeployId, Vec<AuditEntry>>,
}

impl FinishedRun<'_> {
    fn now(&self) -> Time {
        self.world.clock.now()
    }

    fn read_audits(&mut self) {
        for id in self.records.keys() {
            let events = self.world.audit_events(*id).into_iter();
            let entries = events.filter_map(|event| event.entry().ok());
            self.audits.insert(*id, entries.collect());
        }
    }

    fn audit_entries(&self, id: DeployId) -> &[AuditEntry] {
        self.audits.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The deploys that one repeats, the nearest first.
    fn ancestors(&self, record: &DeployRecord) -> impl Iterator<Item = &DeployRecord> {
        let older = |record: &&DeployRecord| self.records.get(&record.retry_of?);
        let nearest = record.retry_of.and_then(|old| self.records.get(&old));
        std::iter::successors(nearest, older)
    }

    fn pipelines_of(&self, id: DeployId) -> impl Iterator<Item = &FakePipeline> {
        let of = move |made: &&FakePipeline| MemoryCircleCi::deploy_of(made) == Some(id);
        self.pipelines.iter().filter(of)
    }

    /// How many faults may each have caused one more message.
    fn fault_count(&self) -> usize {
        let world = self.world;
        world.points.crash_count() + world.slack.lost_responses() + world.faults
    }

    fn check_pipelines(&self, found: &mut Findings) {
        let world = self.world;
        let mut per_deploy: BTreeMap<DeployId, usize> = BTreeMap::new();
        for pipeline in &self.pipelines {
            let Some(id) = MemoryCircleCi::deploy_of(pipeline) else {
                let detail = format_args!("a pipeline without a deploy id");
                found.require(false, OwnPipeline, detail);
                continue;
            };
            let count = per_deploy.entry(id).or_default();
            *count += 1;
            let detail = format_args!("{id} has {count} pipelines");
            found.require(*count == 1, OnePipeline, detail);
            let begun = self.audit_entries(id).iter().any(|e| {
                matches!(e.change, AuditChange::TriggerBegun { .. })
                    && e.at <= pipeline.created_at + world.tolerance
            });
            let detail = format_args!("{id} has a pipeline without an intent");
            found.require(begun, IntentFirst, detail);
        }
        for post in world.circleci.received_posts() {
            let Some(record) = post.deploy.and_then(|id| self.records.get(&id)) else {
                let detail = format_args!("a POST for no deploy on record");
                found.require(false, ValidPost, detail);
                continue;
            };
            let (id, until) = (record.id, record.valid_until + world.tolerance);
            let in_time = post.received_at < until;
            let detail = format_args!("{id} was sent after it expired");
            found.require(in_time, ValidPost, detail);
            let locked = post.locks.iter().any(|(_, lock)| lock.deploy == id)
                || record.request.job.as_str() != "deploy";
            let detail = format_args!("{id} was sent without the lock");
            found.require(locked, ValidPost, detail);
        }
    }

    fn check_audit(&self, record: &DeployRecord, found: &mut Findings) {
        let id = record.id;
        let chain = audit::verify_chain(id, &self.world.audit_events(id), record.last_hash);
        if let Err(broken) = chain {
            found.require(false, SoundAudit, format_args!("{id}: {broken}"));
        }
        let entries = self.audit_entries(id);
        let replayed = audit::replay(&self.world.audit_events(id));
        let differs = replayed.map(|replayed| audit::check_record(record, &replayed));
        let agrees = if SeededBug::compares_records(self.world.bug) {
            differs.as_ref().is_ok_and(Vec::is_empty)
        } else {
            record.events == entries.len() as u64
                && entries.last().map(|entry| entry.state) == Some(record.state)
        };
        let detail = format_args!("{id}: record and audit differ: {differs:?}");
        found.require(agrees, SoundAudit, detail);
        let is_end = |e: &AuditEntry| matches!(e.change, AuditChange::Ended { .. });
        let ends = entries.iter().filter(|e| is_end(e)).count();
        found.require(ends == 1, OneEnd, format_args!("{id} has {ends} ends"));
        let mut after_end = entries.iter().skip_while(|e| !is_end(e)).skip(1);
        let over = after_end.all(|e| {
            matches!(
                e.change,
                AuditChange::Noted { .. }
                    | AuditChange::Learned
                    | AuditChange::Noticed { .. }
                    | AuditChange::Unlocked { .. }
                    | AuditChange::Retried { .. }
                    | AuditChange::Dismissed { .. }
            )
        });
        found.require(over, OneEnd, format_args!("{id} goes on after its end"));
    }

    fn check_claim(&self, record: &DeployRecord, found: &mut Findings) {
        let id = record.id;
        let claimed = record.run.as_ref().map(|run| run.pipeline.id);
        let is_own = claimed.is_none_or(|pipeline| {
            let mut own = self.pipelines_of(id);
            own.any(|made| made.id == pipeline.0)
        });
        let detail = format_args!("{id} claims a pipeline that is not its own");
        found.require(is_own, OwnPipeline, detail);
    }

    fn check_leftovers(&self, found: &mut Findings) {
        let world = self.world;
        for queue in QueueName::ALL {
            if queue == QueueName::WorkDlq {
                continue;
            }
            let (left, name) = (world.queue.messages(queue).len(), queue.as_str());
            let detail = format_args!("{left} messages are left in {name}");
            found.require(left == 0, NothingLeft, detail);
        }
        for (target, lock) in world.ledger.locks() {
            let id = lock.deploy;
            let record = self.records.get(&id);
            // An end that cannot be sure keeps the lock for its time to live.
            let ended = record.is_some_and(|record| record.state.is_terminal());
            let expires = ended && lock.until.is_some();
            let detail = format_args!("{id} still locks {target}");
            found.require(expires, NothingLeft, detail);
        }
        for record in self.records.values() {
            let done = record.due_at.is_none() && !record.owes_ticket;
            let detail = format_args!("{} is still due", record.id);
            found.require(done, NothingLeft, detail);
        }
        for id in &world.acknowledged {
            let known = self.records.contains_key(id);
            let detail = format_args!("{id} was acknowledged and is not on record");
            found.require(known, NothingLost, detail);
        }
    }
}
