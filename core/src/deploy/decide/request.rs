//! The first transaction of a deploy that a command asks for.

use super::Context;
use crate::Time;
use crate::audit::AuditActor;
use crate::deploy::machine;
use crate::deploy::{DeployRequest, RetryOrigin};
use crate::id::{DeployId, ShortId};
use crate::message::{DeployMessage, Requester};
use crate::notification::{DeliveryStatus, NotificationRecord};
use crate::ports::Commit;

/// The first transaction of a command: REQUESTED, with its notification record.
#[must_use]
pub fn open_deploy(message: &DeployMessage, short_digits: usize, ctx: Context<'_>) -> Commit {
    let request = message.deploy_request(ctx.config);
    let by = request.requested_by().into();
    let is_told = message.refused.is_some() && message.press.is_none();
    let requester = Some(&message.requester).filter(|_| !is_told);
    let mut notification = new_notification(message.id, requester, message.requested_at, ctx);
    if message.press.is_some() {
        notification.answer = DeliveryStatus::Pending { from: ctx.now };
    }
    if message.refused.is_some() {
        // The requester has been told, or the answer does it, and nothing else will happen.
        notification.progress = DeliveryStatus::Skipped;
        notification.hold = DeliveryStatus::Skipped;
        notification.final_status = DeliveryStatus::Skipped;
    }
    first_commit(
        message.id,
        short_digits,
        request,
        None,
        by,
        notification,
        ctx,
    )
}

/// The notification record. Without a response URL, the answer is in the ledger alone.
pub(super) fn new_notification(
    id: DeployId,
    requester: Option<&Requester>,
    requested_at: Time,
    ctx: Context<'_>,
) -> NotificationRecord {
    let response_url = requester.and_then(|requester| requester.response_url.clone());
    NotificationRecord::open(
        id,
        response_url,
        requested_at + ctx.config.timeouts.response_url_ttl,
    )
}

pub(super) fn first_commit(
    id: DeployId,
    short_digits: usize,
    request: DeployRequest,
    retry: Option<RetryOrigin>,
    by: AuditActor,
    notification: NotificationRecord,
    ctx: Context<'_>,
) -> Commit {
    let id: (DeployId, ShortId) = (id, id.short_id(short_digits));
    let valid_until = request.requested_at + ctx.config.timeouts.request_ttl;
    let (record, event) = machine::begin_deploy(id, request, retry, valid_until, by, ctx.now);
    Commit {
        events: vec![event],
        open_notifications: Some(notification),
        ..Commit::of(record)
    }
}
