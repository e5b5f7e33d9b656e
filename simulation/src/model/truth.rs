//! What must hold in every state of the worker's side.

use chatops_core::deploy::State as Stands;

use super::book::{PLACES, retry_of};
use super::desk::{Desk, Facts};
use super::evidence::Progress;
use super::work::{FOREVER, Orders, State, Wire};

/// What is wrong with a state.
pub(super) fn broken(desk: &mut Desk<'_>, at: &State) -> Option<&'static str> {
    let alone = (0..PLACES).filter(|n| at.deploys[*n] != 0).find_map(|n| {
        let facts = desk.facts(at.deploys[n]);
        let stands = facts.state?;
        let (wire, progress) = (at.wire[n], at.progress[n]);
        let mine = usize::from(at.holder) == n + 1;
        let ended = stands.is_terminal();
        if facts.holds && !mine {
            return Some("I3: a deploy counts on a lock that is not its own");
        }
        if ended && mine && (stands != Stands::Unresolved || at.until == FOREVER) {
            return Some("I11: a deploy that has ended keeps the target");
        }
        if facts.has_run && wire != Wire::Real {
            return Some("I7: a deploy claims a pipeline that does not exist");
        }
        let is_true = match stands {
            Stands::TriggerFailed | Stands::Refused => wire == Wire::Nothing,
            Stands::Canceled if !facts.has_run => wire == Wire::Nothing,
            Stands::Canceled => progress == Progress::Canceled,
            Stands::Succeeded => progress == Progress::Success,
            Stands::Failed => progress == Progress::Failure,
            Stands::CiErrored => progress == Progress::Errored,
            Stands::NothingRan | Stands::LostTrack => facts.has_run,
            Stands::Unresolved => !facts.has_run,
            Stands::Requested | Stands::Armed | Stands::Triggered | Stands::Running => true,
        };
        if !is_true {
            return Some("I8: what is on record is not true");
        }
        if let Some(why) = astray(facts, at.orders[n]) {
            return Some(why);
        }
        let lost = !ended && !facts.timer;
        lost.then_some("I15: nothing is due of a deploy that has not ended")
    });
    alone.or_else(|| torn(desk, at))
}

/// What is wrong with where the orders for one deploy are.
fn astray(facts: Facts, orders: Orders) -> Option<&'static str> {
    let failed = facts.state == Some(Stands::TriggerFailed);
    let any = orders.dead || orders.back;
    if any && !failed {
        return Some("I16: an order for a deploy whose trigger did not fail");
    }
    let lost = failed && !facts.retried && !facts.timer && !any;
    lost.then_some("I16: an order is gone that was not carried out")
}

/// What is wrong with the deploys that repeat each other.
fn torn(desk: &mut Desk<'_>, at: &State) -> Option<&'static str> {
    let facts = at
        .deploys
        .map(|number| (number != 0).then(|| desk.facts(number)));
    for (n, old) in facts.iter().enumerate() {
        let Some(new) = retry_of(n) else { continue };
        let retried = old.is_some_and(|old| old.retried);
        if retried != facts[new].is_some() {
            return Some("I16: a retry and the deploy that it repeats do not name each other");
        }
    }
    let mut wishes: Vec<u8> = facts.iter().flatten().map(|facts| facts.wished).collect();
    wishes.retain(|wish| *wish != 0);
    wishes.sort_unstable();
    let twice = wishes.windows(2).any(|pair| pair[0] == pair[1]);
    twice.then_some("I16: one wish has made two deploys")
}
