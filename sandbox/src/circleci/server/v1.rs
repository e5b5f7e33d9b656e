//! The routes of API v1.1, with their full path: the journal shows which version was called.

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

use super::super::model::build::build_location;
use super::super::model::{ApiError, ApiResult};
use super::super::pipeline_run::bad_request;
use super::{ApiSuccess, CiCall, CiState, FakeCircleCi, ProjectPath, SlugPath, query_value};
use crate::http::is_json;

/// The body of a trigger.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BuildBody {
    build_parameters: BTreeMap<String, Value>,
}

impl BuildBody {
    /// JSON, or a form with `build_parameters[NAME]=value`.
    fn parse(head: &Parts, body: &[u8]) -> ApiResult<Self> {
        if is_json(&head.headers) && !body.is_empty() {
            return serde_json::from_slice(body).map_err(|_| bad_request());
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
pub(crate) fn router() -> Router<Arc<FakeCircleCi>> {
    let project = "/api/v1.1/project/{vcs}/{org}/{repo}";
    let branch = post(start_build).get(list_builds);
    Router::new()
        .route(project, get(list_builds))
        .route(&format!("{project}/tree/{{branch}}"), branch)
        .route(&format!("{project}/{{number}}"), get(get_build))
        .route(&format!("{project}/{{number}}/cancel"), post(cancel_build))
}

async fn start_build(
    State(ci): CiState,
    Path(project): SlugPath,
    head: Parts,
    body: Bytes,
) -> Response {
    let (slug, branch) = (project.slug(), project.branch.unwrap_or_default());
    let mut started = None;
    let mut response = ci
        .answer_call(CiCall::StartBuild, &head, |model, now, token| {
            let BuildBody { build_parameters } = BuildBody::parse(&head, &body)?;
            let build = model.start_build(now, token, &slug, &branch, build_parameters)?;
            started = build["build_num"].as_u64();
            build_response(201, &build)
        })
        .await;
    let location = started.map(|number| HeaderValue::from_str(&build_location(&slug, number)));
    if let Some(Ok(location)) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// The builds of a project or of one branch.
async fn list_builds(State(ci): CiState, Path(project): SlugPath, head: Parts) -> Response {
    let number = |name: &str| query_value(&head, name).and_then(|value| value.parse().ok());
    let (limit, offset) = (number("limit"), number("offset"));
    ci.answer_call(CiCall::Builds, &head, |model, now, _| {
        let branch = project.branch.as_deref();
        let builds = model.recent_builds(now, &project.slug(), branch, limit, offset)?;
        ApiSuccess::new(200, &builds, format!("{} builds", builds.len()))
    })
    .await
}

async fn get_build(State(ci): CiState, Path(project): SlugPath, head: Parts) -> Response {
    ci.answer_call(CiCall::Build, &head, |model, now, _| {
        let build = model.get_build(now, &project.slug(), build_number(&project)?)?;
        build_response(200, &build)
    })
    .await
}

async fn cancel_build(State(ci): CiState, Path(project): SlugPath, head: Parts) -> Response {
    ci.answer_call(CiCall::CancelBuild, &head, |model, now, _| {
        let build = model.cancel_build(now, &project.slug(), build_number(&project)?)?;
        build_response(200, &build)
    })
    .await
}

fn build_number(path: &ProjectPath) -> ApiResult<u64> {
    let number = path.number.as_deref().unwrap_or_default().parse();
    number.map_err(|_| ApiError::new(404, "Build not found"))
}

fn build_response(status: u16, build: &Map<String, Value>) -> ApiResult<ApiSuccess> {
    let shown = build["status"].as_str().unwrap_or_default();
    let note = format!("build {} {shown}", build["build_num"]);
    ApiSuccess::new(status, build, note)
}
