//! The notifier's side: one notification record, Slack, and runs of the notifier that stop at every
//! port call. Of the worker only what it does to the record is here: the first transaction, then
//! perhaps the progress message pending, then the final status pending.
//!
//! As with the worker, a run may begin and die at any time, any number of times.

use chatops_core::notification::DeliveryStatus;

use super::commit_invariants::{Check, check};
use super::notifications::NotificationInterner;
use super::notify_state::{NotifyState, WorkerProgress};
use super::notify_steps::{NotifyCache, NotifySteps, phase_name};
use super::rules::DecisionRules;
use super::search::{CleanStep, ModelStep, StateSpace};
use crate::violation::Invariant::{BoundedPosts, ResponseUrlPrivate, Termination, TrueDelivery};

/// What is searched.
pub(super) struct NotifySpace<'a> {
    pub items: &'a NotificationInterner,
    pub rules: &'a DecisionRules,
    /// Runs at the same time.
    pub notifiers: usize,
}

impl NotifySpace<'_> {
    /// The steps from a state, none yet.
    fn steps_from<'s>(
        &'s self,
        cache: &'s mut NotifyCache,
        from: NotifyState,
        steps: &'s mut Vec<ModelStep<NotifyState>>,
    ) -> NotifySteps<'s> {
        NotifySteps {
            items: self.items,
            bug: self.rules.bug,
            notifiers: self.notifiers,
            cache,
            from,
            who: 0,
            steps,
        }
    }
}

impl StateSpace for NotifySpace<'_> {
    type State = NotifyState;
    type Cache = NotifyCache;

    fn new_cache(&self) -> NotifyCache {
        NotifyCache::default()
    }

    fn initial_state(&self) -> NotifyState {
        NotifyState {
            record: self.items.initial_record(),
            ..NotifyState::default()
        }
    }

    fn collect_steps(
        &self,
        cache: &mut NotifyCache,
        at: &NotifyState,
        out: &mut Vec<ModelStep<NotifyState>>,
    ) {
        let mut steps = self.steps_from(cache, *at, out);
        steps.world_steps();
        steps.begin_runs();
        for slot in 0..self.notifiers {
            steps.run_steps(slot);
        }
    }

    fn clean_step(&self, cache: &mut NotifyCache, at: &NotifyState) -> CleanStep<NotifyState> {
        let mut out = vec![];
        let mut steps = self.steps_from(cache, *at, &mut out);
        let item = self.items.record(at.record);
        if let Some(slot) = at.runs.iter().position(|run| run.run != 0) {
            steps.run_steps(slot);
        } else if at.worker == WorkerProgress::Ended && item.due_at().is_none() {
            return CleanStep::AtRest;
        } else {
            steps.begin_runs();
            if steps.steps.is_empty() {
                steps.world_steps();
            }
        }
        CleanStep::Next(
            out.iter()
                .find(|step| step.clean)
                .map_or(*at, |step| step.to),
        )
    }

    fn check_state(&self, _: &mut NotifyCache, at: &NotifyState) -> Check {
        let item = self.items.record(at.record);
        let why = "a repetition of the final status is not marked";
        check(at.unmarked <= 1, BoundedPosts, why)?;
        check(
            at.progress <= 1,
            BoundedPosts,
            "the progress message is shown twice",
        )?;
        // One copy more needs a try whose outcome is on record as unknown: a fault.
        let why = "the final status is shown more often than there were faults";
        check(at.finals <= 1 + item.unknown_count, BoundedPosts, why)?;
        let deliveries = [
            (&item.progress, at.progress),
            (&item.final_status, at.finals),
        ];
        for (delivery, shown) in deliveries {
            let is_true = match delivery {
                DeliveryStatus::Delivered { .. } => shown > 0,
                DeliveryStatus::Failed { .. }
                | DeliveryStatus::Skipped
                | DeliveryStatus::NotRequested => shown == 0,
                DeliveryStatus::Pending { .. }
                | DeliveryStatus::InFlight { .. }
                | DeliveryStatus::Unknown => true,
            };
            let why = "what is on record about the delivery is not true";
            check(is_true, TrueDelivery, why)?;
        }
        let over = at.worker == WorkerProgress::Ended && item.due_at().is_none();
        let settled = item.final_status.is_settled();
        check(
            !over || settled,
            Termination,
            "it ended and nobody is notified",
        )?;
        let cleared = item.response_url.is_none();
        check(
            !over || cleared,
            ResponseUrlPrivate,
            "the response URL is kept",
        )
    }

    fn describe_state(&self, _: &mut NotifyCache, at: &NotifyState) -> String {
        let item = self.items.record(at.record);
        let runs = at.runs.iter().filter(|run| run.run != 0);
        let runs: Vec<_> = runs
            .map(|run| {
                let stale = if run.stale { ", overtaken" } else { "" };
                format!("[{}{stale}]", phase_name(&self.items.run(run.run)))
            })
            .collect();
        let word = |delivery: &DeliveryStatus| match delivery {
            DeliveryStatus::NotRequested => "not requested",
            DeliveryStatus::Pending { .. } => "pending",
            DeliveryStatus::InFlight { .. } => "in flight",
            DeliveryStatus::Delivered { .. } => "delivered",
            DeliveryStatus::Skipped => "skipped",
            DeliveryStatus::Unknown => "unknown",
            DeliveryStatus::Failed { .. } => "failed",
        };
        format!(
            "progress {}, final status {}; shown {}+{}, used {} {}",
            word(&item.progress),
            word(&item.final_status),
            at.progress,
            at.finals,
            at.used,
            runs.join(" ")
        )
    }
}
