//! The faults of CircleCI, and what it remembers.

use std::time::Duration;

use chatops_core::Time;
use chatops_core::deploy::Target;
use chatops_core::id::{DeployId, PipelineId};
use chatops_core::ports::TargetLock;

/// What happens to the next POST instead of what should.
#[derive(Debug, Clone)]
pub enum TriggerFault {
    /// No byte leaves.
    NotSent,
    /// 429, with `Retry-After` or without.
    Limited(Option<Duration>),
    /// A definite rejection.
    Rejected(u16, &'static str),
    /// 503, and nothing was created.
    ErrorBefore,
    /// 503, and the pipeline was created all the same.
    ErrorAfter,
    /// The pipeline was created and the connection broke.
    AnswerLost,
}

/// What happens to the next read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFault {
    /// 503.
    Error,
    /// 429.
    Limited(Duration),
}

/// A POST as it arrived.
#[derive(Debug, Clone)]
pub struct ReceivedPost {
    /// When.
    pub received_at: Time,
    /// The deploy id it carried.
    pub deploy: Option<DeployId>,
    /// The job that it asks for.
    pub job: String,
    /// The branch that it is for.
    pub branch: String,
    /// The locks at that moment.
    pub locks: Vec<(Target, TargetLock)>,
}

/// A poll that was answered.
#[derive(Debug, Clone, Copy)]
pub struct AnsweredPoll {
    /// When.
    pub answered_at: Time,
    /// The pipeline.
    pub pipeline: PipelineId,
    /// Whether a workflow was seen that can still be canceled.
    pub can_cancel: bool,
}

/// A read of a deploy's pipeline, or a lookup of it.
#[derive(Debug, Clone, Copy)]
pub struct ReadTry {
    /// When.
    pub tried_at: Time,
    /// The deploy.
    pub deploy: Option<DeployId>,
    /// Whether it was answered.
    pub answered: bool,
    /// The handler run that made it; 0 where they are not told apart.
    pub reader: u64,
    /// Whether that run died or failed later, so that what it read may be on no record.
    pub is_lost: bool,
}
