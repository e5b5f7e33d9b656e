//! Which models are searched, and how long that takes.

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
    /// Everything there is.
    #[must_use]
    pub fn full() -> Self {
        let models = vec![
            worker_model("one deploy, canceled or sent back", CANCELED_OR_SENT_BACK),
            worker_model("two deploys on one target", TWO),
            worker_model("two deploys, one sent back", TWO_SENT_BACK),
            worker_model("two deploys, one sent back, plainly", TWO_PLAINLY),
            worker_model("a press, an order and a cancel", ONE_RETRIER),
            worker_model("two presses and an order", TWO_RETRIERS),
            worker_model("a retry and its retry", CHAIN),
            notifier_model(),
        ];
        Self::with_models(models)
    }

    /// What a test has the time for.
    #[must_use]
    pub fn small() -> Self {
        let canceled = WorkerScope {
            workers: 2,
            cancel: true,
            ..WorkerScope::ONE
        };
        let ordered = WorkerScope {
            retriers: 0,
            ..ONE_RETRIER
        };
        let models = vec![
            worker_model("one deploy, canceled", canceled),
            worker_model("two deploys, one sent back", TWO_SENT_BACK),
            worker_model("an order and a cancel, plainly", ordered),
            notifier_model(),
        ];
        Self::with_models(models)
    }

    fn with_models(models: Vec<BoundedModel>) -> Self {
        let threads = std::thread::available_parallelism();
        let threads = threads.map_or(1, std::num::NonZero::get).min(8);
        Self { models, threads }
    }
}

const CANCELED_OR_SENT_BACK: WorkerScope = WorkerScope {
    workers: 2,
    retry_links: 1,
    redrive: true,
    cancel: true,
    ..WorkerScope::ONE
};
const TWO: WorkerScope = WorkerScope {
    deploys: 2,
    workers: 2,
    cancel: true,
    ..WorkerScope::ONE
};
const TWO_SENT_BACK: WorkerScope = WorkerScope {
    deploys: 2,
    retry_links: 1,
    redrive: true,
    ..WorkerScope::ONE
};
const TWO_PLAINLY: WorkerScope = WorkerScope {
    workers: 2,
    plain: true,
    ..TWO_SENT_BACK
};
const ONE_RETRIER: WorkerScope = WorkerScope {
    retriers: 1,
    plain: true,
    ..CANCELED_OR_SENT_BACK
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

fn worker_model(name: &'static str, scope: WorkerScope) -> BoundedModel {
    let scope = ModelScope::Worker(scope);
    BoundedModel { name, scope }
}

fn notifier_model() -> BoundedModel {
    let scope = ModelScope::Notifier { notifiers: 2 };
    BoundedModel {
        name: "telling",
        scope,
    }
}
