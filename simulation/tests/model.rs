//! The small models hold, and the search finds what is wrong with decisions that are.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::{Actor, Change};
use chatops_core::command::Wish;
use chatops_core::config::Times;
use chatops_core::decide::{self, Cause, Here, Retryable, Step, follow, trigger};
use chatops_core::deploy::{Ask, Head, Reason, State};
use chatops_core::id::{DeployId, ShortId};
use chatops_core::machine::{self, Illegal};
use chatops_core::ports::{Commit, Finding, LockChange, Look, Outcome};
use chatops_core::reply::{self, Kind, Next, Posted, Reply, Telling, Via};
use chatops_simulation::model::{
    Bounds, Counterexample, Model, Rules, Scope, Working, check, check_rules,
};

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

const ONE: Scope = Scope::Working(Working {
    workers: 2,
    ..Working::ONE
});
const TWO: Scope = Scope::Working(Working {
    deploys: 2,
    ..Working::ONE
});
const CANCELED: Scope = Scope::Working(Working {
    cancel: true,
    ..Working::ONE
});
/// One order, which may be sent back.
const SENT_BACK: Scope = Scope::Working(Working {
    links: 1,
    redrive: true,
    plain: true,
    ..Working::ONE
});
/// One person presses, and the retry can be tried again.
const PRESSED: Scope = Scope::Working(Working {
    presses: 1,
    links: 2,
    redrive: true,
    plain: true,
    ..Working::ONE
});
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
            armed.send_by += Duration::from_mins(10);
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

/// Arms what was canceled before.
struct IgnoresTheCancel;

impl Rules for IgnoresTheCancel {
    fn next(&self, head: &Head, here: Here<'_>) -> Result<Step, Illegal> {
        let mut willing = head.clone();
        if head.state == State::Requested {
            willing.cancel = None;
        }
        decide::next(&willing, here)
    }
}

#[test]
fn ignoring_a_cancel_before_arming_is_found() {
    let found = found(&IgnoresTheCancel, CANCELED);
    assert!(found.broken.starts_with("I8: a deploy goes on"), "{found}");
}

/// Takes no notice of a wish to cancel what runs.
struct LetsItRun;

impl Rules for LetsItRun {
    fn next(&self, head: &Head, here: Here<'_>) -> Result<Step, Illegal> {
        let mut step = decide::next(head, here)?;
        if let Step::Look { cancel, .. } = &mut step {
            *cancel = false;
        }
        Ok(step)
    }
}

#[test]
fn not_putting_a_cancel_to_circleci_is_found() {
    let found = found(&LetsItRun, CANCELED);
    assert!(found.broken.starts_with("I8: a wish to cancel"), "{found}");
}

/// Ends what may be running, because somebody wants it canceled.
struct CancelsBlindly;

impl Rules for CancelsBlindly {
    fn after_search(
        &self,
        head: &Head,
        finding: &Finding,
        here: Here<'_>,
    ) -> Result<Option<Commit>, Illegal> {
        match (&head.cancel, finding) {
            (Some(_), Finding::Absent { .. }) if head.state == State::Armed => {
                let change = Change::Disarmed {
                    obstacle: "canceled".into(),
                    token_refused: false,
                    again_at: here.now,
                };
                changed(head, change, here).map(Some)
            }
            _ => trigger::after_search(head, finding, here),
        }
    }
}

#[test]
fn canceling_what_may_have_been_sent_is_found() {
    let found = found(&CancelsBlindly, CANCELED);
    assert!(found.broken.starts_with("I8: what is on"), "{found}");
}

/// Draws the id of a retry.
struct DrawsTheId;

impl Rules for DrawsTheId {
    fn open_retry(
        &self,
        old: &Head,
        first: &Ask,
        cause: Cause<'_>,
        here: Here<'_>,
    ) -> Result<Commit, Illegal> {
        let mut commit = decide::open_retry(old, first, cause, ShortId::USUAL, here)?;
        commit.head.id = DeployId::of_request("T0001", "A0001", "drawn");
        Ok(commit)
    }
}

#[test]
fn drawing_the_id_of_a_retry_is_found() {
    let found = found(&DrawsTheId, PRESSED);
    assert!(found.broken.starts_with("I16: the id"), "{found}");
}

/// Says nothing at the deploy that is repeated.
struct ForgetsTheOldOne;

impl Rules for ForgetsTheOldOne {
    fn open_retry(
        &self,
        old: &Head,
        first: &Ask,
        cause: Cause<'_>,
        here: Here<'_>,
    ) -> Result<Commit, Illegal> {
        let mut commit = decide::open_retry(old, first, cause, ShortId::USUAL, here)?;
        commit.repeats = None;
        Ok(commit)
    }
}

#[test]
fn forgetting_the_deploy_that_is_repeated_is_found() {
    let found = found(&ForgetsTheOldOne, PRESSED);
    assert!(found.broken.starts_with("I16: a retry"), "{found}");
}

/// Retries what may be running without anybody having looked.
struct NeedsNoConfirm;

impl Rules for NeedsNoConfirm {
    fn retryable(&self, old: &Head, cause: Cause<'_>, here: Here<'_>) -> Retryable {
        match decide::retryable(old, cause, here) {
            Retryable::NeedsConfirm => Retryable::Yes,
            other => other,
        }
    }
}

#[test]
fn ignoring_that_nobody_confirmed_is_found() {
    let found = found(&NeedsNoConfirm, PRESSED);
    assert!(found.broken.starts_with("I16: nobody has"), "{found}");
}

/// Takes the `confirm` for one deploy for that of its retry, too.
struct ConfirmsTheWholeChain;

impl Rules for ConfirmsTheWholeChain {
    fn retryable(&self, old: &Head, cause: Cause<'_>, here: Here<'_>) -> Retryable {
        let why = decide::retryable(old, cause, here);
        match cause {
            Cause::Wish(wish) if matches!(wish.wish, Wish::Retry { confirm: true, .. }) => {
                if why == Retryable::NeedsConfirm {
                    Retryable::Yes
                } else {
                    why
                }
            }
            _ => why,
        }
    }
}

#[test]
fn taking_one_confirm_for_another_is_found() {
    let found = found(&ConfirmsTheWholeChain, PRESSED);
    assert!(found.broken.starts_with("I16: nobody has"), "{found}");
}

/// Leaves in the dead-letter queue what was carried out.
struct RemovesNothing;

impl Rules for RemovesNothing {
    fn needless(&self, _: &Head) -> bool {
        false
    }
}

#[test]
fn leaving_a_copy_of_an_order_behind_is_found() {
    let found = found(&RemovesNothing, SENT_BACK);
    assert!(found.broken.starts_with("I15: it does not"), "{found}");
}

/// Removes every order that it sees.
struct RemovesEveryOrder;

impl Rules for RemovesEveryOrder {
    fn needless(&self, old: &Head) -> bool {
        old.state == State::TriggerFailed
    }
}

#[test]
fn removing_an_order_that_was_not_carried_out_is_found() {
    let found = found(&RemovesEveryOrder, PRESSED);
    assert!(found.broken.starts_with("I16: an order is gone"), "{found}");
}

/// Does not carry out orders, and takes them for done.
struct DropsOrders;

impl Rules for DropsOrders {
    fn retryable(&self, old: &Head, cause: Cause<'_>, here: Here<'_>) -> Retryable {
        match cause {
            Cause::Order => Retryable::TooOld,
            Cause::Wish(_) => decide::retryable(old, cause, here),
        }
    }
}

#[test]
fn dropping_an_order_is_found() {
    let found = found(&DropsOrders, PRESSED);
    assert!(found.broken.starts_with("I16: an order is gone"), "{found}");
}

/// Does not know a wish again.
struct ForgetsTheWish;

impl Rules for ForgetsTheWish {
    fn remembers(&self) -> bool {
        false
    }
}

#[test]
fn fulfilling_a_wish_twice_is_found() {
    let found = found(&ForgetsTheWish, PRESSED);
    assert!(found.broken.starts_with("I16: one wish"), "{found}");
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
    let outcome = found(&rules, CANCELED);
    assert_eq!(outcome.broken, "nothing", "{outcome}");
    let seen = rules.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    let missing: Vec<_> = State::ALL.iter().filter(|s| !seen.contains(s)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The product's decisions, with what was retried, and how, noted down.
#[derive(Default)]
struct WatchesRetries(Mutex<BTreeSet<(State, &'static str, bool)>>);

impl Rules for WatchesRetries {
    fn open_retry(
        &self,
        old: &Head,
        first: &Ask,
        cause: Cause<'_>,
        here: Here<'_>,
    ) -> Result<Commit, Illegal> {
        let commit = decide::open_retry(old, first, cause, ShortId::USUAL, here)?;
        let why = match cause {
            Cause::Order => "order",
            Cause::Wish(_) => "wish",
        };
        let again = old.retry_of.is_some();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert((old.state, why, again));
        Ok(commit)
    }
}

#[test]
fn every_kind_of_retry_is_reached() {
    let rules = WatchesRetries::default();
    let outcome = found(&rules, PRESSED);
    assert_eq!(outcome.broken, "nothing", "{outcome}");
    let seen = rules.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    let ends = [
        (State::TriggerFailed, "order"),
        (State::TriggerFailed, "wish"),
        (State::Refused, "wish"),
        (State::Unresolved, "wish"),
    ];
    let kinds = ends
        .into_iter()
        .flat_map(|(end, why)| [(end, why, false), (end, why, true)]);
    assert_eq!(seen, kinds.collect());
}
