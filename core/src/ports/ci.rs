//! CircleCI as the worker uses it.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Time;
use crate::config::{ProjectSlug, TriggerCall};
use crate::deploy::CiPipeline;
use crate::name::{BranchName, GitRef};

/// The POST that triggers a deploy.
#[derive(Debug, Clone, PartialEq)]
pub struct TriggerRequest {
    /// The call.
    pub call: TriggerCall,
    /// The project.
    pub slug: ProjectSlug,
    /// What is built.
    pub git_ref: GitRef,
    /// The branch that the configuration is read from, where that is another one.
    pub config_branch: Option<BranchName>,
    /// The parameters, with the deploy id if the job declares one.
    pub parameters: BTreeMap<String, Value>,
}

/// The outcome of the POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerOutcome {
    /// A pipeline was created.
    Created(CiPipeline),
    /// Certainly nothing was created, and it may work later: no byte was written, or 429.
    NotNow {
        /// The error.
        error: String,
        /// How long CircleCI asks to wait.
        retry_after: Option<Duration>,
    },
    /// 401: certainly nothing was created; the token may be an old one.
    Unauthorized {
        /// CircleCI's message.
        message: String,
    },
    /// Certainly nothing was created, and another attempt would not change that.
    Refused {
        /// HTTP status.
        status: u16,
        /// CircleCI's message.
        message: String,
    },
    /// It may have worked: 5xx, a timeout or reset after bytes were sent, an unreadable answer.
    Unknown {
        /// What happened to the answer.
        because: String,
    },
}

impl TriggerOutcome {
    /// The outcome for logs, without CircleCI's message.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            TriggerOutcome::Created(_) => "created",
            TriggerOutcome::NotNow { .. } => "not now",
            TriggerOutcome::Unauthorized { .. } => "unauthorized",
            TriggerOutcome::Refused { .. } => "refused",
            TriggerOutcome::Unknown { .. } => "unknown",
        }
    }

    /// Why no pipeline is known to be created.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            TriggerOutcome::Created(_) => None,
            TriggerOutcome::NotNow { error, .. } => Some(error),
            TriggerOutcome::Unauthorized { message } | TriggerOutcome::Refused { message, .. } => {
                Some(message)
            }
            TriggerOutcome::Unknown { because } => Some(because),
        }
    }
}

/// What to look up after a POST whose outcome is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupRequest {
    /// The call whose outcome is unknown.
    pub call: TriggerCall,
    /// The project.
    pub slug: ProjectSlug,
    /// What it builds.
    pub git_ref: GitRef,
    /// The pipeline was not created before this moment.
    pub since: Time,
    /// The deploy id parameter and its value; without, there are only candidates.
    pub deploy_id: Option<(String, String)>,
}

/// The result of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupResult {
    /// The pipeline that carries the deploy id.
    Found(CiPipeline),
    /// Every pipeline since then was read; none carries the deploy id.
    Absent {
        /// Pipelines that may be it, if the job declares no deploy id.
        candidates: Vec<CiPipeline>,
    },
}

/// A read from CircleCI failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("CircleCI could not be asked: {message}")]
pub struct CiReadError {
    /// The error.
    pub message: String,
    /// How long CircleCI asks to wait.
    pub retry_after: Option<Duration>,
    /// Whether the token was refused.
    pub unauthorized: bool,
}

impl CiReadError {
    /// An error that says nothing about the token or a pause.
    #[must_use]
    pub fn from_message(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            retry_after: None,
            unauthorized: false,
        }
    }
}

/// The state of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PipelineState {
    /// The setup workflow is waiting to run.
    SetupPending,
    /// The setup workflow runs.
    Setup,
    /// Workflows are about to be created.
    Pending,
    /// Workflows were created; they may still run.
    Created,
    /// There will be no workflows.
    Errored,
    /// Unknown to this program; never final.
    #[serde(other)]
    Unknown,
}

/// The status of a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum WorkflowStatus {
    /// Every job succeeded.
    Success,
    /// A job failed.
    Failed,
    /// It could not be run.
    Error,
    /// It was canceled.
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
    /// It waits in a queue.
    Queued,
    /// Unknown to this program; never final.
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

    /// CircleCI's name of the status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// One run of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CiWorkflow {
    /// CircleCI's id; of a build, its number.
    pub id: String,
    /// The name, or [`NO_NAME`](Self::NO_NAME); a rerun has the same.
    pub name: String,
    /// The status.
    pub status: WorkflowStatus,
    /// When it was created.
    pub created_at: Time,
    /// Whether it is the setup workflow, which decides nothing but whether the pipeline goes on.
    pub is_setup: bool,
    /// Which automatic rerun it is, from 1; `None` for any other run.
    pub auto_rerun_number: Option<u32>,
    /// How many automatic reruns its configuration allows.
    pub max_auto_reruns: Option<u32>,
}

impl CiWorkflow {
    /// Stands where CircleCI shows no name.
    pub const NO_NAME: &str = "(no name)";

    /// Whether it may be any workflow, and is not over.
    #[must_use]
    pub fn is_open_without_name(&self) -> bool {
        self.name == Self::NO_NAME && !self.status.is_final()
    }
}

/// The kind of a pipeline's error, as CircleCI's API names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum PipelineErrorKind {
    /// The configuration is not valid.
    Config,
    /// The configuration could not be fetched.
    ConfigFetch,
    /// The trigger is not set up.
    InvalidTriggerSetup,
    /// It took too long.
    Timeout,
    /// Somebody lacks a permission.
    Permission,
    /// The plan does not allow it; usually the credits are spent.
    Plan,
    /// A rule of the trigger excludes it.
    TriggerRule,
    /// Anything else.
    #[serde(other)]
    Other,
}

/// An error of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PipelineError {
    /// Its kind.
    pub kind: PipelineErrorKind,
    /// CircleCI's text, cut to a length that fits a record.
    pub message: String,
}

/// A pipeline without its workflows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PipelineDetails {
    /// Its state.
    pub state: PipelineState,
    /// Its errors, whatever the state.
    pub errors: Vec<PipelineError>,
    /// The commit that it builds, once known.
    pub revision: Option<String>,
    /// The first line of the commit's message, where CircleCI shows it.
    pub subject: Option<String>,
    /// The name of the commit's author, where CircleCI shows it.
    pub author: Option<String>,
}

/// The result of a poll.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PollResult {
    /// The pipeline; `None` if only its workflows were read.
    pub pipeline: Option<PipelineDetails>,
    /// Every run of every workflow, in CircleCI's order: the newest first.
    pub workflows: Vec<CiWorkflow>,
}

/// The status of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum JobStatus {
    /// It succeeded.
    Success,
    /// It failed, whatever the cause.
    Failed,
    /// It was skipped, or what it requires can never be met.
    NotRun,
    /// It was canceled.
    Canceled,
    /// The token's user may not run it.
    Unauthorized,
    /// It runs, or may still run.
    Open,
    /// Unknown to this program.
    #[serde(other)]
    Other,
}

/// One job of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CiJob {
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: JobStatus,
    /// Whether it runs steps; an approval does not.
    pub is_build: bool,
}

/// CircleCI.
pub trait CiClient: Send + Sync {
    /// Sends the POST once: no resend, no redirect.
    fn trigger(&self, trigger: &TriggerRequest) -> impl Future<Output = TriggerOutcome> + Send;

    /// Looks up the pipeline that carries the deploy id.
    fn look_up(
        &self,
        request: &LookupRequest,
    ) -> impl Future<Output = Result<LookupResult, CiReadError>> + Send;

    /// Polls a pipeline, or a build, which is returned as a pipeline with one workflow. Without
    /// `details` only the workflows are read, which is one call less.
    fn poll(
        &self,
        slug: &ProjectSlug,
        run: &CiPipeline,
        details: bool,
    ) -> impl Future<Output = Result<PollResult, CiReadError>> + Send;

    /// The jobs of a workflow; none for a build.
    fn list_jobs(
        &self,
        run: &CiPipeline,
        workflow: &str,
    ) -> impl Future<Output = Result<Vec<CiJob>, CiReadError>> + Send;

    /// Asks CircleCI to cancel one of the polled workflows.
    fn cancel(
        &self,
        slug: &ProjectSlug,
        run: &CiPipeline,
        workflow: &str,
    ) -> impl Future<Output = Result<(), CiReadError>> + Send;
}
