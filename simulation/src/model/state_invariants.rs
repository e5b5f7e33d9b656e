//! What must hold in every state of the worker's side.

use chatops_core::deploy::DeployState as Stands;

use super::decision_cache::{DecisionCache, ItemFacts};
use super::evidence::PipelineProgress;
use super::interner::{PLACES, retry_of};
use super::worker_space::{FOREVER, PostEffect, RetryTickets, WorkerState};

/// What is wrong with a state.
pub(super) fn find_violation(
    cache: &mut DecisionCache<'_>,
    at: &WorkerState,
) -> Option<&'static str> {
    let alone = (0..PLACES).filter(|n| at.deploys[*n] != 0).find_map(|n| {
        let facts = cache.facts(at.deploys[n]);
        let state = facts.state?;
        let (effect, progress) = (at.post_effect[n], at.progress[n]);
        let mine = usize::from(at.holder) == n + 1;
        let ended = state.is_terminal();
        if facts.holds && !mine {
            return Some("I3: a deploy counts on a lock that is not its own");
        }
        if ended && mine && (state != Stands::Unresolved || at.until == FOREVER) {
            return Some("I11: a deploy that has ended keeps the target");
        }
        if facts.has_run && effect != PostEffect::Created {
            return Some("I7: a deploy claims a pipeline that does not exist");
        }
        let is_true = match state {
            Stands::TriggerFailed | Stands::Rejected => effect == PostEffect::Nothing,
            Stands::Canceled if !facts.has_run => effect == PostEffect::Nothing,
            Stands::Canceled => progress == PipelineProgress::Canceled,
            Stands::Succeeded => progress == PipelineProgress::Success,
            Stands::Failed => progress == PipelineProgress::Failure,
            Stands::CiError => progress == PipelineProgress::Errored,
            Stands::NothingRan | Stands::LostTrack => facts.has_run,
            Stands::Unresolved => !facts.has_run,
            Stands::Requested | Stands::Triggering | Stands::Triggered | Stands::Running => true,
        };
        if !is_true {
            return Some("I8: what is on record is not true");
        }
        if let Some(why) = ticket_violation(facts, at.tickets[n]) {
            return Some(why);
        }
        let lost = !ended && !facts.has_timer;
        lost.then_some("I15: nothing is due of a deploy that has not ended")
    });
    alone.or_else(|| retry_violation(cache, at))
}

/// What is wrong with where the orders for one deploy are.
fn ticket_violation(facts: ItemFacts, tickets: RetryTickets) -> Option<&'static str> {
    let failed = facts.state == Some(Stands::TriggerFailed);
    let any = tickets.in_dlq || tickets.redriven;
    if any && !failed {
        return Some("I16: an order for a deploy whose trigger did not fail");
    }
    let lost = failed && !facts.retried && !facts.has_timer && !any;
    lost.then_some("I16: an order is gone that was not carried out")
}

/// What is wrong with the deploys that repeat each other.
fn retry_violation(cache: &mut DecisionCache<'_>, at: &WorkerState) -> Option<&'static str> {
    let facts = at
        .deploys
        .map(|number| (number != 0).then(|| cache.facts(number)));
    for (n, old) in facts.iter().enumerate() {
        let Some(new) = retry_of(n) else { continue };
        let retried = old.is_some_and(|old| old.retried);
        if retried != facts[new].is_some() {
            return Some("I16: a retry and the deploy that it repeats do not name each other");
        }
    }
    let mut retriers: Vec<u8> = facts.iter().flatten().map(|facts| facts.retrier).collect();
    retriers.retain(|wish| *wish != 0);
    retriers.sort_unstable();
    let twice = retriers.windows(2).any(|pair| pair[0] == pair[1]);
    twice.then_some("I16: one wish has made two deploys")
}
