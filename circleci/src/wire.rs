//! CircleCI's JSON, only the fields that are used. Unknown fields are ignored: some appear without
//! notice.

use chatops_core::Time;
use chatops_core::ports::{self, PipelineState, WorkflowStatus};
use serde::Deserialize;
use uuid::Uuid;

/// A page of a listing.
#[derive(Debug, Deserialize)]
pub(super) struct V2Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next_page_token: Option<String>,
}

/// The answer to a trigger, and an item of a listing.
#[derive(Debug, Deserialize)]
pub(super) struct V2Pipeline {
    pub(super) id: Uuid,
    pub(super) number: u64,
    pub(super) created_at: Time,
}

/// One pipeline.
#[derive(Debug, Deserialize)]
pub(super) struct V2PipelineDetails {
    pub(super) state: PipelineState,
    #[serde(default)]
    pub(super) errors: Vec<V2PipelineError>,
    pub(super) vcs: Option<V2Vcs>,
}

#[derive(Debug, Deserialize)]
pub(super) struct V2PipelineError {
    pub(super) message: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct V2Vcs {
    pub(super) revision: Option<String>,
}

/// One run of a workflow.
#[derive(Debug, Deserialize)]
pub(super) struct V2Workflow {
    id: String,
    name: String,
    status: WorkflowStatus,
    created_at: Time,
    auto_rerun_number: Option<u32>,
    max_auto_reruns: Option<u32>,
}

impl From<V2Workflow> for ports::CiWorkflow {
    fn from(seen: V2Workflow) -> Self {
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
pub(super) struct V1Build {
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

impl V1Build {
    /// When CircleCI first saw it.
    pub(super) fn first_seen_at(&self) -> Option<Time> {
        self.usage_queued_at.or(self.queued_at).or(self.start_time)
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.build_parameters.as_ref()?.get(name)?.as_str()
    }

    /// Whether this API may have started it and its parameters are not shown.
    pub(super) fn hides_parameters(&self) -> bool {
        let by_api = self.why.as_deref().is_none_or(|why| why == "api");
        by_api && self.build_parameters.is_none()
    }

    pub(super) fn job_name(&self) -> &str {
        self.parameter("CIRCLE_JOB").unwrap_or("build")
    }
}
