//! The routes of API v1.1, with their whole path: the record shows which version was called.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::build::location;
use super::model::Refusal;
use super::server::{Call, CircleCi, Done, Server, Slug, is_json, query};

/// The body of a trigger.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Start {
    build_parameters: BTreeMap<String, Value>,
}

impl Start {
    /// JSON, or a form with `build_parameters[NAME]=value`.
    fn read(head: &Parts, body: &[u8]) -> Result<Self, Refusal> {
        if is_json(&head.headers) && !body.is_empty() {
            return serde_json::from_slice(body)
                .map_err(|_| Refusal::new(400, "Unexpected request body provided."));
        }
        let build_parameters = form_urlencoded::parse(body)
            .filter_map(|(key, value)| {
                let name = key.strip_prefix("build_parameters[")?.strip_suffix(']')?;
                Some((name.to_owned(), value.into_owned().into()))
            })
            .collect();
        Ok(Self { build_parameters })
    }
}

/// The routes, from the root.
pub(super) fn router() -> Router<Arc<CircleCi>> {
    let project = "/api/v1.1/project/{vcs}/{org}/{repo}";
    Router::new()
        .route(project, get(recent))
        .route(
            &format!("{project}/tree/{{branch}}"),
            post(start).get(recent_on),
        )
        .route(&format!("{project}/{{number}}"), get(build))
        .route(&format!("{project}/{{number}}/cancel"), post(cancel))
}

async fn start(
    State(circleci): Server,
    Path((vcs, org, repo, branch)): Path<(String, String, String, String)>,
    head: Parts,
    body: Bytes,
) -> Response {
    let slug = format!("{vcs}/{org}/{repo}");
    let mut place = None;
    let mut response = circleci
        .answer(Call::StartBuild, &head, |model, now, token| {
            let Start { build_parameters } = Start::read(&head, &body)?;
            let build = model.start_build(now, token, &slug, &branch, build_parameters)?;
            place = build["build_num"].as_u64();
            Done::new(201, &build, describe(&build))
        })
        .await;
    let location = place.map(|number| HeaderValue::from_str(&location(&slug, number)));
    if let Some(Ok(location)) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

async fn recent(State(circleci): Server, Path((vcs, org, repo)): Slug, head: Parts) -> Response {
    list(&circleci, &format!("{vcs}/{org}/{repo}"), None, &head).await
}

async fn recent_on(
    State(circleci): Server,
    Path((vcs, org, repo, branch)): Path<(String, String, String, String)>,
    head: Parts,
) -> Response {
    let slug = format!("{vcs}/{org}/{repo}");
    list(&circleci, &slug, Some(&branch), &head).await
}

async fn list(circleci: &CircleCi, slug: &str, branch: Option<&str>, head: &Parts) -> Response {
    let number = |name: &str| query(head, name).and_then(|value| value.parse().ok());
    let (limit, offset) = (number("limit"), number("offset"));
    circleci
        .answer(Call::Builds, head, |model, now, _| {
            let builds = model.recent_builds(now, slug, branch, limit, offset)?;
            Done::new(200, &builds, format!("{} builds", builds.len()))
        })
        .await
}

type Numbered = Path<(String, String, String, String)>;

async fn build(
    State(circleci): Server,
    Path((vcs, org, repo, number)): Numbered,
    head: Parts,
) -> Response {
    let slug = format!("{vcs}/{org}/{repo}");
    circleci
        .answer(Call::Build, &head, |model, now, _| {
            let build = model.build(now, &slug, parse(&number)?)?;
            Done::new(200, &build, describe(&build))
        })
        .await
}

async fn cancel(
    State(circleci): Server,
    Path((vcs, org, repo, number)): Numbered,
    head: Parts,
) -> Response {
    let slug = format!("{vcs}/{org}/{repo}");
    circleci
        .answer(Call::CancelBuild, &head, |model, now, _| {
            let build = model.cancel_build(now, &slug, parse(&number)?)?;
            Done::new(200, &build, describe(&build))
        })
        .await
}

fn parse(number: &str) -> Result<u64, Refusal> {
    number
        .parse()
        .map_err(|_| Refusal::new(404, "Build not found"))
}

fn describe(build: &Map<String, Value>) -> String {
    let status = build["status"].as_str().unwrap_or_default();
    format!("build {} {status}", build["build_num"])
}
