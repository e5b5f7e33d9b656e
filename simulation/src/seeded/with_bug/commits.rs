//! Commits as a buggy handler makes them.
//!
//! A commit that is changed keeps its chain and its version right, unless that is the bug: otherwise
//! the store or the audit would find it, and not the invariant that it is to violate.

use chatops_core::audit::{AuditChange, AuditEvent, EventHash};
use chatops_core::deploy::DeployState;
use chatops_core::id::{DeployId, ShortId};
use chatops_core::ports::{ActionOutcome, ActionRecord, Commit, CommitError, ReadDeploy};

use crate::handler_ports::{HandlerPorts, SimulatedRequest};
use crate::seeded::{SeededBug, alter};

pub(crate) async fn commit(mut commit: Commit, ports: &HandlerPorts) -> Result<(), CommitError> {
    let begins = commit.record.state == DeployState::Triggering;
    ports.lock_memory().began_trigger |= begins;
    if ports.has_bug(SeededBug::NoIntent) {
        if begins && commit.lock.is_some() && commit.retried.is_none() {
            ports.lock_memory().record = Some(commit.record);
            return Ok(());
        }
        if let Some(kept) = ports.lock_memory().record.take() {
            // The outcome is written over what is on record, as if it had been there.
            commit.record.version = kept.version;
        }
    }
    if let Some(asked) = ports.lock_memory().asked_to_wait.take() {
        let due_at = &mut commit.record.due_at;
        *due_at = due_at.map(|due| due + asked);
    }
    restore_fields(ports, &mut commit);
    alter::commit(ports.bug, &mut commit);
    match ports.bug {
        Some(SeededBug::RetryIdRandom | SeededBug::TicketStartsAgain)
            if commit.retried.is_some() =>
        {
            let known = ReadDeploy(commit.record.id).in_world(&ports.world).await?;
            if known.is_some() || ports.has_bug(SeededBug::RetryIdRandom) {
                randomize_retry_id(&mut commit);
            }
        }
        Some(SeededBug::LearnedUnsaid) => unsay_learned(&mut commit),
        Some(SeededBug::PendingLater) if !commit.notifications.is_empty() => {
            let pending = std::mem::take(&mut commit.notifications);
            let mut second = commit.clone();
            write(ports, commit).await?;
            second.record.version += 1;
            second.record.events += 1;
            second.notifications = pending;
            second.lock = None;
            return Box::pin(write_pending_later(ports, second)).await;
        }
        Some(SeededBug::IntentRewritten) if commit.lock.is_some() && begins => {
            let written = write(ports, commit.clone()).await;
            return match written {
                Err(CommitError::Ledger(_)) => Box::pin(rewrite_intent(ports, commit)).await,
                written => written,
            };
        }
        _ => {}
    }
    write(ports, commit).await
}

/// Leaves out the event of what was learned.
fn unsay_learned(commit: &mut Commit) {
    let entry = match &*commit.events {
        [event] => event.entry().ok(),
        _ => None,
    };
    if let Some(entry) = entry.filter(|entry| entry.change == AuditChange::Learned) {
        commit.events.clear();
        commit.record.events -= 1;
        commit.record.last_hash = entry.prev;
    }
}

/// Writes a commit.
pub(super) async fn write(ports: &HandlerPorts, commit: Commit) -> Result<(), CommitError> {
    // A transaction is large, and a future that has it in several places is larger.
    Box::pin(commit.in_world(&ports.world)).await
}

/// Puts back what a handler with this bug did not see and so does not write.
fn restore_fields(ports: &HandlerPorts, commit: &mut Commit) {
    let record = &mut commit.record;
    if let Some(retried_by) = ports.lock_memory().hidden.get(&record.id) {
        record.retried_by = record.retried_by.or(*retried_by);
    }
    if ports.has_bug(SeededBug::ReleaseForgotten) {
        commit.release = None;
    }
    if ports.has_bug(SeededBug::ActionForgotten) {
        commit.action = None;
    }
}

/// The same intent once more, over whatever is on record, as the next attempt.
async fn rewrite_intent(ports: &HandlerPorts, mut commit: Commit) -> Result<(), CommitError> {
    let stored = ReadDeploy(commit.record.id).in_world(&ports.world).await?;
    let (Some(stored), Some(mut event)) = (stored, commit.events.pop()) else {
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
        event = AuditEvent::seal(&entry);
        record.last_hash = event.hash;
    }
    commit.events = vec![event];
    // Of a retry all but the intent was written with it.
    (commit.open_notifications, commit.retried, commit.action) = (None, None, None);
    write(ports, commit).await
}

/// The second of two transactions that should have been one: a note that makes it pending.
async fn write_pending_later(ports: &HandlerPorts, mut second: Commit) -> Result<(), CommitError> {
    let entry = second.events.last().and_then(|event| event.entry().ok());
    if let Some(mut entry) = entry {
        entry.prev = second.record.last_hash;
        entry.n = second.record.events;
        entry.change = AuditChange::Noted {
            note: "pending".to_owned(),
        };
        let event = AuditEvent::seal(&entry);
        second.record.last_hash = event.hash;
        second.events = vec![event];
    }
    write(ports, second).await
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
    if let Some(ActionRecord { outcome, .. }) = &mut commit.action {
        *outcome = ActionOutcome::Retried { deploy: id };
    }
    let mut last = EventHash::START;
    for event in &mut commit.events {
        if let Ok(mut entry) = event.entry() {
            (entry.deploy, entry.prev) = (id, last);
            *event = AuditEvent::seal(&entry);
            last = event.hash;
        }
    }
    commit.record.last_hash = last;
    if let Ok(mut entry) = retried.event.entry() {
        entry.change = AuditChange::Retried { by: id };
        retried.event = AuditEvent::seal(&entry);
        retried.record.last_hash = retried.event.hash;
    }
}
