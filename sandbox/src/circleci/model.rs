//! CircleCI without HTTP: projects, pipelines and their workflows as plain data.
//!
//! Time is an argument and ids are derived, so equal calls give equal answers.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::build::Build;
use super::pipeline::{Pipeline, Run};
use super::project::{Project, Undeclared, canonical, check, derived};
use super::script::{Script, WorkflowScript};
use super::view::{Created, PipelinePage, PipelineView, WorkflowPage};

/// Pipelines on one page of a listing.
const PAGE: usize = 20;

/// Workflows on one page, unless a test wants fewer.
const WORKFLOWS: usize = 20;

/// A refused call: the status and the `message` of the error body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The text for people.
    pub message: String,
}

impl Refusal {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
}

/// Everything this CircleCI knows.
#[derive(Debug, Clone, Default)]
pub struct Model {
    projects: BTreeMap<String, Registered>,
    ledger: Vec<Pipeline>,
    by_id: BTreeMap<Uuid, usize>,
    by_workflow: BTreeMap<Uuid, (usize, usize)>,
    /// Every workflow in the order in which it was called for.
    pub(super) order: Vec<Uuid>,
    scripts: BTreeMap<String, Script>,
    next: VecDeque<Script>,
    page: Option<usize>,
    pub(super) not_triggered: VecDeque<String>,
}

/// A project with the places of its pipelines in the ledger, and its builds, oldest first.
#[derive(Debug, Clone)]
pub(super) struct Registered {
    pub(super) project: Project,
    pipelines: Vec<usize>,
    pub(super) builds: Vec<Build>,
}

impl Model {
    /// Adds a project, or replaces the settings of the one with the same slug.
    pub fn add_project(&mut self, mut project: Project) {
        project.slug = canonical(&project.slug);
        match self.projects.get_mut(&project.slug) {
            Some(known) => known.project = project,
            None => {
                self.projects.insert(
                    project.slug.clone(),
                    Registered {
                        project,
                        pipelines: Vec::new(),
                        builds: Vec::new(),
                    },
                );
            }
        }
    }

    /// Pipelines with a parameter whose value is `job` follow `script`.
    pub fn script(&mut self, job: &str, script: Script) {
        self.scripts.insert(job.to_owned(), script);
    }

    /// The next pipeline to be created follows `script`, whatever its parameters; several calls
    /// queue up.
    pub fn script_next(&mut self, script: Script) {
        self.next.push_back(script);
    }

    /// Shows only so many workflows on a page from now on.
    pub fn page_workflows_by(&mut self, most: usize) {
        self.page = Some(most.max(1));
    }

    /// Whether `token` belongs to any project.
    pub fn authorise(&self, token: Option<&str>) -> Result<(), Refusal> {
        let known = token.is_some_and(|token| {
            self.projects
                .values()
                .any(|known| known.project.token == token)
        });
        if known {
            Ok(())
        } else {
            Err(Refusal::new(401, "You must log in first."))
        }
    }

    /// Starts a pipeline. Two equal calls start two: there is no idempotency.
    pub fn trigger(
        &mut self,
        now: DateTime<Utc>,
        token: Option<&str>,
        slug: &str,
        branch: Option<&str>,
        parameters: BTreeMap<String, Value>,
    ) -> Result<Created, Refusal> {
        self.authorise(token)?;
        let not_found = || Refusal::new(404, "Project not found");
        let project = self
            .permitted(token, slug)
            .filter(|project| !project.is_standalone())
            .ok_or_else(not_found)?;
        check(&parameters)?;
        let branch = branch.unwrap_or(&project.default_branch).to_owned();
        if !project.has_branch(&branch) {
            return Err(Refusal::new(400, "Branch not found"));
        }
        self.create(now, slug, branch, parameters, None, not_found)
    }

    /// The project, if the token may use it.
    pub(super) fn permitted(&self, token: Option<&str>, slug: &str) -> Option<&Project> {
        let known = self.projects.get(&canonical(slug))?;
        (token == Some(known.project.token.as_str())).then_some(&known.project)
    }

    pub(super) fn registered(&self, slug: &str) -> Option<&Registered> {
        self.projects.get(&canonical(slug))
    }

    pub(super) fn registered_mut(&mut self, slug: &str) -> Option<&mut Registered> {
        self.projects.get_mut(&canonical(slug))
    }

    pub(super) fn projects(&self) -> impl Iterator<Item = &Registered> {
        self.projects.values()
    }

    /// The script for what is started with these values.
    pub(super) fn next_script<'a>(
        &mut self,
        values: impl IntoIterator<Item = &'a Value>,
    ) -> Script {
        self.next
            .pop_front()
            .or_else(|| {
                values
                    .into_iter()
                    .filter_map(Value::as_str)
                    .find_map(|value| self.scripts.get(value).cloned())
            })
            .unwrap_or_default()
    }

    /// Creates a pipeline of a project on a branch that were found to exist.
    pub(super) fn create(
        &mut self,
        now: DateTime<Utc>,
        slug: &str,
        branch: String,
        parameters: BTreeMap<String, Value>,
        definition: Option<Uuid>,
        not_found: impl Fn() -> Refusal,
    ) -> Result<Created, Refusal> {
        let slug = canonical(slug);
        let project = match self.projects.get(&slug) {
            Some(known) => known.project.clone(),
            None => return Err(not_found()),
        };
        let undeclared: Vec<&str> = parameters
            .keys()
            .filter(|name| !project.parameters.contains(name))
            .map(String::as_str)
            .collect();
        let script = if undeclared.is_empty() {
            self.next_script(parameters.values())
        } else if project.undeclared == Undeclared::Errored {
            Script::config_error(&format!(
                "Unexpected argument(s): {}",
                undeclared.join(", ")
            ))
        } else {
            return Err(not_found());
        };
        if project.auto_cancel && branch != project.default_branch {
            self.cancel_branch(now, &slug, &branch);
        }

        let place = self.ledger.len();
        let known = self.projects.get_mut(&slug).ok_or_else(not_found)?;
        let number = project.first_number + known.pipelines.len() as u64;
        known.pipelines.push(place);
        let id = derived(&format!("{slug}/{number}"));
        let runs: Vec<Run> = script
            .workflows
            .iter()
            .enumerate()
            .map(|(index, part)| Run::new(id, index, now, part.clone()))
            .collect();
        for (index, run) in runs.iter().enumerate() {
            self.by_workflow.insert(run.id, (place, index));
            self.order.push(run.id);
        }
        let pipeline = Pipeline {
            id,
            number,
            branch,
            slug,
            parameters,
            created_at: now,
            definition,
            script,
            runs,
        };
        let created = Created {
            id,
            number,
            state: pipeline.state(now),
            created_at: now,
        };
        self.by_id.insert(id, place);
        self.ledger.push(pipeline);
        Ok(created)
    }

    /// A newer pipeline on a branch makes the earlier ones redundant.
    fn cancel_branch(&mut self, now: DateTime<Utc>, slug: &str, branch: &str) {
        for pipeline in &mut self.ledger {
            if pipeline.slug == slug && pipeline.branch == branch {
                pipeline.runs.iter_mut().for_each(|run| run.cancel(now));
            }
        }
    }

    /// One pipeline, whether the listing shows it yet or not.
    pub fn pipeline(&self, now: DateTime<Utc>, id: Uuid) -> Result<PipelineView, Refusal> {
        Ok(self.find(id)?.view(now))
    }

    /// A project's pipelines, newest first, twenty a page.
    pub fn pipelines(
        &self,
        now: DateTime<Utc>,
        slug: &str,
        branch: Option<&str>,
        page_token: Option<&str>,
    ) -> Result<PipelinePage, Refusal> {
        let known = self
            .projects
            .get(&canonical(slug))
            .ok_or_else(|| Refusal::new(404, "Project not found"))?;
        // The token is the number of the last pipeline shown: pages stay whole while new
        // pipelines arrive.
        let before = match page_token {
            None => u64::MAX,
            Some(token) => token
                .parse()
                .map_err(|_| Refusal::new(400, "Invalid page token"))?,
        };
        let mut shown = known
            .pipelines
            .iter()
            .rev()
            .map(|place| &self.ledger[*place])
            .filter(|pipeline| pipeline.number < before)
            .filter(|pipeline| branch.is_none_or(|branch| pipeline.branch == branch))
            .filter(|pipeline| pipeline.listed(now));
        let items: Vec<PipelineView> = shown
            .by_ref()
            .take(PAGE)
            .map(|pipeline| pipeline.view(now))
            .collect();
        let more = shown.next().is_some();
        Ok(PipelinePage {
            next_page_token: items
                .last()
                .filter(|_| more)
                .map(|last| last.number.to_string()),
            items,
        })
    }

    /// The first page of the pipeline's workflows that have appeared by `now`.
    pub fn workflows(&self, now: DateTime<Utc>, id: Uuid) -> Result<WorkflowPage, Refusal> {
        self.workflows_from(now, id, None)
    }

    /// Any page of them. The token is how many came before.
    pub fn workflows_from(
        &self,
        now: DateTime<Utc>,
        id: Uuid,
        page_token: Option<&str>,
    ) -> Result<WorkflowPage, Refusal> {
        let first = page_token.map_or(Ok(0), str::parse);
        let first = first.map_err(|_| Refusal::new(400, "Invalid page token"))?;
        let most = self.page.unwrap_or(WORKFLOWS);
        Ok(self.find(id)?.workflows(now, first, most))
    }

    /// The pipeline's values: one flat map, with the parameters as `pipeline.parameters.<name>`.
    pub fn values(&self, id: Uuid) -> Result<Map<String, Value>, Refusal> {
        let pipeline = self.find(id)?;
        let mut values = Map::new();
        let mut put = |name: &str, value: Value| values.insert(name.to_owned(), value);
        put("pipeline.id", pipeline.id.to_string().into());
        put("pipeline.number", pipeline.number.into());
        put("pipeline.project.type", "github".into());
        put("pipeline.project.git_url", pipeline.repository().into());
        put("pipeline.git.branch", pipeline.branch.clone().into());
        put("pipeline.git.revision", pipeline.revision().into());
        put("pipeline.git.tag", "".into());
        put("pipeline.trigger_source", "api".into());
        for (name, value) in &pipeline.parameters {
            put(&format!("pipeline.parameters.{name}"), value.clone());
        }
        Ok(values)
    }

    /// Cancels a workflow. It answers 202 for a finished one, too, and changes nothing then.
    pub fn cancel_workflow(&mut self, now: DateTime<Utc>, id: Uuid) -> Result<(), Refusal> {
        let (place, index) = self.place(id)?;
        self.ledger[place].runs[index].cancel(now);
        Ok(())
    }

    /// Runs `script` as a new workflow in the pipeline of `id`; its times count from `now`.
    pub fn rerun(
        &mut self,
        now: DateTime<Utc>,
        id: Uuid,
        script: WorkflowScript,
    ) -> Result<Uuid, Refusal> {
        let (place, _) = self.place(id)?;
        let pipeline = &mut self.ledger[place];
        let index = pipeline.runs.len();
        let run = Run::new(pipeline.id, index, now, script);
        let new = run.id;
        pipeline.runs.push(run);
        self.order.push(new);
        self.by_workflow.insert(new, (place, index));
        Ok(new)
    }

    /// Every pipeline ever created, oldest first.
    pub fn ledger(&self) -> &[Pipeline] {
        &self.ledger
    }

    /// A workflow and its pipeline.
    pub(super) fn run(&self, workflow: Uuid) -> Result<(&Pipeline, &Run), Refusal> {
        let (place, index) = self.place(workflow)?;
        let pipeline = &self.ledger[place];
        Ok((pipeline, &pipeline.runs[index]))
    }

    fn find(&self, id: Uuid) -> Result<&Pipeline, Refusal> {
        self.by_id
            .get(&id)
            .map(|place| &self.ledger[*place])
            .ok_or_else(|| Refusal::new(404, "Pipeline not found"))
    }

    fn place(&self, workflow: Uuid) -> Result<(usize, usize), Refusal> {
        self.by_workflow
            .get(&workflow)
            .copied()
            .ok_or_else(|| Refusal::new(404, "Workflow not found"))
    }
}
