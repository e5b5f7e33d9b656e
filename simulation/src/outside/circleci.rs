//! CircleCI: the port over the sandbox's model, with faults before and after the effect.

mod pipelines;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use chatops_core::Time;
use chatops_core::config::ProjectSlug;
use chatops_core::deploy::{CiPipeline, CiRunKind};
use chatops_core::id::{DeployId, PipelineId};
use chatops_core::ports::{
    CiClient, CiJob, CiReadError, Clock, LookupRequest, LookupResult, PollResult, SecretName,
    SecretReader, TriggerOutcome, TriggerRequest,
};
use chatops_sandbox::circleci as model;
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::observed::{AnsweredPoll, ReadFault, ReadTry, ReceivedPost, TriggerFault};
use super::{Dependency, Outages, PipelineTruth, RotatingSecrets, ScriptedRun};
use chatops_testkit::memory::{ManualClock, MemoryLedger, lock_mutex};

#[derive(Debug, Default)]
struct MemoryCircleCiState {
    model: model::CircleCiModel,
    scripts: VecDeque<ScriptedRun>,
    scripted: BTreeMap<uuid::Uuid, ScriptedRun>,
    trigger_faults: VecDeque<TriggerFault>,
    read_faults: VecDeque<ReadFault>,
    /// Until when every read is refused.
    refused_until: Option<Time>,
    received_posts: Vec<ReceivedPost>,
    /// The deploys whose trigger was refused for good, and with which status.
    refusals: BTreeMap<DeployId, u16>,
    canceled_deploys: BTreeSet<DeployId>,
    answered_polls: Vec<AnsweredPoll>,
    read_tries: Vec<ReadTry>,
    /// The handler run that reads now.
    reader: u64,
}

/// How long after the last moment of a run everything in a pipeline has happened: CircleCI keeps
/// nothing open for so long.
const AFTER_ALL: chrono::TimeDelta = chrono::TimeDelta::days(400);

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
    outages: Arc<Outages>,
    clock: ManualClock,
}

impl MemoryCircleCiState {
    /// The deploy whose id a pipeline carries.
    fn deploy_of_pipeline(&self, id: PipelineId) -> Option<DeployId> {
        let mut made = self.model.all_pipelines().iter();
        made.find(|made| made.id == id.0)
            .and_then(MemoryCircleCi::deploy_of)
    }
}

impl MemoryCircleCi {
    /// CircleCI with one project.
    #[must_use]
    pub fn new(
        project: model::FakeProject,
        secrets: &Arc<RotatingSecrets>,
        store: &Arc<MemoryLedger>,
        outages: &Arc<Outages>,
        clock: &ManualClock,
    ) -> Self {
        let mut state = MemoryCircleCiState::default();
        state.model.add_project(project);
        Self {
            state: Mutex::new(state),
            secrets: Arc::clone(secrets),
            ledger: Arc::clone(store),
            outages: Arc::clone(outages),
            clock: clock.clone(),
        }
    }

    /// Sets how the next pipeline goes.
    pub fn script_next(&self, script: impl Into<ScriptedRun>) {
        lock_mutex(&self.state).scripts.push_back(script.into());
    }

    /// Refuses every read until a moment.
    pub fn refuse_reads_until(&self, until: Time) {
        lock_mutex(&self.state).refused_until = Some(until);
    }

    /// Queues a fault for a POST.
    pub fn fail_trigger(&self, fault: TriggerFault) {
        lock_mutex(&self.state).trigger_faults.push_back(fault);
    }

    /// Queues a fault for a read.
    pub fn fail_read(&self, fault: ReadFault) {
        lock_mutex(&self.state).read_faults.push_back(fault);
    }

    /// Whether a failure waits for the next read.
    #[must_use]
    pub fn fails_next_read(&self) -> bool {
        !lock_mutex(&self.state).read_faults.is_empty()
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

    /// The status with which a deploy's trigger was refused for good.
    #[must_use]
    pub fn refusal_of(&self, deploy: DeployId) -> Option<u16> {
        lock_mutex(&self.state).refusals.get(&deploy).copied()
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

    /// Every read that reached CircleCI, or would have.
    #[must_use]
    pub fn read_tries(&self) -> Vec<ReadTry> {
        lock_mutex(&self.state).read_tries.clone()
    }

    /// From now on this handler run reads.
    pub(crate) fn set_reader(&self, reader: u64) {
        lock_mutex(&self.state).reader = reader;
    }

    /// The handler run has died or failed: what it read may be on no record.
    pub(crate) fn lose_reads(&self, reader: u64) {
        let mut state = lock_mutex(&self.state);
        let made = state.read_tries.iter_mut();
        for one in made.filter(|one| one.reader == reader) {
            one.is_lost = true;
        }
    }

    /// What CircleCI knows of every pipeline, also of what is still to come.
    #[must_use]
    pub fn truths(&self) -> Vec<PipelineTruth> {
        let state = lock_mutex(&self.state);
        let all = state.model.all_pipelines().iter();
        all.filter_map(|made| state.truth_of(made, self.clock.now() + AFTER_ALL))
            .collect()
    }

    /// The deploy id a pipeline carries.
    #[must_use]
    pub fn deploy_of(pipeline: &model::FakePipeline) -> Option<DeployId> {
        DeployId::parse(pipeline.parameters.get("deploy_id")?.as_str()?).ok()
    }

    /// The token, unless it cannot be read or CircleCI cannot be reached.
    async fn current_token(&self) -> Result<String, CiReadError> {
        if self.outages.is_out(Dependency::CircleCi) {
            return Err(CiReadError::from_message("could not connect"));
        }
        match self.secrets.get(SecretName::CircleCiToken).await {
            Ok(token) => Ok(token.current.expose_secret().to_owned()),
            Err(error) => Err(CiReadError::from_message(error.to_string())),
        }
    }

    /// Whether a read fails, and how. It is remembered in either case.
    fn begin_read(
        state: &mut MemoryCircleCiState,
        tried_at: Time,
        deploy: Option<DeployId>,
        token: Result<String, CiReadError>,
    ) -> Result<(), CiReadError> {
        let begun = token.and_then(|token| {
            Self::take_read_fault(state, tried_at)?;
            Self::check_token(state, &token)
        });
        state.read_tries.push(ReadTry {
            tried_at,
            deploy,
            answered: begun.is_ok(),
            reader: state.reader,
            is_lost: false,
        });
        begun
    }

    fn take_read_fault(state: &mut MemoryCircleCiState, now: Time) -> Result<(), CiReadError> {
        if state.refused_until.is_some_and(|until| now < until) {
            return Err(CiReadError {
                unauthorized: true,
                ..CiReadError::from_message("Invalid token provided.")
            });
        }
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
        let not_now = |error: &str, retry_after| TriggerOutcome::NotNow {
            error: error.to_owned(),
            retry_after,
        };
        let token = match token {
            Ok(token) => token,
            Err(error) => return not_now(&error.to_string(), None),
        };
        let fault = state.trigger_faults.pop_front();
        if matches!(fault, Some(TriggerFault::NotSent)) {
            return not_now("could not connect", None);
        }
        let deploy = trigger.parameters.get("deploy_id").and_then(Value::as_str);
        let deploy = deploy.and_then(|text| DeployId::parse(text).ok());
        let job = trigger.parameters.get("job").and_then(Value::as_str);
        let job = job.unwrap_or("deploy").to_owned();
        state.received_posts.push(ReceivedPost {
            received_at: now,
            deploy,
            job: job.clone(),
            branch: trigger.branch.as_str().to_owned(),
            locks: self.ledger.locks().into_iter().collect(),
        });
        match fault {
            Some(TriggerFault::Limited(after)) => return not_now("HTTP 429", after),
            Some(TriggerFault::Rejected(status, message)) => {
                let message = message.to_owned();
                state.refusals.extend(deploy.map(|id| (id, status)));
                return TriggerOutcome::Refused { status, message };
            }
            Some(TriggerFault::ErrorBefore) => return unknown("HTTP 503"),
            _ => {}
        }
        let (slug, branch) = (project_slug(&trigger.slug), Some(trigger.branch.as_str()));
        let parameters = trigger.parameters.clone();
        let script = state.scripts.front().cloned().unwrap_or_default();
        let script = script.for_job(&job);
        state.model.script_job(&job, script.timeline.clone());
        let created = state
            .model
            .trigger(now, Some(&token), &slug, branch, parameters);
        if let Ok(created) = &created {
            state.scripts.pop_front();
            state.scripted.insert(created.id, script);
        }
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
        let deploy = lookup.deploy_id.as_ref().map(|(_, value)| value);
        let deploy = deploy.and_then(|value| DeployId::parse(value).ok());
        Self::begin_read(&mut state, now, deploy, token)?;
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
        details: bool,
    ) -> Result<PollResult, CiReadError> {
        let id = pipeline.id;
        let token = self.current_token().await;
        let now = self.clock.now();
        let mut state = lock_mutex(&self.state);
        let deploy = state.deploy_of_pipeline(id);
        Self::begin_read(&mut state, now, deploy, token)?;
        let poll = state.poll_at(now, id.0, details).map_err(read_error)?;
        state.answered_polls.push(AnsweredPoll {
            answered_at: now,
            pipeline: id,
            can_cancel: poll.workflows.iter().any(|w| !w.status.is_final()),
        });
        Ok(poll)
    }

    async fn list_jobs(
        &self,
        pipeline: &CiPipeline,
        workflow: &str,
    ) -> Result<Vec<CiJob>, CiReadError> {
        let id = pipeline.id;
        let token = self.current_token().await;
        let now = self.clock.now();
        let mut state = lock_mutex(&self.state);
        let deploy = state.deploy_of_pipeline(id);
        let begun = Self::begin_read(&mut state, now, deploy, token);
        if begun.is_err() {
            // Polls and jobs are one read: it was answered only if all were.
            let since = now - chrono::TimeDelta::minutes(1);
            let is_part =
                |one: &ReadTry| one.deploy == deploy && one.answered && one.tried_at >= since;
            state.read_tries.retain(|one| !is_part(one));
        }
        begun?;
        state.jobs_at(now, id.0, workflow).map_err(read_error)
    }

    async fn cancel(
        &self,
        _slug: &ProjectSlug,
        pipeline: &CiPipeline,
        workflow: &str,
    ) -> Result<(), CiReadError> {
        self.current_token().await?;
        let now = self.clock.now();
        let id = uuid::Uuid::parse_str(workflow)
            .map_err(|error| CiReadError::from_message(error.to_string()))?;
        let mut state = lock_mutex(&self.state);
        let deploy = state.deploy_of_pipeline(pipeline.id);
        state.canceled_deploys.extend(deploy);
        state.model.cancel_workflow(now, id).map_err(read_error)
    }
}
