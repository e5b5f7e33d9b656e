//! What must be true after any run. Each line of a finding begins with the invariant's number.
//!
//! The outside ledgers decide: the pipelines CircleCI created, the POSTs it received, the messages
//! Slack showed. The product's own records are only held against them.
//!
//! - I1 at most one pipeline per deploy
//! - I2 no pipeline without an ARMED in the audit that is not younger
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

mod telling;
mod wishes;

use std::collections::BTreeMap;

use chatops_core::audit::{self, Change, Entry};
use chatops_core::deploy::{Head, State};
use chatops_core::id::DeployId;
use chatops_core::message::WorkMessage;
use chatops_core::ports::{Lane, WorkflowStatus};
use chrono::TimeDelta;

use crate::outside::CircleCi;
use crate::world::World;

/// Words that only the final notice has, by which a repetition is marked.
const REPEAT: &str = "said again";

/// Everything that is not as it must be.
#[must_use]
pub fn check(world: &World) -> Vec<String> {
    let mut found = world.broken.clone();
    let heads: BTreeMap<DeployId, Head> = world
        .store
        .heads()
        .into_iter()
        .map(|head| (head.id, head))
        .collect();
    pipelines(world, &heads, &mut found);
    for head in heads.values() {
        the_audit(world, head, &mut found);
        the_end(world, head, &mut found);
        telling::of(world, head, &mut found);
    }
    rest(world, &heads, &mut found);
    wishes::repetitions(world, &heads, &mut found);
    wishes::cancels(world, &heads, &mut found);
    telling::answers(world, &mut found);
    telling::secrecy(world, &mut found);
    found
}

fn entries(world: &World, id: DeployId) -> Vec<Entry> {
    world
        .audit(id)
        .iter()
        .filter_map(|event| event.entry().ok())
        .collect()
}

fn pipelines(world: &World, heads: &BTreeMap<DeployId, Head>, found: &mut Vec<String>) {
    let mut per_deploy: BTreeMap<DeployId, usize> = BTreeMap::new();
    for pipeline in world.circleci.created() {
        let Some(id) = CircleCi::deploy_of(&pipeline) else {
            found.push("I7: a pipeline carries no deploy id".to_owned());
            continue;
        };
        let count = per_deploy.entry(id).or_default();
        *count += 1;
        if *count > 1 {
            found.push(format!("I1: {id} has {count} pipelines"));
        }
        let armed = entries(world, id).iter().any(|e| {
            matches!(e.change, Change::Armed { .. })
                && e.at <= pipeline.created_at + world.tolerance
        });
        if !armed {
            found.push(format!("I2: {id} has a pipeline that nobody armed"));
        }
    }
    for posted in world.circleci.posted() {
        let Some(head) = posted.deploy.and_then(|id| heads.get(&id)) else {
            found.push("I3: a POST for a deploy that is not on record".to_owned());
            continue;
        };
        if posted.at >= head.valid_until + world.tolerance {
            found.push(format!("I3: {} was sent after it went stale", head.id));
        }
        let exclusive = head.ask.job.as_str() == "deploy";
        if exclusive && !posted.locks.iter().any(|(_, lock)| lock.deploy == head.id) {
            found.push(format!("I3: {} was sent without the lock", head.id));
        }
    }
}

fn the_audit(world: &World, head: &Head, found: &mut Vec<String>) {
    let id = head.id;
    let events = world.audit(id);
    if let Err(broken) = audit::verify(id, &events, head.last_hash) {
        found.push(format!("I5: {id}: {broken}"));
    }
    let entries = entries(world, id);
    if head.events != entries.len() as u64 || entries.last().map(|e| e.state) != Some(head.state) {
        found.push(format!("I5: {id}: head and audit differ"));
    }
    let ends = entries
        .iter()
        .filter(|e| matches!(e.change, Change::Ended { .. }))
        .count();
    if ends != 1 {
        found.push(format!("I4: {id} has {ends} ends"));
    }
    let after_end = entries
        .iter()
        .skip_while(|e| !matches!(e.change, Change::Ended { .. }))
        .skip(1);
    if after_end
        .into_iter()
        .any(|e| !matches!(e.change, Change::Noted { .. } | Change::Retried { .. }))
    {
        found.push(format!("I4: {id} goes on after its end"));
    }
}

fn the_end(world: &World, head: &Head, found: &mut Vec<String>) {
    let id = head.id;
    let own: Vec<_> = world
        .circleci
        .created()
        .into_iter()
        .filter(|pipeline| CircleCi::deploy_of(pipeline) == Some(id))
        .collect();
    if let Some(run) = &head.run
        && !own.iter().any(|pipeline| pipeline.id == run.pipeline.id.0)
    {
        found.push(format!("I7: {id} claims a pipeline that is not its own"));
    }
    let statuses = head
        .run
        .as_ref()
        .map(|run| world.circleci.statuses(run.pipeline.id));
    let says = |status: WorkflowStatus| {
        statuses
            .as_ref()
            .is_some_and(|all| all.iter().any(|s| s == status.word()))
    };
    let true_end = match head.state {
        State::Succeeded => {
            // An earlier run of the same name may have failed; the last word is a success.
            statuses
                .as_ref()
                .is_some_and(|all| all.last().is_some_and(|s| s == "success"))
        }
        State::Failed => says(WorkflowStatus::Failed),
        State::NothingRan => statuses.as_ref().is_some_and(Vec::is_empty),
        State::CiErrored => !own.is_empty(),
        State::TriggerFailed | State::Refused => own.is_empty(),
        State::Unresolved => head.run.is_none(),
        State::Canceled | State::LostTrack => true,
        State::Requested | State::Armed | State::Triggered | State::Running => false,
    };
    // CircleCI may list a pipeline late: nobody says "not found" before the horizon.
    let horizon = world.config().times.horizon;
    let posts = world.circleci.posted();
    let last_post = posts
        .iter()
        .filter(|posted| posted.deploy == Some(id))
        .map(|p| p.at)
        .max();
    let too_soon = head.state == State::Unresolved
        && last_post
            .zip(head.end.as_ref())
            .is_some_and(|(post, end)| end.at + world.tolerance < post + horizon);
    if too_soon {
        found.push(format!("I8: {id} was given up before the horizon"));
    }
    if !true_end {
        found.push(format!(
            "I8: {id} ended {} and that is not true",
            head.state
        ));
    }
}

fn rest(world: &World, heads: &BTreeMap<DeployId, Head>, found: &mut Vec<String>) {
    for lane in [Lane::Work, Lane::Notice, Lane::NoticeDead] {
        let left = world.queue.messages(lane).len();
        if left > 0 {
            found.push(format!("I11: {left} messages are left in {}", lane.name()));
        }
    }
    for (target, lock) in world.store.locks() {
        let resolved = heads
            .get(&lock.deploy)
            .is_none_or(|h| h.state != State::Unresolved);
        if resolved || lock.until.is_none() {
            found.push(format!("I11: {target} is still locked by {}", lock.deploy));
        }
    }
    for head in heads
        .values()
        .filter(|head| head.due_at.is_some() || head.owes_order)
    {
        found.push(format!("I11: {} still has something due", head.id));
    }
    for id in world
        .acknowledged
        .iter()
        .filter(|id| !heads.contains_key(id))
    {
        found.push(format!("I12: {id} was acknowledged and is not on record"));
    }
    let mut orders: BTreeMap<DeployId, usize> = BTreeMap::new();
    for lying in world.queue.messages(Lane::WorkDead) {
        match lying.body.decode() {
            Ok(WorkMessage::Retry { deploy }) => *orders.entry(deploy).or_default() += 1,
            _ => found.push("I16: a message died that is not an order".to_owned()),
        }
    }
    // One that is sent back after more than a day is not carried out and does not come back.
    let too_late = |head: &Head| {
        let ended = head.end.as_ref().map(|end| end.at);
        let limit = ended.map(|at| at + TimeDelta::days(1) - world.tolerance);
        let sent_back = world.redriven.iter().filter(|(_, id)| *id == head.id);
        sent_back
            .into_iter()
            .any(|(at, _)| limit.is_some_and(|limit| *at > limit))
    };
    for head in heads
        .values()
        .filter(|head| head.state == State::TriggerFailed && !too_late(head))
    {
        let carried_out = heads.contains_key(&DeployId::of_retry(head.id));
        match (carried_out, orders.contains_key(&head.id)) {
            (false, false) => found.push(format!("I16: no order to try {} again", head.id)),
            (true, true) => found.push(format!("I16: a needless order for {}", head.id)),
            _ => {}
        }
    }
    let failed = |id| {
        heads
            .get(id)
            .is_some_and(|head| head.state == State::TriggerFailed)
    };
    for id in orders.keys().filter(|id| !failed(id)) {
        found.push(format!(
            "I16: an order for {id}, whose trigger did not fail"
        ));
    }
}
