//! Who may do what, by the scenario's own table of rights.

use chatops_core::audit::{AuditActor, AuditChange, AuditEntry};
use chatops_core::deploy::DeployRecord;

use super::{Findings, FinishedRun};
use crate::outside::ReceivedPost;
use crate::people::{IssuedCommand, Person};
use crate::violation::Invariant::DeniedEffect;

impl FinishedRun<'_> {
    /// Whoever a pipeline is triggered for may run it.
    pub(super) fn check_triggers(&self, found: &mut Findings) {
        for post in self.world.circleci.received_posts() {
            let Some(record) = post.deploy.and_then(|id| self.records.get(&id)) else {
                continue;
            };
            let (id, job, branch) = (record.id, &post.job, &post.branch);
            let detail = format_args!("{id} ran {job} on {branch} for somebody who may not");
            found.require(self.may_trigger(record, &post), DeniedEffect, detail);
        }
    }

    fn may_trigger(&self, record: &DeployRecord, post: &ReceivedPost) -> bool {
        let (job, branch) = (&post.job, &post.branch);
        let (person, since) = match (self.find_command(record), record.retry_of) {
            (Some(typed), _) => (typed.person, typed.typed_at),
            (None, Some(old)) => {
                // For the first requester, as if they had asked when the ticket was redriven.
                let redriven = self.world.redriven.iter().filter(|(_, id)| *id == old);
                let Some(since) = redriven.map(|(at, _)| *at).min() else {
                    return false;
                };
                (self.requester(record), since)
            }
            (None, None) => return false,
        };
        let mut rights = self.world.rights_between(since, post.received_at);
        rights.any(|rights| match &person {
            Some(person) => rights.allow(person, job, branch),
            None => rights.allow_job(job, branch),
        })
    }

    /// Whom a deploy is for: the person who asked for it, or else the first one of its chain.
    fn requester(&self, record: &DeployRecord) -> Option<Person> {
        let own = self.find_command(record).and_then(|typed| typed.person);
        own.or_else(|| {
            let first = self.ancestors(record).last()?;
            self.find_command(first)?.person
        })
    }

    /// Whoever changes a deploy may.
    pub(super) fn check_changes(&self, record: &DeployRecord, found: &mut Findings) {
        let id = record.id;
        let entries = self.audit_entries(id);
        for entry in entries.iter().filter(|entry| entry.n > 1) {
            let verb = match &entry.change {
                AuditChange::CancelRequested { .. } => "cancel",
                AuditChange::Retried { .. } => "retry",
                AuditChange::Dismissed { .. } => "dismiss",
                AuditChange::Unlocked { by: Some(_) } => "unlock",
                _ => continue,
            };
            // A redriven ticket is nobody's.
            if matches!(entry.by, AuditActor::Worker(_)) && verb == "retry" {
                continue;
            }
            let mut commands = self.world.typed.iter();
            let allowed =
                commands.any(|typed| typed.verb() == verb && self.may_change(record, entry, typed));
            let detail = format_args!("{id}: '{verb}' by {:?}, who may not", entry.by);
            found.require(allowed, DeniedEffect, detail);
        }
        let asked =
            |entry: &AuditEntry| matches!(entry.change, AuditChange::CancelRequested { .. });
        let was_canceled = self.world.circleci.canceled_deploys().contains(&id);
        let detail = format_args!("{id} is canceled at CircleCI, and nobody asked");
        found.require(
            !was_canceled || entries.iter().any(asked),
            DeniedEffect,
            detail,
        );
    }

    /// Whether a command gives its author the right to this change of a deploy.
    fn may_change(&self, record: &DeployRecord, entry: &AuditEntry, typed: &IssuedCommand) -> bool {
        let until = entry.at + self.world.tolerance;
        let is_theirs = match (&entry.by, &typed.person) {
            (AuditActor::User(user), Some(person)) => user.to_string() == person.qualified_user(),
            (AuditActor::Operator(_), None) => true,
            _ => false,
        };
        if !is_theirs || typed.typed_at > until || !self.is_about(typed, record) {
            return false;
        }
        let Some(person) = &typed.person else {
            return true;
        };
        let is_own = self
            .requester(record)
            .is_some_and(|own| (own.team, own.user) == (person.team, person.user));
        if typed.verb() == "cancel" && is_own {
            return true;
        }
        let (job, branch) = (
            record.request.job.as_str(),
            record.request.git_ref.to_string(),
        );
        let mut rights = self.world.rights_between(typed.typed_at, until);
        rights.any(|rights| match typed.verb() {
            "unlock" => typed.says("confirm") && rights.allow_target(person),
            _ => rights.allow(person, job, &branch),
        })
    }

    /// Whether a command names a deploy: a retry, any deploy of its chain before it; an unlock, the one
    /// target that there is.
    fn is_about(&self, typed: &IssuedCommand, record: &DeployRecord) -> bool {
        match typed.verb() {
            "unlock" => true,
            "retry" => {
                let mut chain = std::iter::once(record).chain(self.ancestors(record));
                chain.any(|link| typed.names(link))
            }
            _ => typed.names(record),
        }
    }
}
