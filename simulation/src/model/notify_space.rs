//! The notifier's side: one reply item, Slack, and runs of the notifier that stop at every port
//! call. Of the worker only what it does to the item is here: the first transaction, then perhaps
//! the progress notice owed, then the final word owed.
//!
//! As with the worker, a run may begin and die at any time, any number of times.

use chatops_core::notification::{DeliveryStatus, NotificationKind, PostResult};

use super::notifications::NotificationInterner;
use super::notify_steps::{NotifyPlan, NotifySteps};
use super::rules::DecisionRules;
use super::search::{CleanStep, ModelStep, StateSpace};
use super::shard::FastMap;

/// Where a run of the notifier stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub(super) enum NotifyPhase {
    /// There is no run.
    #[default]
    Idle,
    /// About to read the item.
    Reading,
    /// About to write that something is settled.
    Saving,
    /// About to write the reservation.
    Reserving,
    /// About to post.
    Posting,
    /// About to write what became of the post.
    Recording,
    /// Others have written; about to read the item again for the same end.
    Rereading,
}

/// What became of a post; the longest pause Slack may ask for is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub(super) enum SlackEvidence {
    #[default]
    Nothing,
    Delivered,
    NotSent,
    Later,
    MuchLater,
    Refused,
    Unknown,
}

impl SlackEvidence {
    pub(super) fn post_result(self) -> PostResult {
        let why = || "met".to_owned();
        match self {
            SlackEvidence::Delivered => PostResult::Delivered,
            SlackEvidence::NotSent => PostResult::NotSent { reason: why() },
            SlackEvidence::Later => PostResult::Later { after: None },
            SlackEvidence::MuchLater => PostResult::Later {
                after: Some(std::time::Duration::from_hours(1)),
            },
            SlackEvidence::Refused => PostResult::Refused { reason: why() },
            SlackEvidence::Nothing | SlackEvidence::Unknown => PostResult::Unknown,
        }
    }
}

/// One run of the notifier.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct NotifyRun {
    pub at: NotifyPhase,
    /// Whether the post is the final word.
    pub is_final: bool,
    /// Whether it is marked as a repetition.
    pub marked: bool,
    /// Others have written since it read.
    pub stale: bool,
    /// Its reservation has been concluded by another.
    pub superseded: bool,
    pub evidence: SlackEvidence,
    /// The item it is about to write, or has reserved.
    pub item: u16,
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
    pub item: u16,
    pub worker: WorkerProgress,
    /// Uses of the address, as Slack counts them.
    pub used: u8,
    /// Progress notices shown.
    pub progress: u8,
    /// Final words shown.
    pub finals: u8,
    /// Those without a mark.
    pub unmarked: u8,
    pub runs: [NotifyRun; 2],
}

/// What is searched.
pub(super) struct NotifySpace<'a> {
    pub items: &'a NotificationInterner,
    pub rules: &'a dyn DecisionRules,
    /// Runs at the same time.
    pub notifiers: usize,
}

/// One thread's memory of the decisions.
pub(super) struct NotifyCache {
    pub plans: FastMap<u16, NotifyPlan>,
    pub after_posts: FastMap<u64, u16>,
    pub after_ticks: FastMap<u16, u16>,
}

pub(super) fn kind_of(is_final: bool) -> NotificationKind {
    if is_final {
        NotificationKind::Final
    } else {
        NotificationKind::Progress
    }
}

impl StateSpace for NotifySpace<'_> {
    type State = NotifyState;
    type Cache = NotifyCache;

    fn new_cache(&self) -> NotifyCache {
        let (nexts, afters) = (FastMap::default(), FastMap::default());
        NotifyCache {
            plans: nexts,
            after_posts: afters,
            after_ticks: FastMap::default(),
        }
    }

    fn initial_state(&self) -> NotifyState {
        NotifyState {
            item: self.items.initial_item(),
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
        let item = self.items.get(at.item);
        if let Some(slot) = at.runs.iter().position(|run| run.at != NotifyPhase::Idle) {
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

    fn find_violation(&self, _: &mut NotifyCache, at: &NotifyState) -> Option<&'static str> {
        let item = self.items.get(at.item);
        if at.unmarked > 1 {
            return Some("I9: a repetition of the final word is not marked");
        }
        if at.progress > 1 {
            return Some("I9: the progress notice is shown twice");
        }
        // A copy more needs a try whose outcome is on record as unknown: a fault.
        if at.finals > 1 + item.unknown_count {
            return Some("I9: the final word is shown more often than there were faults");
        }
        for (delivery, shown) in [
            (&item.progress, at.progress),
            (&item.final_status, at.finals),
        ] {
            let is_true = match delivery {
                DeliveryStatus::Delivered { .. } => shown > 0,
                DeliveryStatus::Failed { .. }
                | DeliveryStatus::Skipped
                | DeliveryStatus::NotRequested => shown == 0,
                DeliveryStatus::Pending { .. }
                | DeliveryStatus::InFlight { .. }
                | DeliveryStatus::Unknown => true,
            };
            if !is_true {
                return Some("I10: what is on record about the telling is not true");
            }
        }
        let over = at.worker == WorkerProgress::Ended && item.due_at().is_none();
        if over
            && !(item.final_status.is_settled() && item.progress != DeliveryStatus::NotRequested)
        {
            // A notice that was never owed stays so only where nothing was seen to run.
            let unowed = item.progress == DeliveryStatus::NotRequested
                || item.progress == DeliveryStatus::Skipped;
            if !(item.final_status.is_settled() && unowed) {
                return Some("I15: it ended and is not told");
            }
        }
        (over && item.response_url.is_some()).then_some("I13: the reply address is kept")
    }

    fn describe_state(&self, _: &mut NotifyCache, at: &NotifyState) -> String {
        let item = self.items.get(at.item);
        let runs = at.runs.iter().filter(|run| run.at != NotifyPhase::Idle);
        let runs: Vec<_> = runs
            .map(|run| {
                let kind = kind_of(run.is_final);
                let stale = if run.stale { ", overtaken" } else { "" };
                format!("[{:?} {kind:?}{stale}]", run.at)
            })
            .collect();
        let word = |delivery: &DeliveryStatus| match delivery {
            DeliveryStatus::NotRequested => "not owed",
            DeliveryStatus::Pending { .. } => "owed",
            DeliveryStatus::InFlight { .. } => "sending",
            DeliveryStatus::Delivered { .. } => "told",
            DeliveryStatus::Skipped => "dropped",
            DeliveryStatus::Unknown => "unknown",
            DeliveryStatus::Failed { .. } => "undeliverable",
        };
        format!(
            "progress {}, final word {}; shown {}+{}, used {} {}",
            word(&item.progress),
            word(&item.final_status),
            at.progress,
            at.finals,
            at.used,
            runs.join(" ")
        )
    }
}
