//! CircleCI's API over HTTP: the port's calls, and the meaning of each answer. API v2 is in `v2`; the
//! older v1.1, which starts single jobs, is in `v1`. Nothing here knows a deploy's state.
//!
//! The trigger is sent once, on a connection of its own: no resend, no redirect, no pooled
//! connection that may have died, no proxy from the environment. Reads may reuse connections.

mod build_status;
mod error_text;
#[cfg(test)]
mod fuzz;
mod inspect;
mod response;
#[cfg(test)]
mod surprises;
mod v1;
mod v2;
mod wire;

use std::time::Instant;

use chatops_core::config::{self, ProjectSlug, Timeouts, TriggerCall};
use chatops_core::deploy::{CiPipeline, CiRunKind};
use chatops_core::ports::{
    CiClient, CiJob, CiReadError, LookupRequest, LookupResult, PollResult, SecretName,
    SecretReader, TriggerOutcome, TriggerRequest,
};
use chatops_http::{JsonResponse, RateLimitPause, describe_error};
use chrono::TimeDelta;
use reqwest::{Client, Method, RequestBuilder, header};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use url::Url;

pub use self::inspect::{
    CircleCiInspector, FoundProject, ItemPage, ListedPipeline, PipelineConfig, PipelineDefinition,
    TokenOwner,
};
use self::response::{error_for_status, is_throttled, trigger_outcome};

/// How far CircleCI's clock and ours may be apart when a listing is read: five minutes, as for
/// Slack's signed timestamp.
const MAX_SKEW: TimeDelta = TimeDelta::seconds(300);

/// The most pages of a listing that are read. If a branch has more runs within a few minutes, the
/// lookup fails and proves nothing.
const MAX_PAGES: usize = 10;

/// Why nothing was sent.
const PAUSE_MESSAGE: &str = "CircleCI has asked for a pause (HTTP 429)";

/// The client for CircleCI.
#[derive(Debug)]
pub struct CircleCiClient<Secrets> {
    trigger_client: Client,
    read_client: Client,
    config: config::CircleCiConfig,
    secrets: Secrets,
    rate_limit: RateLimitPause,
}

impl<Secrets: SecretReader> CircleCiClient<Secrets> {
    /// A client for the API at `config.api`, with the token from `secrets`.
    pub fn new(
        config: config::CircleCiConfig,
        timeouts: &Timeouts,
        secrets: Secrets,
    ) -> Result<Self, reqwest::Error> {
        let builder = || chatops_http::client_builder(timeouts);
        Ok(Self {
            trigger_client: builder().pool_max_idle_per_host(0).build()?,
            read_client: builder().build()?,
            config,
            secrets,
            rate_limit: RateLimitPause::default(),
        })
    }

    /// A client with other settings, and the pause that CircleCI has asked for.
    pub fn reconfigure(
        &self,
        config: config::CircleCiConfig,
        timeouts: &Timeouts,
    ) -> Result<Self, reqwest::Error>
    where
        Secrets: Clone,
    {
        Ok(Self {
            rate_limit: self.rate_limit.clone(),
            ..Self::new(config, timeouts, self.secrets.clone())?
        })
    }

    fn api_url(&self, segments: &[&str]) -> Url {
        api_url(&self.config.api, segments)
    }

    async fn request(
        &self,
        client: &Client,
        method: Method,
        url: Url,
    ) -> Result<RequestBuilder, String> {
        let token = self.secrets.find(SecretName::CircleCiToken).await;
        let token = token.map_err(|error| error.to_string())?;
        authorize(client.request(method, url), &token.current)
    }

    async fn get<T>(&self, url: Url) -> Result<T, CiReadError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let response = self.call_api(Method::GET, url).await?;
        response.parse().await.map_err(CiReadError::from_message)
    }

    async fn get_object<T>(&self, url: Url) -> Result<T, CiReadError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let item: wire::Item<T> = self.get(url).await?;
        item.object().map_err(CiReadError::from_message)
    }

    /// Any call but the trigger: it may be repeated.
    async fn call_api(&self, method: Method, url: Url) -> Result<JsonResponse, CiReadError> {
        if let Some(left) = self.rate_limit.remaining(Instant::now()) {
            return Err(CiReadError {
                retry_after: Some(left),
                ..CiReadError::from_message(PAUSE_MESSAGE)
            });
        }
        let request = self.request(&self.read_client, method, url).await;
        let sent = request.map_err(CiReadError::from_message)?.send().await;
        let response = sent.map_err(|error| CiReadError::from_message(describe_error(&error)))?;
        let response = JsonResponse::read(response).await;
        self.note_rate_limit(&response);
        error_for_status(response)
    }

    /// A pause that CircleCI asks for holds for every call.
    fn note_rate_limit(&self, response: &JsonResponse) {
        if is_throttled(response) {
            self.rate_limit.extend(response.retry_after, Instant::now());
        }
    }
}

/// An address of the API, each segment encoded on its own.
fn api_url(origin: &Url, segments: &[&str]) -> Url {
    let mut url = origin.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.clear().push("api").extend(segments);
    }
    url
}

/// Adds the token.
fn authorize(request: RequestBuilder, token: &SecretString) -> Result<RequestBuilder, String> {
    let mut value = header::HeaderValue::from_str(token.expose_secret())
        .map_err(|_| "the CircleCI token has characters that no header can have")?;
    value.set_sensitive(true);
    Ok(request
        .header("Circle-Token", value)
        .header(header::ACCEPT, "application/json"))
}

impl<Secrets: SecretReader> CiClient for CircleCiClient<Secrets> {
    async fn trigger(&self, trigger: &TriggerRequest) -> TriggerOutcome {
        if let Some(left) = self.rate_limit.remaining(Instant::now()) {
            return TriggerOutcome::NotNow {
                error: PAUSE_MESSAGE.to_owned(),
                retry_after: Some(left),
            };
        }
        let (url, body) = match &trigger.call {
            TriggerCall::Pipeline => self.pipeline_call(trigger),
            TriggerCall::PipelineRun { definition } => self.run_call(trigger, *definition),
            TriggerCall::Job => self.job_call(trigger),
        };
        // Without this header CircleCI ignores the body and builds the default branch.
        let request = match self.request(&self.trigger_client, Method::POST, url).await {
            Ok(request) => request.header(header::CONTENT_TYPE, "application/json"),
            Err(error) => {
                return TriggerOutcome::NotNow {
                    error,
                    retry_after: None,
                };
            }
        };
        match request.body(body.to_string()).send().await {
            Ok(response) => {
                let response = JsonResponse::read(response).await;
                self.note_rate_limit(&response);
                let pipeline = |answer: &_| self.pipeline(&trigger.slug, answer);
                let build = |answer: &_| self.build(&trigger.slug, answer);
                match &trigger.call {
                    TriggerCall::Pipeline => trigger_outcome(response, pipeline, |_| None).await,
                    TriggerCall::PipelineRun { .. } => {
                        trigger_outcome(response, pipeline, wire::V2Pipeline::message).await
                    }
                    TriggerCall::Job => trigger_outcome(response, build, |_| None).await,
                }
            }
            // No byte of the request was written.
            Err(error) if error.is_connect() || error.is_builder() => TriggerOutcome::NotNow {
                error: describe_error(&error),
                retry_after: None,
            },
            Err(error) => TriggerOutcome::Unknown {
                because: describe_error(&error),
            },
        }
    }

    async fn look_up(&self, lookup: &LookupRequest) -> Result<LookupResult, CiReadError> {
        match &lookup.call {
            TriggerCall::Pipeline | TriggerCall::PipelineRun { .. } => {
                self.look_up_pipeline(lookup).await
            }
            TriggerCall::Job => self.look_up_build(lookup).await,
        }
    }

    async fn poll(
        &self,
        slug: &ProjectSlug,
        run: &CiPipeline,
        details: bool,
    ) -> Result<PollResult, CiReadError> {
        match run.kind {
            CiRunKind::Pipeline => self.poll_pipeline(run.id, details).await,
            // One call shows all of it.
            CiRunKind::Build => self.poll_build(slug, run.number).await,
        }
    }

    async fn list_jobs(&self, run: &CiPipeline, workflow: &str) -> Result<Vec<CiJob>, CiReadError> {
        match run.kind {
            CiRunKind::Pipeline => self.list_workflow_jobs(workflow).await,
            CiRunKind::Build => Ok(vec![]),
        }
    }

    async fn cancel(
        &self,
        slug: &ProjectSlug,
        run: &CiPipeline,
        workflow: &str,
    ) -> Result<(), CiReadError> {
        if workflow.is_empty() {
            let error = "CircleCI's list shows no id of the workflow";
            return Err(CiReadError::from_message(error));
        }
        let url = match run.kind {
            CiRunKind::Pipeline => self.api_url(&["v2", "workflow", workflow, "cancel"]),
            // The build that CircleCI has repeated this one as, if it has.
            CiRunKind::Build => self.build_url(slug, &[workflow, "cancel"]),
        };
        self.call_api(Method::POST, url).await.map(drop)
    }
}
