//! CircleCI without HTTP: projects, pipelines and their workflows as plain data.
//!
//! Time is an argument and ids are derived, so equal calls give equal answers.

pub(super) mod build;
mod build_view;
pub(super) mod config;
pub(super) mod pipeline;
pub(super) mod project;
pub(super) mod view;
pub(super) mod webhook;
mod workflow_calls;
pub(super) mod workflow_run;

use std::collections::{BTreeMap, VecDeque};
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;

use self::build::FakeBuild;
use self::pipeline::{FakePipeline, branch_revision};
use self::project::{FakeProject, UndeclaredParameter, check_parameters, derived_uuid, short_slug};
use self::view::{CreatedPipeline, PipelinePage, PipelineView};
use self::workflow_run::WorkflowRun;
use super::pipeline_run::{GitReference, KnownReference};
use super::script::{RunScript, WorkflowScript};
use crate::server::Time;

/// Pipelines on one page of a listing.
const PIPELINES_PER_PAGE: usize = 20;

/// A rejected call: the status and the `message` of the error body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The text.
    pub message: String,
}

pub(super) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
}

/// Everything this CircleCI knows.
#[derive(Debug, Clone, Default)]
pub struct CircleCiModel {
    projects: BTreeMap<String, RegisteredProject>,
    pipelines: Vec<FakePipeline>,
    by_id: BTreeMap<Uuid, usize>,
    by_workflow: BTreeMap<Uuid, (usize, usize)>,
    /// Every workflow in the order of its creation.
    pub(super) workflow_order: Vec<Uuid>,
    scripts: BTreeMap<String, RunScript>,
    next_scripts: VecDeque<RunScript>,
    /// How much later than in their scripts the workflows of new runs come.
    workflow_delay: Duration,
    next_reruns: VecDeque<WorkflowScript>,
    workflows_per_page: Option<usize>,
    /// The newest commit of each slug's branch that was pushed to.
    pushed: BTreeMap<(String, String), String>,
    pub(super) not_triggered: VecDeque<String>,
}

/// A project with the indexes of its pipelines and its builds, oldest first.
#[derive(Debug, Clone)]
pub(super) struct RegisteredProject {
    pub(super) project: FakeProject,
    pipeline_indexes: Vec<usize>,
    pub(super) builds: Vec<FakeBuild>,
}

impl CircleCiModel {
    /// Adds a project, or replaces the settings of the one with the same slug.
    pub fn add_project(&mut self, mut project: FakeProject) {
        project.slug = short_slug(&project.slug);
        let known = self.projects.entry(project.slug.clone());
        let known = known.or_insert_with(|| RegisteredProject {
            project: project.clone(),
            pipeline_indexes: Vec::new(),
            builds: Vec::new(),
        });
        known.project = project;
    }

    /// Pipelines with a parameter whose value is `job` follow `script`.
    pub fn script_job(&mut self, job: &str, script: RunScript) {
        self.scripts.insert(job.to_owned(), script);
    }

    /// The next pipeline to be created follows `script`, whatever its parameters; several calls
    /// queue up.
    pub fn script_next(&mut self, script: RunScript) {
        self.next_scripts.push_back(script);
    }

    /// Of the runs to be created only the next follows a script of its own, or none does.
    pub(crate) fn replace_next(&mut self, script: Option<RunScript>) {
        self.next_scripts = script.into_iter().collect();
    }

    /// The script that was set for the next run.
    pub(crate) fn next_run(&self) -> Option<&RunScript> {
        self.next_scripts.front()
    }

    /// The workflows of new runs come this much later from now on.
    pub fn delay_workflows(&mut self, by: Duration) {
        self.workflow_delay = by;
    }

    /// How much later the workflows of new runs come.
    pub(crate) fn workflow_delay(&self) -> Duration {
        self.workflow_delay
    }

    /// Pipelines and builds on this branch or tag run for `revision` from now on.
    pub fn push_commit(&mut self, slug: &str, branch: &str, revision: &str) {
        let place = (short_slug(slug), branch.to_owned());
        self.pushed.insert(place, revision.to_owned());
    }

    /// The newest commit of a branch or tag.
    pub(super) fn revision(&self, slug: &str, branch: &str) -> String {
        let pushed = self.pushed.get(&(slug.to_owned(), branch.to_owned()));
        pushed
            .cloned()
            .unwrap_or_else(|| branch_revision(slug, branch))
    }

    /// Shows at most so many workflows on a page from now on.
    pub fn page_workflows(&mut self, most: usize) {
        self.workflows_per_page = Some(most.max(1));
    }

    /// Whether `token` belongs to any project.
    pub fn authorise(&self, token: Option<&str>) -> ApiResult<()> {
        let mut tokens = self.projects().map(|known| known.project.token.as_str());
        match token {
            Some(token) if tokens.any(|known| known == token) => Ok(()),
            _ => Err(ApiError::new(401, "You must log in first.")),
        }
    }

    /// Starts a pipeline. Two equal calls start two: there is no idempotency.
    pub fn trigger(
        &mut self,
        now: Time,
        token: Option<&str>,
        slug: &str,
        branch: Option<&str>,
        parameters: BTreeMap<String, Value>,
    ) -> ApiResult<CreatedPipeline> {
        let branch = branch.map(str::to_owned);
        let reference = GitReference { branch, tag: None };
        self.trigger_on(now, token, slug, reference, parameters)
    }

    /// The same on a branch or tag.
    pub fn trigger_on(
        &mut self,
        now: Time,
        token: Option<&str>,
        slug: &str,
        reference: GitReference,
        parameters: BTreeMap<String, Value>,
    ) -> ApiResult<CreatedPipeline> {
        let project = self.triggerable_project(token, slug)?;
        check_parameters(&parameters)?;
        let reference = reference.resolve(project)?;
        self.create_pipeline(now, slug, reference, parameters, None, project_not_found)
    }

    /// The project, if the token may use it.
    pub(super) fn permitted_project(
        &self,
        token: Option<&str>,
        slug: &str,
    ) -> Option<&FakeProject> {
        let project = &self.registered_project(slug).ok()?.project;
        (token == Some(project.token.as_str())).then_some(project)
    }

    /// The project, if a call other than `pipeline/run` with this token may start it.
    pub(super) fn triggerable_project(
        &self,
        token: Option<&str>,
        slug: &str,
    ) -> ApiResult<&FakeProject> {
        self.authorise(token)?;
        self.permitted_project(token, slug)
            .filter(|project| !project.is_standalone())
            .ok_or_else(project_not_found)
    }

    pub(super) fn registered_project(&self, slug: &str) -> ApiResult<&RegisteredProject> {
        let known = self.projects.get(&short_slug(slug));
        known.ok_or_else(project_not_found)
    }

    pub(super) fn project_mut(&mut self, slug: &str) -> ApiResult<&mut RegisteredProject> {
        let known = self.projects.get_mut(&short_slug(slug));
        known.ok_or_else(project_not_found)
    }

    pub(super) fn projects(&self) -> impl Iterator<Item = &RegisteredProject> {
        self.projects.values()
    }

    /// The script of a run with these parameter values.
    pub(super) fn next_script<'a>(
        &mut self,
        values: impl IntoIterator<Item = &'a Value>,
    ) -> RunScript {
        let mut values = values.into_iter().filter_map(Value::as_str);
        let of_job = || values.find_map(|value| self.scripts.get(value).cloned());
        let next = self.next_scripts.pop_front();
        let script = next.or_else(of_job).unwrap_or_default();
        script.delayed(self.workflow_delay)
    }

    /// Creates a pipeline of a project on an existing branch or tag.
    pub(super) fn create_pipeline(
        &mut self,
        now: Time,
        slug: &str,
        reference: KnownReference,
        parameters: BTreeMap<String, Value>,
        definition: Option<Uuid>,
        not_found: impl Fn() -> ApiError,
    ) -> ApiResult<CreatedPipeline> {
        let slug = short_slug(slug);
        let known = self.projects.get(&slug).ok_or_else(&not_found)?;
        let project = known.project.clone();
        let is_undeclared = |name: &&String| !project.parameters.contains(name);
        let undeclared: Vec<_> = parameters.keys().filter(is_undeclared).cloned().collect();
        let script = if let Some(error) = project.type_error(&parameters) {
            RunScript::config_error(&error)
        } else if undeclared.is_empty() {
            self.next_script(parameters.values())
        } else if project.undeclared == UndeclaredParameter::Errored {
            let names = undeclared.join(", ");
            RunScript::config_error(&format!("Unexpected argument(s): {names}"))
        } else {
            return Err(not_found());
        };
        let (branch, tag) = reference.into_names();
        if project.auto_cancel && tag.is_empty() && branch != project.default_branch {
            self.cancel_branch(now, &slug, &branch);
        }

        let place = self.pipelines.len();
        let revision = self.revision(&slug, if tag.is_empty() { &branch } else { &tag });
        let known = self.project_mut(&slug)?;
        let number = project.first_number + known.pipeline_indexes.len() as u64;
        known.pipeline_indexes.push(place);
        let id = derived_uuid(&format!("{slug}/{number}"));
        let mut runs = Vec::new();
        for (index, part) in script.workflows.iter().enumerate() {
            let run = WorkflowRun::new(id, index, now, part.clone());
            self.by_workflow.insert(run.id, (place, index));
            self.workflow_order.push(run.id);
            runs.push(run);
        }
        let pipeline = FakePipeline {
            id,
            number,
            branch,
            tag,
            slug,
            revision,
            parameters,
            created_at: now,
            definition,
            script,
            runs,
        };
        let created = CreatedPipeline {
            id,
            number,
            state: pipeline.state_at(now).1,
            created_at: now,
        };
        self.by_id.insert(id, place);
        self.pipelines.push(pipeline);
        Ok(created)
    }

    /// Cancels what runs on a branch, except reruns, and names nobody.
    fn cancel_branch(&mut self, now: Time, slug: &str, branch: &str) {
        for pipeline in &mut self.pipelines {
            if pipeline.slug == slug && pipeline.branch == branch {
                let runs = pipeline.runs.iter_mut().filter(|run| !run.is_rerun);
                runs.for_each(|run| run.cancel(now, None));
            }
        }
    }

    /// One pipeline, whether it is listed yet or not.
    pub fn get_pipeline(&self, now: Time, id: Uuid) -> ApiResult<PipelineView> {
        Ok(self.find_pipeline(id)?.view_at(now))
    }

    /// A project's pipelines, newest first, twenty a page.
    pub fn list_pipelines(
        &self,
        now: Time,
        slug: &str,
        branch: Option<&str>,
        page_token: Option<&str>,
    ) -> ApiResult<PipelinePage> {
        let known = self.registered_project(slug)?;
        // The token is the number of the last pipeline shown, so new pipelines do not shift pages.
        let before = parse_page_token(page_token, u64::MAX)?;
        let indexes = known.pipeline_indexes.iter().rev();
        let mut shown = indexes
            .map(|place| &self.pipelines[*place])
            .filter(|pipeline| pipeline.number < before)
            .filter(|pipeline| {
                branch.is_none_or(|branch| pipeline.tag.is_empty() && pipeline.branch == branch)
            })
            .filter(|pipeline| pipeline.is_listed(now));
        let items: Vec<PipelineView> = shown
            .by_ref()
            .take(PIPELINES_PER_PAGE)
            .map(|pipeline| pipeline.view_at(now))
            .collect();
        let more = shown.next().is_some();
        let last = items.last().filter(|_| more);
        Ok(PipelinePage {
            next_page_token: last.map(|last| last.number.to_string()),
            items,
        })
    }

    /// The pipeline's values: one flat map, with the parameters as `pipeline.parameters.<name>`.
    pub fn get_values(&self, id: Uuid) -> ApiResult<Map<String, Value>> {
        let pipeline = self.find_pipeline(id)?;
        let mut values = Map::new();
        let mut put = |name: &str, value: Value| values.insert(name.to_owned(), value);
        put("pipeline.id", pipeline.id.to_string().into());
        put("pipeline.number", pipeline.number.into());
        put("pipeline.project.type", pipeline.project_type().into());
        put("pipeline.project.git_url", pipeline.repository_url().into());
        put("pipeline.git.branch", pipeline.branch.clone().into());
        put("pipeline.git.revision", pipeline.revision.clone().into());
        put("pipeline.git.tag", pipeline.tag.clone().into());
        put("pipeline.trigger_source", "api".into());
        for (name, value) in &pipeline.parameters {
            put(&format!("pipeline.parameters.{name}"), value.clone());
        }
        Ok(values)
    }

    /// Every pipeline ever created, oldest first.
    pub fn all_pipelines(&self) -> &[FakePipeline] {
        &self.pipelines
    }

    /// A workflow and its pipeline.
    pub(super) fn workflow_run(&self, workflow: Uuid) -> ApiResult<(&FakePipeline, &WorkflowRun)> {
        let (place, index) = self.find_workflow(workflow)?;
        let pipeline = &self.pipelines[place];
        Ok((pipeline, &pipeline.runs[index]))
    }

    fn find_pipeline(&self, id: Uuid) -> ApiResult<&FakePipeline> {
        let found = self.by_id.get(&id).map(|place| &self.pipelines[*place]);
        found.ok_or_else(|| ApiError::new(404, "Pipeline not found"))
    }

    fn find_workflow(&self, workflow: Uuid) -> ApiResult<(usize, usize)> {
        let found = self.by_workflow.get(&workflow).copied();
        found.ok_or_else(|| ApiError::new(404, "Workflow not found"))
    }
}

fn project_not_found() -> ApiError {
    ApiError::new(404, "Project not found")
}

fn parse_page_token<T: FromStr>(token: Option<&str>, first: T) -> ApiResult<T> {
    let parsed = token.map_or(Ok(first), str::parse);
    parsed.map_err(|_| ApiError::new(400, "Invalid page token"))
}
