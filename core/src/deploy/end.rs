//! How a deploy ends and why, and what people have to know before or after that.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ActedBy, CiPipeline, RunWatch};
use crate::Time;
use crate::ports::PipelineError;
use crate::rejection::Rejection;

/// The most workflows, jobs or errors that a record keeps of each kind, so that it stays small.
pub const MAX_NAMED: usize = 12;

/// Stands where CircleCI's status would, for a workflow or job that it does not list.
pub const NOT_THERE: &str = "not there";

/// Stands there for a job that still runs, or may, although its workflow is over.
pub const NOT_FINISHED: &str = "not finished";

/// Why a deploy ended as it did, with the details that the text needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EndReason {
    /// The workflows decided.
    Workflows {
        /// The name of each deciding workflow, with CircleCI's status.
        decided_by: Vec<(String, String)>,
        /// The workflows that ran beside them, likewise; they are not counted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        beside: Vec<(String, String)>,
        /// The jobs of the deciding workflows that did not succeed, likewise; if it was canceled, those
        /// that did, too.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        jobs: Vec<(String, String)>,
    },
    /// Not allowed, blocked or expired.
    Rejected(Rejection),
    /// CircleCI refused the trigger.
    TriggerRefused {
        /// HTTP status.
        status: u16,
        /// CircleCI's message.
        message: String,
    },
    /// No attempt succeeded before the request expired.
    TriggerGivenUp {
        /// How many attempts there were.
        attempts: u32,
        /// The error of the last attempt.
        last_error: String,
    },
    /// The pipeline has errors.
    PipelineErrors {
        /// What CircleCI says.
        errors: Vec<PipelineError>,
    },
    /// The pipeline listed no workflow at all.
    NoWorkflow,
    /// The pipeline listed other workflows, and not the job's.
    WorkflowMissing {
        /// The workflows that would have decided.
        wanted: Vec<String>,
        /// The workflows that are there, with CircleCI's status.
        listed: Vec<(String, String)>,
    },
    /// A person canceled it before any workflow but the setup had started.
    CanceledBeforeWorkflow {
        /// Who.
        by: ActedBy,
    },
    /// A person canceled it before anything was sent.
    CanceledBeforeTrigger {
        /// Who.
        by: ActedBy,
    },
    /// The outcome of the POST is unknown.
    OutcomeUnknown {
        /// What happened to the answer.
        because: String,
        /// Pipelines that may be the deploy's.
        candidates: Vec<CiPipeline>,
    },
    /// CircleCI could not be read for `follow_timeout`.
    Unreadable {
        /// The error of the last attempt.
        error: String,
    },
}

/// Something about a deploy that people have to know at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Notice {
    /// The trigger could not be sent yet.
    TriggerDelayed {
        /// The error of the last attempt.
        error: String,
    },
    /// CircleCI cannot be read.
    Unreadable {
        /// The error.
        error: String,
    },
    /// The pipeline lists no workflow yet.
    NothingStarted,
    /// A workflow has failed, and CircleCI may rerun it.
    MayRerun {
        /// Its name.
        workflow: String,
    },
    /// After the end, something else was seen at CircleCI.
    AfterEnd {
        /// The workflows, with CircleCI's status.
        workflows: Vec<(String, String)>,
    },
    /// Somebody freed the lock of its target.
    Unlocked {
        /// Who.
        by: ActedBy,
    },
}

impl EndReason {
    /// Whether the same request may succeed later, so that it waits for a retry. What CircleCI finds wrong
    /// with the request itself (an unknown branch, a parameter that is not declared) needs a new command.
    #[must_use]
    pub fn is_mendable(&self) -> bool {
        !matches!(
            self,
            Self::TriggerRefused {
                status: 400 | 404 | 405 | 410 | 411 | 413 | 414 | 415 | 422 | 431,
                ..
            }
        )
    }

    /// What is still read of a deploy that ended like this: a workflow of it may still start, or a job
    /// still runs, so it keeps its lock.
    #[must_use]
    pub fn watch(&self) -> Option<RunWatch> {
        let cancels = match self {
            Self::NoWorkflow | Self::WorkflowMissing { .. } => false,
            Self::Workflows {
                decided_by, jobs, ..
            } if decided_by.iter().any(|(_, status)| status == NOT_THERE)
                || jobs.iter().any(|(_, status)| status == NOT_FINISHED) =>
            {
                false
            }
            Self::CanceledBeforeWorkflow { .. } => true,
            _ => return None,
        };
        let waited = Duration::ZERO;
        Some(RunWatch { waited, cancels })
    }
}

/// The end of a deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployEnd {
    /// When.
    pub at: Time,
    /// Why.
    pub reason: EndReason,
}
