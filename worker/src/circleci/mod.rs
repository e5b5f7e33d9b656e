//! CircleCI's API v2 over HTTP: the port's calls, and what each answer means.
//!
//! The trigger is sent once, on a connection of its own: no resend, no redirect, no pooled
//! connection that may have died, no proxy from the environment. Reads may reuse connections.

mod answer;
mod wire;

use chatops_core::config::{self, Slug, Times};
use chatops_core::deploy::Pipeline;
use chatops_core::id::PipelineId;
use chatops_core::ports::{
    Ci, CiError, Finding, Look, Outcome, Search, SecretName, Secrets, Trigger, Workflow,
};
use chrono::TimeDelta;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, header};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use url::Url;

use self::answer::{Answer, said};

/// How far CircleCI's clock and ours may be apart when a listing is read: the same five minutes
/// that Slack's signed timestamp allows.
const SKEW: TimeDelta = TimeDelta::seconds(300);

/// The most pages of a listing that are read; a branch with more pipelines than that within a few
/// minutes is not searched to its end, and then nothing is concluded.
const PAGES: usize = 10;

/// The client for CircleCI.
#[derive(Debug)]
pub struct CircleCi<X> {
    triggers: Client,
    reads: Client,
    at: config::CircleCi,
    secrets: X,
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
        })
    }

    /// `/api/v2/…`, each segment encoded on its own.
    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.at.api.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(["api", "v2"]).extend(segments);
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
        Ok(client.request(method, url).header("Circle-Token", value))
    }

    async fn read<T: DeserializeOwned>(&self, url: Url) -> Result<T, CiError> {
        self.call(Method::GET, url).await?.json()
    }

    /// A call that may be repeated at will.
    async fn call(&self, method: Method, url: Url) -> Result<Answer, CiError> {
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
        Answer::read(response).await.succeeded()
    }

    fn pipeline(&self, slug: &Slug, seen: &wire::Pipeline) -> Pipeline {
        Pipeline {
            id: PipelineId(seen.id),
            number: seen.number,
            url: self.at.pipeline_url(slug, seen.number),
        }
    }

    /// Whether a pipeline's values carry the proof.
    async fn carries(
        &self,
        pipeline: PipelineId,
        (name, value): &(String, String),
    ) -> Result<bool, CiError> {
        let url = self.url(&["pipeline", &pipeline.to_string(), "values"]);
        let values: serde_json::Map<String, serde_json::Value> = self.read(url).await?;
        let carried = [format!("pipeline.parameters.{name}"), name.clone()]
            .iter()
            .find_map(|key| values.get(key))
            .and_then(serde_json::Value::as_str);
        Ok(carried == Some(value))
    }
}

impl<X: Secrets> Ci for CircleCi<X> {
    async fn trigger(&self, trigger: &Trigger) -> Outcome {
        let Slug { vcs, org, repo } = &trigger.slug;
        let url = self.url(&["project", vcs, org, repo, "pipeline"]);
        let body = serde_json::json!({
            "branch": trigger.branch.as_str(),
            "parameters": trigger.parameters,
        });
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
                answer::triggered(response, |seen| self.pipeline(&trigger.slug, seen)).await
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
        let Slug { vcs, org, repo } = &search.slug;
        let since = search.since - SKEW;
        let mut candidates = Vec::new();
        let mut page_token = None::<String>;
        for _ in 0..PAGES {
            let mut url = self.url(&["project", vcs, org, repo, "pipeline"]);
            url.query_pairs_mut()
                .append_pair("branch", search.branch.as_str());
            if let Some(token) = &page_token {
                url.query_pairs_mut().append_pair("page-token", token);
            }
            let page: wire::Page<wire::Pipeline> = self.read(url).await?;
            // Newest first: an older one means that everything since then has been read.
            let reached_older = page.items.iter().any(|seen| seen.created_at < since);
            for seen in page.items.iter().filter(|seen| seen.created_at >= since) {
                let pipeline = self.pipeline(&search.slug, seen);
                match &search.proof {
                    Some(proof) => {
                        if self.carries(pipeline.id, proof).await? {
                            return Ok(Finding::Found(pipeline));
                        }
                    }
                    None => candidates.push(pipeline),
                }
            }
            match page.next_page_token {
                Some(token) if !reached_older => page_token = Some(token),
                _ => return Ok(Finding::Absent { candidates }),
            }
        }
        Err(CiError {
            message: format!("the branch has more than {PAGES} pages of recent pipelines"),
            after: None,
            unauthorized: false,
        })
    }

    async fn look(&self, _slug: &Slug, pipeline: PipelineId) -> Result<Look, CiError> {
        let id = pipeline.to_string();
        // The state first: workflows read after a `created` are all there are.
        let seen: wire::Details = self.read(self.url(&["pipeline", &id])).await?;
        let mut workflows: Vec<Workflow> = Vec::new();
        let mut page_token = None::<String>;
        for _ in 0..PAGES {
            let mut url = self.url(&["pipeline", &id, "workflow"]);
            if let Some(token) = &page_token {
                url.query_pairs_mut().append_pair("page-token", token);
            }
            let page: wire::Page<wire::Workflow> = self.read(url).await?;
            workflows.extend(page.items.into_iter().map(Workflow::from));
            page_token = page.next_page_token;
            if page_token.is_none() {
                return Ok(Look {
                    state: seen.state,
                    errors: seen
                        .errors
                        .into_iter()
                        .map(|error| answer::cut(&error.message))
                        .collect(),
                    revision: seen.vcs.and_then(|vcs| vcs.revision),
                    workflows,
                });
            }
        }
        // The workflow that decides may be among those that were not read.
        Err(CiError {
            message: format!("the pipeline has more than {PAGES} pages of workflows"),
            after: None,
            unauthorized: false,
        })
    }

    async fn cancel(&self, workflow: &str) -> Result<(), CiError> {
        self.call(Method::POST, self.url(&["workflow", workflow, "cancel"]))
            .await
            .map(drop)
    }
}
