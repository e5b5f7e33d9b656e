//! What became of what people wished: retries and cancels.

use std::collections::BTreeMap;

use chatops_core::deploy::{Head, Reason, State};
use chatops_core::id::DeployId;
use chrono::TimeDelta;

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
        let confirmed = origin.is_some_and(|typed| typed.text.contains("confirm"));
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
    let asked = world.circleci.canceled();
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
        let Some(wish) = &head.cancel else { continue };
        // Whoever was looking when the wish came, or stood still, may not have seen it.
        let late = wish.at + TimeDelta::minutes(2) + world.tolerance > end.at;
        let ended_itself = matches!(
            end.reason,
            Reason::Workflows { .. } | Reason::TrackedTooLong
        );
        if ended_itself && !late && !asked.contains(&head.id) {
            found.push(format!(
                "I19: CircleCI never heard that {} is canceled",
                head.id
            ));
        }
    }
}
