//! What must be true after any run. Each line of a finding begins with the invariant's number.
//!
//! The outside ledgers decide: the pipelines CircleCI created, the POSTs it received, the messages
//! Slack showed. The product's own records are only held against them.
//!
//! - I1 at most one pipeline per deploy
//! - I2 no pipeline without an TRIGGERING in the audit that is not younger
//! - I3 no POST after the command went stale, and none without the target's lock
//! - I4 exactly one end per deploy, and after it only notes and that it was retried
//! - I5 the audit is complete, chained, and says what the head says
//! - I6 the audit only grows (watched by [`World`] while it runs)
//! - I7 a claimed pipeline exists and carries that deploy's id
//! - I8 the end is the truth
//! - I9 a reply address is used at most 5 times and never after its time; the final word is shown
//!   at most once more than there were faults, and repetitions are marked
//! - I10 "told" and "undeliverable" are what Slack saw
//! - I11 nothing is left: no message, lock, owed notice or order
//! - I12 what was acknowledged is on record
//! - I13 no reply address outside the queue and the reply item, and none left at the end
//! - I14 nothing unescaped is shown
//! - I15 everything ends (watched by [`World`]) and is told
//! - I16 the dead-letter queue holds exactly the orders that are owed and were not sent back too late
//! - I17 one request makes at most one deploy, and a deploy is repeated at most once; both records
//!   of a repetition agree
//! - I18 only what may be tried again is, and an UNRESOLVED deploy only after "confirm"; whoever
//!   pressed is whom it is for
//! - I19 a deploy that was canceled before it was sent has no pipeline; a cancel that was noted is
//!   put to CircleCI
//! - I20 a question and a wish are answered, no answer more than 4 times

mod actions;
mod notifications;

use std::collections::BTreeMap;

use chatops_core::audit::{self, AuditChange, AuditEntry};
use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::id::DeployId;
use chatops_core::message::WorkMessage;
use chatops_core::ports::{QueueName, WorkflowStatus};
use chrono::TimeDelta;

use crate::outside::MemoryCircleCi;
use crate::world::World;

/// Words that only the final notice has, by which a repetition is marked.
const REPEAT_MARK: &str = "repeated in case";

/// Everything that is not as it must be.
#[must_use]
pub fn check(world: &World) -> Vec<String> {
    let mut found = world.violations.clone();
    let records: BTreeMap<DeployId, DeployRecord> = world
        .ledger
        .records()
        .into_iter()
        .map(|record| (record.id, record))
        .collect();
    check_pipelines(world, &records, &mut found);
    for record in records.values() {
        check_audit(world, record, &mut found);
        check_end(world, record, &mut found);
        notifications::check_notifications(world, record, &mut found);
    }
    check_leftovers(world, &records, &mut found);
    actions::check_retries(world, &records, &mut found);
    actions::check_cancels(world, &records, &mut found);
    notifications::check_replies(world, &mut found);
    notifications::check_secrecy(world, &mut found);
    found
}

fn audit_entries(world: &World, id: DeployId) -> Vec<AuditEntry> {
    world
        .audit_events(id)
        .iter()
        .filter_map(|event| event.entry().ok())
        .collect()
}

fn check_pipelines(
    world: &World,
    records: &BTreeMap<DeployId, DeployRecord>,
    found: &mut Vec<String>,
) {
    let mut per_deploy: BTreeMap<DeployId, usize> = BTreeMap::new();
    for pipeline in world.circleci.created_pipelines() {
        let Some(id) = MemoryCircleCi::deploy_of(&pipeline) else {
            found.push("I7: a pipeline carries no deploy id".to_owned());
            continue;
        };
        let count = per_deploy.entry(id).or_default();
        *count += 1;
        if *count > 1 {
            found.push(format!("I1: {id} has {count} pipelines"));
        }
        let began = audit_entries(world, id).iter().any(|e| {
            matches!(e.change, AuditChange::TriggerBegun { .. })
                && e.at <= pipeline.created_at + world.tolerance
        });
        if !began {
            found.push(format!("I2: {id} has a pipeline that nobody armed"));
        }
    }
    for posted in world.circleci.received_posts() {
        let Some(record) = posted.deploy.and_then(|id| records.get(&id)) else {
            found.push("I3: a POST for a deploy that is not on record".to_owned());
            continue;
        };
        if posted.received_at >= record.valid_until + world.tolerance {
            found.push(format!("I3: {} was sent after it went stale", record.id));
        }
        let exclusive = record.request.job.as_str() == "deploy";
        if exclusive
            && !posted
                .locks
                .iter()
                .any(|(_, lock)| lock.deploy == record.id)
        {
            found.push(format!("I3: {} was sent without the lock", record.id));
        }
    }
}

fn check_audit(world: &World, record: &DeployRecord, found: &mut Vec<String>) {
    let id = record.id;
    let events = world.audit_events(id);
    if let Err(broken) = audit::verify_chain(id, &events, record.last_hash) {
        found.push(format!("I5: {id}: {broken}"));
    }
    let entries = audit_entries(world, id);
    if record.events != entries.len() as u64
        || entries.last().map(|e| e.state) != Some(record.state)
    {
        found.push(format!("I5: {id}: head and audit differ"));
    }
    let ends = entries
        .iter()
        .filter(|e| matches!(e.change, AuditChange::Ended { .. }))
        .count();
    if ends != 1 {
        found.push(format!("I4: {id} has {ends} ends"));
    }
    let after_end = entries
        .iter()
        .skip_while(|e| !matches!(e.change, AuditChange::Ended { .. }))
        .skip(1);
    if after_end.into_iter().any(|e| {
        !matches!(
            e.change,
            AuditChange::Noted { .. } | AuditChange::Retried { .. }
        )
    }) {
        found.push(format!("I4: {id} goes on after its end"));
    }
}

fn check_end(world: &World, record: &DeployRecord, found: &mut Vec<String>) {
    let id = record.id;
    let own: Vec<_> = world
        .circleci
        .created_pipelines()
        .into_iter()
        .filter(|pipeline| MemoryCircleCi::deploy_of(pipeline) == Some(id))
        .collect();
    if let Some(run) = &record.run
        && !own.iter().any(|pipeline| pipeline.id == run.pipeline.id.0)
    {
        found.push(format!("I7: {id} claims a pipeline that is not its own"));
    }
    let statuses = record
        .run
        .as_ref()
        .map(|run| world.circleci.workflow_statuses(run.pipeline.id));
    let says = |status: WorkflowStatus| {
        statuses
            .as_ref()
            .is_some_and(|all| all.iter().any(|s| s == status.as_str()))
    };
    let true_end = match record.state {
        DeployState::Succeeded => {
            // An earlier run of the same name may have failed; the last word is a success.
            statuses
                .as_ref()
                .is_some_and(|all| all.last().is_some_and(|s| s == "success"))
        }
        DeployState::Failed => says(WorkflowStatus::Failed),
        DeployState::NothingRan => statuses.as_ref().is_some_and(Vec::is_empty),
        DeployState::CiError => !own.is_empty(),
        DeployState::TriggerFailed | DeployState::Rejected => own.is_empty(),
        DeployState::Unresolved => record.run.is_none(),
        DeployState::Canceled | DeployState::LostTrack => true,
        DeployState::Requested
        | DeployState::Triggering
        | DeployState::Triggered
        | DeployState::Running => false,
    };
    // CircleCI may list a pipeline late: nobody says "not found" before the horizon.
    let lookup_timeout = world.config().timeouts.lookup_timeout;
    let posts = world.circleci.received_posts();
    let last_post = posts
        .iter()
        .filter(|posted| posted.deploy == Some(id))
        .map(|p| p.received_at)
        .max();
    let too_soon = record.state == DeployState::Unresolved
        && last_post
            .zip(record.end.as_ref())
            .is_some_and(|(post, end)| end.at + world.tolerance < post + lookup_timeout);
    if too_soon {
        found.push(format!("I8: {id} was given up before the horizon"));
    }
    if !true_end {
        found.push(format!(
            "I8: {id} ended {} and that is not true",
            record.state
        ));
    }
}

fn check_leftovers(
    world: &World,
    records: &BTreeMap<DeployId, DeployRecord>,
    found: &mut Vec<String>,
) {
    for queue in [QueueName::Work, QueueName::Notify, QueueName::NotifyDlq] {
        let left = world.queue.messages(queue).len();
        if left > 0 {
            found.push(format!(
                "I11: {left} messages are left in {}",
                queue.as_str()
            ));
        }
    }
    for (target, lock) in world.ledger.locks() {
        let resolved = records
            .get(&lock.deploy)
            .is_none_or(|h| h.state != DeployState::Unresolved);
        if resolved || lock.until.is_none() {
            found.push(format!("I11: {target} is still locked by {}", lock.deploy));
        }
    }
    for record in records
        .values()
        .filter(|record| record.due_at.is_some() || record.owes_ticket)
    {
        found.push(format!("I11: {} still has something due", record.id));
    }
    for id in world
        .acknowledged
        .iter()
        .filter(|id| !records.contains_key(id))
    {
        found.push(format!("I12: {id} was acknowledged and is not on record"));
    }
    let mut tickets: BTreeMap<DeployId, usize> = BTreeMap::new();
    for message in world.queue.messages(QueueName::WorkDlq) {
        match message.body.decode() {
            Ok(WorkMessage::Retry { deploy }) => *tickets.entry(deploy).or_default() += 1,
            _ => found.push("I16: a message died that is not an order".to_owned()),
        }
    }
    // One that is dealt with after more than a day is not carried out and does not come back; faults
    // may hold up for a while one that was sent back in time.
    let too_late = |record: &DeployRecord| {
        let ended = record.end.as_ref().map(|end| end.at);
        let limit = ended.map(|at| at + TimeDelta::hours(23));
        let sent_back = world.redriven.iter().filter(|(_, id)| *id == record.id);
        sent_back
            .into_iter()
            .any(|(at, _)| limit.is_some_and(|limit| *at > limit))
    };
    for record in records
        .values()
        .filter(|record| record.state == DeployState::TriggerFailed && !too_late(record))
    {
        let carried_out = records.contains_key(&DeployId::of_retry(record.id));
        match (carried_out, tickets.contains_key(&record.id)) {
            (false, false) => found.push(format!("I16: no order to try {} again", record.id)),
            (true, true) => found.push(format!("I16: a needless order for {}", record.id)),
            _ => {}
        }
    }
    let failed = |id| {
        records
            .get(id)
            .is_some_and(|record| record.state == DeployState::TriggerFailed)
    };
    for id in tickets.keys().filter(|id| !failed(id)) {
        found.push(format!(
            "I16: an order for {id}, whose trigger did not fail"
        ));
    }
}
