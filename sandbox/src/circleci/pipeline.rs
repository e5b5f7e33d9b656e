//! One pipeline and its workflows: what holds at a given time.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::project::derived;
use super::script::{PipelineState, Script, WorkflowScript, elapsed, moment};
use super::view::{Actor, PipelineView, TriggerView, Vcs, WorkflowPage, WorkflowView};

/// Statuses after which a workflow does not change.
const FINAL: [&str; 6] = [
    "success",
    "failed",
    "error",
    "canceled",
    "unauthorized",
    "not_run",
];

/// A pipeline that was created, as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// The pipeline's id.
    pub id: Uuid,
    /// The pipeline's number in its project.
    pub number: u64,
    /// The project's slug.
    pub slug: String,
    /// The branch that is built.
    pub branch: String,
    /// The parameters exactly as they were given.
    pub parameters: BTreeMap<String, Value>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// The definition that `pipeline/run` used; none for the older call.
    pub definition: Option<Uuid>,
    pub(super) script: Script,
    pub(super) runs: Vec<Run>,
}

/// One workflow of a pipeline; reruns come after the scripted ones.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    pub(super) id: Uuid,
    origin: DateTime<Utc>,
    script: WorkflowScript,
    pub(super) canceled_at: Option<DateTime<Utc>>,
}

impl Run {
    pub(super) fn new(
        pipeline: Uuid,
        index: usize,
        origin: DateTime<Utc>,
        script: WorkflowScript,
    ) -> Self {
        Self {
            id: Uuid::new_v5(&pipeline, &index.to_be_bytes()),
            origin,
            script,
            canceled_at: None,
        }
    }

    /// The status at `now` and, if it is final, since when. Nothing before the start.
    pub(super) fn status(&self, now: DateTime<Utc>) -> Option<(&str, Option<DateTime<Utc>>)> {
        let elapsed = elapsed(self.origin, now).filter(|e| *e >= self.script.starts_after)?;
        if let Some(at) = self.canceled_at.filter(|at| *at <= now) {
            return Some(("canceled", Some(at)));
        }
        let Some((since, status)) = self.script.step(elapsed) else {
            return Some(("running", None));
        };
        let stopped = FINAL.contains(&status.as_str());
        Some((status, stopped.then(|| moment(self.origin, *since))))
    }

    /// When it appears.
    pub(super) fn starts_at(&self) -> DateTime<Utc> {
        moment(self.origin, self.script.starts_after)
    }

    /// When and how it ends, as far as that is decided.
    pub(super) fn end(&self) -> Option<(DateTime<Utc>, &str)> {
        if let Some(at) = self.canceled_at {
            return Some((at.max(self.starts_at()), "canceled"));
        }
        let is_final = |step: &&(_, String)| FINAL.contains(&step.1.as_str());
        let (at, status) = self.script.steps.iter().find(is_final)?;
        Some((moment(self.origin, *at), status))
    }

    pub(super) fn name(&self) -> &str {
        &self.script.name
    }

    /// Cancels it, unless it is over.
    pub(super) fn cancel(&mut self, now: DateTime<Utc>) {
        let is_over = matches!(self.status(now), Some((_, Some(_))));
        if !is_over && self.canceled_at.is_none() {
            self.canceled_at = Some(now);
        }
    }
}

impl Pipeline {
    pub(super) fn state(&self, now: DateTime<Utc>) -> PipelineState {
        self.script
            .state(elapsed(self.created_at, now).unwrap_or_default())
            .1
    }

    pub(super) fn listed(&self, now: DateTime<Utc>) -> bool {
        elapsed(self.created_at, now).is_some_and(|e| e >= self.script.listed_after)
    }

    pub(super) fn view(&self, now: DateTime<Utc>) -> PipelineView {
        let (since, state) = self
            .script
            .state(elapsed(self.created_at, now).unwrap_or_default());
        let repository = self.repository();
        PipelineView {
            id: self.id,
            number: self.number,
            project_slug: self.slug.clone(),
            state,
            created_at: self.created_at,
            updated_at: moment(self.created_at, since),
            errors: if state == PipelineState::Errored {
                self.script.errors.clone()
            } else {
                Vec::new()
            },
            trigger: TriggerView {
                kind: "api".to_owned(),
                received_at: self.created_at,
                actor: Actor {
                    login: "deployer".to_owned(),
                    avatar_url: None,
                },
            },
            trigger_parameters: BTreeMap::new(),
            vcs: Vcs {
                provider_name: "GitHub".to_owned(),
                origin_repository_url: repository.clone(),
                target_repository_url: repository,
                branch: self.branch.clone(),
                revision: self.revision(),
            },
        }
    }

    /// The workflows that have appeared by `now`, from the `first` on, at most `most` of them.
    pub(super) fn workflows(&self, now: DateTime<Utc>, first: usize, most: usize) -> WorkflowPage {
        let mut shown = self
            .runs
            .iter()
            .filter_map(|run| self.workflow(run, now))
            .skip(first);
        let items: Vec<_> = shown.by_ref().take(most).collect();
        let next_page_token = shown.next().map(|_| (first + items.len()).to_string());
        WorkflowPage {
            items,
            next_page_token,
        }
    }

    fn workflow(&self, run: &Run, now: DateTime<Utc>) -> Option<WorkflowView> {
        let (status, stopped_at) = run.status(now)?;
        Some(WorkflowView {
            id: run.id,
            name: run.script.name.clone(),
            status: status.to_owned(),
            created_at: moment(run.origin, run.script.starts_after),
            stopped_at,
            pipeline_id: self.id,
            pipeline_number: self.number,
            project_slug: self.slug.clone(),
            auto_rerun_number: run.script.auto_rerun.map(|rerun| rerun.number),
            max_auto_reruns: run.script.auto_rerun.map(|rerun| rerun.max),
        })
    }

    pub(super) fn repository(&self) -> String {
        repository(&self.slug)
    }

    pub(super) fn revision(&self) -> String {
        revision(&self.slug, &self.branch)
    }
}

/// The repository's address.
pub(super) fn repository(slug: &str) -> String {
    let path = slug.split_once('/').map_or("", |(_, path)| path);
    format!("https://github.com/{path}")
}

/// One commit per branch, so that two pipelines on it build the same code.
pub(super) fn revision(slug: &str, branch: &str) -> String {
    let mut revision = derived(&format!("{slug}@{branch}")).simple().to_string();
    revision.extend(std::iter::repeat_n('0', 8));
    revision
}
