//! The small models hold, and the search finds what is wrong with decisions that are.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use chatops_core::command::DeployAction;
use chatops_core::deploy::decide::RetryCause;
use chatops_core::deploy::{ActedBy, DeployRecord, DeployState};
use chatops_core::id::{DeployId, DeployRef};
use chatops_simulation::model::{
    BoundedModel, Counterexample, DecisionRules, KNOWN_BUGS, ModelBounds, ModelScope,
    PRODUCT_RULES, WorkerScope, check_models, check_rules,
};
use chatops_simulation::violation::Invariant;

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

#[test]
fn the_bugs_of_a_single_call_are_found() {
    for known in &KNOWN_BUGS {
        let found = known.find();
        let violated = found.as_ref().map(|found| found.violation.invariant);
        assert_eq!(violated, Some(known.violated), "{:?}: {found:?}", known.bug);
    }
}

#[test]
fn randomizing_the_id_of_a_retry_is_found() {
    let rules = DecisionRules {
        alter_retry: |_, _, commit| {
            commit.record.id = DeployId::of_request("T0001", "A0001", "random");
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE_RETRIER, &[Invariant::OneRetry]);
}

#[test]
fn forgetting_the_deploy_that_is_retried_is_found() {
    let rules = DecisionRules {
        alter_retry: |_, _, commit| commit.retried = None,
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE_RETRIER, &[Invariant::OneRetry]);
}

#[test]
fn taking_the_lock_later_is_found() {
    let rules = DecisionRules {
        alter_retry: |_, _, commit| commit.lock = None,
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE_RETRIER, &[Invariant::ValidPost]);
}

/// As if somebody had confirmed.
fn hide_doubt(old: &mut DeployRecord) {
    old.unresolved_before = None;
    if old.state == DeployState::Unresolved {
        old.state = DeployState::TriggerFailed;
    }
}

/// The deploy that somebody has confirmed a retry of.
fn confirmed(cause: RetryCause<'_>) -> Option<&DeployRef> {
    match cause {
        RetryCause::Action(action) => match &action.action {
            DeployAction::Retry {
                deploy,
                confirm: true,
                ..
            } => Some(deploy),
            _ => None,
        },
        RetryCause::Ticket => None,
    }
}

#[test]
fn ignoring_that_nobody_confirmed_is_found() {
    let rules = DecisionRules {
        alter_retried: |old, cause| {
            if confirmed(cause).is_none() {
                hide_doubt(old);
            }
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE_RETRIER, &[Invariant::AllowedRetry]);
}

/// The `confirm` for one deploy counts for its retry, too.
#[test]
fn taking_one_confirm_for_another_is_found() {
    let rules = DecisionRules {
        alter_retried: |old, cause| {
            if confirmed(cause).is_some_and(|named| *named != DeployRef::Full(old.id)) {
                hide_doubt(old);
            }
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE_RETRIER, &[Invariant::AllowedRetry]);
}

#[test]
fn leaving_a_copy_of_a_ticket_behind_is_found() {
    let rules = DecisionRules {
        is_ticket_obsolete: |_| false,
        ..PRODUCT_RULES
    };
    assert_found(&rules, REDRIVEN, &[Invariant::Termination]);
}

#[test]
fn removing_a_ticket_that_was_not_carried_out_is_found() {
    let rules = DecisionRules {
        is_ticket_obsolete: |old| old.state == DeployState::TriggerFailed,
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE_RETRIER, &[Invariant::ExactTickets]);
}

#[test]
fn dropping_a_ticket_is_found() {
    let rules = DecisionRules {
        alter_retried: |old, cause| {
            if matches!(cause, RetryCause::Ticket) {
                old.dismissed_by = Some(ActedBy::Operator {
                    name: "nobody".to_owned(),
                });
            }
        },
        ..PRODUCT_RULES
    };
    assert_found(&rules, ONE_RETRIER, &[Invariant::ExactTickets]);
}

#[test]
fn every_state_is_reached() {
    let bounds = ModelBounds {
        models: vec![BoundedModel {
            name: "canceled",
            scope: CANCELED,
        }],
        threads: 2,
    };
    let outcome = check_models(&bounds, &mut |_| {});
    let reached = &outcome.models[0].reached;
    let missing: Vec<_> = DeployState::ALL
        .iter()
        .filter(|state| !reached.contains(state))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_kind_of_retry_is_reached() {
    static REACHED: Mutex<BTreeSet<(DeployState, &str, bool)>> = Mutex::new(BTreeSet::new());
    let rules = DecisionRules {
        alter_retry: |old, cause, _| {
            let why = match cause {
                RetryCause::Ticket => "ticket",
                RetryCause::Action(_) => "action",
            };
            let mut reached = REACHED.lock().unwrap_or_else(PoisonError::into_inner);
            reached.insert((old.state, why, old.retry_of.is_some()));
        },
        ..PRODUCT_RULES
    };
    let found = find_violation(&rules, ONE_RETRIER);
    assert!(found.is_none(), "{found:?}");
    let ends = [
        (DeployState::TriggerFailed, "ticket"),
        (DeployState::TriggerFailed, "action"),
        (DeployState::Unresolved, "action"),
    ];
    let kinds = ends.map(|(end, why)| [(end, why, false), (end, why, true)]);
    let mut kinds = BTreeSet::from_iter(kinds.concat());
    // A retry is asked for before it is made, so it is never rejected.
    kinds.insert((DeployState::Rejected, "action", false));
    assert_eq!(*REACHED.lock().unwrap(), kinds);
}
