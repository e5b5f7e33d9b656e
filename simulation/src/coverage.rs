//! What people's actions led to in a run, so that schedules which no longer reach something are noticed.

use std::collections::BTreeSet;

use chatops_core::audit::AuditChange;
use chatops_core::deploy::{DeployRecord, DeployState, EndReason};
use chatops_core::notification::{CardStatus, DeliveryStatus, NotificationRecord};
use chatops_core::rejection::Rejection;
use chatops_core::text::MessageKind;
use strum::VariantArray;

use crate::outside::mark_of;
use crate::people::{IssuedCommand, Person};
use crate::world::World;

/// Something that people's actions can lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, VariantArray)]
pub enum CoveragePoint {
    /// A person's retry made a deploy.
    RetryByPerson,
    /// An operator's retry made a deploy.
    RetryByOperator,
    /// An operator retried by `force` what was too old.
    RetryByForce,
    /// A redriven ticket made a deploy.
    RetryByTicket,
    /// A retry was retried.
    RetryOfRetry,
    /// A rejected deploy was retried.
    RetryOfRejected,
    /// An UNRESOLVED deploy was confirmed and retried.
    RetryConfirmed,
    /// A deploy was canceled before it was sent.
    CanceledBeforeSent,
    /// A cancel was sent to CircleCI.
    CancelSent,
    /// A run was canceled at CircleCI at somebody's request.
    CanceledWhileRunning,
    /// A deploy waited for an approval.
    OnHold,
    /// A command came too late, or was redriven too late.
    Expired,
    /// The bot posted a message.
    NotifiedByBot,
    /// An end was announced in a channel that follows.
    Announced,
    /// Nobody could be notified.
    DeliveryFailed,
    /// A query was answered.
    QueryAnswered,
    /// A deploy was retried for the third time or more.
    LongChain,
    /// Somebody freed a lock.
    Unlocked,
    /// Somebody who may not deploy asked for a deploy or acted on one.
    ActedWithoutRight,
    /// Somebody of another workspace ran what everybody may.
    RunFromAnotherWorkspace,
    /// A ticket was redriven more than once.
    RedrivenAgain,
    /// Something was out for hours.
    LongOutage,
    /// A run on AWS left to another what it could not finish before its deadline.
    OutOfTime,
    /// A run on AWS was dropped at its deadline.
    CutOff,
    /// A card was posted.
    CardPosted,
    /// A second card was posted after a lost answer.
    CardRepeated,
    /// A card was given up.
    CardGivenUp,
    /// A card that did not count was deleted.
    StrayDeleted,
    /// A press made a retry.
    RetriedByPress,
    /// Of a batch some messages were handled, and only the others came again.
    BatchPartlyFailed,
}

/// What people's actions led to in this run.
#[must_use]
pub fn reached_by(world: &World) -> BTreeSet<CoveragePoint> {
    let records = world.ledger.records();
    let mut reached = BTreeSet::new();
    for record in &records {
        let old = records.iter().find(|old| record.retry_of == Some(old.id));
        if let Some(old) = old {
            reached.extend(reached_by_retry(world, record, old));
        }
        if record.retry_of.is_some() && chain_length(&records, record) > 3 {
            reached.insert(CoveragePoint::LongChain);
        }
        if record.request.team.as_str() == "T0002" && record.run.is_some() {
            reached.insert(CoveragePoint::RunFromAnotherWorkspace);
        }
        if !record.holds.is_empty() {
            reached.insert(CoveragePoint::OnHold);
        }
        reached.extend(record.end.as_ref().and_then(|end| match &end.reason {
            EndReason::CanceledBeforeTrigger { .. } => Some(CoveragePoint::CanceledBeforeSent),
            EndReason::Rejected(Rejection::Expired { .. }) => Some(CoveragePoint::Expired),
            EndReason::Workflows { .. }
                if record.state == DeployState::Canceled && record.cancel.is_some() =>
            {
                Some(CoveragePoint::CanceledWhileRunning)
            }
            _ => None,
        }));
    }
    reached.extend(reached_by_people(world));
    if !world.circleci.canceled_deploys().is_empty() {
        reached.insert(CoveragePoint::CancelSent);
    }
    let notifications = world.ledger.notifications();
    reached.extend(reached_by_cards(world, &notifications));
    let mut statuses = notifications.iter().map(|one| &one.final_status);
    if statuses.any(|status| matches!(status, DeliveryStatus::Failed { .. })) {
        reached.insert(CoveragePoint::DeliveryFailed);
    }
    for message in world.slack.shown_messages() {
        let path = &message.response_path;
        let mut queries = world.typed.iter().filter(|typed| typed.is_query());
        let kind = mark_of(&message).map(|mark| mark.kind);
        if kind == Some(MessageKind::Announcement) {
            reached.insert(CoveragePoint::Announced);
        } else if path.starts_with("/api/") {
            reached.insert(CoveragePoint::NotifiedByBot);
        } else if queries.any(|typed| typed.response_path == *path) {
            reached.insert(CoveragePoint::QueryAnswered);
        }
    }
    reached
}

fn reached_by_cards(world: &World, notifications: &[NotificationRecord]) -> Vec<CoveragePoint> {
    let mut reached = vec![];
    let cards = notifications.iter().filter_map(|one| one.card.as_ref());
    for card in cards {
        reached.push(CoveragePoint::CardPosted);
        if card.lost_posts > 0 {
            reached.push(CoveragePoint::CardRepeated);
        }
        if matches!(card.status, CardStatus::GivenUp { .. }) {
            reached.push(CoveragePoint::CardGivenUp);
        }
    }
    let presses: Vec<_> = world.typed.iter().filter(|typed| typed.is_press).collect();
    let deletions = world.slack.post_attempts();
    if deletions.iter().any(|call| {
        call.response_path.ends_with("chat.delete") && call.response.body.contains("\"ok\":true")
    }) {
        reached.push(CoveragePoint::StrayDeleted);
    }
    let records = world.ledger.records();
    if records.iter().any(|record| {
        presses
            .iter()
            .any(|typed| record.retry_request == Some(typed.request))
    }) {
        reached.push(CoveragePoint::RetriedByPress);
    }
    reached
}

/// How many deploys a chain has up to this one.
fn chain_length(records: &[DeployRecord], last: &DeployRecord) -> usize {
    let older = |link: &&DeployRecord| records.iter().find(|old| link.retry_of == Some(old.id));
    std::iter::successors(Some(last), older).count()
}

fn reached_by_people(world: &World) -> Vec<CoveragePoint> {
    let mut reached = vec![];
    let acts = |typed: &IssuedCommand| !typed.is_query();
    let mut others = world.typed.iter().filter(|typed| acts(typed));
    if others.any(|typed| {
        typed
            .person
            .is_some_and(|one| Person::OTHERS.contains(&one))
    }) {
        reached.push(CoveragePoint::ActedWithoutRight);
    }
    let mut redriven = BTreeSet::new();
    if world.redriven.iter().any(|(_, id)| !redriven.insert(*id)) {
        reached.push(CoveragePoint::RedrivenAgain);
    }
    let records = world.ledger.records();
    let events = records
        .iter()
        .flat_map(|record| world.audit_events(record.id));
    let mut changes = events.filter_map(|event| Some(event.entry().ok()?.change));
    let asked = world.typed.iter().any(|typed| typed.verb() == "unlock");
    if asked && changes.any(|change| matches!(change, AuditChange::Unlocked { by: Some(_) })) {
        reached.push(CoveragePoint::Unlocked);
    }
    if world.history.longest_outage() >= chrono::TimeDelta::hours(3) {
        reached.push(CoveragePoint::LongOutage);
    }
    reached
}

fn reached_by_retry(
    world: &World,
    record: &DeployRecord,
    old: &DeployRecord,
) -> Vec<CoveragePoint> {
    let Some(request) = record.retry_request else {
        return vec![CoveragePoint::RetryByTicket];
    };
    let typed = world.typed.iter().find(|typed| typed.request == request);
    let is_person = typed.is_some_and(|typed| typed.person.is_some());
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
