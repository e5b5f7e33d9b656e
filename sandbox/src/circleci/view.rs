//! What CircleCI answers, in its JSON shapes.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

use super::script::{PipelineError, PipelineState};

/// The answer to a trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Created {
    /// The pipeline's id.
    pub id: Uuid,
    /// The pipeline's number in its project.
    pub number: u64,
    /// The state at once after creation.
    pub state: PipelineState,
    /// When it was created.
    #[serde(serialize_with = "milliseconds")]
    pub created_at: DateTime<Utc>,
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
    /// The state at the time of the question.
    pub state: PipelineState,
    /// When it was created.
    #[serde(serialize_with = "milliseconds")]
    pub created_at: DateTime<Utc>,
    /// When the state last changed.
    #[serde(serialize_with = "milliseconds")]
    pub updated_at: DateTime<Utc>,
    /// Why the state is errored; empty in every other state.
    pub errors: Vec<PipelineError>,
    /// What started it.
    pub trigger: TriggerView,
    /// Always empty: a GitHub OAuth project shows its parameters only under `values`.
    pub trigger_parameters: BTreeMap<String, Value>,
    /// What was built.
    pub vcs: Vcs,
}

/// What started a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TriggerView {
    /// Always `api` here.
    #[serde(rename = "type")]
    pub kind: String,
    /// When the request arrived.
    #[serde(serialize_with = "milliseconds")]
    pub received_at: DateTime<Utc>,
    /// The owner of the token.
    pub actor: Actor,
}

/// The owner of the token that started a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Actor {
    /// The user's name.
    pub login: String,
    /// Always null here.
    pub avatar_url: Option<String>,
}

/// What a pipeline builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vcs {
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
    /// What to ask for to see older ones.
    pub next_page_token: Option<String>,
}

/// One workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkflowView {
    /// The workflow's id.
    pub id: Uuid,
    /// The workflow's name.
    pub name: String,
    /// The status at the time of the question.
    pub status: String,
    /// When it appeared.
    #[serde(serialize_with = "seconds")]
    pub created_at: DateTime<Utc>,
    /// When it ended; null before.
    #[serde(serialize_with = "optional_seconds")]
    pub stopped_at: Option<DateTime<Utc>>,
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
    /// What to ask for to see the others; null on the last page.
    pub next_page_token: Option<String>,
}

pub(super) fn milliseconds<S: Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

fn seconds<S: Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

#[expect(clippy::ref_option, reason = "the signature serde calls")]
fn optional_seconds<S: Serializer>(at: &Option<DateTime<Utc>>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => seconds(at, to),
        None => to.serialize_none(),
    }
}
