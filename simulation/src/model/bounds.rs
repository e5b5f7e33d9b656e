//! Which models are searched.

use super::{BoundedModel, ModelScope, WorkerScope};

/// Which models are searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelBounds {
    /// The models, each searched to the end.
    pub models: Vec<BoundedModel>,
    /// Threads that search; rounded up to a power of two.
    pub threads: usize,
}

impl ModelBounds {
    /// Every model.
    #[must_use]
    pub fn full() -> Self {
        let mut all = Self::with_models(
            &[
                ("one deploy, canceled or redriven", CANCELED_OR_REDRIVEN),
                ("one deploy, canceled or redriven, one run", ONE_RUN),
                ("two deploys on one target", TWO),
                ("two deploys, one redriven", TWO_REDRIVEN),
                ("two deploys, one redriven, plainly", TWO_PLAINLY),
                ("a retry, a ticket and a cancel", ONE_RETRIER),
                ("two retries and a ticket", TWO_RETRIERS),
                ("a retry and its retry", CHAIN),
            ],
            2,
        );
        let cards = [("a card, one run", 1), ("a card, two runs", 2)];
        all.models
            .extend(cards.map(|(name, notifiers)| BoundedModel {
                name,
                scope: ModelScope::Card { notifiers },
            }));
        all
    }

    /// What a test has the time for.
    #[must_use]
    pub fn small() -> Self {
        let canceled = WorkerScope {
            workers: 2,
            cancel: true,
            ..WorkerScope::ONE
        };
        let ticket = WorkerScope {
            retriers: 0,
            ..ONE_RETRIER
        };
        Self::with_models(
            &[
                ("one deploy, canceled", canceled),
                ("two deploys, one redriven", TWO_REDRIVEN),
                ("a ticket and a cancel, plainly", ticket),
            ],
            1,
        )
    }

    fn with_models(workers: &[(&'static str, WorkerScope)], notifiers: usize) -> Self {
        let threads = std::thread::available_parallelism();
        let threads = threads.map_or(1, std::num::NonZero::get).min(8);
        let workers = workers.iter();
        let workers = workers.map(|(name, scope)| (*name, ModelScope::Worker(*scope)));
        let notifier = ("notifications", ModelScope::Notifier { notifiers });
        let models = workers.chain([notifier]);
        let models = models.map(|(name, scope)| BoundedModel { name, scope });
        Self {
            models: models.collect(),
            threads,
        }
    }
}

const CANCELED_OR_REDRIVEN: WorkerScope = WorkerScope {
    workers: 2,
    retry_links: 1,
    redrive: true,
    cancel: true,
    ..WorkerScope::ONE
};
const ONE_RUN: WorkerScope = WorkerScope {
    workers: 1,
    ..CANCELED_OR_REDRIVEN
};
const TWO: WorkerScope = WorkerScope {
    deploys: 2,
    workers: 2,
    cancel: true,
    ..WorkerScope::ONE
};
const TWO_REDRIVEN: WorkerScope = WorkerScope {
    deploys: 2,
    retry_links: 1,
    redrive: true,
    ..WorkerScope::ONE
};
const TWO_PLAINLY: WorkerScope = WorkerScope {
    workers: 2,
    plain: true,
    ..TWO_REDRIVEN
};
const ONE_RETRIER: WorkerScope = WorkerScope {
    retriers: 1,
    plain: true,
    ..CANCELED_OR_REDRIVEN
};
const TWO_RETRIERS: WorkerScope = WorkerScope {
    retriers: 2,
    cancel: false,
    ..ONE_RETRIER
};
const CHAIN: WorkerScope = WorkerScope {
    retriers: 2,
    retry_links: 2,
    redrive: true,
    plain: true,
    ..WorkerScope::ONE
};
