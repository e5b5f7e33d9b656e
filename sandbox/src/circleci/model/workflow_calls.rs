//! The calls that read, cancel, rerun and approve workflows, and the truth about them.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::script::WorkflowScript;
use super::super::truth::PipelineTruth;
use super::config::ConfigView;
use super::pipeline::{approval_request, deployer};
use super::view::{JobPage, WorkflowPage, WorkflowView};
use super::workflow_run::WorkflowRun;
use super::{ApiError, ApiResult, CircleCiModel, parse_page_token};
use crate::server::Time;

/// Workflows on one page, unless a test wants fewer.
const WORKFLOWS_PER_PAGE: usize = 20;

/// How long a rerun takes that no script describes.
const RERUN_TIME: Duration = Duration::from_secs(2);

impl CircleCiModel {
    /// The next rerun that a request starts follows `script`; several calls queue up.
    pub fn script_rerun(&mut self, script: WorkflowScript) {
        self.next_reruns.push_back(script);
    }

    /// The first page of the pipeline's workflows that exist at `now`.
    pub fn list_workflows(&self, now: Time, id: Uuid) -> ApiResult<WorkflowPage> {
        self.list_workflows_from(now, id, None)
    }

    /// Any page of them, newest first. The token is the place of its first workflow.
    pub fn list_workflows_from(
        &self,
        now: Time,
        id: Uuid,
        page_token: Option<&str>,
    ) -> ApiResult<WorkflowPage> {
        let first = parse_page_token(page_token, 0)?;
        let most = self.workflows_per_page.unwrap_or(WORKFLOWS_PER_PAGE);
        Ok(self.find_pipeline(id)?.workflows(now, first, most))
    }

    /// One workflow that exists at `now`.
    pub fn get_workflow(&self, now: Time, id: Uuid) -> ApiResult<WorkflowView> {
        let (pipeline, run) = self.workflow_run(id)?;
        let view = pipeline.workflow_view(run, now);
        view.ok_or_else(workflow_not_found)
    }

    /// The jobs of a workflow that exists at `now`.
    pub fn list_jobs(&self, now: Time, id: Uuid) -> ApiResult<JobPage> {
        let (pipeline, run) = self.workflow_run(id)?;
        let exists = pipeline.run_status(run, now).is_some();
        let page = exists.then(|| pipeline.jobs(run, now));
        page.ok_or_else(workflow_not_found)
    }

    /// The pipeline's configuration as it is known at `now`.
    pub fn get_config(&self, now: Time, id: Uuid) -> ApiResult<ConfigView> {
        Ok(self.find_pipeline(id)?.config(now))
    }

    /// The user of every token.
    pub fn get_me(&self) -> Value {
        json!({"id": deployer(), "login": "deployer", "name": "Deployer", "avatar_url": null})
    }

    /// Cancels a workflow. One that ended stays as it is. After a canceled setup nothing is
    /// continued.
    pub fn cancel_workflow(&mut self, now: Time, id: Uuid) -> ApiResult<()> {
        let (place, index) = self.find_workflow(id)?;
        self.pipelines[place].runs[index].cancel(now, Some(deployer()));
        Ok(())
    }

    /// Runs `script` as a new workflow in the pipeline of `id`, which has to have ended; the
    /// script's times count from `now`.
    pub fn rerun_workflow(
        &mut self,
        now: Time,
        id: Uuid,
        script: WorkflowScript,
    ) -> ApiResult<Uuid> {
        let (place, index) = self.find_workflow(id)?;
        let pipeline = &mut self.pipelines[place];
        let run = &pipeline.runs[index];
        let status = pipeline.run_status(run, now);
        let (_, stopped_at) = status.ok_or_else(workflow_not_found)?;
        if stopped_at.is_none() {
            let why = "Workflow must be in a terminal state to be rerun";
            return Err(ApiError::new(400, why));
        }
        if run.script.is_setup {
            return Err(ApiError::new(400, "A setup workflow cannot be rerun"));
        }
        let index = pipeline.runs.len();
        let mut run = WorkflowRun::new(pipeline.id, index, now, script);
        run.is_rerun = true;
        let new = run.id;
        pipeline.runs.push(run);
        self.workflow_order.push(new);
        self.by_workflow.insert(new, (place, index));
        Ok(new)
    }

    /// Reruns a workflow with the next script for reruns, or else with a success.
    pub fn request_rerun(&mut self, now: Time, id: Uuid) -> ApiResult<Uuid> {
        let (_, run) = self.workflow_run(id)?;
        let name = run.name().to_owned();
        let next = self.next_reruns.front().cloned();
        let script = next.unwrap_or_else(|| {
            WorkflowScript::new(&name, Duration::ZERO, &[(RERUN_TIME, "success")])
        });
        let new = self.rerun_workflow(now, id, script)?;
        self.next_reruns.pop_front();
        Ok(new)
    }

    /// Approves a held job: the workflow goes on at once with what its script has after the hold.
    pub fn approve_job(&mut self, now: Time, id: Uuid, request: Uuid) -> ApiResult<()> {
        let (place, index) = self.find_workflow(id)?;
        let run = &mut self.pipelines[place].runs[index];
        let jobs = run.jobs_at(now);
        let held = jobs.iter().find(|job| approval_request(job.id) == request);
        let held = held.ok_or_else(|| ApiError::new(404, "Job not found"))?;
        if held.status != "on_hold" || !run.approve(now) {
            return Err(ApiError::new(400, "Job is not on hold"));
        }
        Ok(())
    }

    /// What is true of one pipeline at `now`.
    pub fn pipeline_truth(&self, now: Time, id: Uuid) -> ApiResult<PipelineTruth> {
        Ok(self.find_pipeline(id)?.truth_at(now))
    }
}

fn workflow_not_found() -> ApiError {
    ApiError::new(404, "Workflow not found")
}
