//! The small models hold, and the search finds what is wrong with decisions that are.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chatops_core::audit::{AuditActor, AuditChange};
use chatops_core::command::DeployAction;
use chatops_core::decide::{self, Context, NextStep, RetryCause, RetryDecision, follow, trigger};
use chatops_core::deploy::{DeployRecord, DeployState, EndReason};
use chatops_core::id::DeployId;
use chatops_core::machine;
use chatops_core::notification::{DeliveryStatus, DeliveryStep, NotificationKind, PostResult};
use chatops_core::ports::{Commit, LockChange, LookupResult, TriggerOutcome};
use chatops_simulation::invariants::Invariant;
use chatops_simulation::model::{
    BoundedModel, Counterexample, Decided, DecisionRules, ModelBounds, ModelScope, PRODUCT_RULES,
    WorkerScope, check_models, check_rules,
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

/// The first violation of `rules` in a model of the given scope.
fn find_violation(rules: &DecisionRules, scope: ModelScope) -> Option<Counterexample> {
    let name = "wrong";
    let bounds = ModelBounds {
        models: vec![BoundedModel { name, scope }],
        threads: 2,
    };
    check_rules(rules, &bounds, &mut |_| {}).violations.pop()
}

/// The model finds that `rules` violate one of these invariants.
#[track_caller]
fn assert_found(rules: &DecisionRules, scope: ModelScope, of: &[Invariant]) {
    let found = find_violation(rules, scope);
    let violated = found.as_ref().and_then(|found| found.violation.invariant);
    assert!(violated.is_some_and(|one| of.contains(&one)), "{found:?}");
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
/// One ticket, which may be redriven.
const REDRIVEN: ModelScope = ModelScope::Worker(WorkerScope {
    retry_links: 1,
    redrive: true,
    plain: true,
    ..WorkerScope::ONE
});
/// One person retries, and the retry can be retried.
const ONE_RETRIER: ModelScope = ModelScope::Worker(WorkerScope {
    retriers: 1,
    retry_links: 2,
    redrive: true,
    plain: true,
    ..WorkerScope::ONE
});
const NOTIFIER: ModelScope = ModelScope::Notifier { notifiers: 2 };

/// The product's decision after a POST, with another answer in place of a lost one.
fn after_post_instead(
    record: &DeployRecord,
    attempt: u32,
    (heard, instead): (&TriggerOutcome, &TriggerOutcome),
    ctx: Context<'_>,
) -> Decided<Option<Commit>> {
    let lost = matches!(heard, TriggerOutcome::Unknown { .. });
    trigger::after_post(record, attempt, if lost { instead } else { heard }, ctx)
}

#[test]
fn taking_a_lost_answer_for_a_no_is_found() {
    let rules = DecisionRules {
        after_post: |record, attempt, heard, ctx| {
            let again = TriggerOutcome::NotNow {
                error: "lost".into(),
                retry_after: None,
            };
            after_post_instead(record, attempt, (heard, &again), ctx)
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE, &[Invariant::OnePipeline, Invariant::TrueEnd]);
}

#[test]
fn sending_twice_is_found() {
    let rules = DecisionRules {
        after_post: |record, attempt, heard, ctx| {
            let message = "lost".into();
            let again = TriggerOutcome::Unauthorized { message };
            after_post_instead(record, attempt, (heard, &again), ctx)
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE, &[Invariant::OnePipeline]);
}

/// A commit for `change` and nothing else.
fn commit_change(record: &DeployRecord, change: AuditChange, ctx: Context<'_>) -> Decided<Commit> {
    let by = AuditActor::Worker(ctx.invocation.clone());
    let (mut after, event) = machine::apply_change(record, change, by, ctx.now)?;
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

/// A commit that takes the intent back.
fn roll_back(record: &DeployRecord, error: &str, ctx: Context<'_>) -> Decided<Commit> {
    let change = AuditChange::TriggerRolledBack {
        error: error.to_owned(),
        token_refused: false,
        again_at: ctx.now,
    };
    commit_change(record, change, ctx)
}

#[test]
fn rolling_back_the_intent_of_another_is_found() {
    let rules = DecisionRules {
        next_step: |record, ctx| match decide::next_step(record, ctx)? {
            NextStep::LookUp(_) => {
                let commit = roll_back(record, "the sender is gone", ctx)?;
                Ok(NextStep::Write(Box::new(commit)))
            }
            other => Ok(other),
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE, &[Invariant::OnePipeline, Invariant::TrueEnd]);
}

#[test]
fn believing_an_empty_listing_is_found() {
    let rules = DecisionRules {
        after_lookup: |record, result, ctx| {
            if record.state != DeployState::Triggering || matches!(result, LookupResult::Found(_)) {
                return trigger::after_lookup(record, result, ctx);
            }
            let reason = EndReason::TriggerGivenUp {
                attempts: record.attempts,
                last_error: "absent".into(),
            };
            let state = DeployState::TriggerFailed;
            let mut commit = commit_change(record, AuditChange::Ended { state, reason }, ctx)?;
            let target = record.locked_target.clone();
            commit.lock = target.map(|target| LockChange::Free { target });
            commit.notifications = vec![NotificationKind::Final];
            Ok(Some(commit))
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE, &[Invariant::TrueEnd]);
}

#[test]
fn triggering_without_the_lock_is_found() {
    let rules = DecisionRules {
        next_step: |record, ctx| {
            let mut step = decide::next_step(record, ctx)?;
            if let NextStep::Write(commit) = &mut step
                && matches!(commit.lock, Some(LockChange::Take { .. }))
            {
                commit.lock = None;
            }
            Ok(step)
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, TWO, &[Invariant::ValidPost]);
}

#[test]
fn sending_late_is_found() {
    let rules = DecisionRules {
        next_step: |record, ctx| {
            let mut patient = record.clone();
            if let Some(intent) = &mut patient.trigger_intent {
                intent.send_by += Duration::from_mins(10);
            }
            match decide::next_step(&patient, ctx)? {
                NextStep::Post(request) => Ok(NextStep::Post(request)),
                _ => decide::next_step(record, ctx),
            }
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE, &[Invariant::ValidPost]);
}

#[test]
fn rewriting_an_end_is_found() {
    let rules = DecisionRules {
        after_poll: |record, poll, ctx| {
            if !record.state.is_terminal() {
                return follow::after_poll(record, poll, ctx);
            }
            let note = "it ended otherwise".into();
            let mut commit = commit_change(record, AuditChange::Noted { note }, ctx)?;
            (commit.record.state, commit.record.due_at) = (DeployState::Failed, None);
            Ok(Some(commit))
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE, &[Invariant::SoundAudit, Invariant::OneEnd]);
}

#[test]
fn a_forgotten_timer_is_found() {
    let rules = DecisionRules {
        after_failed_lookup: |record, after, ctx| {
            let mut commit = trigger::after_failed_lookup(record, after, ctx)?;
            if let Some(commit) = &mut commit {
                commit.record.due_at = None;
            }
            Ok(commit)
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE, &[Invariant::Termination]);
}

/// The deploy as if its lookup had just begun.
fn hopeful(record: &DeployRecord, ctx: Context<'_>) -> DeployRecord {
    let mut hopeful = record.clone();
    if let Some(intent) = &mut hopeful.trigger_intent {
        intent.send_by = ctx.now;
    }
    hopeful
}

/// Nothing is lost, but nothing ends either.
#[test]
fn never_giving_up_is_found() {
    let rules = DecisionRules {
        after_lookup: |record, result, ctx| {
            let mut commit = trigger::after_lookup(&hopeful(record, ctx), result, ctx)?;
            if let (Some(commit), Some(intent)) = (&mut commit, &record.trigger_intent) {
                commit.record.trigger_intent = Some(intent.clone());
            }
            Ok(commit)
        },
        after_failed_lookup: |record, after, ctx| {
            trigger::after_failed_lookup(&hopeful(record, ctx), after, ctx)
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE, &[Invariant::Termination]);
}

#[test]
fn posting_without_a_reservation_is_found() {
    let rules = DecisionRules {
        reserves_first: false,
        ..PRODUCT_RULES
    };
    assert_found(&rules, NOTIFIER, &[Invariant::BoundedPosts]);
}

/// What may have been shown is forgotten.
#[test]
fn an_unmarked_repetition_is_found() {
    let rules = DecisionRules {
        next_delivery: |record, now, timeouts| {
            let mut step = (PRODUCT_RULES.next_delivery)(record, now, timeouts);
            if let DeliveryStep::Save(settled) = &mut step
                && matches!(settled.final_status, DeliveryStatus::Pending { .. })
            {
                settled.unknown_count = record.unknown_count;
            }
            step
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, NOTIFIER, &[Invariant::BoundedPosts]);
}

#[test]
fn claiming_that_it_was_delivered_is_found() {
    let rules = DecisionRules {
        after_delivery: |reserved, kind, posted, now| {
            let posted = match posted {
                PostResult::Unknown => &PostResult::Delivered,
                known => known,
            };
            (PRODUCT_RULES.after_delivery)(reserved, kind, posted, now)
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, NOTIFIER, &[Invariant::TrueDelivery]);
}

#[test]
fn ignoring_a_cancel_before_the_trigger_is_found() {
    let rules = DecisionRules {
        next_step: |record, ctx| {
            let mut willing = record.clone();
            if record.state == DeployState::Requested {
                willing.cancel = None;
            }
            decide::next_step(&willing, ctx)
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, CANCELED, &[Invariant::CancelObeyed]);
}

#[test]
fn not_sending_a_cancel_to_circleci_is_found() {
    let rules = DecisionRules {
        next_step: |record, ctx| {
            let mut step = decide::next_step(record, ctx)?;
            if let NextStep::Poll { cancel, .. } = &mut step {
                *cancel = false;
            }
            Ok(step)
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, CANCELED, &[Invariant::CancelObeyed]);
}

#[test]
fn canceling_what_may_have_been_sent_is_found() {
    let rules = DecisionRules {
        after_lookup: |record, result, ctx| match (&record.cancel, result) {
            (Some(_), LookupResult::Absent { .. }) if record.state == DeployState::Triggering => {
                roll_back(record, "canceled", ctx).map(Some)
            }
            _ => trigger::after_lookup(record, result, ctx),
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, CANCELED, &[Invariant::TrueEnd]);
}

#[test]
fn randomizing_the_id_of_a_retry_is_found() {
    let rules = DecisionRules {
        open_retry: |old, first, cause, ctx| {
            let mut commit = (PRODUCT_RULES.open_retry)(old, first, cause, ctx)?;
            commit.record.id = DeployId::of_request("T0001", "A0001", "random");
            Ok(commit)
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE_RETRIER, &[Invariant::OneRetry]);
}

#[test]
fn forgetting_the_deploy_that_is_retried_is_found() {
    let rules = DecisionRules {
        open_retry: |old, first, cause, ctx| {
            let mut commit = (PRODUCT_RULES.open_retry)(old, first, cause, ctx)?;
            commit.retried = None;
            Ok(commit)
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE_RETRIER, &[Invariant::OneRetry]);
}

/// The product's decision, but as if somebody had confirmed.
fn confirmed(old: &DeployRecord, cause: RetryCause<'_>, ctx: Context<'_>) -> RetryDecision {
    match decide::decide_retry(old, cause, ctx) {
        RetryDecision::NeedsConfirm => RetryDecision::Yes,
        other => other,
    }
}

#[test]
fn ignoring_that_nobody_confirmed_is_found() {
    let rules = DecisionRules {
        decide_retry: confirmed,
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE_RETRIER, &[Invariant::AllowedRetry]);
}

/// The `confirm` for one deploy counts for its retry, too.
#[test]
fn taking_one_confirm_for_another_is_found() {
    let rules = DecisionRules {
        decide_retry: |old, cause, ctx| match cause {
            RetryCause::Action(action)
                if matches!(action.action, DeployAction::Retry { confirm: true, .. }) =>
            {
                confirmed(old, cause, ctx)
            }
            _ => decide::decide_retry(old, cause, ctx),
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE_RETRIER, &[Invariant::AllowedRetry]);
}

#[test]
fn leaving_a_copy_of_a_ticket_behind_is_found() {
    let rules = DecisionRules {
        is_ticket_needless: |_| false,
        ..PRODUCT_RULES
    };
    assert_found(&rules, REDRIVEN, &[Invariant::Termination]);
}

#[test]
fn removing_a_ticket_that_was_not_carried_out_is_found() {
    let rules = DecisionRules {
        is_ticket_needless: |old| old.state == DeployState::TriggerFailed,
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE_RETRIER, &[Invariant::ExactTickets]);
}

#[test]
fn dropping_a_ticket_is_found() {
    let rules = DecisionRules {
        decide_retry: |old, cause, ctx| match cause {
            RetryCause::Ticket => RetryDecision::TooOld,
            RetryCause::Action(_) => decide::decide_retry(old, cause, ctx),
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE_RETRIER, &[Invariant::ExactTickets]);
}

#[test]
fn carrying_out_an_action_twice_is_found() {
    let rules = DecisionRules {
        remembers_actions: false,
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE_RETRIER, &[Invariant::OneRetry]);
}

#[test]
fn every_state_is_reached() {
    static REACHED: Mutex<BTreeSet<DeployState>> = Mutex::new(BTreeSet::new());
    fn note(commit: Decided<Option<Commit>>) -> Decided<Option<Commit>> {
        if let Ok(Some(commit)) = &commit {
            let mut reached = REACHED.lock().unwrap_or_else(PoisonError::into_inner);
            reached.insert(commit.record.state);
        }
        commit
    }
    let rules = DecisionRules {
        next_step: |record, ctx| {
            let step = decide::next_step(record, ctx)?;
            if let NextStep::Write(commit) = &step {
                note(Ok(Some(commit.as_ref().clone())))?;
            }
            Ok(step)
        },
        after_post: |record, n, heard, ctx| note(trigger::after_post(record, n, heard, ctx)),
        after_lookup: |record, found, ctx| note(trigger::after_lookup(record, found, ctx)),
        after_poll: |record, poll, ctx| note(follow::after_poll(record, poll, ctx)),
        ..PRODUCT_RULES
    };
    let found = find_violation(&rules, CANCELED);
    assert!(found.is_none(), "{found:?}");
    let reached = REACHED.lock().unwrap();
    let missing: Vec<_> = DeployState::ALL
        .iter()
        .filter(|s| !reached.contains(s))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_kind_of_retry_is_reached() {
    static REACHED: Mutex<BTreeSet<(DeployState, &str, bool)>> = Mutex::new(BTreeSet::new());
    let rules = DecisionRules {
        open_retry: |old, first, cause, ctx| {
            let commit = (PRODUCT_RULES.open_retry)(old, first, cause, ctx)?;
            let why = match cause {
                RetryCause::Ticket => "ticket",
                RetryCause::Action(_) => "action",
            };
            let mut reached = REACHED.lock().unwrap_or_else(PoisonError::into_inner);
            reached.insert((old.state, why, old.retry_of.is_some()));
            Ok(commit)
        },
        ..PRODUCT_RULES
    };
    let found = find_violation(&rules, ONE_RETRIER);
    assert!(found.is_none(), "{found:?}");
    let ends = [
        (DeployState::TriggerFailed, "ticket"),
        (DeployState::TriggerFailed, "action"),
        (DeployState::Rejected, "action"),
        (DeployState::Unresolved, "action"),
    ];
    let kinds = ends.map(|(end, why)| [(end, why, false), (end, why, true)]);
    assert_eq!(
        *REACHED.lock().unwrap(),
        BTreeSet::from_iter(kinds.concat())
    );
}
