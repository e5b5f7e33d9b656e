//! What people brought about in a run: so that schedules which no longer reach something are noticed.

use std::collections::BTreeSet;

use chatops_core::deploy::{DeployRecord, DeployState, EndReason};
use chatops_core::notification::DeliveryStatus;
use chatops_core::policy::Rejection;

use crate::world::World;

/// Something that can come of what people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CoveragePoint {
    /// A person's press made a deploy.
    RetryByPerson,
    /// An operator's wish made a deploy.
    RetryByOperator,
    /// One that was too old was tried again, since an operator insisted.
    RetryByForce,
    /// An order that was sent back made a deploy.
    RetryByTicket,
    /// A retry was tried again.
    RetryOfRetry,
    /// A refused deploy was tried again.
    RetryOfRejected,
    /// Somebody looked and confirmed, and it was tried again.
    RetryConfirmed,
    /// A deploy was canceled before it was sent.
    CanceledBeforeSent,
    /// A cancel was put to CircleCI.
    CancelSent,
    /// A run was canceled at CircleCI, as somebody wished.
    CanceledWhileRunning,
    /// An approval was waited for.
    OnHold,
    /// A command came too late, or was sent back too late.
    Expired,
    /// The bot told something.
    NotifiedByBot,
    /// Nobody could be told.
    DeliveryFailed,
    /// A question was answered.
    QueryAnswered,
    /// A run on AWS knew that it would be cut off, and left what it could not finish to another.
    OutOfTime,
    /// A run on AWS was dropped where it waited.
    CutOff,
    /// Of a batch some messages were dealt with, and only the others came again.
    BatchPartlyFailed,
}

impl CoveragePoint {
    /// All of them.
    pub const ALL: [CoveragePoint; 18] = [
        CoveragePoint::RetryByPerson,
        CoveragePoint::RetryByOperator,
        CoveragePoint::RetryByForce,
        CoveragePoint::RetryByTicket,
        CoveragePoint::RetryOfRetry,
        CoveragePoint::RetryOfRejected,
        CoveragePoint::RetryConfirmed,
        CoveragePoint::CanceledBeforeSent,
        CoveragePoint::CancelSent,
        CoveragePoint::CanceledWhileRunning,
        CoveragePoint::OnHold,
        CoveragePoint::Expired,
        CoveragePoint::NotifiedByBot,
        CoveragePoint::DeliveryFailed,
        CoveragePoint::QueryAnswered,
        CoveragePoint::OutOfTime,
        CoveragePoint::CutOff,
        CoveragePoint::BatchPartlyFailed,
    ];
}

/// What came of what people did in this run.
#[must_use]
pub fn reached_by(world: &World) -> BTreeSet<CoveragePoint> {
    let records = world.ledger.records();
    let mut reached = BTreeSet::new();
    for record in &records {
        let old = records.iter().find(|old| record.retry_of == Some(old.id));
        if let Some(old) = old {
            reached.extend(reached_by_retry(world, record, old));
        }
        if record.on_hold {
            reached.insert(CoveragePoint::OnHold);
        }
        reached.extend(record.end.as_ref().and_then(|end| {
            match &end.reason {
                EndReason::CanceledBeforeTrigger { .. } => Some(CoveragePoint::CanceledBeforeSent),
                EndReason::Rejected(Rejection::Expired { .. }) => Some(CoveragePoint::Expired),
                EndReason::Workflows { .. } if record.state == DeployState::Canceled => record
                    .cancel
                    .is_some()
                    .then_some(CoveragePoint::CanceledWhileRunning),
                _ => None,
            }
        }));
    }
    if !world.circleci.canceled_deploys().is_empty() {
        reached.insert(CoveragePoint::CancelSent);
    }
    let undeliverable =
        |delivery: &DeliveryStatus| matches!(delivery, DeliveryStatus::Failed { .. });
    if world
        .ledger
        .notifications()
        .iter()
        .any(|r| undeliverable(&r.final_status))
    {
        reached.insert(CoveragePoint::DeliveryFailed);
    }
    for message in world.slack.shown_messages() {
        let path = &message.response_path;
        let mut queries = world.typed.iter().filter(|typed| typed.is_query());
        if path.starts_with("/api/") {
            reached.insert(CoveragePoint::NotifiedByBot);
        } else if queries.any(|typed| typed.response_path == *path) {
            reached.insert(CoveragePoint::QueryAnswered);
        }
    }
    reached
}

fn reached_by_retry(
    world: &World,
    record: &DeployRecord,
    old: &DeployRecord,
) -> Vec<CoveragePoint> {
    let Some(wish) = record.retry_request else {
        return vec![CoveragePoint::RetryByTicket];
    };
    let typed = world.typed.iter().find(|typed| typed.request == wish);
    let is_person = typed.is_some_and(|typed| typed.user.is_some());
    let mut reached = vec![if is_person {
        CoveragePoint::RetryByPerson
    } else {
        CoveragePoint::RetryByOperator
    }];
    let ended = old.end.as_ref().map(|end| end.at);
    if ended.is_some_and(|at| record.request.requested_at > at + chrono::TimeDelta::days(1)) {
        reached.push(CoveragePoint::RetryByForce);
    }
    if old.retry_of.is_some() {
        reached.push(CoveragePoint::RetryOfRetry);
    }
    match old.state {
        DeployState::Rejected => reached.push(CoveragePoint::RetryOfRejected),
        DeployState::Unresolved => reached.push(CoveragePoint::RetryConfirmed),
        _ => {}
    }
    reached
}
