//! The small models hold, and the search finds what is wrong with decisions that are.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::{AuditActor, AuditChange};
use chatops_core::command::DeployAction;
use chatops_core::config::Timeouts;
use chatops_core::decide::{self, Context, NextStep, RetryCause, RetryDecision, follow, trigger};
use chatops_core::deploy::{DeployRecord, DeployRequest, DeployState, EndReason};
use chatops_core::id::{DeployId, ShortId};
use chatops_core::machine::{self, IllegalTransition};
use chatops_core::notification::{
    self, DeliveryRoute, DeliveryStatus, DeliveryStep, NotificationKind, NotificationRecord,
    PostResult,
};
use chatops_core::ports::{Commit, LockChange, LookupResult, PollResult, TriggerOutcome};
use chatops_simulation::model::{
    BoundedModel, Counterexample, DecisionRules, ModelBounds, ModelScope, WorkerScope,
    check_models, check_rules,
};

#[test]
fn the_small_models_hold() {
    let outcome = check_models(&ModelBounds::small(), &mut |_| {});
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
fn find_violation(rules: &dyn DecisionRules, scope: ModelScope) -> Counterexample {
    let name = "wrong";
    let bounds = ModelBounds {
        models: vec![BoundedModel { name, scope }],
        threads: 2,
    };
    let found = check_rules(rules, &bounds, &mut |_| {}).violations.pop();
    found.unwrap_or_else(|| Counterexample {
        model: name,
        violation: "nothing".to_owned(),
        trace: vec![],
    })
}

const ONE: ModelScope = ModelScope::Worker(WorkerScope {
    workers: 2,
    ..WorkerScope::ONE
});
const TWO: ModelScope = ModelScope::Worker(WorkerScope {
    deploys: 2,
    ..WorkerScope::ONE
});
const CANCELED: ModelScope = ModelScope::Worker(WorkerScope {
    cancel: true,
    ..WorkerScope::ONE
});
/// One order, which may be sent back.
const REDRIVEN: ModelScope = ModelScope::Worker(WorkerScope {
    retry_links: 1,
    redrive: true,
    plain: true,
    ..WorkerScope::ONE
});
/// One person presses, and the retry can be tried again.
const ONE_RETRIER: ModelScope = ModelScope::Worker(WorkerScope {
    retriers: 1,
    retry_links: 2,
    redrive: true,
    plain: true,
    ..WorkerScope::ONE
});
const NOTIFIER: ModelScope = ModelScope::Notifier { notifiers: 2 };

/// Takes a lost answer for a definite "not now".
struct ResendsOnUnknown;

impl DecisionRules for ResendsOnUnknown {
    fn after_post(
        &self,
        record: &DeployRecord,
        attempt: u32,
        outcome: &TriggerOutcome,
        ctx: Context<'_>,
    ) -> Result<Option<Commit>, IllegalTransition> {
        let again = TriggerOutcome::NotNow {
            error: "lost".into(),
            retry_after: None,
        };
        let lost = matches!(outcome, TriggerOutcome::Unknown { .. });
        trigger::after_post(record, attempt, if lost { &again } else { outcome }, ctx)
    }
}

#[test]
fn taking_a_lost_answer_for_a_no_is_found() {
    let found = find_violation(&ResendsOnUnknown, ONE);
    let either = found.violation.starts_with("I1:") || found.violation.starts_with("I8");
    assert!(either, "{found}");
}

/// Sends again at once when the answer is lost.
struct ResendsAtOnce;

impl DecisionRules for ResendsAtOnce {
    fn after_post(
        &self,
        record: &DeployRecord,
        attempt: u32,
        outcome: &TriggerOutcome,
        ctx: Context<'_>,
    ) -> Result<Option<Commit>, IllegalTransition> {
        let again = TriggerOutcome::Unauthorized {
            message: "lost".into(),
        };
        let lost = matches!(outcome, TriggerOutcome::Unknown { .. });
        trigger::after_post(record, attempt, if lost { &again } else { outcome }, ctx)
    }
}

#[test]
fn sending_twice_is_found() {
    let found = find_violation(&ResendsAtOnce, ONE);
    assert!(found.violation.starts_with("I1:"), "{found}");
}

/// A commit for `change`, with the lock and the notices the real one would have.
fn commit_change(
    record: &DeployRecord,
    change: AuditChange,
    ctx: Context<'_>,
) -> Result<Commit, IllegalTransition> {
    let (mut after, event) = machine::apply_change(
        record,
        change,
        AuditActor::Worker(ctx.invocation.clone()),
        ctx.now,
    )?;
    after.due_at = Some(ctx.now);
    Ok(Commit {
        record: after,
        event: Some(event),
        lock: None,
        claim: None,
        notifications: vec![],
        open_notifications: None,
        retried: None,
    })
}

/// Takes another run's intent back once its time is over.
struct RollsBackOthers;

impl DecisionRules for RollsBackOthers {
    fn next_step(
        &self,
        record: &DeployRecord,
        ctx: Context<'_>,
    ) -> Result<NextStep, IllegalTransition> {
        match decide::next_step(record, ctx)? {
            NextStep::LookUp(_) => {
                let change = AuditChange::TriggerRolledBack {
                    error: "the sender is gone".into(),
                    token_refused: false,
                    again_at: ctx.now,
                };
                commit_change(record, change, ctx).map(|commit| NextStep::Write(Box::new(commit)))
            }
            other => Ok(other),
        }
    }
}

#[test]
fn rolling_back_the_intent_of_another_is_found() {
    let found = find_violation(&RollsBackOthers, ONE);
    let either = found.violation.starts_with("I1:") || found.violation.starts_with("I8");
    assert!(either, "{found}");
}

/// Believes an empty listing, and says that nothing was created.
struct BelievesAbsence;

impl DecisionRules for BelievesAbsence {
    fn after_lookup(
        &self,
        record: &DeployRecord,
        result: &LookupResult,
        ctx: Context<'_>,
    ) -> Result<Option<Commit>, IllegalTransition> {
        if record.state != DeployState::Triggering || matches!(result, LookupResult::Found(_)) {
            return trigger::after_lookup(record, result, ctx);
        }
        let reason = EndReason::TriggerGivenUp {
            attempts: record.attempts,
            last_error: "absent".into(),
        };
        let change = AuditChange::Ended {
            state: DeployState::TriggerFailed,
            reason,
        };
        let mut commit = commit_change(record, change, ctx)?;
        commit.lock = record
            .locked_target
            .clone()
            .map(|target| LockChange::Free { target });
        commit.notifications = vec![NotificationKind::Final];
        Ok(Some(commit))
    }
}

#[test]
fn believing_an_empty_listing_is_found() {
    let found = find_violation(&BelievesAbsence, ONE);
    assert!(found.violation.starts_with("I8"), "{found}");
}

/// Arms without the lock.
struct TriggersWithoutLock;

impl DecisionRules for TriggersWithoutLock {
    fn next_step(
        &self,
        record: &DeployRecord,
        ctx: Context<'_>,
    ) -> Result<NextStep, IllegalTransition> {
        let mut step = decide::next_step(record, ctx)?;
        if let NextStep::Write(commit) = &mut step
            && matches!(commit.lock, Some(LockChange::Take { .. }))
        {
            commit.lock = None;
        }
        Ok(step)
    }
}

#[test]
fn triggering_without_the_lock_is_found() {
    let found = find_violation(&TriggersWithoutLock, TWO);
    assert!(found.violation.starts_with("I3"), "{found}");
}

/// Sends however late it is.
struct SendsLate;

impl DecisionRules for SendsLate {
    fn next_step(
        &self,
        record: &DeployRecord,
        ctx: Context<'_>,
    ) -> Result<NextStep, IllegalTransition> {
        let mut patient = record.clone();
        if let Some(intent) = &mut patient.trigger_intent {
            intent.send_by += Duration::from_mins(10);
        }
        match decide::next_step(&patient, ctx)? {
            NextStep::Post(request) => Ok(NextStep::Post(request)),
            _ => decide::next_step(record, ctx),
        }
    }
}

#[test]
fn sending_late_is_found() {
    let found = find_violation(&SendsLate, ONE);
    assert!(found.violation.starts_with("I3"), "{found}");
}

/// Writes the end again when it sees another one.
struct RewritesTheEnd;

impl DecisionRules for RewritesTheEnd {
    fn after_poll(
        &self,
        record: &DeployRecord,
        poll: &PollResult,
        ctx: Context<'_>,
    ) -> Result<Option<Commit>, IllegalTransition> {
        if !record.state.is_terminal() {
            return follow::after_poll(record, poll, ctx);
        }
        let note = AuditChange::Noted {
            note: "it ended otherwise".into(),
        };
        let mut commit = commit_change(record, note, ctx)?;
        (commit.record.state, commit.record.due_at) = (DeployState::Failed, None);
        Ok(Some(commit))
    }
}

#[test]
fn rewriting_an_end_is_found() {
    let found = find_violation(&RewritesTheEnd, ONE);
    assert!(
        found.violation.starts_with("I5") || found.violation.starts_with("I4"),
        "{found}"
    );
}

/// Forgets a deploy whose search failed.
struct ForgetsTheTimer;

impl DecisionRules for ForgetsTheTimer {
    fn after_failed_lookup(
        &self,
        record: &DeployRecord,
        after: Option<Duration>,
        ctx: Context<'_>,
    ) -> Result<Option<Commit>, IllegalTransition> {
        let mut commit = trigger::after_failed_lookup(record, after, ctx)?;
        if let Some(commit) = &mut commit {
            commit.record.due_at = None;
        }
        Ok(commit)
    }
}

#[test]
fn a_forgotten_timer_is_found() {
    let found = find_violation(&ForgetsTheTimer, ONE);
    assert!(found.violation.starts_with("I15"), "{found}");
}

/// Searches for ever: nothing is lost, but nothing ends either.
struct NeverGivesUp;

impl DecisionRules for NeverGivesUp {
    fn after_lookup(
        &self,
        record: &DeployRecord,
        result: &LookupResult,
        ctx: Context<'_>,
    ) -> Result<Option<Commit>, IllegalTransition> {
        let mut hopeful = record.clone();
        if let Some(intent) = &mut hopeful.trigger_intent {
            intent.send_by = ctx.now;
        }
        let mut commit = trigger::after_lookup(&hopeful, result, ctx)?;
        if let (Some(commit), Some(intent)) = (&mut commit, &record.trigger_intent) {
            commit.record.trigger_intent = Some(intent.clone());
        }
        Ok(commit)
    }

    fn after_failed_lookup(
        &self,
        record: &DeployRecord,
        after: Option<Duration>,
        ctx: Context<'_>,
    ) -> Result<Option<Commit>, IllegalTransition> {
        let mut hopeful = record.clone();
        if let Some(intent) = &mut hopeful.trigger_intent {
            intent.send_by = ctx.now;
        }
        trigger::after_failed_lookup(&hopeful, after, ctx)
    }
}

#[test]
fn never_giving_up_is_found() {
    let found = find_violation(&NeverGivesUp, ONE);
    assert!(found.violation.starts_with("I15"), "{found}");
}

/// Posts before the reservation is on record.
struct PostsUnreserved;

impl DecisionRules for PostsUnreserved {
    fn reserves_first(&self) -> bool {
        false
    }
}

#[test]
fn posting_without_a_reservation_is_found() {
    let found = find_violation(&PostsUnreserved, NOTIFIER);
    assert!(found.violation.starts_with("I9"), "{found}");
}

/// Forgets that a try may have been shown.
struct ForgetsUnknown;

impl DecisionRules for ForgetsUnknown {
    fn next_delivery(
        &self,
        item: &NotificationRecord,
        now: Time,
        timeouts: &Timeouts,
    ) -> DeliveryStep {
        match notification::next_delivery(item, now, timeouts, false) {
            DeliveryStep::Save(mut settled)
                if matches!(settled.final_status, DeliveryStatus::Pending { .. }) =>
            {
                settled.unknown_count = item.unknown_count;
                DeliveryStep::Save(settled)
            }
            other => other,
        }
    }
}

#[test]
fn an_unmarked_repetition_is_found() {
    let found = find_violation(&ForgetsUnknown, NOTIFIER);
    assert!(found.violation.starts_with("I9"), "{found}");
}

/// Says "told" of what nobody may have seen.
struct SaysDelivered;

impl DecisionRules for SaysDelivered {
    fn after_delivery(
        &self,
        reserved: &NotificationRecord,
        kind: NotificationKind,
        posted: &PostResult,
        now: Time,
    ) -> NotificationRecord {
        let unknown = *posted == PostResult::Unknown;
        notification::after_post(
            reserved,
            kind,
            DeliveryRoute::ResponseUrl,
            if unknown {
                &PostResult::Delivered
            } else {
                posted
            },
            now,
        )
    }
}

#[test]
fn claiming_that_it_was_delivered_is_found() {
    let found = find_violation(&SaysDelivered, NOTIFIER);
    assert!(found.violation.starts_with("I10"), "{found}");
}

/// Arms what was canceled before.
struct IgnoresTheCancel;

impl DecisionRules for IgnoresTheCancel {
    fn next_step(
        &self,
        record: &DeployRecord,
        ctx: Context<'_>,
    ) -> Result<NextStep, IllegalTransition> {
        let mut willing = record.clone();
        if record.state == DeployState::Requested {
            willing.cancel = None;
        }
        decide::next_step(&willing, ctx)
    }
}

#[test]
fn ignoring_a_cancel_before_the_trigger_is_found() {
    let found = find_violation(&IgnoresTheCancel, CANCELED);
    assert!(
        found.violation.starts_with("I8: a deploy goes on"),
        "{found}"
    );
}

/// Takes no notice of a wish to cancel what runs.
struct LetsItRun;

impl DecisionRules for LetsItRun {
    fn next_step(
        &self,
        record: &DeployRecord,
        ctx: Context<'_>,
    ) -> Result<NextStep, IllegalTransition> {
        let mut step = decide::next_step(record, ctx)?;
        if let NextStep::Poll { cancel, .. } = &mut step {
            *cancel = false;
        }
        Ok(step)
    }
}

#[test]
fn not_sending_a_cancel_to_circleci_is_found() {
    let found = find_violation(&LetsItRun, CANCELED);
    assert!(
        found.violation.starts_with("I8: a wish to cancel"),
        "{found}"
    );
}

/// Ends what may be running, because somebody wants it canceled.
struct CancelsBlindly;

impl DecisionRules for CancelsBlindly {
    fn after_lookup(
        &self,
        record: &DeployRecord,
        result: &LookupResult,
        ctx: Context<'_>,
    ) -> Result<Option<Commit>, IllegalTransition> {
        match (&record.cancel, result) {
            (Some(_), LookupResult::Absent { .. }) if record.state == DeployState::Triggering => {
                let change = AuditChange::TriggerRolledBack {
                    error: "canceled".into(),
                    token_refused: false,
                    again_at: ctx.now,
                };
                commit_change(record, change, ctx).map(Some)
            }
            _ => trigger::after_lookup(record, result, ctx),
        }
    }
}

#[test]
fn canceling_what_may_have_been_sent_is_found() {
    let found = find_violation(&CancelsBlindly, CANCELED);
    assert!(found.violation.starts_with("I8: what is on"), "{found}");
}

/// Draws the id of a retry.
struct RandomizesTheId;

impl DecisionRules for RandomizesTheId {
    fn open_retry(
        &self,
        old: &DeployRecord,
        first: &DeployRequest,
        cause: RetryCause<'_>,
        ctx: Context<'_>,
    ) -> Result<Commit, IllegalTransition> {
        let mut commit = decide::open_retry(old, first, cause, ShortId::USUAL, ctx)?;
        commit.record.id = DeployId::of_request("T0001", "A0001", "drawn");
        Ok(commit)
    }
}

#[test]
fn randomizing_the_id_of_a_retry_is_found() {
    let found = find_violation(&RandomizesTheId, ONE_RETRIER);
    assert!(found.violation.starts_with("I16: the id"), "{found}");
}

/// Says nothing at the deploy that is repeated.
struct ForgetsTheOldOne;

impl DecisionRules for ForgetsTheOldOne {
    fn open_retry(
        &self,
        old: &DeployRecord,
        first: &DeployRequest,
        cause: RetryCause<'_>,
        ctx: Context<'_>,
    ) -> Result<Commit, IllegalTransition> {
        let mut commit = decide::open_retry(old, first, cause, ShortId::USUAL, ctx)?;
        commit.retried = None;
        Ok(commit)
    }
}

#[test]
fn forgetting_the_deploy_that_is_repeated_is_found() {
    let found = find_violation(&ForgetsTheOldOne, ONE_RETRIER);
    assert!(found.violation.starts_with("I16: a retry"), "{found}");
}

/// Retries what may be running without anybody having looked.
struct NeedsNoConfirm;

impl DecisionRules for NeedsNoConfirm {
    fn decide_retry(
        &self,
        old: &DeployRecord,
        cause: RetryCause<'_>,
        ctx: Context<'_>,
    ) -> RetryDecision {
        match decide::decide_retry(old, cause, ctx) {
            RetryDecision::NeedsConfirm => RetryDecision::Yes,
            other => other,
        }
    }
}

#[test]
fn ignoring_that_nobody_confirmed_is_found() {
    let found = find_violation(&NeedsNoConfirm, ONE_RETRIER);
    assert!(found.violation.starts_with("I16: nobody has"), "{found}");
}

/// Takes the `confirm` for one deploy for that of its retry, too.
struct ConfirmsTheWholeChain;

impl DecisionRules for ConfirmsTheWholeChain {
    fn decide_retry(
        &self,
        old: &DeployRecord,
        cause: RetryCause<'_>,
        ctx: Context<'_>,
    ) -> RetryDecision {
        let why = decide::decide_retry(old, cause, ctx);
        match cause {
            RetryCause::Action(action)
                if matches!(action.action, DeployAction::Retry { confirm: true, .. }) =>
            {
                if why == RetryDecision::NeedsConfirm {
                    RetryDecision::Yes
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
    let found = find_violation(&ConfirmsTheWholeChain, ONE_RETRIER);
    assert!(found.violation.starts_with("I16: nobody has"), "{found}");
}

/// Leaves in the dead-letter queue what was carried out.
struct RemovesNothing;

impl DecisionRules for RemovesNothing {
    fn is_ticket_needless(&self, _: &DeployRecord) -> bool {
        false
    }
}

#[test]
fn leaving_a_copy_of_a_ticket_behind_is_found() {
    let found = find_violation(&RemovesNothing, REDRIVEN);
    assert!(found.violation.starts_with("I15: it does not"), "{found}");
}

/// Removes every order that it sees.
struct RemovesEveryTicket;

impl DecisionRules for RemovesEveryTicket {
    fn is_ticket_needless(&self, old: &DeployRecord) -> bool {
        old.state == DeployState::TriggerFailed
    }
}

#[test]
fn removing_a_ticket_that_was_not_carried_out_is_found() {
    let found = find_violation(&RemovesEveryTicket, ONE_RETRIER);
    assert!(
        found.violation.starts_with("I16: an order is gone"),
        "{found}"
    );
}

/// Does not carry out orders, and takes them for done.
struct DropsTickets;

impl DecisionRules for DropsTickets {
    fn decide_retry(
        &self,
        old: &DeployRecord,
        cause: RetryCause<'_>,
        ctx: Context<'_>,
    ) -> RetryDecision {
        match cause {
            RetryCause::Ticket => RetryDecision::TooOld,
            RetryCause::Action(_) => decide::decide_retry(old, cause, ctx),
        }
    }
}

#[test]
fn dropping_a_ticket_is_found() {
    let found = find_violation(&DropsTickets, ONE_RETRIER);
    assert!(
        found.violation.starts_with("I16: an order is gone"),
        "{found}"
    );
}

/// Does not know a wish again.
struct ForgetsTheAction;

impl DecisionRules for ForgetsTheAction {
    fn remembers_actions(&self) -> bool {
        false
    }
}

#[test]
fn carrying_out_an_action_twice_is_found() {
    let found = find_violation(&ForgetsTheAction, ONE_RETRIER);
    assert!(found.violation.starts_with("I16: one wish"), "{found}");
}

/// The product's decisions, with the states they lead to noted down.
#[derive(Default)]
struct RecordsStates(Mutex<BTreeSet<DeployState>>);

impl RecordsStates {
    fn note_state(&self, commit: Option<&Commit>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(commit.map(|commit| commit.record.state));
    }
}

impl DecisionRules for RecordsStates {
    fn next_step(
        &self,
        record: &DeployRecord,
        ctx: Context<'_>,
    ) -> Result<NextStep, IllegalTransition> {
        let step = decide::next_step(record, ctx)?;
        if let NextStep::Write(commit) = &step {
            self.note_state(Some(commit));
        }
        Ok(step)
    }

    fn after_post(
        &self,
        record: &DeployRecord,
        attempt: u32,
        outcome: &TriggerOutcome,
        ctx: Context<'_>,
    ) -> Result<Option<Commit>, IllegalTransition> {
        let commit = trigger::after_post(record, attempt, outcome, ctx)?;
        self.note_state(commit.as_ref());
        Ok(commit)
    }

    fn after_lookup(
        &self,
        record: &DeployRecord,
        result: &LookupResult,
        ctx: Context<'_>,
    ) -> Result<Option<Commit>, IllegalTransition> {
        let commit = trigger::after_lookup(record, result, ctx)?;
        self.note_state(commit.as_ref());
        Ok(commit)
    }

    fn after_poll(
        &self,
        record: &DeployRecord,
        poll: &PollResult,
        ctx: Context<'_>,
    ) -> Result<Option<Commit>, IllegalTransition> {
        let commit = follow::after_poll(record, poll, ctx)?;
        self.note_state(commit.as_ref());
        Ok(commit)
    }
}

#[test]
fn every_state_is_reached() {
    let rules = RecordsStates::default();
    let outcome = find_violation(&rules, CANCELED);
    assert_eq!(outcome.violation, "nothing", "{outcome}");
    let seen = rules.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    let missing: Vec<_> = DeployState::ALL
        .iter()
        .filter(|s| !seen.contains(s))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The product's decisions, with what was retried, and how, noted down.
#[derive(Default)]
struct RecordsRetries(Mutex<BTreeSet<(DeployState, &'static str, bool)>>);

impl DecisionRules for RecordsRetries {
    fn open_retry(
        &self,
        old: &DeployRecord,
        first: &DeployRequest,
        cause: RetryCause<'_>,
        ctx: Context<'_>,
    ) -> Result<Commit, IllegalTransition> {
        let commit = decide::open_retry(old, first, cause, ShortId::USUAL, ctx)?;
        let why = match cause {
            RetryCause::Ticket => "order",
            RetryCause::Action(_) => "wish",
        };
        let again = old.retry_of.is_some();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert((old.state, why, again));
        Ok(commit)
    }
}

#[test]
fn every_kind_of_retry_is_reached() {
    let rules = RecordsRetries::default();
    let outcome = find_violation(&rules, ONE_RETRIER);
    assert_eq!(outcome.violation, "nothing", "{outcome}");
    let seen = rules.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    let ends = [
        (DeployState::TriggerFailed, "order"),
        (DeployState::TriggerFailed, "wish"),
        (DeployState::Rejected, "wish"),
        (DeployState::Unresolved, "wish"),
    ];
    let kinds = ends
        .into_iter()
        .flat_map(|(end, why)| [(end, why, false), (end, why, true)]);
    assert_eq!(seen, kinds.collect());
}
