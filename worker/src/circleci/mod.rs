//! CircleCI's API over HTTP: the port's calls, and what each answer means. API v2 is in `v2`, the
//! older v1.1, which starts single jobs, in `v1`.
//!
//! The trigger is sent once, on a connection of its own: no resend, no redirect, no pooled
//! connection that may have died, no proxy from the environment. Reads may reuse connections.

mod answer;
mod cool;
mod v1;
mod v2;
mod wire;

use std::time::Instant;

use chatops_core::config::{self, Slug, Times, TriggerCall};
use chatops_core::deploy::{Pipeline, RunKind};
use chatops_core::ports::{
    Ci, CiError, Finding, Look, Outcome, Search, SecretName, Secrets, Trigger,
};
use chrono::TimeDelta;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, header};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use url::Url;

use self::answer::{Answer, said};
use self::cool::CoolDown;

/// How far CircleCI's clock and ours may be apart when a listing is read: the same five minutes
/// that Slack's signed timestamp allows.
const SKEW: TimeDelta = TimeDelta::seconds(300);

/// The most pages of a listing that are read; a branch with more runs than that within a few
/// minutes is not searched to its end, and then nothing is concluded.
const PAGES: usize = 10;

/// The client for CircleCI.
#[derive(Debug)]
pub struct CircleCi<X> {
    triggers: Client,
    reads: Client,
    at: config::CircleCi,
    secrets: X,
    cool: CoolDown,
}

impl<X: Secrets> CircleCi<X> {
    /// A client for the API at `at.api`, with the token from `secrets`.
    pub fn new(at: config::CircleCi, times: &Times, secrets: X) -> Result<Self, reqwest::Error> {
        let build = |configure: fn(ClientBuilder) -> ClientBuilder| {
            configure(Client::builder())
                .connect_timeout(times.connect_timeout)
                .timeout(times.request_timeout)
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .no_proxy()
                .user_agent(concat!("chatops/", env!("CARGO_PKG_VERSION")))
                .build()
        };
        Ok(Self {
            triggers: build(|builder| builder.pool_max_idle_per_host(0))?,
            reads: build(|builder| builder)?,
            at,
            secrets,
            cool: CoolDown::default(),
        })
    }

    /// An address of the API, each segment encoded on its own.
    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.at.api.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().push("api").extend(segments);
        }
        url
    }

    async fn request(
        &self,
        client: &Client,
        method: Method,
        url: Url,
    ) -> Result<RequestBuilder, String> {
        let token = self
            .secrets
            .get(SecretName::CircleCiToken)
            .await
            .map_err(|e| e.to_string())?;
        let mut value = header::HeaderValue::from_str(token.current.expose_secret())
            .map_err(|_| "the CircleCI token is not one: it has characters no header takes")?;
        value.set_sensitive(true);
        Ok(client
            .request(method, url)
            .header("Circle-Token", value)
            .header(header::ACCEPT, "application/json"))
    }

    async fn read<T: DeserializeOwned>(&self, url: Url) -> Result<T, CiError> {
        self.call(Method::GET, url).await?.json()
    }

    /// A call that may be repeated at will.
    async fn call(&self, method: Method, url: Url) -> Result<Answer, CiError> {
        if let Some(left) = self.cool.left(Instant::now()) {
            return Err(CoolDown::refusal(left));
        }
        let failed = |message: String| CiError {
            message,
            after: None,
            unauthorized: false,
        };
        let request = self
            .request(&self.reads, method, url)
            .await
            .map_err(failed)?;
        let response = request.send().await.map_err(|error| failed(said(&error)))?;
        let answer = Answer::read(response).await;
        self.heed(&answer);
        answer.succeeded()
    }

    /// A wait that CircleCI asks for is one for every call.
    fn heed(&self, answer: &Answer) {
        if answer.is_throttled() {
            self.cool.asked(answer.after(), Instant::now());
        }
    }
}

impl<X: Secrets> Ci for CircleCi<X> {
    async fn trigger(&self, trigger: &Trigger) -> Outcome {
        if let Some(left) = self.cool.left(Instant::now()) {
            return Outcome::NotNow {
                obstacle: cool::SAID.to_owned(),
                after: Some(left),
            };
        }
        let (url, body) = match &trigger.call {
            TriggerCall::Pipeline => self.pipeline_call(trigger),
            TriggerCall::PipelineRun { definition } => self.run_call(trigger, *definition),
            TriggerCall::Job => self.job_call(trigger),
        };
        // Without this header CircleCI ignores the body and builds the default branch.
        let request = match self.request(&self.triggers, Method::POST, url).await {
            Ok(request) => request.header(header::CONTENT_TYPE, "application/json"),
            Err(obstacle) => {
                return Outcome::NotNow {
                    obstacle,
                    after: None,
                };
            }
        };
        match request.body(body.to_string()).send().await {
            Ok(response) => {
                let answer = Answer::read(response).await;
                self.heed(&answer);
                match &trigger.call {
                    TriggerCall::Pipeline => {
                        answer.triggered(|seen| self.pipeline(&trigger.slug, seen))
                    }
                    TriggerCall::PipelineRun { .. } => {
                        answer.ran(|seen| self.pipeline(&trigger.slug, seen))
                    }
                    TriggerCall::Job => answer.triggered(|seen| self.build(&trigger.slug, seen)),
                }
            }
            // No byte of the request was written.
            Err(error) if error.is_connect() || error.is_builder() => Outcome::NotNow {
                obstacle: said(&error),
                after: None,
            },
            Err(error) => Outcome::Unknown {
                doubt: said(&error),
            },
        }
    }

    async fn search(&self, search: &Search) -> Result<Finding, CiError> {
        match &search.call {
            TriggerCall::Pipeline | TriggerCall::PipelineRun { .. } => {
                self.search_pipelines(search).await
            }
            TriggerCall::Job => self.search_builds(search).await,
        }
    }

    async fn look(&self, slug: &Slug, run: &Pipeline) -> Result<Look, CiError> {
        match run.kind {
            RunKind::Pipeline => self.look_at_pipeline(run.id).await,
            RunKind::Build => self.look_at_build(slug, run.number).await,
        }
    }

    async fn cancel(&self, slug: &Slug, run: &Pipeline, workflow: &str) -> Result<(), CiError> {
        let url = match run.kind {
            RunKind::Pipeline => self.url(&["v2", "workflow", workflow, "cancel"]),
            RunKind::Build => self.build_url(slug, &[&run.number.to_string(), "cancel"]),
        };
        self.call(Method::POST, url).await.map(drop)
    }
}
