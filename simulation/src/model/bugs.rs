//! The seeded bugs that a model finds: those that change a single request or answer.

use super::{
    BoundedModel, Counterexample, DecisionRules, ModelBounds, ModelScope, PRODUCT_RULES,
    WorkerScope, check_rules,
};
use crate::seeded::SeededBug::{
    self, BoundWithoutDeployId, CancelForgotten, CancelIgnored, EndRewritten, LateEditForgotten,
    LockLater, LostEditBelieved, LostPostBelieved, RepetitionUnmarked, RetriedNotWritten,
    RolledBackByStranger, SecondCardUnmarked, SecondPostWhenUnsure, SendThenRecord, SentLate,
    StrayAdopted, ThirdCard, TicketForgotten, TimerForgotten, UnresolvedForgotten, UsesNotCounted,
};
use crate::violation::Invariant::{
    self, AllowedRetry, BoundedPosts, CancelObeyed, ExactTickets, OneCard, OneEnd, OneRetry,
    OwnPipeline, Termination, TrueCard, TrueDelivery, TrueEnd, ValidPost,
};

/// A bug, and where a model finds it.
#[derive(Debug, Clone, Copy)]
pub struct KnownBug {
    /// The bug.
    pub bug: SeededBug,
    /// The smallest model that finds it.
    pub scope: ModelScope,
    /// What it violates; `None` for a change that the state machine does not allow.
    pub violated: Option<Invariant>,
}

impl KnownBug {
    const fn new(bug: SeededBug, scope: ModelScope, violated: Option<Invariant>) -> Self {
        Self {
            bug,
            scope,
            violated,
        }
    }

    /// Searches the model for it.
    #[must_use]
    pub fn find(&self) -> Option<Counterexample> {
        let rules = DecisionRules {
            bug: Some(self.bug),
            ..PRODUCT_RULES
        };
        let bounds = ModelBounds {
            models: vec![BoundedModel {
                name: "a seeded bug",
                scope: self.scope,
            }],
            threads: 2,
        };
        check_rules(&rules, &bounds, &mut |_| {}).violations.pop()
    }
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
const REDRIVEN: ModelScope = ModelScope::Worker(WorkerScope {
    retry_links: 1,
    redrive: true,
    plain: true,
    ..WorkerScope::ONE
});
const ONE_RETRIER: ModelScope = ModelScope::Worker(WorkerScope {
    retriers: 1,
    retry_links: 2,
    redrive: true,
    plain: true,
    ..WorkerScope::ONE
});
const NOTIFIER: ModelScope = ModelScope::Notifier { notifiers: 2 };
const CARD: ModelScope = ModelScope::Card { notifiers: 1 };

/// Every bug that a model finds.
pub const KNOWN_BUGS: [KnownBug; 21] = [
    KnownBug::new(SecondPostWhenUnsure, ONE, Some(TrueEnd)),
    KnownBug::new(RolledBackByStranger, ONE, None),
    KnownBug::new(LockLater, TWO, Some(ValidPost)),
    KnownBug::new(SentLate, ONE, Some(ValidPost)),
    KnownBug::new(EndRewritten, ONE, Some(OneEnd)),
    KnownBug::new(TimerForgotten, ONE, Some(Termination)),
    KnownBug::new(CancelIgnored, CANCELED, Some(CancelObeyed)),
    KnownBug::new(CancelForgotten, CANCELED, Some(CancelObeyed)),
    KnownBug::new(TicketForgotten, REDRIVEN, Some(ExactTickets)),
    KnownBug::new(BoundWithoutDeployId, ONE, Some(OwnPipeline)),
    KnownBug::new(RetriedNotWritten, ONE_RETRIER, Some(OneRetry)),
    KnownBug::new(UnresolvedForgotten, ONE_RETRIER, Some(AllowedRetry)),
    KnownBug::new(SendThenRecord, NOTIFIER, Some(BoundedPosts)),
    KnownBug::new(UsesNotCounted, NOTIFIER, Some(BoundedPosts)),
    KnownBug::new(RepetitionUnmarked, NOTIFIER, Some(BoundedPosts)),
    KnownBug::new(LostPostBelieved, NOTIFIER, Some(TrueDelivery)),
    KnownBug::new(SecondCardUnmarked, CARD, Some(OneCard)),
    KnownBug::new(ThirdCard, CARD, Some(OneCard)),
    KnownBug::new(LateEditForgotten, CARD, Some(TrueCard)),
    KnownBug::new(LostEditBelieved, CARD, Some(TrueCard)),
    KnownBug::new(StrayAdopted, CARD, Some(OneCard)),
];
