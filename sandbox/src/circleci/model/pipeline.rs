//! One pipeline and its workflows at a given time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::script::{PipelineStateView, RunScript, elapsed_since, time_after};
use super::config::ConfigView;
use super::project::{derived_uuid, org_and_repo};
use super::view::{
    CommitView, JobPage, JobView, PipelineView, VcsView, WorkflowPage, WorkflowView, format_time,
};
use super::workflow_run::WorkflowRun;
use crate::circleci::JobKind;
use crate::server::Time;

/// A pipeline as it was requested.
#[derive(Debug, Clone, PartialEq)]
pub struct FakePipeline {
    /// The pipeline's id.
    pub id: Uuid,
    /// The pipeline's number in its project.
    pub number: u64,
    /// The project's slug.
    pub slug: String,
    /// The branch that is built; empty for a tag.
    pub branch: String,
    /// The tag that is built; empty for a branch.
    pub tag: String,
    /// The commit that is built, 40 hexadecimal digits.
    pub revision: String,
    /// The parameters as they were sent.
    pub parameters: BTreeMap<String, Value>,
    /// When it was created.
    pub created_at: Time,
    /// The definition that `pipeline/run` used; `None` for the older call.
    pub definition: Option<Uuid>,
    pub(crate) script: RunScript,
    pub(crate) runs: Vec<WorkflowRun>,
}

/// The user of every token.
pub(crate) fn deployer() -> Uuid {
    derived_uuid("deployer")
}

impl FakePipeline {
    /// The state, and since when.
    pub(crate) fn state_at(&self, now: Time) -> (Duration, PipelineStateView) {
        let elapsed = elapsed_since(self.created_at, now).unwrap_or_default();
        let canceled = self.canceled_setup().filter(|at| *at <= now);
        let Some(since) = canceled.and_then(|at| elapsed_since(self.created_at, at)) else {
            return self.script.state_at(elapsed);
        };
        match self.script.canceled_setup_state {
            Some(state) => (since, state),
            None => self.script.state_at(since),
        }
    }

    /// When its setup workflow was canceled.
    fn canceled_setup(&self) -> Option<Time> {
        let setups = self.runs.iter().filter(|run| run.script.is_setup);
        setups.filter_map(|run| run.canceled_at).min()
    }

    /// Whether the workflow exists, or will exist: with its setup canceled, nothing is continued.
    pub(crate) fn is_created(&self, run: &WorkflowRun) -> bool {
        let is_continued = !run.script.is_setup && !run.is_rerun;
        let canceled = self.canceled_setup().filter(|_| is_continued);
        canceled.is_none_or(|at| run.starts_at() <= at)
    }

    /// A workflow's status at `now` and, if it is final, since when; `None` before it exists.
    pub(crate) fn run_status<'a>(
        &self,
        run: &'a WorkflowRun,
        now: Time,
    ) -> Option<(&'a str, Option<Time>)> {
        run.status_at(now).filter(|_| self.is_created(run))
    }

    pub(crate) fn is_listed(&self, now: Time) -> bool {
        elapsed_since(self.created_at, now).is_some_and(|e| e >= self.script.listed_after)
    }

    /// Whether its configuration, or its continuation, is rejected by now.
    fn has_errors(&self, now: Time) -> bool {
        let elapsed = elapsed_since(self.created_at, now).unwrap_or_default();
        let is_canceled = self.canceled_setup().is_some_and(|at| at <= now);
        let shown = self.script.errors_after.filter(|_| !is_canceled);
        self.state_at(now).1 == PipelineStateView::Errored || shown.is_some_and(|at| at <= elapsed)
    }

    pub(crate) fn view_at(&self, now: Time) -> PipelineView {
        let (since, state) = self.state_at(now);
        let errors = if self.has_errors(now) {
            self.script.errors.clone()
        } else {
            Vec::new()
        };
        let is_null = self.script.null_errors && errors.is_empty();
        PipelineView {
            id: self.id,
            number: self.number,
            project_slug: self.slug.clone(),
            state,
            created_at: self.created_at,
            updated_at: time_after(self.created_at, since),
            errors: (!is_null).then_some(errors),
            trigger: json!({
                "type": "api",
                "received_at": format_time(self.created_at),
                "actor": {"login": "deployer", "avatar_url": null},
            }),
            trigger_parameters: self.trigger_parameters(),
            vcs: self.vcs(),
        }
    }

    /// The host as `pipeline.project.type` names it.
    pub(crate) fn project_type(&self) -> &str {
        match self.slug.split_once('/') {
            Some(("gh", _)) => "github",
            Some(("bb", _)) => "bitbucket",
            Some((host, _)) => host,
            None => "",
        }
    }

    /// The host of a project that OAuth connected; only such a project's pipelines have a `vcs`.
    fn provider(&self) -> Option<&'static str> {
        match self.slug.split_once('/') {
            Some(("gh", _)) => Some("GitHub"),
            Some(("bb", _)) => Some("Bitbucket"),
            _ => None,
        }
    }

    pub(crate) fn vcs(&self) -> Option<VcsView> {
        let repository = self.repository_url();
        self.provider().map(|provider| VcsView {
            provider_name: provider.to_owned(),
            origin_repository_url: repository.clone(),
            target_repository_url: repository,
            branch: self.branch.clone(),
            commit: CommitView {
                subject: commit_subject(&self.revision).to_owned(),
                body: String::new(),
            },
            tag: self.tag.clone(),
            revision: self.revision.clone(),
        })
    }

    pub(crate) fn trigger_parameters(&self) -> BTreeMap<String, Value> {
        if self.provider().is_some() {
            return BTreeMap::new();
        }
        let (_, repo) = org_and_repo(&self.slug);
        let (kind, name, place) = match self.tag.as_str() {
            "" => ("branch", &self.branch, "heads"),
            _ => ("tag", &self.tag, "tags"),
        };
        let git = json!({
            kind: name,
            "ref": format!("refs/{place}/{name}"),
            "checkout_sha": self.revision,
            "checkout_url": self.repository_url(),
            "repo_name": repo,
            "repo_url": self.repository_url(),
        });
        // Of a run that the API began, nobody is named.
        let app = json!({
            "branch": self.branch,
            "commit_sha": self.revision,
            "commit_title": commit_subject(&self.revision),
            "commit_author_name": "",
        });
        let circleci = json!({
            "event_type": "api",
            "event_time": format_time(self.created_at),
            "trigger_type": "github_app",
            "actor_id": deployer(),
        });
        let parts = [("git", git), ("github_app", app), ("circleci", circleci)];
        parts.map(|(name, part)| (name.to_owned(), part)).into()
    }

    /// The workflows that exist at `now`, newest first, from place `first`, at most `most`.
    pub(crate) fn workflows(&self, now: Time, first: usize, most: usize) -> WorkflowPage {
        let mut runs: Vec<_> = self.runs.iter().collect();
        // Of two runs with one time of creation, the later one is the newer.
        runs.sort_by_key(|run| std::cmp::Reverse((run.starts_at(), run.index)));
        let shown = runs
            .into_iter()
            .filter_map(|run| self.workflow_view(run, now));
        let mut shown = shown.skip(first);
        let items: Vec<_> = shown.by_ref().take(most).collect();
        let next_page_token = shown.next().map(|_| (first + items.len()).to_string());
        WorkflowPage {
            items,
            null_items: if first == 0 {
                self.script.null_workflows
            } else {
                0
            },
            next_page_token,
        }
    }

    pub(crate) fn workflow_view(&self, run: &WorkflowRun, now: Time) -> Option<WorkflowView> {
        let (status, stopped_at) = self.run_status(run, now)?;
        let auto_rerun = run.script.auto_rerun;
        Some(WorkflowView {
            id: run.id,
            name: run.script.name.clone(),
            status: status.to_owned(),
            created_at: run.starts_at(),
            stopped_at,
            pipeline_id: self.id,
            pipeline_number: self.number,
            project_slug: self.slug.clone(),
            started_by: deployer(),
            canceled_by: run.canceled_by.filter(|_| status == "canceled"),
            errored_by: (status == "error").then(deployer),
            tag: run.script.is_setup.then_some("setup"),
            auto_rerun_number: auto_rerun.map(|rerun| rerun.number).filter(|n| *n > 0),
            max_auto_reruns: auto_rerun.map(|rerun| rerun.max),
        })
    }

    /// The workflow's jobs.
    pub(crate) fn jobs(&self, run: &WorkflowRun, now: Time) -> JobPage {
        let jobs = run.jobs_at(now);
        let ids: BTreeMap<_, _> = jobs
            .iter()
            .map(|job| (job.script.name.clone(), job.id))
            .collect();
        let view = |job: super::workflow_run::JobSnapshot| {
            let is_approval = job.script.kind == JobKind::Approval;
            let number = run.job_number(self.number, job.index);
            let required = job.script.requires.iter();
            JobView {
                id: job.id,
                kind: job.script.kind,
                project_slug: self.slug.clone(),
                dependencies: required.filter_map(|name| ids.get(name).copied()).collect(),
                job_number: job.started_at.filter(|_| !is_approval).and(Some(number)),
                started_at: job.started_at,
                stopped_at: job.stopped_at,
                approval_request_id: is_approval.then(|| approval_request(job.id)),
                approved_by: (is_approval && job.status == "success").then(deployer),
                canceled_by: run.canceled_by.filter(|_| job.status == "canceled"),
                status: job.status,
                name: job.script.name,
            }
        };
        JobPage {
            items: jobs.into_iter().map(view).collect(),
            next_page_token: None,
        }
    }

    /// The configuration as it is known at `now`.
    pub(crate) fn config(&self, now: Time) -> ConfigView {
        let state = self.state_at(now).1;
        self.script.config_in(state, self.has_errors(now))
    }

    pub(crate) fn repository_url(&self) -> String {
        repository_url(&self.slug)
    }
}

/// The id that approves a job; it is not the job's own.
pub(crate) fn approval_request(job: Uuid) -> Uuid {
    derived_uuid(&format!("approval of {job}"))
}

/// The repository's URL.
pub(crate) fn repository_url(slug: &str) -> String {
    let (host, path) = slug.split_once('/').unwrap_or_default();
    let host = if host == "bb" {
        "bitbucket.org"
    } else {
        "github.com"
    };
    format!("https://{host}/{path}")
}

/// The first line of a commit's message: always the same of the same commit.
pub(crate) fn commit_subject(revision: &str) -> &'static str {
    const SUBJECTS: [&str; 8] = [
        "Fix the cart",
        "Show prices with tax",
        "Log out on all devices",
        "Cache the start page",
        "Ask before deleting",
        "Sort the orders by day",
        "Speed up the search",
        "Update the dependencies",
    ];
    let sum: usize = revision.bytes().map(usize::from).sum();
    SUBJECTS[sum % SUBJECTS.len()]
}

/// One commit per branch or tag, so that two pipelines on it build the same code.
pub(crate) fn branch_revision(slug: &str, branch: &str) -> String {
    let id = derived_uuid(&format!("{slug}@{branch}")).simple();
    format!("{id}00000000")
}
