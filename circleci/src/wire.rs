//! CircleCI's JSON, only the fields that are used. Unknown fields are ignored: some appear without
//! notice. A field that is null, absent or of another kind costs that field, and an item of a list
//! that cannot be read costs that item; the list itself has to be one.

use std::fmt;
use std::marker::PhantomData;

use chatops_core::Time;
use chatops_core::name::TagName;
use chatops_core::ports::{
    CiJob, CiWorkflow, JobStatus, PipelineDetails, PipelineError, PipelineErrorKind, PipelineState,
    WorkflowStatus,
};
use chatops_http::{cut_name, truncate};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error_text;

/// The most errors of a pipeline that are kept.
const MAX_ERRORS: usize = 10;

/// An object, or what stands in its place. By itself the parser would take a list for an object's
/// fields in their order.
#[derive(Debug, Default)]
pub(super) enum Item<T> {
    /// Null: there is nothing.
    #[default]
    Null,
    /// The object.
    Known(T),
    /// Something else: there may be something.
    Unreadable,
}

impl<T> Item<T> {
    /// The object that an answer has to be.
    pub(super) fn object(self) -> Result<T, String> {
        let none = || "the answer cannot be read: it is no object".to_owned();
        self.known().ok_or_else(none)
    }

    pub(super) fn known(self) -> Option<T> {
        match self {
            Self::Known(item) => Some(item),
            Self::Null | Self::Unreadable => None,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor(PhantomData))
    }
}

struct ItemVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ItemVisitor<T> {
    type Value = Item<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Item<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Item::Known)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Item<T>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Item::Unreadable)
    }

    fn visit_unit<E>(self) -> Result<Item<T>, E> {
        Ok(Item::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Item<T>, E> {
        Ok(Item::Unreadable)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Item<T>, E> {
        Ok(Item::Unreadable)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Item<T>, E> {
        Ok(Item::Unreadable)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Item<T>, E> {
        Ok(Item::Unreadable)
    }

    fn visit_str<E>(self, _: &str) -> Result<Item<T>, E> {
        Ok(Item::Unreadable)
    }
}

/// A text in this form, if it is one.
fn field<T: DeserializeOwned>(value: &Value) -> Option<T> {
    value.is_string().then(|| T::deserialize(value).ok())?
}

/// A name or an id, cut; `None` if there is nothing to see.
fn name(value: &Value) -> Option<String> {
    let name = value.as_str().map(cut_name);
    name.filter(|name| !name.is_empty())
}

/// The first line of a text, cut; `None` if there is nothing to see.
fn first_line(value: &Value) -> Option<String> {
    let line = value.as_str()?.trim().lines().next()?.trim();
    (!line.is_empty()).then(|| cut_name(line))
}

/// A page of a listing.
#[derive(Debug, Deserialize)]
pub(super) struct V2Page<T> {
    pub(super) items: Vec<Item<T>>,
    next_page_token: Option<String>,
}

impl<T> V2Page<T> {
    /// Where the next page begins, if there is one.
    pub(super) fn next(&self) -> Option<String> {
        let token = self.next_page_token.clone();
        token.filter(|token| !token.is_empty())
    }
}

/// The answer to a trigger, and an item of a listing.
#[derive(Debug, Deserialize)]
pub(super) struct V2Pipeline {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    number: Value,
    #[serde(default)]
    created_at: Value,
    #[serde(default)]
    message: Value,
    #[serde(default)]
    vcs: Item<V2Vcs>,
}

impl V2Pipeline {
    /// Its id and number.
    pub(super) fn key(&self) -> Option<(Uuid, u64)> {
        Some((field(&self.id)?, self.number.as_u64()?))
    }

    /// When it was created.
    pub(super) fn created_at(&self) -> Option<Time> {
        field(&self.created_at)
    }

    /// Whether it may be a tag's, as far as it says: a GitHub App's pipeline does not.
    pub(super) fn may_be_of(&self, tag: &TagName) -> bool {
        let Item::Known(vcs) = &self.vcs else {
            return true;
        };
        match vcs.tag.as_str() {
            Some(name) => name == tag.as_str(),
            None => vcs.branch.is_null(),
        }
    }

    /// Why there is none.
    pub(super) fn message(&self) -> Option<String> {
        error_text::of_message(&self.message)
    }
}

/// One pipeline.
#[derive(Debug, Deserialize)]
pub(super) struct V2PipelineDetails {
    #[serde(default)]
    state: Value,
    /// Null is none; anything else but a list may hide an error, so it is not readable.
    #[serde(default)]
    errors: Option<Vec<Value>>,
    #[serde(default)]
    vcs: Item<V2Vcs>,
    #[serde(default)]
    trigger_parameters: Item<V2TriggerParameters>,
}

#[derive(Debug, Deserialize)]
struct V2Vcs {
    #[serde(default)]
    revision: Value,
    #[serde(default)]
    branch: Value,
    #[serde(default)]
    tag: Value,
    #[serde(default)]
    commit: Item<V2Commit>,
}

#[derive(Debug, Deserialize)]
struct V2Commit {
    #[serde(default)]
    subject: Value,
}

#[derive(Debug, Deserialize)]
struct V2TriggerParameters {
    #[serde(default)]
    git: Item<V2Git>,
    #[serde(default)]
    github_app: Item<V2GitHubApp>,
}

#[derive(Debug, Deserialize)]
struct V2Git {
    #[serde(default)]
    checkout_sha: Value,
    #[serde(default)]
    commit_message: Value,
    #[serde(default)]
    commit_author_name: Value,
}

/// CircleCI promises none of it.
#[derive(Debug, Deserialize)]
struct V2GitHubApp {
    #[serde(default)]
    commit_title: Value,
    #[serde(default)]
    commit_author_name: Value,
}

impl From<V2PipelineDetails> for PipelineDetails {
    fn from(seen: V2PipelineDetails) -> Self {
        let errors = seen.errors.unwrap_or_default();
        let errors = errors.iter().filter(|error| !error.is_null());
        let vcs = seen.vcs.known();
        let by_vcs = vcs.as_ref().and_then(|vcs| name(&vcs.revision));
        let subject = vcs.and_then(|vcs| first_line(&vcs.commit.known()?.subject));
        // A pipeline of a GitHub App has no `vcs`.
        let (git, app) = match seen.trigger_parameters.known() {
            Some(all) => (all.git.known(), all.github_app.known()),
            None => (None, None),
        };
        let by_git = git.as_ref().and_then(|git| name(&git.checkout_sha));
        let title = app.as_ref().and_then(|app| first_line(&app.commit_title));
        let message = git.as_ref().and_then(|git| first_line(&git.commit_message));
        let author = app.and_then(|app| first_line(&app.commit_author_name));
        let git_author = git.and_then(|git| first_line(&git.commit_author_name));
        Self {
            state: field(&seen.state).unwrap_or(PipelineState::Unknown),
            errors: errors.take(MAX_ERRORS).map(pipeline_error).collect(),
            revision: by_vcs.or(by_git),
            subject: subject.or(title).or(message),
            author: author.or(git_author),
        }
    }
}

fn pipeline_error(error: &Value) -> PipelineError {
    let message = error.get("message").unwrap_or(error);
    let message = message.as_str().map(truncate);
    PipelineError {
        kind: error
            .get("type")
            .and_then(field)
            .unwrap_or(PipelineErrorKind::Other),
        message: message
            .filter(|message| !message.is_empty())
            .unwrap_or_else(|| "(no message)".to_owned()),
    }
}

/// One run of a workflow.
#[derive(Debug, Default, Deserialize)]
pub(super) struct V2Workflow {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    name: Value,
    #[serde(default)]
    status: Value,
    #[serde(default)]
    created_at: Value,
    #[serde(default)]
    tag: Value,
    #[serde(default)]
    auto_rerun_number: Value,
    #[serde(default)]
    max_auto_reruns: Value,
}

/// The workflows of a list, newest first. A null item is none; any other stays, since nothing may end
/// as long as it may run.
pub(super) fn workflows(items: Vec<Item<V2Workflow>>) -> Vec<CiWorkflow> {
    let seen: Vec<V2Workflow> = items
        .into_iter()
        .filter_map(|item| match item {
            Item::Null => None,
            Item::Known(workflow) => Some(workflow),
            Item::Unreadable => Some(V2Workflow::default()),
        })
        .collect();
    let times: Vec<Option<Time>> = seen.iter().map(|seen| field(&seen.created_at)).collect();
    // One without a time is as old as its neighbour, so that the list's order decides.
    let mut newer = times.iter().copied().flatten().next().unwrap_or_default();
    let workflow = |(seen, time): (V2Workflow, Option<Time>)| {
        newer = time.unwrap_or(newer);
        let count = |value: &Value| value.as_u64().and_then(|count| u32::try_from(count).ok());
        CiWorkflow {
            id: name(&seen.id).unwrap_or_default(),
            name: name(&seen.name).unwrap_or_else(|| CiWorkflow::NO_NAME.to_owned()),
            status: field(&seen.status).unwrap_or(WorkflowStatus::Unknown),
            created_at: newer,
            is_setup: seen.tag == "setup",
            auto_rerun_number: count(&seen.auto_rerun_number).filter(|number| *number > 0),
            max_auto_reruns: count(&seen.max_auto_reruns),
        }
    };
    seen.into_iter().zip(times).map(workflow).collect()
}

/// One job of a workflow.
#[derive(Debug, Default, Deserialize)]
pub(super) struct V2Job {
    #[serde(default)]
    name: Value,
    #[serde(default)]
    status: Value,
    #[serde(default, rename = "type")]
    kind: Value,
}

/// The jobs of a list; a null item is none.
pub(super) fn jobs(items: Vec<Item<V2Job>>) -> impl Iterator<Item = CiJob> {
    items.into_iter().filter_map(|item| match item {
        Item::Null => None,
        Item::Known(job) => Some(job.into()),
        Item::Unreadable => Some(V2Job::default().into()),
    })
}

impl From<V2Job> for CiJob {
    fn from(seen: V2Job) -> Self {
        Self {
            name: name(&seen.name).unwrap_or_else(|| CiWorkflow::NO_NAME.to_owned()),
            status: match seen.status.as_str() {
                Some("success") => JobStatus::Success,
                Some("failed" | "timedout" | "infrastructure_fail" | "terminated-unknown") => {
                    JobStatus::Failed
                }
                // Where they did not run, older servers say `skipped`, or leave them `blocked`.
                Some("not_run" | "skipped" | "blocked") => JobStatus::NotRun,
                Some("canceled") => JobStatus::Canceled,
                Some("unauthorized") => JobStatus::Unauthorized,
                // `retried`: CircleCI repeats the job.
                Some("running" | "queued" | "not_running" | "retried" | "on_hold") => {
                    JobStatus::Open
                }
                _ => JobStatus::Other,
            },
            is_build: matches!(seen.kind.as_str(), Some("build") | None),
        }
    }
}

/// A build of API v1.1, as the trigger, the listing and the build itself show it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct V1Build {
    build_num: Value,
    pub(super) status: Value,
    pub(super) lifecycle: Value,
    pub(super) outcome: Value,
    vcs_revision: Value,
    subject: Value,
    pub(super) dont_build: Value,
    pub(super) retries: Value,
    why: Value,
    build_parameters: Value,
    usage_queued_at: Value,
    queued_at: Value,
    start_time: Value,
}

impl V1Build {
    /// Its number.
    pub(super) fn number(&self) -> Option<u64> {
        self.build_num.as_u64()
    }

    /// When CircleCI first saw it.
    pub(super) fn first_seen_at(&self) -> Option<Time> {
        let times = [&self.usage_queued_at, &self.queued_at, &self.start_time];
        times.into_iter().find_map(field)
    }

    /// The commit.
    pub(super) fn revision(&self) -> Option<String> {
        name(&self.vcs_revision)
    }

    /// The first line of the commit's message.
    pub(super) fn subject(&self) -> Option<String> {
        first_line(&self.subject)
    }

    fn parameters(&self) -> Option<&Map<String, Value>> {
        self.build_parameters.as_object()
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters()?.get(name)?.as_str()
    }

    pub(super) fn shows_parameters(&self) -> bool {
        self.parameters().is_some()
    }

    /// Whether this API may have started it and its parameters are not shown.
    pub(super) fn hides_parameters(&self) -> bool {
        let by_api = self.why.as_str().is_none_or(|why| why == "api");
        by_api && !self.shows_parameters()
    }

    /// The job that it was asked to run, if it says so.
    pub(super) fn job_name(&self) -> Option<String> {
        self.parameter("CIRCLE_JOB").map(cut_name)
    }
}
