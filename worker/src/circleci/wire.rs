//! CircleCI's JSON, only the fields that are used. Unknown fields are ignored: some appear
//! without notice.

use chatops_core::Time;
use chatops_core::ports::{self, PipelineState, WorkflowStatus};
use serde::Deserialize;
use uuid::Uuid;

/// A page of a listing.
#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next_page_token: Option<String>,
}

/// The answer to a trigger, and a line of the listing.
#[derive(Debug, Deserialize)]
pub(super) struct Pipeline {
    pub(super) id: Uuid,
    pub(super) number: u64,
    pub(super) created_at: Time,
}

/// One pipeline.
#[derive(Debug, Deserialize)]
pub(super) struct Details {
    pub(super) state: PipelineState,
    #[serde(default)]
    pub(super) errors: Vec<PipelineError>,
    pub(super) vcs: Option<Vcs>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PipelineError {
    pub(super) message: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Vcs {
    pub(super) revision: Option<String>,
}

/// One run of a workflow.
#[derive(Debug, Deserialize)]
pub(super) struct Workflow {
    id: String,
    name: String,
    status: WorkflowStatus,
    created_at: Time,
    auto_rerun_number: Option<u32>,
    max_auto_reruns: Option<u32>,
}

impl From<Workflow> for ports::Workflow {
    fn from(seen: Workflow) -> Self {
        let runs_left = seen.auto_rerun_number.unwrap_or(0) < seen.max_auto_reruns.unwrap_or(0);
        Self {
            rerun_coming: runs_left && seen.status == WorkflowStatus::Failed,
            id: seen.id,
            name: seen.name,
            status: seen.status,
            created_at: seen.created_at,
        }
    }
}

/// A build of API v1.1, as the trigger, the listing and the build itself show it.
#[derive(Debug, Deserialize)]
#[expect(clippy::struct_field_names, reason = "they are CircleCI's names")]
pub(super) struct Build {
    pub(super) build_num: u64,
    pub(super) status: Option<String>,
    pub(super) lifecycle: Option<String>,
    pub(super) outcome: Option<String>,
    pub(super) vcs_revision: Option<String>,
    pub(super) dont_build: Option<serde_json::Value>,
    why: Option<String>,
    pub(super) build_parameters: Option<serde_json::Map<String, serde_json::Value>>,
    usage_queued_at: Option<Time>,
    queued_at: Option<Time>,
    start_time: Option<Time>,
}

impl Build {
    /// When it was first seen by CircleCI.
    pub(super) fn queued(&self) -> Option<Time> {
        self.usage_queued_at.or(self.queued_at).or(self.start_time)
    }

    /// A build parameter's text.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.build_parameters.as_ref()?.get(name)?.as_str()
    }

    /// Whether it may have been started by this API and does not show with what.
    pub(super) fn is_secretive(&self) -> bool {
        let by_api = self.why.as_deref().is_none_or(|why| why == "api");
        by_api && self.build_parameters.is_none()
    }

    /// The job it runs.
    pub(super) fn job(&self) -> &str {
        self.parameter("CIRCLE_JOB").unwrap_or("build")
    }
}
