//! The small models hold, and the search finds what is wrong with decisions that are.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::{Actor, Change};
use chatops_core::config::Times;
use chatops_core::decide::{self, Here, Step, follow, trigger};
use chatops_core::deploy::{Head, Reason, State};
use chatops_core::machine::{self, Illegal};
use chatops_core::ports::{Commit, Finding, LockChange, Look, Outcome};
use chatops_core::reply::{self, Kind, Next, Posted, Reply, Telling, Via};
use chatops_simulation::model::{Bounds, Counterexample, Model, Rules, Scope, check, check_rules};

#[test]
fn the_small_models_hold() {
    let outcome = check(&Bounds::small(), &mut |_| {});
    for found in &outcome.violations {
        println!("{found}");
    }
    assert!(outcome.violations.is_empty());
    for report in &outcome.models {
        println!("{report:?}");
        assert!(report.states > 1_000 && report.at_rest > 0, "{report:?}");
    }
}

/// The first violation of `rules` in a model of the given scope; an empty one if there is none.
fn found(rules: &dyn Rules, scope: Scope) -> Counterexample {
    let name = "wrong";
    let bounds = Bounds {
        models: vec![Model { name, scope }],
        threads: 2,
    };
    let found = check_rules(rules, &bounds, &mut |_| {}).violations.pop();
    found.unwrap_or_else(|| Counterexample {
        model: name,
        broken: "nothing".to_owned(),
        trace: vec![],
    })
}

const ONE: Scope = Scope::Working {
    deploys: 1,
    workers: 2,
    retry: false,
    cancel: false,
};
const TWO: Scope = Scope::Working {
    deploys: 2,
    workers: 1,
    retry: false,
    cancel: false,
};
const TELLING: Scope = Scope::Telling { notifiers: 2 };

/// Takes a lost answer for a definite "not now".
struct ResendsInDoubt;

impl Rules for ResendsInDoubt {
    fn after_post(
        &self,
        head: &Head,
        attempt: u32,
        outcome: &Outcome,
        here: Here<'_>,
    ) -> Result<Option<Commit>, Illegal> {
        let again = Outcome::NotNow {
            obstacle: "lost".into(),
            after: None,
        };
        let lost = matches!(outcome, Outcome::Unknown { .. });
        trigger::after_post(head, attempt, if lost { &again } else { outcome }, here)
    }
}

#[test]
fn taking_a_lost_answer_for_a_no_is_found() {
    let found = found(&ResendsInDoubt, ONE);
    let either = found.broken.starts_with("I1:") || found.broken.starts_with("I8");
    assert!(either, "{found}");
}

/// Sends again at once when the answer is lost.
struct ResendsAtOnce;

impl Rules for ResendsAtOnce {
    fn after_post(
        &self,
        head: &Head,
        attempt: u32,
        outcome: &Outcome,
        here: Here<'_>,
    ) -> Result<Option<Commit>, Illegal> {
        let again = Outcome::Unauthorized {
            message: "lost".into(),
        };
        let lost = matches!(outcome, Outcome::Unknown { .. });
        trigger::after_post(head, attempt, if lost { &again } else { outcome }, here)
    }
}

#[test]
fn sending_twice_is_found() {
    let found = found(&ResendsAtOnce, ONE);
    assert!(found.broken.starts_with("I1:"), "{found}");
}

/// A commit for `change`, with the lock and the notices the real one would have.
fn changed(head: &Head, change: Change, here: Here<'_>) -> Result<Commit, Illegal> {
    let (mut after, event) =
        machine::apply(head, change, Actor::Worker(here.me.clone()), here.now)?;
    after.due_at = Some(here.now);
    Ok(Commit {
        head: after,
        event: Some(event),
        lock: None,
        claim: None,
        owe: vec![],
        open: None,
        repeats: None,
    })
}

/// Takes another run's intent back once its time is over.
struct DisarmsOthers;

impl Rules for DisarmsOthers {
    fn next(&self, head: &Head, here: Here<'_>) -> Result<Step, Illegal> {
        match decide::next(head, here)? {
            Step::Search(_) => {
                let change = Change::Disarmed {
                    obstacle: "the sender is gone".into(),
                    token_refused: false,
                    again_at: here.now,
                };
                changed(head, change, here).map(|commit| Step::Write(Box::new(commit)))
            }
            other => Ok(other),
        }
    }
}

#[test]
fn taking_back_the_intent_of_another_is_found() {
    let found = found(&DisarmsOthers, ONE);
    let either = found.broken.starts_with("I1:") || found.broken.starts_with("I8");
    assert!(either, "{found}");
}

/// Believes an empty listing, and says that nothing was created.
struct BelievesAbsence;

impl Rules for BelievesAbsence {
    fn after_search(
        &self,
        head: &Head,
        finding: &Finding,
        here: Here<'_>,
    ) -> Result<Option<Commit>, Illegal> {
        if head.state != State::Armed || matches!(finding, Finding::Found(_)) {
            return trigger::after_search(head, finding, here);
        }
        let reason = Reason::TriggerGaveUp {
            attempts: head.attempts,
            last: "absent".into(),
        };
        let change = Change::Ended {
            state: State::TriggerFailed,
            reason,
        };
        let mut commit = changed(head, change, here)?;
        commit.lock = head.holds.clone().map(|target| LockChange::Free { target });
        commit.owe = vec![Kind::Final];
        Ok(Some(commit))
    }
}

#[test]
fn believing_an_empty_listing_is_found() {
    let found = found(&BelievesAbsence, ONE);
    assert!(found.broken.starts_with("I8"), "{found}");
}

/// Arms without the lock.
struct ArmsWithoutLock;

impl Rules for ArmsWithoutLock {
    fn next(&self, head: &Head, here: Here<'_>) -> Result<Step, Illegal> {
        let mut step = decide::next(head, here)?;
        if let Step::Write(commit) = &mut step
            && matches!(commit.lock, Some(LockChange::Take { .. }))
        {
            commit.lock = None;
        }
        Ok(step)
    }
}

#[test]
fn arming_without_the_lock_is_found() {
    let found = found(&ArmsWithoutLock, TWO);
    assert!(found.broken.starts_with("I3"), "{found}");
}

/// Sends however late it is.
struct SendsLate;

impl Rules for SendsLate {
    fn next(&self, head: &Head, here: Here<'_>) -> Result<Step, Illegal> {
        let mut patient = head.clone();
        if let Some(armed) = &mut patient.armed {
            armed.send_by += Duration::from_secs(600);
        }
        match decide::next(&patient, here)? {
            Step::Post(order) => Ok(Step::Post(order)),
            _ => decide::next(head, here),
        }
    }
}

#[test]
fn sending_late_is_found() {
    let found = found(&SendsLate, ONE);
    assert!(found.broken.starts_with("I3"), "{found}");
}

/// Writes the end again when it sees another one.
struct RewritesTheEnd;

impl Rules for RewritesTheEnd {
    fn after_look(
        &self,
        head: &Head,
        look: &Look,
        here: Here<'_>,
    ) -> Result<Option<Commit>, Illegal> {
        if !head.state.is_terminal() {
            return follow::after_look(head, look, here);
        }
        let note = Change::Noted {
            note: "it ended otherwise".into(),
        };
        let mut commit = changed(head, note, here)?;
        (commit.head.state, commit.head.due_at) = (State::Failed, None);
        Ok(Some(commit))
    }
}

#[test]
fn rewriting_an_end_is_found() {
    let found = found(&RewritesTheEnd, ONE);
    assert!(
        found.broken.starts_with("I5") || found.broken.starts_with("I4"),
        "{found}"
    );
}

/// Forgets a deploy whose search failed.
struct ForgetsTheTimer;

impl Rules for ForgetsTheTimer {
    fn after_failed_search(
        &self,
        head: &Head,
        after: Option<Duration>,
        here: Here<'_>,
    ) -> Result<Option<Commit>, Illegal> {
        let mut commit = trigger::after_failed_search(head, after, here)?;
        if let Some(commit) = &mut commit {
            commit.head.due_at = None;
        }
        Ok(commit)
    }
}

#[test]
fn a_forgotten_timer_is_found() {
    let found = found(&ForgetsTheTimer, ONE);
    assert!(found.broken.starts_with("I15"), "{found}");
}

/// Searches for ever: nothing is lost, but nothing ends either.
struct NeverGivesUp;

impl Rules for NeverGivesUp {
    fn after_search(
        &self,
        head: &Head,
        finding: &Finding,
        here: Here<'_>,
    ) -> Result<Option<Commit>, Illegal> {
        let mut hopeful = head.clone();
        if let Some(armed) = &mut hopeful.armed {
            armed.send_by = here.now;
        }
        let mut commit = trigger::after_search(&hopeful, finding, here)?;
        if let (Some(commit), Some(armed)) = (&mut commit, &head.armed) {
            commit.head.armed = Some(armed.clone());
        }
        Ok(commit)
    }

    fn after_failed_search(
        &self,
        head: &Head,
        after: Option<Duration>,
        here: Here<'_>,
    ) -> Result<Option<Commit>, Illegal> {
        let mut hopeful = head.clone();
        if let Some(armed) = &mut hopeful.armed {
            armed.send_by = here.now;
        }
        trigger::after_failed_search(&hopeful, after, here)
    }
}

#[test]
fn never_giving_up_is_found() {
    let found = found(&NeverGivesUp, ONE);
    assert!(found.broken.starts_with("I15"), "{found}");
}

/// Posts before the reservation is on record.
struct PostsUnreserved;

impl Rules for PostsUnreserved {
    fn reserves(&self) -> bool {
        false
    }
}

#[test]
fn posting_without_a_reservation_is_found() {
    let found = found(&PostsUnreserved, TELLING);
    assert!(found.broken.starts_with("I9"), "{found}");
}

/// Forgets that a try may have been shown.
struct ForgetsDoubt;

impl Rules for ForgetsDoubt {
    fn reply_next(&self, item: &Reply, now: Time, times: &Times) -> Next {
        match reply::next(item, now, times, false) {
            Next::Settle(mut settled) if matches!(settled.last, Telling::Owed { .. }) => {
                settled.unsure = item.unsure;
                Next::Settle(settled)
            }
            other => other,
        }
    }
}

#[test]
fn an_unmarked_repetition_is_found() {
    let found = found(&ForgetsDoubt, TELLING);
    assert!(found.broken.starts_with("I9"), "{found}");
}

/// Says "told" of what nobody may have seen.
struct SaysTold;

impl Rules for SaysTold {
    fn reply_after(&self, reserved: &Reply, kind: Kind, posted: &Posted, now: Time) -> Reply {
        let unknown = *posted == Posted::Unknown;
        reply::after(
            reserved,
            kind,
            Via::Address,
            if unknown { &Posted::Shown } else { posted },
            now,
        )
    }
}

#[test]
fn claiming_that_it_was_told_is_found() {
    let found = found(&SaysTold, TELLING);
    assert!(found.broken.starts_with("I10"), "{found}");
}

/// The product's decisions, with the states they lead to noted down.
#[derive(Default)]
struct Watches(Mutex<BTreeSet<State>>);

impl Watches {
    fn note(&self, commit: Option<&Commit>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(commit.map(|commit| commit.head.state));
    }
}

impl Rules for Watches {
    fn next(&self, head: &Head, here: Here<'_>) -> Result<Step, Illegal> {
        let step = decide::next(head, here)?;
        if let Step::Write(commit) = &step {
            self.note(Some(commit));
        }
        Ok(step)
    }

    fn after_post(
        &self,
        head: &Head,
        attempt: u32,
        outcome: &Outcome,
        here: Here<'_>,
    ) -> Result<Option<Commit>, Illegal> {
        let commit = trigger::after_post(head, attempt, outcome, here)?;
        self.note(commit.as_ref());
        Ok(commit)
    }

    fn after_search(
        &self,
        head: &Head,
        finding: &Finding,
        here: Here<'_>,
    ) -> Result<Option<Commit>, Illegal> {
        let commit = trigger::after_search(head, finding, here)?;
        self.note(commit.as_ref());
        Ok(commit)
    }

    fn after_look(
        &self,
        head: &Head,
        look: &Look,
        here: Here<'_>,
    ) -> Result<Option<Commit>, Illegal> {
        let commit = follow::after_look(head, look, here)?;
        self.note(commit.as_ref());
        Ok(commit)
    }
}

#[test]
fn every_state_is_reached() {
    let rules = Watches::default();
    let scope = Scope::Working {
        deploys: 1,
        workers: 1,
        retry: false,
        cancel: true,
    };
    let outcome = found(&rules, scope);
    assert_eq!(outcome.broken, "nothing", "{outcome}");
    let seen = rules.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    let missing: Vec<_> = State::ALL.iter().filter(|s| !seen.contains(s)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
