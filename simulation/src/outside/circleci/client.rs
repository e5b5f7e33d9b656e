//! The port over CircleCI, with faults before and after the effect.
//!
//! A POST is remembered once it has arrived, whatever it is answered, and a read whether it fails or
//! not. Faults are only taken from their queues here, never chosen.

use chatops_core::Time;
use chatops_core::config::ProjectSlug;
use chatops_core::deploy::{CiPipeline, CiRunKind};
use chatops_core::id::{DeployId, PipelineId};
use chatops_core::name::BranchName;
use chatops_core::ports::{
    CiClient, CiJob, CiReadError, Clock, LookupRequest, LookupResult, PollResult, SecretName,
    SecretReader, TriggerOutcome, TriggerRequest,
};
use chatops_sandbox::circleci as model;
use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;

use super::{MemoryCircleCi, MemoryCircleCiState};
use crate::outside::Dependency;
use crate::outside::observed::{AnsweredPoll, ReadFault, ReadTry, ReceivedPost, TriggerFault};
use chatops_testkit::memory::lock_mutex;

impl MemoryCircleCi {
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

/// The POST's answer is lost, or an error.
fn unknown(because: &str) -> TriggerOutcome {
    let because = because.to_owned();
    TriggerOutcome::Unknown { because }
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
            branch: trigger.git_ref.to_string(),
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
        let slug = project_slug(&trigger.slug);
        let reference = model::GitReference {
            branch: trigger.git_ref.branch().map(ToString::to_string),
            tag: trigger.git_ref.tag().map(ToString::to_string),
        };
        let parameters = trigger.parameters.clone();
        let script = state.scripts.front().cloned().unwrap_or_default();
        let script = script.for_job(&job);
        state.model.script_job(&job, script.timeline.clone());
        let created = state
            .model
            .trigger_on(now, Some(&token), &slug, reference, parameters);
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
        let (slug, branch) = (
            project_slug(&lookup.slug),
            lookup.git_ref.branch().map(BranchName::as_str),
        );
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
