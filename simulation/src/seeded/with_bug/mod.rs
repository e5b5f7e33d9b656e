//! Requests as a buggy handler makes them, where it needs a memory or further requests.

use chatops_core::audit::{AuditActor, AuditChange, AuditEvent, EventHash};
use chatops_core::command::{DeployAction, DeployCommand, StatusFilter};
use chatops_core::deploy::decide::{self, Context, RetryDecision};
use chatops_core::deploy::{ActedBy, DeployRecord, DeployState, machine};
use chatops_core::id::{DeployId, InvocationId, ShortId};
use chatops_core::message::{DeployMessage, Requester, WorkMessage};
use chatops_core::notification::{NotificationRecord, PostResult};
use chatops_core::policy::Rejection;
use chatops_core::ports::{
    ActionOutcome, ActionRecord, CiJob, CiReadError, Commit, CommitError, DeployFilter, DeployPage,
    LedgerError, ListDeploys, ListJobs, LookupRequest, LookupResult, OutgoingMessage,
    PAGE_READ_LIMIT, PollRequest, PollResult, PostMessage, ReadAction, ReadDeploy,
    ReadNotification, RecordAction, RetriedDeploy, SaveNotification, SendError, SendMessage,
    TriggerOutcome, TriggerRequest,
};
use chatops_testkit::memory::lock_mutex;

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
        && record.as_ref().is_some_and(DeployRecord::awaits_retry)
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

/// Writes a commit.
async fn write(ports: &HandlerPorts, commit: Commit) -> Result<(), CommitError> {
    // A transaction is large, and a future that has it in several places is larger.
    Box::pin(commit.in_world(&ports.world)).await
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
    let known = record.retried_by;
    match ports.bug {
        Some(SeededBug::TicketStartsAgain) if !ports.is_sweeper => record.retried_by = None,
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
    if let Some(retried_by) = ports.lock_memory().hidden.get(&record.id) {
        record.retried_by = record.retried_by.or(*retried_by);
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

pub(crate) async fn read_action(
    read: ReadAction,
    ports: &HandlerPorts,
) -> Result<Option<ActionRecord>, LedgerError> {
    let known = read.in_world(&ports.world).await?;
    Ok(known.filter(|_| !ports.has_bug(SeededBug::ActionForgotten)))
}

pub(crate) async fn list_deploys(
    list: ListDeploys,
    ports: &HandlerPorts,
) -> Result<DeployPage, LedgerError> {
    let succeeded = Some(StatusFilter::State(DeployState::Succeeded));
    let newest = list.filter.status == succeeded && list.limit == 1;
    let mut page = list.in_world(&ports.world).await?;
    if newest && ports.has_bug(SeededBug::NewerSuccessUnseen) {
        page.deploys.clear();
    }
    Ok(page)
}

pub(crate) async fn record_action(
    record: RecordAction,
    ports: &HandlerPorts,
) -> Result<(), LedgerError> {
    if let ActionOutcome::NotRetried { deploy, why } = &record.0.outcome
        && let RetryDecision::NotAllowed { rejection } = why
    {
        let bug = match rejection {
            Rejection::Busy { .. } => SeededBug::BusyRetryDerives,
            _ => SeededBug::RefusedRetryDerives,
        };
        if ports.has_bug(bug) {
            return Box::pin(derive_retry(*deploy, &record.0, ports)).await;
        }
    }
    record.in_world(&ports.world).await
}

/// A deploy by whoever acts, which takes the place of the one that they would retry.
async fn derive_retry(
    old: DeployId,
    action: &ActionRecord,
    ports: &HandlerPorts,
) -> Result<(), LedgerError> {
    let (Some(old), ActedBy::User(user)) = (
        ReadDeploy(old).in_world(&ports.world).await?,
        &action.requested_by,
    ) else {
        return Ok(());
    };
    let id = DeployId::of_retry(old.id, Some(action.id));
    let message = DeployMessage {
        refused: None,
        id,
        requester: Requester {
            team: user.team.clone(),
            user: user.id.clone(),
            channel: old.request.channel.clone(),
            user_name: None,
            response_url: None,
            unsigned: false,
        },
        deploy: DeployCommand {
            project: old.request.project.clone(),
            branch: old.request.branch.clone(),
            job: old.request.job.clone(),
        },
        requested_at: action.at,
    };
    let invocation = InvocationId::new("derived".to_owned());
    let ctx = Context {
        now: action.at,
        invocation: &invocation,
        posted_attempt: 0,
        deadline: None,
        config: &ports.world.config,
    };
    let by = AuditActor::User(user.clone());
    let retried = machine::apply_change(&old, AuditChange::Retried { by: id }, by, action.at);
    if let Ok((record, event)) = retried {
        let mut commit = decide::open_deploy(&message, ShortId::USUAL, ctx);
        commit.record.retry_of = Some(old.id);
        commit.record.retry_root = Some(old.chain_root());
        commit.record.retry_request = Some(action.id);
        commit.retried = Some(Box::new(RetriedDeploy { record, event }));
        let _ = write(ports, commit).await;
    }
    Ok(())
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
    match (&mut send.message, ports.bug) {
        (
            OutgoingMessage::Work(WorkMessage::Action(action)),
            Some(SeededBug::OthersConfirmCounts),
        ) => {
            if let DeployAction::Retry {
                deploy, confirm, ..
            } = &mut action.action
            {
                let confirmed = &mut lock_mutex(&ports.world.confirmed);
                *confirm |= confirmed.contains(&deploy.to_string());
                if *confirm {
                    confirmed.insert(deploy.to_string());
                }
            }
        }
        (OutgoingMessage::RetryTicket(deploy), Some(SeededBug::BusyTicketDropped)) => {
            let known = ReadDeploy(*deploy).in_world(&ports.world).await;
            // One that is not owed came from the queue.
            if matches!(known, Ok(Some(record)) if !record.owes_ticket) {
                return Ok(());
            }
        }
        _ => {}
    }
    match send.in_world(&ports.world).await {
        Err(SendError::Unknown(_)) if ports.has_bug(SeededBug::UnknownIsSent) => Ok(()),
        answer => answer,
    }
}
