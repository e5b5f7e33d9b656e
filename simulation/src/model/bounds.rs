//! Which models are searched, and how long that takes.

use super::{Model, Scope, Working};

/// Which models are searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// The models, each searched to the end.
    pub models: Vec<Model>,
    /// Threads that search; rounded up to a power of two.
    pub threads: usize,
}

impl Bounds {
    /// Everything there is.
    #[must_use]
    pub fn full() -> Self {
        let models = vec![
            working("one deploy, canceled or sent back", CANCELED_OR_SENT_BACK),
            working("two deploys on one target", TWO),
            working("two deploys, one sent back", TWO_SENT_BACK),
            working("two deploys, one sent back, plainly", TWO_PLAINLY),
            working("a press, an order and a cancel", PRESSED),
            working("two presses and an order", TWO_PRESSES),
            working("a retry and its retry", CHAIN),
            telling(),
        ];
        Self::over(models)
    }

    /// What a test has the time for.
    #[must_use]
    pub fn small() -> Self {
        let canceled = Working {
            workers: 2,
            cancel: true,
            ..Working::ONE
        };
        let ordered = Working {
            presses: 0,
            ..PRESSED
        };
        let models = vec![
            working("one deploy, canceled", canceled),
            working("two deploys, one sent back", TWO_SENT_BACK),
            working("an order and a cancel, plainly", ordered),
            telling(),
        ];
        Self::over(models)
    }

    fn over(models: Vec<Model>) -> Self {
        let threads = std::thread::available_parallelism();
        let threads = threads.map_or(1, std::num::NonZero::get).min(8);
        Self { models, threads }
    }
}

const CANCELED_OR_SENT_BACK: Working = Working {
    workers: 2,
    links: 1,
    redrive: true,
    cancel: true,
    ..Working::ONE
};
const TWO: Working = Working {
    deploys: 2,
    workers: 2,
    cancel: true,
    ..Working::ONE
};
const TWO_SENT_BACK: Working = Working {
    deploys: 2,
    links: 1,
    redrive: true,
    ..Working::ONE
};
const TWO_PLAINLY: Working = Working {
    workers: 2,
    plain: true,
    ..TWO_SENT_BACK
};
const PRESSED: Working = Working {
    presses: 1,
    plain: true,
    ..CANCELED_OR_SENT_BACK
};
const TWO_PRESSES: Working = Working {
    presses: 2,
    cancel: false,
    ..PRESSED
};
const CHAIN: Working = Working {
    presses: 2,
    links: 2,
    redrive: true,
    plain: true,
    ..Working::ONE
};

fn working(name: &'static str, scope: Working) -> Model {
    let scope = Scope::Working(scope);
    Model { name, scope }
}

fn telling() -> Model {
    let scope = Scope::Telling { notifiers: 2 };
    Model {
        name: "telling",
        scope,
    }
}
