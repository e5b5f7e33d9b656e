//! CircleCI: the port over the sandbox's model, with faults before and after the effect.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use chatops_core::config::ProjectSlug;
use chatops_core::deploy::{CiPipeline, CiRunKind};
use chatops_core::id::{DeployId, PipelineId};
use chatops_core::ports::{
    CiClient, CiReadError, CiWorkflow, Clock, LookupRequest, LookupResult, PipelineState,
    PollResult, SecretName, SecretReader, TriggerOutcome, TriggerRequest, WorkflowStatus,
};
use chatops_sandbox::circleci as model;
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::RotatingSecrets;
use super::observed::{AnsweredPoll, ReadFault, ReceivedPost, TriggerFault};
use chatops_testkit::memory::{ManualClock, MemoryLedger, lock_mutex};

#[derive(Debug, Default)]
struct MemoryCircleCiState {
    model: model::CircleCiModel,
    trigger_faults: VecDeque<TriggerFault>,
    read_faults: VecDeque<ReadFault>,
    received_posts: Vec<ReceivedPost>,
    canceled_deploys: BTreeSet<DeployId>,
    answered_polls: Vec<AnsweredPoll>,
}

/// The POST's answer is lost, or an error.
fn unknown(because: &str) -> TriggerOutcome {
    let because = because.to_owned();
    TriggerOutcome::Unknown { because }
}

/// CircleCI in memory.
#[derive(Debug)]
pub struct MemoryCircleCi {
    state: Mutex<MemoryCircleCiState>,
    secrets: Arc<RotatingSecrets>,
    /// Read at each POST, so that a POST without the lock is seen from outside.
    ledger: Arc<MemoryLedger>,
    clock: ManualClock,
}

impl MemoryCircleCi {
    /// CircleCI with one project.
    #[must_use]
    pub fn new(
        project: model::FakeProject,
        secrets: &Arc<RotatingSecrets>,
        store: &Arc<MemoryLedger>,
        clock: &ManualClock,
    ) -> Self {
        let mut state = MemoryCircleCiState::default();
        state.model.add_project(project);
        Self {
            state: Mutex::new(state),
            secrets: Arc::clone(secrets),
            ledger: Arc::clone(store),
            clock: clock.clone(),
        }
    }

    /// Sets how the next pipeline goes.
    pub fn script_next(&self, script: model::RunScript) {
        lock_mutex(&self.state).model.script_next(script);
    }

    /// Queues a fault for a POST.
    pub fn fail_trigger(&self, fault: TriggerFault) {
        lock_mutex(&self.state).trigger_faults.push_back(fault);
    }

    /// Queues a fault for a read.
    pub fn fail_read(&self, fault: ReadFault) {
        lock_mutex(&self.state).read_faults.push_back(fault);
    }

    /// Everything that was ever created.
    #[must_use]
    pub fn created_pipelines(&self) -> Vec<model::FakePipeline> {
        lock_mutex(&self.state).model.all_pipelines().to_vec()
    }

    /// Every POST that arrived.
    #[must_use]
    pub fn received_posts(&self) -> Vec<ReceivedPost> {
        lock_mutex(&self.state).received_posts.clone()
    }

    /// The deploys whose pipelines CircleCI was asked to cancel.
    #[must_use]
    pub fn canceled_deploys(&self) -> BTreeSet<DeployId> {
        lock_mutex(&self.state).canceled_deploys.clone()
    }

    /// Every poll that was answered.
    #[must_use]
    pub fn answered_polls(&self) -> Vec<AnsweredPoll> {
        lock_mutex(&self.state).answered_polls.clone()
    }

    /// The statuses of a pipeline's workflows now.
    #[must_use]
    pub fn workflow_statuses(&self, id: PipelineId) -> Vec<String> {
        let now = self.clock.now();
        let page = lock_mutex(&self.state).model.list_workflows(now, id.0);
        page.map(|page| page.items.into_iter().map(|w| w.status).collect())
            .unwrap_or_default()
    }

    /// The deploy id a pipeline carries.
    #[must_use]
    pub fn deploy_of(pipeline: &model::FakePipeline) -> Option<DeployId> {
        DeployId::parse(pipeline.parameters.get("deploy_id")?.as_str()?).ok()
    }

    async fn current_token(&self) -> String {
        match self.secrets.get(SecretName::CircleCiToken).await {
            Ok(token) => token.current.expose_secret().to_owned(),
            Err(_) => String::new(),
        }
    }

    fn take_read_fault(state: &mut MemoryCircleCiState) -> Result<(), CiReadError> {
        match state.read_faults.pop_front() {
            None => Ok(()),
            Some(ReadFault::Error) => Err(CiReadError::from_message("HTTP 503")),
            Some(ReadFault::Limited(after)) => Err(CiReadError {
                retry_after: Some(after),
                ..CiReadError::from_message("HTTP 429")
            }),
        }
    }

    fn check_token(state: &MemoryCircleCiState, token: &str) -> Result<(), CiReadError> {
        state.model.authorise(Some(token)).map_err(read_error)
    }
}

fn project_slug(slug: &ProjectSlug) -> String {
    format!("{}/{}/{}", slug.vcs, slug.org, slug.repo)
}

fn ci_pipeline(id: uuid::Uuid, number: u64) -> CiPipeline {
    let mut url = Url::parse("https://app.circleci.com").unwrap_or_else(|_| unreachable!());
    url.set_path(&format!("/pipelines/github/acme/web/{number}"));
    CiPipeline {
        kind: CiRunKind::Pipeline,
        id: PipelineId(id),
        number,
        url,
    }
}

fn read_error(no: model::ApiError) -> CiReadError {
    CiReadError {
        unauthorized: no.status == 401,
        ..CiReadError::from_message(no.message)
    }
}

/// CircleCI's status as our value, by the names both sides use.
fn parse_value<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(Value::String(text.to_owned())).ok()
}

impl CiClient for MemoryCircleCi {
    async fn trigger(&self, trigger: &TriggerRequest) -> TriggerOutcome {
        let token = self.current_token().await;
        let now = self.clock.now();
        let mut state = lock_mutex(&self.state);
        let fault = state.trigger_faults.pop_front();
        let not_now = |error: &str, retry_after| TriggerOutcome::NotNow {
            error: error.to_owned(),
            retry_after,
        };
        if matches!(fault, Some(TriggerFault::NotSent)) {
            return not_now("could not connect", None);
        }
        let deploy = trigger.parameters.get("deploy_id").and_then(Value::as_str);
        state.received_posts.push(ReceivedPost {
            received_at: now,
            deploy: deploy.and_then(|text| DeployId::parse(text).ok()),
            locks: self.ledger.locks().into_iter().collect(),
        });
        match fault {
            Some(TriggerFault::Limited(after)) => return not_now("HTTP 429", after),
            Some(TriggerFault::Rejected(status, message)) => {
                let message = message.to_owned();
                return TriggerOutcome::Refused { status, message };
            }
            Some(TriggerFault::ErrorBefore) => return unknown("HTTP 503"),
            _ => {}
        }
        let (slug, branch) = (project_slug(&trigger.slug), Some(trigger.branch.as_str()));
        let parameters = trigger.parameters.clone();
        let created = state
            .model
            .trigger(now, Some(&token), &slug, branch, parameters);
        match (created, fault) {
            (Err(model::ApiError { status, message }), _) => match status {
                401 => TriggerOutcome::Unauthorized { message },
                _ => TriggerOutcome::Refused { status, message },
            },
            (Ok(_), Some(TriggerFault::ErrorAfter)) => unknown("HTTP 503"),
            (Ok(_), Some(TriggerFault::AnswerLost)) => unknown("the connection failed"),
            (Ok(created), _) => TriggerOutcome::Created(ci_pipeline(created.id, created.number)),
        }
    }

    async fn look_up(&self, lookup: &LookupRequest) -> Result<LookupResult, CiReadError> {
        let token = self.current_token().await;
        let now = self.clock.now();
        let mut state = lock_mutex(&self.state);
        Self::take_read_fault(&mut state)?;
        Self::check_token(&state, &token)?;
        let (slug, branch) = (project_slug(&lookup.slug), Some(lookup.branch.as_str()));
        let mut candidates = Vec::new();
        let mut token = None;
        loop {
            let model = &mut state.model;
            let page = model.list_pipelines(now, &slug, branch, token.as_deref());
            let page = page.map_err(read_error)?;
            for seen in page.items {
                if seen.created_at < lookup.since {
                    continue;
                }
                let values = state.model.get_values(seen.id).map_err(read_error)?;
                let found = ci_pipeline(seen.id, seen.number);
                let Some((name, value)) = &lookup.deploy_id else {
                    candidates.push(found);
                    continue;
                };
                let carried = values.get(&format!("pipeline.parameters.{name}"));
                if carried.and_then(Value::as_str) == Some(value) {
                    return Ok(LookupResult::Found(found));
                }
            }
            token = page.next_page_token;
            if token.is_none() {
                return Ok(LookupResult::Absent { candidates });
            }
        }
    }

    async fn poll(
        &self,
        _slug: &ProjectSlug,
        pipeline: &CiPipeline,
    ) -> Result<PollResult, CiReadError> {
        let id = pipeline.id;
        let token = self.current_token().await;
        let now = self.clock.now();
        let mut state = lock_mutex(&self.state);
        Self::take_read_fault(&mut state)?;
        Self::check_token(&state, &token)?;
        let seen = state.model.get_pipeline(now, id.0).map_err(read_error)?;
        let page = state.model.list_workflows(now, id.0).map_err(read_error)?;
        let workflows = page.items.into_iter().map(|seen| {
            let status = parse_value(&seen.status).unwrap_or(WorkflowStatus::Unknown);
            let left = seen.auto_rerun_number.unwrap_or(0) < seen.max_auto_reruns.unwrap_or(0);
            CiWorkflow {
                id: seen.id.to_string(),
                name: seen.name,
                status,
                created_at: seen.created_at,
                rerun_coming: left && status == WorkflowStatus::Failed,
            }
        });
        let poll = PollResult {
            state: parse_value(seen.state.into()).unwrap_or(PipelineState::Unknown),
            errors: seen.errors.into_iter().map(|error| error.message).collect(),
            revision: Some(seen.vcs.revision),
            workflows: workflows.collect(),
        };
        state.answered_polls.push(AnsweredPoll {
            answered_at: now,
            pipeline: id,
            can_cancel: poll.workflows.iter().any(|w| !w.status.is_final()),
        });
        Ok(poll)
    }

    async fn cancel(
        &self,
        _slug: &ProjectSlug,
        pipeline: &CiPipeline,
        workflow: &str,
    ) -> Result<(), CiReadError> {
        let now = self.clock.now();
        let id = uuid::Uuid::parse_str(workflow)
            .map_err(|error| CiReadError::from_message(error.to_string()))?;
        let mut state = lock_mutex(&self.state);
        let mut made = state.model.all_pipelines().iter();
        let made = made.find(|made| made.id == pipeline.id.0);
        let deploy = made.and_then(Self::deploy_of);
        state.canceled_deploys.extend(deploy);
        state.model.cancel_workflow(now, id).map_err(read_error)
    }
}
