//! Requests as a buggy handler makes them, where it needs a memory or further requests.
//!
//! A handler without a bug makes each of them as it is: what a request does in the world is not
//! changed here.

mod commits;

use chatops_core::audit::{AuditActor, AuditChange};
use chatops_core::command::{DeployAction, DeployCommand, StatusFilter};
use chatops_core::deploy::decide::{self, Context, RetryDecision};
use chatops_core::deploy::{ActedBy, DeployRecord, DeployState, machine};
use chatops_core::id::{DeployId, InvocationId, ShortId};
use chatops_core::message::{DeployMessage, Requester, WorkMessage};
use chatops_core::notification::{NotificationRecord, PostResult};
use chatops_core::ports::{
    ActionOutcome, ActionRecord, CiJob, CiReadError, CommitError, DeployFilter, DeployPage,
    LedgerError, ListDeploys, ListJobs, LookupRequest, LookupResult, OutgoingMessage,
    PAGE_READ_LIMIT, PollRequest, PollResult, PostMessage, ReadAction, ReadDeploy,
    ReadNotification, RecordAction, RetriedDeploy, SaveNotification, SendError, SendMessage,
    TriggerOutcome, TriggerRequest,
};
use chatops_core::rejection::Rejection;
use chatops_testkit::memory::lock_mutex;

pub(crate) use self::commits::commit;
use self::commits::write;
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
        press: None,
        id,
        requester: Requester {
            team: user.id.team.clone(),
            user: user.id.id.clone(),
            channel: old.request.channel.clone(),
            user_name: None,
            response_url: None,
            unsigned: false,
        },
        deploy: DeployCommand {
            project: old.request.project.clone(),
            git_ref: old.request.git_ref.clone(),
            job: old.request.job.clone(),
            parameters: old.request.parameters.clone(),
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
    let by = AuditActor::User(user.id.clone());
    let retried = machine::apply_change(&old, AuditChange::Retried { by: id }, by, action.at);
    if let Ok((record, event)) = retried {
        let mut commit = decide::open_deploy(&message, ShortId::USUAL, ctx);
        commit.record.retry_of = Some(old.id);
        commit.record.retry_root = Some(old.chain_root());
        commit.record.retry_request = Some(action.id);
        commit.retried = Some(Box::new(RetriedDeploy {
            record,
            event,
            redraw: None,
        }));
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
    alter::saved_notification(ports.bug, &mut save.0);
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
    let post = alter::outgoing(ports.bug, post);
    let to = post.to.clone();
    alter::posted(ports.bug, &to, post.in_world(&ports.world).await)
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
