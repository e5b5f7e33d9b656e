//! The notifier's side: one notification record, Slack, and runs of the notifier that stop at every
//! port call. Of the worker only what it does to the record is here: the first transaction, then
//! perhaps the progress message pending, then the final status pending.
//!
//! As with the worker, a run may begin and die at any time, any number of times.

use chatops_core::notification::{DeliveryStatus, PostResult};

use super::commit_invariants::{Check, check};
use super::notifications::NotificationInterner;
use super::notify_steps::{NextNotifyRun, NotifyAnswer, NotifySteps, phase_name};
use super::rules::DecisionRules;
use super::search::{CleanStep, ModelStep, StateSpace};
use super::shard::FastMap;
use crate::invariants::Invariant::{BoundedPosts, ResponseUrlPrivate, Termination, TrueDelivery};

/// What Slack answers a post; a long pause that it asks for is a case of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(super) enum SlackAnswer {
    Delivered,
    NotSent,
    Later,
    MuchLater,
    Refused,
    Unknown,
}

impl SlackAnswer {
    pub(super) fn post_result(self) -> PostResult {
        let why = || "met".to_owned();
        match self {
            SlackAnswer::Delivered => PostResult::Delivered,
            SlackAnswer::NotSent => PostResult::NotSent {
                reason: why(),
                after: None,
            },
            SlackAnswer::Later => PostResult::Later { after: None },
            SlackAnswer::MuchLater => PostResult::Later {
                after: Some(std::time::Duration::from_hours(1)),
            },
            SlackAnswer::Refused => PostResult::Refused { reason: why() },
            SlackAnswer::Unknown => PostResult::Unknown,
        }
    }
}

/// One run of the notifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct NotifySlot {
    /// The run as the product has it; 0 for none.
    pub run: u32,
    /// Others have written since it wrote its reservation.
    pub stale: bool,
}

/// How far the worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub(super) enum WorkerProgress {
    /// The deploy is on record.
    #[default]
    Opened,
    /// A workflow was seen.
    Started,
    /// It has ended.
    Ended,
}

/// Everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct NotifyState {
    /// The notification record.
    pub record: u32,
    pub worker: WorkerProgress,
    /// Uses of the response URL, as Slack counts them.
    pub used: u8,
    /// Progress messages shown.
    pub progress: u8,
    /// Final statuses shown.
    pub finals: u8,
    /// Those without a mark.
    pub unmarked: u8,
    pub runs: [NotifySlot; 2],
}

/// What is searched.
pub(super) struct NotifySpace<'a> {
    pub items: &'a NotificationInterner,
    pub rules: &'a DecisionRules,
    /// Runs at the same time.
    pub notifiers: usize,
}

/// One thread's memory of the decisions.
#[derive(Default)]
pub(super) struct NotifyCache {
    pub runs: FastMap<(u32, NotifyAnswer), NextNotifyRun>,
    pub after_ticks: FastMap<u32, u32>,
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
        let mut steps = NotifySteps {
            space: self,
            cache,
            from: *at,
            who: 0,
            steps: out,
        };
        steps.world_steps();
        steps.begin_runs();
        for slot in 0..self.notifiers {
            steps.run_steps(slot);
        }
    }

    fn clean_step(&self, cache: &mut NotifyCache, at: &NotifyState) -> CleanStep<NotifyState> {
        let mut out = vec![];
        let mut steps = NotifySteps {
            space: self,
            cache,
            from: *at,
            who: 0,
            steps: &mut out,
        };
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
