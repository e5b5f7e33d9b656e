//! CircleCI: the port over the sandbox's model, with faults before and after the effect.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::config::Slug;
use chatops_core::deploy::{Pipeline, RunKind, Target};
use chatops_core::id::{DeployId, PipelineId};
use chatops_core::ports::{
    Ci, CiError, Clock, Finding, Lock, Look, Outcome, PipelineState, Search, SecretName, Secrets,
    Trigger, Workflow, WorkflowStatus,
};
use chatops_sandbox::circleci as model;
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::RotatingSecrets;
use super::seen::{Looked, Posted, ReadFault, TriggerFault};
use crate::memory::{ManualClock, MemoryStore};

#[derive(Default)]
struct State {
    model: model::Model,
    trigger_faults: VecDeque<TriggerFault>,
    read_faults: VecDeque<ReadFault>,
    posted: Vec<Posted>,
    canceled: BTreeSet<DeployId>,
    looked: Vec<Looked>,
    lost: usize,
}

/// CircleCI in memory.
pub struct CircleCi {
    state: Mutex<State>,
    secrets: Arc<RotatingSecrets>,
    /// Read at each POST, so that a POST without the lock is seen from outside.
    store: Arc<MemoryStore>,
    clock: ManualClock,
}

impl std::fmt::Debug for CircleCi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CircleCi").finish_non_exhaustive()
    }
}

impl CircleCi {
    /// CircleCI with one project.
    #[must_use]
    pub fn new(
        project: model::Project,
        secrets: &Arc<RotatingSecrets>,
        store: &Arc<MemoryStore>,
        clock: &ManualClock,
    ) -> Self {
        let mut state = State::default();
        state.model.add_project(project);
        Self {
            state: Mutex::new(state),
            secrets: Arc::clone(secrets),
            store: Arc::clone(store),
            clock: clock.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how the next pipeline goes.
    pub fn script(&self, script: model::Script) {
        self.lock().model.script_next(script);
    }

    /// Queues a fault for a POST.
    pub fn fail_trigger(&self, fault: TriggerFault) {
        self.lock().trigger_faults.push_back(fault);
    }

    /// Queues a fault for a read.
    pub fn fail_read(&self, fault: ReadFault) {
        self.lock().read_faults.push_back(fault);
    }

    /// Everything that was ever created.
    #[must_use]
    pub fn created(&self) -> Vec<model::Pipeline> {
        self.lock().model.ledger().to_vec()
    }

    /// Every POST that arrived.
    #[must_use]
    pub fn posted(&self) -> Vec<Posted> {
        self.lock().posted.clone()
    }

    /// The deploys whose pipelines somebody asked to cancel.
    #[must_use]
    pub fn canceled(&self) -> BTreeSet<DeployId> {
        self.lock().canceled.clone()
    }

    /// Every look that was answered.
    #[must_use]
    pub fn looked(&self) -> Vec<Looked> {
        self.lock().looked.clone()
    }

    /// How many answers got lost.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.lock().lost
    }

    /// The statuses of a pipeline's workflows now.
    #[must_use]
    pub fn statuses(&self, id: PipelineId) -> Vec<String> {
        let now = self.clock.now();
        let page = self.lock().model.workflows(now, id.0);
        page.map(|page| page.items.into_iter().map(|w| w.status).collect())
            .unwrap_or_default()
    }

    /// The deploy id a pipeline carries.
    #[must_use]
    pub fn deploy_of(pipeline: &model::Pipeline) -> Option<DeployId> {
        DeployId::parse(pipeline.parameters.get("deploy_id")?.as_str()?).ok()
    }

    async fn token(&self) -> String {
        match self.secrets.get(SecretName::CircleCiToken).await {
            Ok(token) => token.current.expose_secret().to_owned(),
            Err(_) => String::new(),
        }
    }

    fn read_fault(state: &mut State) -> Result<(), CiError> {
        match state.read_faults.pop_front() {
            None => Ok(()),
            Some(ReadFault::Error) => Err(failed("HTTP 503")),
            Some(ReadFault::Limited(after)) => Err(CiError {
                after: Some(after),
                ..failed("HTTP 429")
            }),
        }
    }

    fn authorise(state: &State, token: &str) -> Result<(), CiError> {
        state.model.authorise(Some(token)).map_err(|no| CiError {
            unauthorized: no.status == 401,
            ..failed(&no.message)
        })
    }
}

fn failed(message: &str) -> CiError {
    CiError {
        message: message.to_owned(),
        after: None,
        unauthorized: false,
    }
}

fn slug(slug: &Slug) -> String {
    format!("{}/{}/{}", slug.vcs, slug.org, slug.repo)
}

fn pipeline(id: uuid::Uuid, number: u64) -> Pipeline {
    let mut url = Url::parse("https://app.circleci.com").unwrap_or_else(|_| unreachable!());
    url.set_path(&format!("/pipelines/github/acme/web/{number}"));
    Pipeline {
        kind: RunKind::Pipeline,
        id: PipelineId(id),
        number,
        url,
    }
}

/// CircleCI's word as our value, by the names both sides use.
fn word<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(Value::String(text.to_owned())).ok()
}

impl Ci for CircleCi {
    async fn trigger(&self, trigger: &Trigger) -> Outcome {
        let token = self.token().await;
        let now = self.clock.now();
        let mut state = self.lock();
        let fault = state.trigger_faults.pop_front();
        if matches!(fault, Some(TriggerFault::NotSent)) {
            return Outcome::NotNow {
                obstacle: "could not connect".into(),
                after: None,
            };
        }
        let deploy = trigger.parameters.get("deploy_id").and_then(Value::as_str);
        let deploy = deploy.and_then(|text| DeployId::parse(text).ok());
        state.posted.push(Posted {
            at: now,
            deploy,
            locks: self.store.locks().into_iter().collect(),
        });
        match &fault {
            Some(TriggerFault::Limited(after)) => {
                return Outcome::NotNow {
                    obstacle: "HTTP 429".into(),
                    after: *after,
                };
            }
            Some(TriggerFault::Refused(status, message)) => {
                return Outcome::Refused {
                    status: *status,
                    message: (*message).to_owned(),
                };
            }
            Some(TriggerFault::ErrorBefore) => {
                state.lost += 1;
                return Outcome::Unknown {
                    doubt: "HTTP 503".into(),
                };
            }
            _ => {}
        }
        let branch = Some(trigger.branch.as_str());
        let created = state.model.trigger(
            now,
            Some(&token),
            &slug(&trigger.slug),
            branch,
            trigger.parameters.clone(),
        );
        match (created, fault) {
            (Err(no), _) if no.status == 401 => Outcome::Unauthorized {
                message: no.message,
            },
            (Err(no), _) => Outcome::Refused {
                status: no.status,
                message: no.message,
            },
            (Ok(_), Some(TriggerFault::ErrorAfter)) => {
                state.lost += 1;
                Outcome::Unknown {
                    doubt: "HTTP 503".into(),
                }
            }
            (Ok(_), Some(TriggerFault::AnswerLost)) => {
                state.lost += 1;
                Outcome::Unknown {
                    doubt: "the connection failed".into(),
                }
            }
            (Ok(created), _) => Outcome::Created(pipeline(created.id, created.number)),
        }
    }

    async fn search(&self, search: &Search) -> Result<Finding, CiError> {
        let token = self.token().await;
        let now = self.clock.now();
        let mut state = self.lock();
        Self::read_fault(&mut state)?;
        Self::authorise(&state, &token)?;
        let (slug, branch) = (slug(&search.slug), Some(search.branch.as_str()));
        let mut candidates = Vec::new();
        let mut token = None;
        loop {
            let page = state
                .model
                .pipelines(now, &slug, branch, token.as_deref())
                .map_err(|no| failed(&no.message))?;
            for seen in page.items {
                if seen.created_at < search.since {
                    continue;
                }
                let values = state
                    .model
                    .values(seen.id)
                    .map_err(|no| failed(&no.message))?;
                let found = pipeline(seen.id, seen.number);
                match &search.proof {
                    Some((name, value))
                        if values
                            .get(&format!("pipeline.parameters.{name}"))
                            .and_then(Value::as_str)
                            == Some(value) =>
                    {
                        return Ok(Finding::Found(found));
                    }
                    Some(_) => {}
                    None => candidates.push(found),
                }
            }
            token = page.next_page_token;
            if token.is_none() {
                return Ok(Finding::Absent { candidates });
            }
        }
    }

    async fn look(&self, _slug: &Slug, pipeline: &Pipeline) -> Result<Look, CiError> {
        let id = pipeline.id;
        let token = self.token().await;
        let now = self.clock.now();
        let mut state = self.lock();
        Self::read_fault(&mut state)?;
        Self::authorise(&state, &token)?;
        let seen = state
            .model
            .pipeline(now, id.0)
            .map_err(|no| failed(&no.message))?;
        let page = state
            .model
            .workflows(now, id.0)
            .map_err(|no| failed(&no.message))?;
        let look = Look {
            state: word(seen.state.as_str()).unwrap_or(PipelineState::Unknown),
            errors: seen.errors.into_iter().map(|error| error.message).collect(),
            revision: Some(seen.vcs.revision),
            workflows: page
                .items
                .into_iter()
                .map(|seen| {
                    let status = word(&seen.status).unwrap_or(WorkflowStatus::Unknown);
                    let left =
                        seen.auto_rerun_number.unwrap_or(0) < seen.max_auto_reruns.unwrap_or(0);
                    Workflow {
                        id: seen.id.to_string(),
                        name: seen.name,
                        status,
                        created_at: seen.created_at,
                        rerun_coming: left && status == WorkflowStatus::Failed,
                    }
                })
                .collect(),
        };
        state.looked.push(Looked {
            at: now,
            pipeline: id,
            open: look.workflows.iter().any(|w| !w.status.is_final()),
        });
        Ok(look)
    }

    async fn cancel(
        &self,
        _slug: &Slug,
        pipeline: &Pipeline,
        workflow: &str,
    ) -> Result<(), CiError> {
        let now = self.clock.now();
        let id = uuid::Uuid::parse_str(workflow).map_err(|error| failed(&error.to_string()))?;
        let mut state = self.lock();
        let ledger = state.model.ledger().iter();
        let deploy = ledger
            .filter(|made| made.id == pipeline.id.0)
            .find_map(Self::deploy_of);
        state.canceled.extend(deploy);
        state
            .model
            .cancel_workflow(now, id)
            .map_err(|no| failed(&no.message))
    }
}
