//! CircleCI's responses, as JSON.

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use serde::{Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

use super::super::script::{JobKind, PipelineErrorView, PipelineStateView};
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
    /// What is wrong with it, usually shown in the errored state alone; null in odd answers.
    pub errors: Option<Vec<PipelineErrorView>>,
    /// What started it.
    pub trigger: Value,
    /// Facts about the trigger, such as the commit under `git`. Empty where the project belongs to
    /// GitHub OAuth or Bitbucket Cloud; pipeline parameters show only under `values`.
    pub trigger_parameters: BTreeMap<String, Value>,
    /// What is built; only of GitHub OAuth and Bitbucket Cloud projects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vcs: Option<VcsView>,
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
    /// The branch; absent for a tag.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub branch: String,
    /// The tag; absent for a branch.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tag: String,
    /// The commit, 40 hexadecimal digits.
    pub revision: String,
    /// Its message.
    pub commit: CommitView,
}

/// The message of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommitView {
    /// The first line.
    pub subject: String,
    /// The rest.
    pub body: String,
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
    /// The user whose token or push started it.
    pub started_by: Uuid,
    /// The user who canceled it; absent if nobody did, and if CircleCI did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canceled_by: Option<Uuid>,
    /// The user of a run that CircleCI could not execute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errored_by: Option<Uuid>,
    /// `setup` for the setup workflow of a dynamic configuration.
    pub tag: Option<&'static str>,
    /// Which automatic rerun it is, from one; absent on the original run and on manual reruns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_rerun_number: Option<u32>,
    /// How many automatic reruns are allowed; absent where the configuration has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_auto_reruns: Option<u32>,
}

/// One page of a pipeline's workflows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowPage {
    /// Newest first.
    pub items: Vec<WorkflowView>,
    /// How many null items precede them in the JSON list.
    pub null_items: usize,
    /// The token of the next page; null on the last page.
    pub next_page_token: Option<String>,
}

impl Serialize for WorkflowPage {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Page<'a> {
            items: Vec<Option<&'a WorkflowView>>,
            next_page_token: &'a Option<String>,
        }
        let nulls = std::iter::repeat_n(None, self.null_items);
        let page = Page {
            items: nulls.chain(self.items.iter().map(Some)).collect(),
            next_page_token: &self.next_page_token,
        };
        page.serialize(to)
    }
}

/// One job of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobView {
    /// The job's id.
    pub id: Uuid,
    /// The job's name.
    pub name: String,
    /// Whether it runs or waits for a person.
    #[serde(rename = "type")]
    pub kind: JobKind,
    /// The current status.
    pub status: String,
    /// The project's slug.
    pub project_slug: String,
    /// The ids of the jobs before it.
    pub dependencies: Vec<Uuid>,
    /// The number in its project; absent until it starts, and for approvals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_number: Option<u64>,
    /// When it started; null before.
    #[serde(serialize_with = "optional_seconds")]
    pub started_at: Option<Time>,
    /// When it ended; absent before.
    #[serde(
        serialize_with = "optional_seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub stopped_at: Option<Time>,
    /// What a request to approve it has to name; only of approvals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_request_id: Option<Uuid>,
    /// The user who approved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<Uuid>,
    /// The user who canceled it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canceled_by: Option<Uuid>,
}

/// One page of a workflow's jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobPage {
    /// In the order of the configuration.
    pub items: Vec<JobView>,
    /// Always null: every job fits on one page.
    pub next_page_token: Option<String>,
}

/// RFC 3339 with milliseconds.
pub(crate) fn format_time(at: Time) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
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
