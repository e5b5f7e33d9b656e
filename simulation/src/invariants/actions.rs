//! What became of what people wished: retries and cancels.

use std::collections::BTreeMap;

use chatops_core::audit::{AuditChange, AuditEntry};
use chatops_core::deploy::{DeployRecord, DeployState, EndReason};
use chatops_core::id::DeployId;
use chrono::TimeDelta;

use super::audit_entries;
use crate::outside::MemoryCircleCi;
use crate::people::IssuedCommand;
use crate::world::World;

/// What somebody typed that made a deploy; nobody did if an order was sent back.
pub(super) fn find_command<'w>(
    world: &'w World,
    record: &DeployRecord,
) -> Option<&'w IssuedCommand> {
    world.typed.iter().find(|typed| match record.retry_request {
        Some(request) => typed.request == request,
        None => typed.deploy == Some(record.id),
    })
}

/// I17 and I18.
pub(super) fn check_retries(
    world: &World,
    records: &BTreeMap<DeployId, DeployRecord>,
    found: &mut Vec<String>,
) {
    for typed in &world.typed {
        let made = |record: &&DeployRecord| {
            record.retry_request == Some(typed.request)
                || (record.retry_of.is_none() && typed.deploy == Some(record.id))
        };
        let made = records.values().filter(made).count();
        if made > 1 {
            found.push(format!("I17: '{}' made {made} deploys", typed.text));
        }
    }
    for record in records.values() {
        let repeated = records.values().filter(|h| h.retry_of == Some(record.id));
        let by: Vec<DeployId> = repeated.map(|h| h.id).collect();
        if by.len() > 1 {
            found.push(format!(
                "I17: {} was repeated {} times",
                record.id,
                by.len()
            ));
        }
        if record.retried_by.as_slice() != by {
            found.push(format!("I17: {} does not say who repeats it", record.id));
        }
        if !by.is_empty() && record.state == DeployState::TriggerFailed && record.owes_ticket {
            found.push(format!("I17: {} was repeated and owes an order", record.id));
        }
    }
    for record in records.values() {
        let Some(old) = record.retry_of else { continue };
        let Some(old) = records.get(&old) else {
            found.push(format!("I17: {} repeats what is not on record", record.id));
            continue;
        };
        let origin = record
            .retry_request
            .and_then(|_| find_command(world, record));
        let says = |word: &str| origin.is_some_and(|typed| typed.text.contains(word));
        // Of this very deploy: who named an earlier one has not looked for this one.
        let confirmed = says("confirm") && says(old.short_id.as_str());
        let may = match old.state {
            DeployState::TriggerFailed => true,
            DeployState::Rejected => record.retry_request.is_some(),
            DeployState::Unresolved => confirmed,
            _ => false,
        };
        if !may {
            found.push(format!(
                "I18: {} repeats one that was {}",
                record.id, old.state
            ));
        }
        if record.id != DeployId::of_retry(old.id) {
            found.push(format!("I17: the id of {} is not derived", record.id));
        }
        let ended = old.end.as_ref().map(|end| end.at);
        let begun = audit_entries(world, record.id)
            .first()
            .map(|entry| entry.at);
        let too_old = begun
            .zip(ended)
            .is_some_and(|(begun, ended)| begun > ended + TimeDelta::days(1) + world.tolerance);
        if too_old && !(says("force") && origin.is_some_and(|typed| typed.user.is_none())) {
            found.push(format!("I18: {} repeats one that is too old", record.id));
        }
        let early = origin
            .zip(ended)
            .is_some_and(|(typed, ended)| typed.typed_at.timestamp() < ended.timestamp());
        if early && old.state == DeployState::Unresolved {
            let what = "was confirmed before anybody could look";
            found.push(format!("I18: {} {what}", record.id));
        }
        if let Some(user) = origin.and_then(|typed| typed.user.as_deref())
            && user != record.request.user.as_str()
        {
            found.push(format!("I18: {} is not for {user}, who pressed", record.id));
        }
    }
}

/// I19.
pub(super) fn check_cancels(
    world: &World,
    records: &BTreeMap<DeployId, DeployRecord>,
    found: &mut Vec<String>,
) {
    let created = world.circleci.created_pipelines();
    for record in records.values() {
        let Some(end) = &record.end else { continue };
        let before = matches!(end.reason, EndReason::CanceledBeforeTrigger { .. });
        let ran = created
            .iter()
            .any(|pipeline| MemoryCircleCi::deploy_of(pipeline) == Some(record.id));
        if before && ran {
            found.push(format!(
                "I19: {} was canceled before it was sent, and ran",
                record.id
            ));
        }
        check_cancel_request(world, record, found);
    }
}

/// A cancel that was noted holds until the end.
fn check_cancel_request(world: &World, record: &DeployRecord, found: &mut Vec<String>) {
    let id = record.id;
    let entries = audit_entries(world, id);
    let wished = |e: &AuditEntry| matches!(e.change, AuditChange::CancelRequested { .. });
    let Some(wish) = entries.iter().find(|e| wished(e)) else {
        return;
    };
    let later = entries.iter().filter(|e| e.n > wish.n);
    if later
        .into_iter()
        .any(|e| matches!(e.change, AuditChange::TriggerBegun { .. }))
    {
        found.push(format!("I19: {id} was armed after it was canceled"));
    }
    let Some(run) = &record.run else { return };
    // Whoever stood still may not have seen the wish, and whoever crashed could not put it.
    let seen = world.circleci.answered_polls();
    let seen = seen.iter().filter(|poll| {
        poll.can_cancel
            && poll.pipeline == run.pipeline.id
            && poll.answered_at > wish.at + world.tolerance
    });
    if seen.count() > world.points.crash_count() && !world.circleci.canceled_deploys().contains(&id)
    {
        found.push(format!("I19: CircleCI never heard that {id} is canceled"));
    }
}
