//! One pipeline and its workflows at a given time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::script::{
    PipelineStateView, RunScript, WorkflowScript, elapsed_since, time_after,
};
use super::project::derived_uuid;
use super::view::{PipelineView, VcsView, WorkflowPage, WorkflowView};
use super::webhook::format_time;
use crate::server::Time;

/// Whether a workflow with this status does not change.
fn is_final(status: &str) -> bool {
    matches!(
        status,
        "success" | "failed" | "error" | "canceled" | "unauthorized" | "not_run"
    )
}

/// A pipeline as it was requested.
#[derive(Debug, Clone, PartialEq)]
pub struct FakePipeline {
    /// The pipeline's id.
    pub id: Uuid,
    /// The pipeline's number in its project.
    pub number: u64,
    /// The project's slug.
    pub slug: String,
    /// The branch that is built.
    pub branch: String,
    /// The parameters as they were sent.
    pub parameters: BTreeMap<String, Value>,
    /// When it was created.
    pub created_at: Time,
    /// The definition that `pipeline/run` used; `None` for the older call.
    pub definition: Option<Uuid>,
    pub(crate) script: RunScript,
    pub(crate) runs: Vec<WorkflowRun>,
}

/// One workflow of a pipeline; reruns come after the scripted ones.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WorkflowRun {
    pub(crate) id: Uuid,
    origin: Time,
    script: WorkflowScript,
    pub(crate) canceled_at: Option<Time>,
}

impl WorkflowRun {
    pub(crate) fn new(pipeline: Uuid, index: usize, origin: Time, script: WorkflowScript) -> Self {
        Self {
            id: Uuid::new_v5(&pipeline, &index.to_be_bytes()),
            origin,
            script,
            canceled_at: None,
        }
    }

    /// The status at `now` and, if it is final, since when; `None` before the start.
    pub(crate) fn status_at(&self, now: Time) -> Option<(&str, Option<Time>)> {
        let elapsed = elapsed_since(self.origin, now).filter(|e| *e >= self.script.starts_after)?;
        if let Some(at) = self.canceled_at.filter(|at| *at <= now) {
            return Some(("canceled", Some(at)));
        }
        let Some((since, status)) = self.script.step_at(elapsed) else {
            return Some(("running", None));
        };
        let stopped_at = is_final(status).then(|| time_after(self.origin, *since));
        Some((status, stopped_at))
    }

    /// When it appears.
    pub(crate) fn starts_at(&self) -> Time {
        time_after(self.origin, self.script.starts_after)
    }

    /// When and how it ends, if that is decided.
    pub(crate) fn end_status(&self) -> Option<(Time, &str)> {
        if let Some(at) = self.canceled_at {
            return Some((at.max(self.starts_at()), "canceled"));
        }
        let mut steps = self.script.steps.iter();
        let (at, status) = steps.find(|(_, status)| is_final(status))?;
        Some((time_after(self.origin, *at), status))
    }

    pub(crate) fn name(&self) -> &str {
        &self.script.name
    }

    /// Cancels it, unless it ended.
    pub(crate) fn cancel(&mut self, now: Time) {
        let has_ended = matches!(self.status_at(now), Some((_, Some(_))));
        if !has_ended && self.canceled_at.is_none() {
            self.canceled_at = Some(now);
        }
    }
}

impl FakePipeline {
    /// The state, and since when.
    pub(crate) fn state_at(&self, now: Time) -> (Duration, PipelineStateView) {
        let elapsed = elapsed_since(self.created_at, now).unwrap_or_default();
        self.script.state_at(elapsed)
    }

    pub(crate) fn is_listed(&self, now: Time) -> bool {
        elapsed_since(self.created_at, now).is_some_and(|e| e >= self.script.listed_after)
    }

    pub(crate) fn view_at(&self, now: Time) -> PipelineView {
        let (since, state) = self.state_at(now);
        let repository = self.repository_url();
        PipelineView {
            id: self.id,
            number: self.number,
            project_slug: self.slug.clone(),
            state,
            created_at: self.created_at,
            updated_at: time_after(self.created_at, since),
            errors: if state == PipelineStateView::Errored {
                self.script.errors.clone()
            } else {
                Vec::new()
            },
            trigger: json!({
                "type": "api",
                "received_at": format_time(self.created_at),
                "actor": {"login": "deployer", "avatar_url": null},
            }),
            trigger_parameters: BTreeMap::new(),
            vcs: VcsView {
                provider_name: "GitHub".to_owned(),
                origin_repository_url: repository.clone(),
                target_repository_url: repository,
                branch: self.branch.clone(),
                revision: self.revision(),
            },
        }
    }

    /// The workflows that exist at `now`, from index `first`, at most `most`.
    pub(crate) fn workflows(&self, now: Time, first: usize, most: usize) -> WorkflowPage {
        let mut shown = self
            .runs
            .iter()
            .filter_map(|run| self.workflow_view(run, now))
            .skip(first);
        let items: Vec<_> = shown.by_ref().take(most).collect();
        let next_page_token = shown.next().map(|_| (first + items.len()).to_string());
        WorkflowPage {
            items,
            next_page_token,
        }
    }

    fn workflow_view(&self, run: &WorkflowRun, now: Time) -> Option<WorkflowView> {
        let (status, stopped_at) = run.status_at(now)?;
        Some(WorkflowView {
            id: run.id,
            name: run.script.name.clone(),
            status: status.to_owned(),
            created_at: run.starts_at(),
            stopped_at,
            pipeline_id: self.id,
            pipeline_number: self.number,
            project_slug: self.slug.clone(),
            auto_rerun_number: run.script.auto_rerun.map(|rerun| rerun.number),
            max_auto_reruns: run.script.auto_rerun.map(|rerun| rerun.max),
        })
    }

    pub(crate) fn repository_url(&self) -> String {
        repository_url(&self.slug)
    }

    pub(crate) fn revision(&self) -> String {
        branch_revision(&self.slug, &self.branch)
    }
}

/// The repository's URL.
pub(crate) fn repository_url(slug: &str) -> String {
    let path = slug.split_once('/').map_or("", |(_, path)| path);
    format!("https://github.com/{path}")
}

/// One commit per branch, so that two pipelines on it build the same code.
pub(crate) fn branch_revision(slug: &str, branch: &str) -> String {
    let id = derived_uuid(&format!("{slug}@{branch}")).simple();
    format!("{id}00000000")
}
