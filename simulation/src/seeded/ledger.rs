//! The ledger with a bug.

use chatops_core::audit::AuditChange;
use chatops_core::deploy::DeployState;
use chatops_core::ports::{Ledger, PAGE_READ_LIMIT};

use super::{BuggyPort, SeededBug};
use crate::port_methods::prelude::*;

impl<P: Ledger> Ledger for BuggyPort<P> {
    async fn read_deploy(&self, id: DeployId) -> Result<Option<DeployRecord>, LedgerError> {
        let kept = self.lock_memory().record.clone();
        let kept = kept.filter(|record| record.id == id);
        if kept.is_some() {
            return Ok(kept);
        }
        let mut record = self.port.read_deploy(id).await?;
        if self.has_bug(SeededBug::IndexBelieved)
            && self.is_sweeper
            && self.is_not_listed(id).await?
        {
            // What no index shows as failed counts as retried.
            return Ok(record.map(|record| DeployRecord {
                retried_by: Some(id),
                ..record
            }));
        }
        if let Some(record) = &mut record {
            self.hide_fields(record);
            let by_another =
                record.state == DeployState::Triggering && !self.lock_memory().began_trigger;
            if self.has_bug(SeededBug::RolledBackByStranger) && by_another {
                record.state = DeployState::Requested;
            }
            if self.has_bug(SeededBug::LookupBelievedEarly)
                && let Some(intent) = &mut record.trigger_intent
                && (by_another || intent.unknown_because.is_some())
            {
                // As if the lookup timeout, two minutes, were none.
                intent.send_by -= Duration::from_mins(2);
            }
            if self.has_bug(SeededBug::EndRewritten) && record.state == DeployState::Unresolved {
                record.state = DeployState::Triggering;
                record.due_at = record.trigger_intent.as_ref().map(|intent| intent.at);
            }
        }
        Ok(record)
    }

    port_methods!(forward: read_events, read_lock, pipeline_owner, find_by_short_id);
    port_methods!(forward: list_deploys, list_due);

    async fn commit(&self, mut commit: Commit) -> Result<(), CommitError> {
        self.lock_memory().began_trigger |= commit.record.state == DeployState::Triggering;
        if self.has_bug(SeededBug::NoIntent) {
            if commit.record.state == DeployState::Triggering && commit.lock.is_some() {
                self.lock_memory().record = Some(commit.record);
                return Ok(());
            }
            if let Some(kept) = self.lock_memory().record.take() {
                // The outcome is written over what is on record, as if it had been there.
                commit.record.version = kept.version;
            }
        }
        self.restore_fields(&mut commit);
        match self.bug {
            Some(SeededBug::RetryIdRandom | SeededBug::TicketStartsAgain)
                if commit.retried.is_some() =>
            {
                let known = self.port.read_deploy(commit.record.id).await?.is_some();
                if known || self.has_bug(SeededBug::RetryIdRandom) {
                    randomize_retry_id(&mut commit);
                }
            }
            Some(SeededBug::RetriedNotWritten) => {
                if let Some(retried) = &mut commit.retried {
                    retried.record.retried_by = None;
                }
            }
            Some(SeededBug::CancelForgotten) => commit.record.cancel = None,
            Some(SeededBug::TicketForgotten) if commit.record.owes_ticket => {
                commit.record.owes_ticket = false;
                commit.record.due_at = None;
            }
            Some(SeededBug::BrokenChain) if commit.record.events == 3 => {
                if let Some(event) = &mut commit.event {
                    event.body = event.body.replace("\"n\":3", "\"n\": 3");
                }
            }
            Some(SeededBug::BoundWithoutDeployId) => commit.claim = None,
            Some(SeededBug::LockLater) => commit.lock = None,
            Some(SeededBug::PendingLater) if !commit.notifications.is_empty() => {
                let pending = std::mem::take(&mut commit.notifications);
                let mut second = commit.clone();
                self.port.commit(commit).await?;
                second.record.version += 1;
                second.record.events += 1;
                second.notifications = pending;
                second.lock = None;
                return self.write_pending_later(second).await;
            }
            Some(SeededBug::IntentRewritten)
                if commit.lock.is_some() && commit.record.state == DeployState::Triggering =>
            {
                let written = self.port.commit(commit.clone()).await;
                return match written {
                    Err(CommitError::Ledger(_)) => self.rewrite_intent(commit).await,
                    written => written,
                };
            }
            _ => {}
        }
        self.port.commit(commit).await
    }
}

impl<P: Ledger> BuggyPort<P> {
    /// Whether the index of what awaits a retry does not show a deploy.
    async fn is_not_listed(&self, id: DeployId) -> Result<bool, LedgerError> {
        let filter = DeployFilter {
            awaits_retry: true,
            ..DeployFilter::default()
        };
        let page = self
            .port
            .list_deploys(&filter, None, PAGE_READ_LIMIT)
            .await?;
        Ok(page.deploys.iter().all(|record| record.id != id))
    }

    /// Takes out of a record what a handler with this bug does not see.
    fn hide_fields(&self, record: &mut DeployRecord) {
        let known = (record.retried_by, record.retry_request);
        match self.bug {
            Some(SeededBug::TicketStartsAgain) if !self.is_sweeper => record.retried_by = None,
            Some(SeededBug::ActionForgotten) => record.retry_request = None,
            Some(SeededBug::LiveTicketRemoved) if self.is_sweeper => {
                record.retried_by = Some(record.id);
            }
            _ => return,
        }
        self.lock_memory().hidden.insert(record.id, known);
    }

    /// Puts back what a handler with this bug did not see and so does not write.
    fn restore_fields(&self, commit: &mut Commit) {
        let record = &mut commit.record;
        if let Some((retried_by, request)) = self.lock_memory().hidden.get(&record.id) {
            record.retried_by = record.retried_by.or(*retried_by);
            record.retry_request = record.retry_request.or(*request);
        }
        if let Some(retried) = &mut commit.retried
            && let Some((_, request)) = self.lock_memory().hidden.get(&retried.record.id)
        {
            retried.record.retry_request = retried.record.retry_request.or(*request);
        }
    }

    /// The same intent once more, over whatever is on record, as the next attempt.
    async fn rewrite_intent(&self, mut commit: Commit) -> Result<(), CommitError> {
        let stored = self.port.read_deploy(commit.record.id).await?;
        let (Some(stored), Some(event)) = (stored, &mut commit.event) else {
            return Ok(());
        };
        let record = &mut commit.record;
        record.version = stored.version + 1;
        record.events = stored.events + 1;
        record.attempts = stored.attempts + 1;
        if let Ok(mut entry) = event.entry() {
            (entry.n, entry.prev) = (record.events, stored.last_hash);
            if let AuditChange::TriggerBegun { attempt, .. } = &mut entry.change {
                *attempt = record.attempts;
            }
            *event = AuditEvent::seal(&entry);
            record.last_hash = event.hash;
        }
        self.port.commit(commit).await
    }

    /// The second of two transactions that should have been one: a note that makes it pending.
    async fn write_pending_later(&self, mut second: Commit) -> Result<(), CommitError> {
        let entry = second.event.as_ref().and_then(|event| event.entry().ok());
        if let Some(mut entry) = entry {
            entry.prev = second.record.last_hash;
            entry.n = second.record.events;
            entry.change = AuditChange::Noted {
                note: "pending".to_owned(),
            };
            let event = AuditEvent::seal(&entry);
            second.record.last_hash = event.hash;
            second.event = Some(event);
        }
        self.port.commit(second).await
    }
}

/// Gives a retry a random id, wherever it is named.
fn randomize_retry_id(commit: &mut Commit) {
    let Some(retried) = &mut commit.retried else {
        return;
    };
    let key = format!(
        "{} {:?}",
        commit.record.request.requested_at, commit.record.retry_request
    );
    let id = DeployId::of_request("random", &retried.record.id.to_string(), &key);
    commit.record.id = id;
    commit.record.short_id = id.short_id(ShortId::USUAL);
    retried.record.retried_by = Some(id);
    if let Some(notification) = &mut commit.open_notifications {
        notification.deploy = id;
    }
    if let Some(event) = &mut commit.event {
        reseal_event(&mut commit.record, event);
    }
    if let Ok(mut entry) = retried.event.entry() {
        entry.change = AuditChange::Retried { by: id };
        retried.event = AuditEvent::seal(&entry);
        retried.record.last_hash = retried.event.hash;
    }
}

/// Seals an event anew for the deploy that it is about now.
fn reseal_event(record: &mut DeployRecord, event: &mut AuditEvent) {
    if let Ok(mut entry) = event.entry() {
        entry.deploy = record.id;
        *event = AuditEvent::seal(&entry);
        record.last_hash = event.hash;
    }
}
