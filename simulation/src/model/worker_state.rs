//! A state of the worker's side.
//!
//! Millions are kept and compared, so what is large is only numbered here. Nothing may be in it that
//! grows with the way that led to it, or the search has no end.

use super::ci_answer::PipelineProgress;
use super::ids::PLACES;

/// One run of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct WorkerRun {
    /// The run as the product has it; 0 for none.
    pub run: u32,
    /// The record that it has read and not yet looked at; 0 for none.
    pub answer: u32,
    /// The deploy's place.
    pub deploy: u8,
    /// Others have written since it read.
    pub stale: bool,
    /// Its POST is out, and not answered.
    pub sent: bool,
}

impl WorkerRun {
    /// The same run, at another phase.
    pub(super) fn at(self, run: u32) -> Self {
        Self {
            run,
            deploy: self.deploy,
            ..Self::default()
        }
    }

    /// The same run, at a phase that may be about another deploy of the chain.
    pub(super) fn about(self, run: u32, place: Option<u8>) -> Self {
        Self {
            deploy: place.unwrap_or(self.deploy),
            ..self.at(run)
        }
    }

    /// Whether there is no run.
    pub(super) fn is_idle(&self) -> bool {
        self.run == 0
    }
}

/// What CircleCI has, or may still come to have, of a deploy's POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub(super) enum PostEffect {
    /// Nothing, and nothing can come.
    #[default]
    Nothing,
    /// A request is on its way or was answered by an error: there may be a pipeline at any time.
    Pending,
    /// A pipeline.
    Created,
}

/// Where the retry tickets of a deploy are; there may be several copies of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct RetryTickets {
    /// In the dead-letter queue.
    pub in_dlq: bool,
    /// Back in the work queue.
    pub redriven: bool,
}

/// Everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct WorkerState {
    /// By deploy: the command or the record; 0 for none.
    pub deploys: [u32; PLACES],
    pub post_effect: [PostEffect; PLACES],
    pub progress: [PipelineProgress; PLACES],
    pub tickets: [RetryTickets; PLACES],
    /// By person: the retry they request; 0 for nothing yet.
    pub retries: [u32; 2],
    /// One more than the deploy that has the target.
    pub holder: u8,
    /// Ticks until the lock expires; [`FOREVER`] if it does not.
    pub until: i8,
    pub runs: [WorkerRun; 2],
}

/// When a lock expires that does not.
pub(super) const FOREVER: i8 = i8::MAX;
