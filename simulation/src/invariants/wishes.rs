//! What became of what people wished: retries and cancels.

use std::collections::BTreeMap;

use chatops_core::audit::{Change, Entry};
use chatops_core::deploy::{Head, Reason, State};
use chatops_core::id::DeployId;
use chrono::TimeDelta;

use super::entries;
use crate::outside::CircleCi;
use crate::people::Typed;
use crate::world::World;

/// What somebody typed that made a deploy; nobody did if an order was sent back.
pub(super) fn origin<'w>(world: &'w World, head: &Head) -> Option<&'w Typed> {
    world.typed.iter().find(|typed| match head.wished_by {
        Some(request) => typed.request == request,
        None => typed.deploy == Some(head.id),
    })
}

/// I17 and I18.
pub(super) fn repetitions(
    world: &World,
    heads: &BTreeMap<DeployId, Head>,
    found: &mut Vec<String>,
) {
    for typed in &world.typed {
        let made = |head: &&Head| {
            head.wished_by == Some(typed.request)
                || (head.retry_of.is_none() && typed.deploy == Some(head.id))
        };
        let made = heads.values().filter(made).count();
        if made > 1 {
            found.push(format!("I17: '{}' made {made} deploys", typed.text));
        }
    }
    for head in heads.values() {
        let repeated = heads.values().filter(|h| h.retry_of == Some(head.id));
        let by: Vec<DeployId> = repeated.map(|h| h.id).collect();
        if by.len() > 1 {
            found.push(format!("I17: {} was repeated {} times", head.id, by.len()));
        }
        if head.retried_by.as_slice() != by {
            found.push(format!("I17: {} does not say who repeats it", head.id));
        }
        if !by.is_empty() && head.state == State::TriggerFailed && head.owes_order {
            found.push(format!("I17: {} was repeated and owes an order", head.id));
        }
    }
    for head in heads.values() {
        let Some(old) = head.retry_of else { continue };
        let Some(old) = heads.get(&old) else {
            found.push(format!("I17: {} repeats what is not on record", head.id));
            continue;
        };
        let origin = head.wished_by.and_then(|_| origin(world, head));
        let says = |word: &str| origin.is_some_and(|typed| typed.text.contains(word));
        // Of this very deploy: who named an earlier one has not looked for this one.
        let confirmed = says("confirm") && says(old.short.as_str());
        let may = match old.state {
            State::TriggerFailed => true,
            State::Refused => head.wished_by.is_some(),
            State::Unresolved => confirmed,
            _ => false,
        };
        if !may {
            found.push(format!(
                "I18: {} repeats one that was {}",
                head.id, old.state
            ));
        }
        if head.id != DeployId::of_retry(old.id) {
            found.push(format!("I17: the id of {} is not derived", head.id));
        }
        let ended = old.end.as_ref().map(|end| end.at);
        let begun = entries(world, head.id).first().map(|entry| entry.at);
        let too_old = begun
            .zip(ended)
            .is_some_and(|(begun, ended)| begun > ended + TimeDelta::days(1) + world.tolerance);
        if too_old && !(says("force") && origin.is_some_and(|typed| typed.user.is_none())) {
            found.push(format!("I18: {} repeats one that is too old", head.id));
        }
        if let Some(user) = origin.and_then(|typed| typed.user.as_deref())
            && user != head.ask.user.as_str()
        {
            found.push(format!("I18: {} is not for {user}, who pressed", head.id));
        }
    }
}

/// I19.
pub(super) fn cancels(world: &World, heads: &BTreeMap<DeployId, Head>, found: &mut Vec<String>) {
    let created = world.circleci.created();
    for head in heads.values() {
        let Some(end) = &head.end else { continue };
        let before = matches!(end.reason, Reason::CanceledBefore { .. });
        let ran = created
            .iter()
            .any(|pipeline| CircleCi::deploy_of(pipeline) == Some(head.id));
        if before && ran {
            found.push(format!(
                "I19: {} was canceled before it was sent, and ran",
                head.id
            ));
        }
        the_wish(world, head, found);
    }
}

/// A cancel that was noted holds until the end.
fn the_wish(world: &World, head: &Head, found: &mut Vec<String>) {
    let id = head.id;
    let entries = entries(world, id);
    let wished = |e: &Entry| matches!(e.change, Change::CancelWished { .. });
    let Some(wish) = entries.iter().find(|e| wished(e)) else {
        return;
    };
    let later = entries.iter().filter(|e| e.n > wish.n);
    if later
        .into_iter()
        .any(|e| matches!(e.change, Change::Armed { .. }))
    {
        found.push(format!("I19: {id} was armed after it was canceled"));
    }
    let Some(run) = &head.run else { return };
    // Whoever stood still may not have seen the wish, and whoever crashed could not put it.
    let seen = world.circleci.looked();
    let seen = seen.iter().filter(|look| {
        look.open && look.pipeline == run.pipeline.id && look.at > wish.at + world.tolerance
    });
    if seen.count() > world.points.crashes() && !world.circleci.canceled().contains(&id) {
        found.push(format!("I19: CircleCI never heard that {id} is canceled"));
    }
}
