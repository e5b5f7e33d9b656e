//! Requests as a buggy handler makes them, where it needs a memory or further requests.

use chatops_core::audit::{AuditChange, AuditEvent};
use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::id::{DeployId, ShortId};
use chatops_core::notification::{NotificationRecord, PostResult};
use chatops_core::ports::{
    CiJob, CiReadError, Commit, CommitError, DeployFilter, LedgerError, ListDeploys, ListJobs,
    LookupRequest, LookupResult, PAGE_READ_LIMIT, PollRequest, PollResult, PostMessage, ReadDeploy,
    ReadNotification, SaveNotification, SendError, SendMessage, TriggerOutcome, TriggerRequest,
};

use super::SeededBug::RetryAfterBelieved;
use super::{SeededBug, alter};
use crate::handler_ports::{HandlerPorts, SimulatedRequest};

pub(crate) async fn read_deploy(
    read: ReadDeploy,
    ports: &HandlerPorts,
) -> Result<Option<DeployRecord>, LedgerError> {
    let id = read.0;
    let kept = ports.lock_memory().record.clone();
    let kept = kept.filter(|record| record.id == id);
    if kept.is_some() {
        return Ok(kept);
    }
    let mut record = read.in_world(&ports.world).await?;
    if ports.has_bug(SeededBug::IndexBelieved)
        && ports.is_sweeper
        && is_not_listed(ports, id).await?
    {
        // What no index shows as failed counts as retried.
        return Ok(record.map(|record| DeployRecord {
            retried_by: Some(id),
            ..record
        }));
    }
    if let Some(record) = &mut record {
        hide_fields(ports, record);
        let began = ports.lock_memory().began_trigger;
        alter::record(ports.bug, record, began);
    }
    Ok(record)
}

pub(crate) async fn commit(mut commit: Commit, ports: &HandlerPorts) -> Result<(), CommitError> {
    let begins = commit.record.state == DeployState::Triggering;
    ports.lock_memory().began_trigger |= begins;
    if ports.has_bug(SeededBug::NoIntent) {
        if begins && commit.lock.is_some() {
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
        Some(SeededBug::PendingLater) if !commit.notifications.is_empty() => {
            let pending = std::mem::take(&mut commit.notifications);
            let mut second = commit.clone();
            commit.in_world(&ports.world).await?;
            second.record.version += 1;
            second.record.events += 1;
            second.notifications = pending;
            second.lock = None;
            return Box::pin(write_pending_later(ports, second)).await;
        }
        Some(SeededBug::IntentRewritten) if commit.lock.is_some() && begins => {
            let written = commit.clone().in_world(&ports.world).await;
            return match written {
                Err(CommitError::Ledger(_)) => Box::pin(rewrite_intent(ports, commit)).await,
                written => written,
            };
        }
        _ => {}
    }
    commit.in_world(&ports.world).await
}

/// Whether the index of what awaits a retry does not show a deploy.
async fn is_not_listed(ports: &HandlerPorts, id: DeployId) -> Result<bool, LedgerError> {
    let list = ListDeploys {
        filter: DeployFilter {
            awaits_retry: true,
            ..DeployFilter::default()
        },
        before: None,
        limit: PAGE_READ_LIMIT,
    };
    let page = list.in_world(&ports.world).await?;
    Ok(page.deploys.iter().all(|record| record.id != id))
}

/// Takes out of a record what a handler with this bug does not see.
fn hide_fields(ports: &HandlerPorts, record: &mut DeployRecord) {
    let known = (record.retried_by, record.retry_request);
    match ports.bug {
        Some(SeededBug::TicketStartsAgain) if !ports.is_sweeper => record.retried_by = None,
        Some(SeededBug::ActionForgotten) => record.retry_request = None,
        Some(SeededBug::LiveTicketRemoved) if ports.is_sweeper => {
            record.retried_by = Some(record.id);
        }
        _ => return,
    }
    ports.lock_memory().hidden.insert(record.id, known);
}

/// Puts back what a handler with this bug did not see and so does not write.
fn restore_fields(ports: &HandlerPorts, commit: &mut Commit) {
    let record = &mut commit.record;
    if let Some((retried_by, request)) = ports.lock_memory().hidden.get(&record.id) {
        record.retried_by = record.retried_by.or(*retried_by);
        record.retry_request = record.retry_request.or(*request);
    }
    if let Some(retried) = &mut commit.retried
        && let Some((_, request)) = ports.lock_memory().hidden.get(&retried.record.id)
    {
        retried.record.retry_request = retried.record.retry_request.or(*request);
    }
}

/// The same intent once more, over whatever is on record, as the next attempt.
async fn rewrite_intent(ports: &HandlerPorts, mut commit: Commit) -> Result<(), CommitError> {
    let stored = ReadDeploy(commit.record.id).in_world(&ports.world).await?;
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
    commit.in_world(&ports.world).await
}

/// The second of two transactions that should have been one: a note that makes it pending.
async fn write_pending_later(ports: &HandlerPorts, mut second: Commit) -> Result<(), CommitError> {
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
    second.in_world(&ports.world).await
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

pub(crate) async fn read_notification(
    read: ReadNotification,
    ports: &HandlerPorts,
) -> Result<Option<NotificationRecord>, LedgerError> {
    let mut record = read.in_world(&ports.world).await?;
    if let Some(record) = &mut record {
        alter::notification(ports.bug, record);
    }
    Ok(record)
}

pub(crate) async fn save_notification(
    mut save: SaveNotification,
    ports: &HandlerPorts,
) -> Result<(), CommitError> {
    if alter::keeps_reservation(ports.bug, &save.0) {
        ports.lock_memory().notification = Some(save.0);
        return Ok(());
    }
    if ports.lock_memory().notification.take().is_some() {
        save.0.version -= 1;
    }
    save.in_world(&ports.world).await
}

pub(crate) async fn trigger(request: TriggerRequest, ports: &HandlerPorts) -> TriggerOutcome {
    let outcome = request.clone().in_world(&ports.world).await;
    let lost = matches!(outcome, TriggerOutcome::Unknown { .. });
    if lost && ports.has_bug(SeededBug::ClientResends) {
        return request.in_world(&ports.world).await;
    }
    alter::outcome(ports.bug, outcome)
}

pub(crate) async fn look_up(
    mut lookup: LookupRequest,
    ports: &HandlerPorts,
) -> Result<LookupResult, CiReadError> {
    alter::lookup(ports.bug, &mut lookup);
    let result = lookup.in_world(&ports.world).await;
    remember_pause(ports, result.as_ref().err());
    Ok(alter::found(ports.bug, result?))
}

pub(crate) async fn poll(
    poll: PollRequest,
    ports: &HandlerPorts,
) -> Result<PollResult, CiReadError> {
    let result = poll.in_world(&ports.world).await;
    remember_pause(ports, result.as_ref().err());
    let mut result = result?;
    alter::poll(ports.bug, &mut result);
    Ok(result)
}

pub(crate) async fn list_jobs(
    list: ListJobs,
    ports: &HandlerPorts,
) -> Result<Vec<CiJob>, CiReadError> {
    let mut jobs = list.in_world(&ports.world).await?;
    alter::jobs(ports.bug, &mut jobs);
    Ok(jobs)
}

/// Keeps the pause that an answer asks for, for the next write.
fn remember_pause(ports: &HandlerPorts, error: Option<&CiReadError>) {
    let asked = error.and_then(|error| error.retry_after);
    ports.lock_memory().asked_to_wait = asked.filter(|_| ports.has_bug(RetryAfterBelieved));
}

pub(crate) async fn post(post: PostMessage, ports: &HandlerPorts) -> PostResult {
    alter::posted(ports.bug, post.in_world(&ports.world).await)
}

pub(crate) async fn send(mut send: SendMessage, ports: &HandlerPorts) -> Result<(), SendError> {
    alter::message(ports.bug, &mut send.message);
    match send.in_world(&ports.world).await {
        Err(SendError::Unknown(_)) if ports.has_bug(SeededBug::UnknownIsSent) => Ok(()),
        answer => answer,
    }
}
