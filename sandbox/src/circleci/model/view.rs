//! CircleCI's responses, as JSON.

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use serde::{Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

use super::super::script::{PipelineErrorView, PipelineStateView};
use super::webhook::format_time;
use crate::server::Time;

/// The response to a trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CreatedPipeline {
    /// The pipeline's id.
    pub id: Uuid,
    /// The pipeline's number in its project.
    pub number: u64,
    /// The state at creation.
    pub state: PipelineStateView,
    /// When it was created.
    #[serde(serialize_with = "milliseconds")]
    pub created_at: Time,
}

/// One pipeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PipelineView {
    /// The pipeline's id.
    pub id: Uuid,
    /// The pipeline's number in its project.
    pub number: u64,
    /// The project's slug.
    pub project_slug: String,
    /// The current state.
    pub state: PipelineStateView,
    /// When it was created.
    #[serde(serialize_with = "milliseconds")]
    pub created_at: Time,
    /// When the state last changed.
    #[serde(serialize_with = "milliseconds")]
    pub updated_at: Time,
    /// Why the state is errored; empty in every other state.
    pub errors: Vec<PipelineErrorView>,
    /// What started it.
    pub trigger: Value,
    /// Always empty: a GitHub OAuth project shows its parameters only under `values`.
    pub trigger_parameters: BTreeMap<String, Value>,
    /// What was built.
    pub vcs: VcsView,
}

/// What a pipeline builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VcsView {
    /// The version control host.
    pub provider_name: String,
    /// The repository the code comes from.
    pub origin_repository_url: String,
    /// The repository that is built.
    pub target_repository_url: String,
    /// The branch.
    pub branch: String,
    /// The commit, 40 hexadecimal digits.
    pub revision: String,
}

/// One page of pipelines.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PipelinePage {
    /// Newest first.
    pub items: Vec<PipelineView>,
    /// The token of the next, older page.
    pub next_page_token: Option<String>,
}

/// One workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkflowView {
    /// The workflow's id.
    pub id: Uuid,
    /// The workflow's name.
    pub name: String,
    /// The current status.
    pub status: String,
    /// When it appeared.
    #[serde(serialize_with = "seconds")]
    pub created_at: Time,
    /// When it ended; null before.
    #[serde(serialize_with = "optional_seconds")]
    pub stopped_at: Option<Time>,
    /// The pipeline it belongs to.
    pub pipeline_id: Uuid,
    /// That pipeline's number.
    pub pipeline_number: u64,
    /// The project's slug.
    pub project_slug: String,
    /// Which automatic rerun it is; absent where the configuration has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_rerun_number: Option<u32>,
    /// How many automatic reruns are allowed; absent where the configuration has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_auto_reruns: Option<u32>,
}

/// One page of a pipeline's workflows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkflowPage {
    /// In the order of their creation.
    pub items: Vec<WorkflowView>,
    /// The token of the next page; null on the last page.
    pub next_page_token: Option<String>,
}

pub(crate) fn milliseconds<S: Serializer>(at: &Time, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format_time(*at))
}

fn seconds<S: Serializer>(at: &Time, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

#[expect(clippy::ref_option, reason = "the signature serde calls")]
fn optional_seconds<S: Serializer>(at: &Option<Time>, to: S) -> Result<S::Ok, S::Error> {
    at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
        .serialize(to)
}
