//! What must hold in every state of the worker's side.

use chatops_core::deploy::DeployState as Stands;

use super::ci_answer::PipelineProgress;
use super::commit_invariants::{Check, check};
use super::decision_cache::DecisionCache;
use super::facts::ItemFacts;
use super::ids::{PLACES, retry_of};
use super::worker_state::{FOREVER, PostEffect, RetryTickets, WorkerState};
use crate::violation::Invariant::{
    ExactTickets, HonestLock, NothingLeft, OneRetry, OwnPipeline, Termination, TrueEnd, ValidPost,
};

/// What must hold in a state.
pub(super) fn check_state(cache: &mut DecisionCache<'_>, at: &WorkerState) -> Check {
    for n in (0..PLACES).filter(|n| at.deploys[*n] != 0) {
        let facts = cache.facts(at.deploys[n]);
        let Some(state) = facts.state else { continue };
        let (effect, progress) = (at.post_effect[n], at.progress[n]);
        let mine = usize::from(at.holder) == n + 1;
        let why = "a deploy counts on a lock that is not its own";
        check(mine || !facts.holds, ValidPost, why)?;
        let ended = state.is_terminal();
        let unknown = matches!(state, Stands::Unresolved | Stands::LostTrack);
        let expires = unknown && at.until != FOREVER;
        let watches = facts.holds && facts.has_timer;
        let why = "a deploy that has ended keeps the target";
        check(!(ended && mine) || expires || watches, NothingLeft, why)?;
        let why = "the target is free while the deploy runs";
        // What appears when an end is no longer watched is nobody's to expect.
        let expected = !ended || watches;
        let runs = progress == PipelineProgress::Running && expected;
        check(mine || !runs || !facts.has_run, HonestLock, why)?;
        let why = "a deploy claims a pipeline that does not exist";
        let exists = effect == PostEffect::Created;
        check(exists || !facts.has_run, OwnPipeline, why)?;
        let is_true = match state {
            Stands::TriggerFailed | Stands::Rejected => effect == PostEffect::Nothing,
            Stands::Canceled if !facts.has_run => effect == PostEffect::Nothing,
            Stands::Canceled => progress == PipelineProgress::Canceled || facts.canceled_early,
            Stands::Succeeded => progress == PipelineProgress::Success,
            Stands::Failed => progress == PipelineProgress::Failure,
            Stands::CiError => progress == PipelineProgress::Errored,
            Stands::NothingRan | Stands::LostTrack => facts.has_run,
            Stands::Unresolved => !facts.has_run,
            Stands::Requested | Stands::Triggering | Stands::Triggered | Stands::Running => true,
        };
        check(is_true, TrueEnd, "what is on record is not true")?;
        check_tickets(facts, at.tickets[n])?;
        let why = "nothing is due of a deploy that has not ended";
        check(ended || facts.has_timer, Termination, why)?;
    }
    check_retries(cache, at)
}

/// What must hold for the tickets of one deploy.
fn check_tickets(facts: ItemFacts, tickets: RetryTickets) -> Check {
    let failed = facts.state == Some(Stands::TriggerFailed);
    let any = tickets.in_dlq || tickets.redriven;
    let why = "a ticket for a deploy whose trigger did not fail";
    check(failed || !any, ExactTickets, why)?;
    let kept = !failed || facts.retried || facts.has_timer || any;
    check(
        kept,
        ExactTickets,
        "a ticket is gone that was not carried out",
    )
}

/// What must hold for the deploys that retry each other.
fn check_retries(cache: &mut DecisionCache<'_>, at: &WorkerState) -> Check {
    let facts = at
        .deploys
        .map(|number| (number != 0).then(|| cache.facts(number)));
    for (n, old) in facts.iter().enumerate() {
        let Some(new) = retry_of(n) else { continue };
        let retried = old.is_some_and(|old| old.retried);
        let why = "a retry and the deploy that it retries do not name each other";
        check(retried == facts[new].is_some(), OneRetry, why)?;
    }
    let mut retriers: Vec<u8> = facts.iter().flatten().map(|facts| facts.retrier).collect();
    retriers.retain(|retrier| *retrier != 0);
    retriers.sort_unstable();
    let twice = retriers.windows(2).any(|pair| pair[0] == pair[1]);
    check(!twice, OneRetry, "one action made two deploys")
}
