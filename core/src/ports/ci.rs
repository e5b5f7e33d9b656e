//! CircleCI as the worker uses it.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Time;
use crate::config::{ProjectSlug, TriggerCall};
use crate::deploy::CiPipeline;
use crate::name::BranchName;

/// The one POST.
#[derive(Debug, Clone, PartialEq)]
pub struct TriggerRequest {
    /// The call.
    pub call: TriggerCall,
    /// The project.
    pub slug: ProjectSlug,
    /// The branch.
    pub branch: BranchName,
    /// The parameters, our deploy id among them where the job declares one.
    pub parameters: BTreeMap<String, Value>,
}

/// What became of the POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerOutcome {
    /// A pipeline was created.
    Created(CiPipeline),
    /// Certainly nothing was created, and it may work later: no byte was written, or 429.
    NotNow {
        /// What was met.
        error: String,
        /// How long CircleCI asks to wait.
        retry_after: Option<Duration>,
    },
    /// 401: certainly nothing was created; the token may be an old one.
    Unauthorized {
        /// CircleCI's words.
        message: String,
    },
    /// Certainly nothing was created, and trying again would not change that.
    Rejected {
        /// HTTP status.
        status: u16,
        /// CircleCI's words.
        message: String,
    },
    /// It may have worked: 5xx, a time-out or reset after bytes left, an unreadable answer.
    Unknown {
        /// What happened to the answer.
        because: String,
    },
}

impl TriggerOutcome {
    /// The outcome in one word, for logs: what CircleCI said stays in the ledger.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            TriggerOutcome::Created(_) => "created",
            TriggerOutcome::NotNow { .. } => "not now",
            TriggerOutcome::Unauthorized { .. } => "unauthorized",
            TriggerOutcome::Rejected { .. } => "refused",
            TriggerOutcome::Unknown { .. } => "unknown",
        }
    }
}

/// What to search for after a POST whose outcome is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupRequest {
    /// The call whose outcome is unknown.
    pub call: TriggerCall,
    /// The project.
    pub slug: ProjectSlug,
    /// The branch.
    pub branch: BranchName,
    /// Nothing created before this moment can be it.
    pub since: Time,
    /// The parameter and the value that prove it; without, there are only candidates.
    pub deploy_id: Option<(String, String)>,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupResult {
    /// The pipeline that carries the proof.
    Found(CiPipeline),
    /// Everything since then was read and nothing carries the proof.
    Absent {
        /// Pipelines that might be it where no proof can exist.
        candidates: Vec<CiPipeline>,
    },
}

/// CircleCI could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("CircleCI could not be asked: {message}")]
pub struct CiReadError {
    /// What was met.
    pub message: String,
    /// How long CircleCI asks to wait.
    pub retry_after: Option<Duration>,
    /// Whether the token was refused.
    pub unauthorized: bool,
}

impl CiReadError {
    /// Something was met that says nothing about the token or a wait.
    #[must_use]
    pub fn from_message(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            retry_after: None,
            unauthorized: false,
        }
    }
}

/// Where a pipeline stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PipelineState {
    /// The setup workflow is waiting to run.
    SetupPending,
    /// The setup workflow runs.
    Setup,
    /// Workflows are about to be created.
    Pending,
    /// Workflows were created, which says nothing about their end.
    Created,
    /// There will be no workflows.
    Errored,
    /// A word we do not know; never final.
    #[serde(other)]
    Unknown,
}

/// Where a workflow stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkflowStatus {
    /// Every job succeeded.
    Success,
    /// A job failed.
    Failed,
    /// It could not be run.
    Error,
    /// Somebody or something canceled it.
    Canceled,
    /// The token's user may not run it.
    Unauthorized,
    /// None of its jobs ran.
    NotRun,
    /// It runs.
    Running,
    /// Something failed, the rest still runs.
    Failing,
    /// It waits for an approval.
    OnHold,
    /// It waits for its turn.
    Queued,
    /// A word we do not know; never final.
    #[serde(other)]
    Unknown,
}

impl WorkflowStatus {
    /// Whether this run of the workflow is over.
    #[must_use]
    pub fn is_final(self) -> bool {
        use WorkflowStatus::{Canceled, Error, Failed, NotRun, Success, Unauthorized};
        matches!(
            self,
            Success | Failed | Error | Canceled | Unauthorized | NotRun
        )
    }

    /// CircleCI's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            WorkflowStatus::Success => "success",
            WorkflowStatus::Failed => "failed",
            WorkflowStatus::Error => "error",
            WorkflowStatus::Canceled => "canceled",
            WorkflowStatus::Unauthorized => "unauthorized",
            WorkflowStatus::NotRun => "not_run",
            WorkflowStatus::Running => "running",
            WorkflowStatus::Failing => "failing",
            WorkflowStatus::OnHold => "on_hold",
            WorkflowStatus::Queued => "queued",
            WorkflowStatus::Unknown => "unknown",
        }
    }
}

/// One run of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CiWorkflow {
    /// CircleCI's id.
    pub id: String,
    /// The name; a rerun has the same.
    pub name: String,
    /// Where it stands.
    pub status: WorkflowStatus,
    /// When it was created; the latest run of a name decides.
    pub created_at: Time,
    /// CircleCI will run it again by itself.
    pub rerun_coming: bool,
}

/// A pipeline as CircleCI sees it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollResult {
    /// Its state.
    pub state: PipelineState,
    /// What CircleCI says is wrong with the project's configuration.
    pub errors: Vec<String>,
    /// The commit it builds.
    pub revision: Option<String>,
    /// Every run of every workflow.
    pub workflows: Vec<CiWorkflow>,
}

/// CircleCI.
pub trait CiClient: Send + Sync {
    /// Sends the one POST, once: no resend, no redirect.
    fn trigger(&self, trigger: &TriggerRequest) -> impl Future<Output = TriggerOutcome> + Send;

    /// Looks for a pipeline that carries the proof.
    fn look_up(
        &self,
        search: &LookupRequest,
    ) -> impl Future<Output = Result<LookupResult, CiReadError>> + Send;

    /// Looks at a pipeline, or at a build, which looks like a pipeline with one workflow.
    fn poll(
        &self,
        slug: &ProjectSlug,
        run: &CiPipeline,
    ) -> impl Future<Output = Result<PollResult, CiReadError>> + Send;

    /// Asks CircleCI to cancel one of the workflows that a look has shown.
    fn cancel(
        &self,
        slug: &ProjectSlug,
        run: &CiPipeline,
        workflow: &str,
    ) -> impl Future<Output = Result<(), CiReadError>> + Send;
}
