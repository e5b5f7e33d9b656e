//! What really runs, beside what the API shows: which job ran for which revision.
//!
//! For judges. It is computed from the scripts and the requests so far, so it knows the workflows
//! that are still to come, and it is no product's reading of a status.

use serde_json::Value;
use uuid::Uuid;

use super::model::pipeline::FakePipeline;
use super::model::workflow_run::WorkflowRun;
use super::script::{JobKind, PipelineErrorView, PipelineStateView, has_job_ended};
use crate::server::Time;

/// A pipeline with everything that runs in it, now or later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineTruth {
    /// The pipeline's id.
    pub id: Uuid,
    /// The pipeline's number in its project.
    pub number: u64,
    /// The project's slug.
    pub slug: String,
    /// The branch.
    pub branch: String,
    /// The commit that every job of it runs for.
    pub revision: String,
    /// The state.
    pub state: PipelineStateView,
    /// The errors that the API shows.
    pub errors: Vec<PipelineErrorView>,
    /// Every workflow run that exists or will exist, oldest first.
    pub workflows: Vec<WorkflowTruth>,
    /// How many of them have not appeared yet.
    pub pending_workflows: usize,
}

impl PipelineTruth {
    /// Whether anything of it runs or can still run.
    pub fn is_open(&self) -> bool {
        self.workflows.iter().any(|workflow| workflow.is_open)
    }
}

/// One run of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowTruth {
    /// The run's id.
    pub id: Uuid,
    /// The workflow's name.
    pub name: String,
    /// Whether it is the setup workflow.
    pub is_setup: bool,
    /// When it appears.
    pub created_at: Time,
    /// The status; `None` before it appears.
    pub status: Option<String>,
    /// When it ended.
    pub stopped_at: Option<Time>,
    /// Whether the status is final.
    pub is_final: bool,
    /// Whether it runs or can still run: it is to appear, or its status can change.
    pub is_open: bool,
    /// Its jobs; none before it appears.
    pub jobs: Vec<JobTruth>,
}

/// One job of a workflow run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobTruth {
    /// The job's id.
    pub id: Uuid,
    /// The job's name.
    pub name: String,
    /// Whether it is an approval, which runs nothing.
    pub is_approval: bool,
    /// The status.
    pub status: String,
    /// Whether the status is final.
    pub is_final: bool,
    /// When it started to run.
    pub started_at: Option<Time>,
    /// The commit that it ran for; `None` if it has not run.
    pub revision: Option<String>,
}

/// One build of API v1.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildTruth {
    /// Its number in its project.
    pub number: u64,
    /// The project's slug.
    pub slug: String,
    /// The branch.
    pub branch: String,
    /// The job that it runs.
    pub job: String,
    /// The commit.
    pub revision: String,
    /// The parameters as they were sent, with the job among them.
    pub parameters: std::collections::BTreeMap<String, Value>,
    /// The status; `None` before it exists.
    pub status: Option<String>,
    /// Whether it started to run.
    pub has_run: bool,
    /// Whether the status is final.
    pub is_final: bool,
    /// Whether it runs or can still run. A build that is retried is closed; its retry is open.
    pub is_open: bool,
    /// The build that replaces it, or will.
    pub retry: Option<u64>,
    /// The build that it replaces.
    pub retry_of: Option<u64>,
}

impl FakePipeline {
    /// What is true of it at `now`.
    pub fn truth_at(&self, now: Time) -> PipelineTruth {
        let shown = self.view_at(now);
        let mut runs: Vec<_> = self
            .runs
            .iter()
            .filter(|run| self.is_created(run))
            .collect();
        runs.sort_by_key(|run| (run.starts_at(), run.index));
        let workflows: Vec<_> = runs
            .into_iter()
            .map(|run| self.workflow_truth(run, now))
            .collect();
        let pending = workflows.iter().filter(|run| run.status.is_none());
        PipelineTruth {
            id: self.id,
            number: self.number,
            slug: self.slug.clone(),
            branch: self.branch.clone(),
            revision: self.revision.clone(),
            state: shown.state,
            errors: shown.errors.unwrap_or_default(),
            pending_workflows: pending.count(),
            workflows,
        }
    }

    fn workflow_truth(&self, run: &WorkflowRun, now: Time) -> WorkflowTruth {
        let status = run.status_at(now);
        let stopped_at = status.and_then(|(_, stopped_at)| stopped_at);
        let jobs = run.jobs_at(now).into_iter().map(|job| {
            let is_approval = job.script.kind == JobKind::Approval;
            let ran = job.started_at.is_some() && !is_approval;
            JobTruth {
                id: job.id,
                is_approval,
                is_final: has_job_ended(&job.status),
                started_at: job.started_at,
                revision: ran.then(|| self.revision.clone()),
                name: job.script.name,
                status: job.status,
            }
        });
        WorkflowTruth {
            id: run.id,
            name: run.name().to_owned(),
            is_setup: run.script.is_setup,
            created_at: run.starts_at(),
            status: status.map(|(status, _)| status.to_owned()),
            stopped_at,
            is_final: stopped_at.is_some(),
            is_open: stopped_at.is_none(),
            jobs: jobs.collect(),
        }
    }
}
