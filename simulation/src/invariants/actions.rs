//! What became of what people requested: retries and cancels.

use chatops_core::audit::{AuditChange, AuditEntry};
use chatops_core::deploy::{DeployRecord, DeployState, EndReason};
use chatops_core::id::DeployId;
use chrono::TimeDelta;

use super::{Findings, FinishedRun};
use crate::fault_injector::FaultKind;
use crate::people::IssuedCommand;
use crate::violation::Invariant::{AllowedRetry, CancelObeyed, OneRetry, UntouchedChain};

/// How long what has succeeded may not be listed yet.
const LAGGING: TimeDelta = TimeDelta::minutes(1);

impl FinishedRun<'_> {
    /// The command that made a deploy; `None` if a redriven ticket made it.
    pub(super) fn find_command(&self, record: &DeployRecord) -> Option<&IssuedCommand> {
        self.commands_for(record).next()
    }

    /// Every command that asks for it: a button can be pressed more than once.
    pub(super) fn commands_for(
        &self,
        record: &DeployRecord,
    ) -> impl Iterator<Item = &IssuedCommand> {
        let (id, retry_request) = (record.id, record.retry_request);
        let commands = self.world.typed.iter();
        commands.filter(move |typed| match retry_request {
            Some(request) => typed.request == request,
            None => typed.deploy == Some(id),
        })
    }

    pub(super) fn check_retries(&self, found: &mut Findings) {
        let records = self.records.values();
        for typed in &self.world.typed {
            let is_of = |record: &&DeployRecord| {
                record.retry_request == Some(typed.request)
                    || (record.retry_of.is_none() && typed.deploy == Some(record.id))
            };
            let (made, text) = (records.clone().filter(is_of).count(), &typed.text);
            let detail = format_args!("'{text}' made {made} deploys");
            found.require(made <= 1, OneRetry, detail);
        }
        for record in records.clone() {
            let id = record.id;
            let retries = records.clone().filter(|new| new.retry_of == Some(id));
            let by: Vec<_> = retries.map(|new| new.id).collect();
            let times = by.len();
            let detail = format_args!("{id} was retried {times} times");
            found.require(times <= 1, OneRetry, detail);
            let named = record.retried_by.as_slice() == by;
            let detail = format_args!("{id} does not name its retry");
            found.require(named, OneRetry, detail);
            let owes_ticket = record.state == DeployState::TriggerFailed && record.owes_ticket;
            let carried_out = times > 0 && owes_ticket;
            let detail = format_args!("{id} was retried and still owes a ticket");
            found.require(!carried_out, OneRetry, detail);
        }
        self.check_chains(found);
        for new in records {
            match new.retry_of.map(|old| self.records.get(&old)) {
                Some(Some(old)) => self.check_retry(old, new, found),
                Some(None) => {
                    let detail = format_args!("{} retries what is not on record", new.id);
                    found.require(false, OneRetry, detail);
                }
                None => {}
            }
        }
    }

    fn check_retry(&self, old: &DeployRecord, new: &DeployRecord, found: &mut Findings) {
        let id = new.id;
        let derived = id == DeployId::of_retry(old.id, new.retry_request);
        let detail = format_args!("the id of {id} is not derived");
        found.require(derived, OneRetry, detail);
        let command = new.retry_request.and_then(|_| self.find_command(new));
        let says = |word: &str| command.is_some_and(|typed| typed.says(word));
        let allowed = match old.state {
            DeployState::TriggerFailed => true,
            DeployState::Rejected | DeployState::Unresolved => new.retry_request.is_some(),
            _ => false,
        };
        let detail = format_args!("{id} retries one that was {}", old.state);
        found.require(allowed, AllowedRetry, detail);
        let ended = self.world.history.ended_at(old.id);
        let begun = self.audit_entries(id).first().map(|entry| entry.at);
        let too_old = begun.zip(ended).is_some_and(|(begun, ended)| {
            begun > ended + TimeDelta::days(1) + self.world.tolerance
        });
        let forced = says("force") && command.is_some_and(|typed| typed.person.is_none());
        let detail = format_args!("{id} retries one that is too old");
        found.require(!too_old || forced, AllowedRetry, detail);
        let person = command.and_then(|typed| typed.person);
        let request = &new.request;
        let theirs = person.is_none_or(|person| {
            let user = (request.team.as_str(), request.user.as_str());
            user == (person.team, person.user) && request.channel.as_str() == person.channel
        });
        let detail = format_args!("{id} is not for {person:?}");
        found.require(theirs, AllowedRetry, detail);
        let begun = new.attempts > 0;
        let detail = format_args!("{id} takes the place of {} and was not triggered", old.id);
        found.require(begun, UntouchedChain, detail);
        self.check_confirmation(new, found);
        self.check_newer_success(old, new, found);
    }

    /// Where a newer deploy of the target had succeeded, whoever retries has confirmed.
    fn check_newer_success(&self, old: &DeployRecord, new: &DeployRecord, found: &mut Findings) {
        let Some(begun) = self.audit_entries(new.id).first().map(|entry| entry.at) else {
            return;
        };
        let command = new.retry_request.and_then(|_| self.find_command(new));
        // Nobody says how far behind an index may be, and what it does not show cannot be named.
        let overlooked = self.world.points.has_struck(FaultKind::ListMissing);
        if overlooked || command.is_some_and(|typed| typed.says("confirm")) {
            return;
        }
        let (history, asked) = (&self.world.history, old.request.requested_at);
        let before = begun - self.world.tolerance - LAGGING;
        let newer = self.records.values().find(|other| {
            other.state == DeployState::Succeeded
                && other.request.environment == old.request.environment
                && other.request.requested_at > asked
                && history.ended_at(other.id).is_some_and(|at| at < before)
        });
        if let Some(newer) = newer {
            let detail = format_args!("{} replaces {} unconfirmed", new.id, newer.id);
            found.require(false, AllowedRetry, detail);
        }
    }

    /// While a deploy before it is UNRESOLVED and nothing after that was triggered, whoever retries has
    /// confirmed it, by naming that one or one after it, and after its end.
    fn check_confirmation(&self, new: &DeployRecord, found: &mut Findings) {
        let mut named = vec![];
        let unresolved = self.ancestors(new).find_map(|old| {
            named.push(old);
            let is_unresolved = old.state == DeployState::Unresolved;
            let was_triggered = self.pipelines_of(old.id).next().is_some();
            (is_unresolved || was_triggered).then_some((is_unresolved, old))
        });
        let Some((true, unresolved)) = unresolved else {
            return;
        };
        let command = new.retry_request.and_then(|_| self.find_command(new));
        let ended = self.world.history.ended_at(unresolved.id);
        let confirmed = command.is_some_and(|typed| {
            let in_time = ended.is_none_or(|at| typed.typed_at.timestamp() >= at.timestamp());
            typed.says("confirm") && in_time && named.iter().any(|old| typed.names(old))
        });
        let detail = format_args!("{} repeats {} unconfirmed", new.id, unresolved.id);
        found.require(confirmed, AllowedRetry, detail);
    }

    /// In a chain there are no more pipelines than retries were given, and the first request.
    fn check_chains(&self, found: &mut Findings) {
        for first in self.records.values().filter(|one| one.retry_of.is_none()) {
            let is_link = |one: &&DeployRecord| {
                one.id == first.id || self.ancestors(one).any(|old| old.id == first.id)
            };
            let links: Vec<_> = self.records.values().filter(is_link).collect();
            let is_named = |typed: &&IssuedCommand| {
                typed.verb() == "retry" && links.iter().any(|link| typed.names(link))
            };
            let redriven = self.world.redriven.iter();
            let redriven = redriven.filter(|(_, id)| links.iter().any(|link| link.id == *id));
            let given = 1 + self.world.typed.iter().filter(is_named).count() + redriven.count();
            let pipelines = links.iter().map(|link| self.pipelines_of(link.id).count());
            let (triggered, id) = (pipelines.sum::<usize>(), first.id);
            let detail = format_args!("the chain of {id} has {triggered} pipelines of {given}");
            found.require(triggered <= given, OneRetry, detail);
        }
    }

    pub(super) fn check_cancels(&self, found: &mut Findings) {
        for record in self.records.values() {
            let Some(end) = &record.end else { continue };
            let id = record.id;
            let unsent = matches!(end.reason, EndReason::CanceledBeforeTrigger { .. });
            let ran = self.pipelines_of(id).next().is_some();
            let detail = format_args!("{id} was canceled before it was sent, and ran");
            found.require(!(unsent && ran), CancelObeyed, detail);
            self.check_cancel_request(record, found);
        }
    }

    /// A cancel request that was noted holds until the end.
    fn check_cancel_request(&self, record: &DeployRecord, found: &mut Findings) {
        let (world, id) = (self.world, record.id);
        let entries = self.audit_entries(id);
        let requested = |e: &&AuditEntry| matches!(e.change, AuditChange::CancelRequested { .. });
        let Some(request) = entries.iter().find(requested) else {
            return;
        };
        let mut later = entries.iter().filter(|e| e.n > request.n);
        let begun = later.any(|e| matches!(e.change, AuditChange::TriggerBegun { .. }));
        let detail = format_args!("{id} was triggered after it was canceled");
        found.require(!begun, CancelObeyed, detail);
        let Some(run) = &record.run else { return };
        // A handler that stood still may have missed the request, and one that crashed could not
        // send it. After the end nobody waits for it any more.
        let ended_at = world.history.ended_at(id);
        let polls = world.circleci.answered_polls().into_iter().filter(|poll| {
            poll.can_cancel
                && poll.pipeline == run.pipeline.id
                && poll.answered_at > request.at + world.tolerance
                && ended_at.is_none_or(|end| poll.answered_at <= end)
        });
        let sent = polls.count() <= world.points.crash_count()
            || world.circleci.canceled_deploys().contains(&id);
        let detail = format_args!("CircleCI never received the cancel of {id}");
        found.require(sent, CancelObeyed, detail);
    }
}
