//! The routes of API v2.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::model::ApiResult;
use super::super::model::view::{CreatedPipeline, WorkflowView};
use super::super::pipeline_run::{GitReference, RunRequest, RunResponse, bad_request};
use super::{ApiSuccess, CiCall, CiState, FakeCircleCi, SlugPath, parse_id, query_value};
use crate::http::is_json;

/// The body of a trigger.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TriggerBody {
    branch: Option<String>,
    tag: Option<String>,
    parameters: BTreeMap<String, Value>,
}

/// The routes below `/api/v2`.
pub(crate) fn router() -> Router<Arc<FakeCircleCi>> {
    let project = "/project/{vcs}/{org}/{repo}";
    let pipelines = post(trigger_pipeline).get(list_pipelines);
    Router::new()
        .route(project, get(get_project))
        .route(&format!("{project}/pipeline"), pipelines)
        .route(&format!("{project}/pipeline/run"), post(run_pipeline))
        .route("/projects/{id}/pipeline-definitions", get(list_definitions))
        .route("/pipeline/{id}", get(get_pipeline))
        .route("/pipeline/{id}/workflow", get(list_workflows))
        .route("/pipeline/{id}/values", get(get_values))
        .route("/pipeline/{id}/config", get(get_config))
        .route("/workflow/{id}", get(get_workflow))
        .route("/workflow/{id}/job", get(list_jobs))
        .route("/workflow/{id}/rerun", post(rerun_workflow))
        .route("/workflow/{id}/approve/{request}", post(approve_job))
        .route("/workflow/{id}/cancel", post(cancel_workflow))
        .route("/me", get(get_me))
}

async fn trigger_pipeline(
    State(ci): CiState,
    Path(project): SlugPath,
    head: Parts,
    body: Bytes,
) -> Response {
    ci.answer_call(CiCall::Trigger, &head, |model, now, token| {
        // CircleCI ignores a body that is not declared as JSON, and builds the default branch.
        let TriggerBody {
            branch,
            tag,
            parameters,
        } = if is_json(&head.headers) {
            serde_json::from_slice(&body).map_err(|_| bad_request())?
        } else {
            TriggerBody::default()
        };
        let reference = GitReference { branch, tag };
        created_response(&model.trigger_on(now, token, &project.slug(), reference, parameters)?)
    })
    .await
}

async fn run_pipeline(
    State(ci): CiState,
    Path(project): SlugPath,
    head: Parts,
    body: Bytes,
) -> Response {
    ci.answer_call(CiCall::Run, &head, |model, now, token| {
        let request = if is_json(&head.headers) {
            // Not a list, which serde would take for the fields in order.
            serde_json::from_slice::<Map<String, Value>>(&body)
                .and_then(|body| serde_json::from_value(Value::Object(body)))
                .map_err(|_| bad_request())?
        } else {
            RunRequest::default()
        };
        match model.run_pipeline(now, token, &project.slug(), request)? {
            RunResponse::Created(created) => created_response(&created),
            RunResponse::NotTriggered(message) => {
                ApiSuccess::new(200, &json!({"message": message}), message.clone())
            }
        }
    })
    .await
}

fn created_response(created: &CreatedPipeline) -> ApiResult<ApiSuccess> {
    let note = format!("pipeline {} created", created.number);
    ApiSuccess::new(201, created, note)
}

async fn get_project(State(ci): CiState, Path(project): SlugPath, head: Parts) -> Response {
    ci.answer_call(CiCall::Project, &head, |model, _, token| {
        let slug = project.slug();
        ApiSuccess::new(200, &model.get_project(token, &slug)?, slug)
    })
    .await
}

async fn list_definitions(State(ci): CiState, Path(id): Path<String>, head: Parts) -> Response {
    ci.answer_call(CiCall::Definitions, &head, |model, _, token| {
        let id = parse_id(&id, "Project does not exist.")?;
        let definitions = model.list_definitions(token, id)?;
        ApiSuccess::new(200, &definitions, "definitions".to_owned())
    })
    .await
}

async fn list_pipelines(State(ci): CiState, Path(project): SlugPath, head: Parts) -> Response {
    let branch = query_value(&head, "branch");
    let page = query_value(&head, "page-token");
    ci.answer_call(CiCall::List, &head, |model, now, _| {
        let page =
            model.list_pipelines(now, &project.slug(), branch.as_deref(), page.as_deref())?;
        let note = format!("{} pipelines", page.items.len());
        ApiSuccess::new(200, &page, note)
    })
    .await
}

async fn get_pipeline(State(ci): CiState, Path(id): Path<String>, head: Parts) -> Response {
    ci.answer_call(CiCall::Pipeline, &head, |model, now, _| {
        let view = model.get_pipeline(now, parse_id(&id, "Pipeline not found")?)?;
        ApiSuccess::new(200, &view, <&str>::from(view.state).to_owned())
    })
    .await
}

async fn list_workflows(State(ci): CiState, Path(id): Path<String>, head: Parts) -> Response {
    let page = query_value(&head, "page-token");
    ci.answer_call(CiCall::Workflows, &head, |model, now, _| {
        let id = parse_id(&id, "Pipeline not found")?;
        let page = model.list_workflows_from(now, id, page.as_deref())?;
        let status = |workflow: &WorkflowView| format!("{} {}", workflow.name, workflow.status);
        let mut note = page.items.iter().map(status).collect::<Vec<_>>().join(", ");
        if note.is_empty() {
            note.push_str("no workflow");
        }
        ApiSuccess::new(200, &page, note)
    })
    .await
}

async fn get_values(State(ci): CiState, Path(id): Path<String>, head: Parts) -> Response {
    ci.answer_call(CiCall::Values, &head, |model, _, _| {
        let values = model.get_values(parse_id(&id, "Pipeline not found")?)?;
        ApiSuccess::new(200, &values, format!("{} values", values.len()))
    })
    .await
}

async fn cancel_workflow(State(ci): CiState, Path(id): Path<String>, head: Parts) -> Response {
    ci.answer_call(CiCall::Cancel, &head, |model, now, _| {
        model.cancel_workflow(now, parse_id(&id, "Workflow not found")?)?;
        ApiSuccess::new(202, &json!({"message": "Accepted."}), "canceled".to_owned())
    })
    .await
}

async fn get_config(State(ci): CiState, Path(id): Path<String>, head: Parts) -> Response {
    ci.answer_call(CiCall::Config, &head, |model, now, _| {
        let config = model.get_config(now, parse_id(&id, "Pipeline not found")?)?;
        ApiSuccess::new(200, &config, "configuration".to_owned())
    })
    .await
}

async fn get_workflow(State(ci): CiState, Path(id): Path<String>, head: Parts) -> Response {
    ci.answer_call(CiCall::Workflow, &head, |model, now, _| {
        let view = model.get_workflow(now, parse_id(&id, "Workflow not found")?)?;
        let note = format!("{} {}", view.name, view.status);
        ApiSuccess::new(200, &view, note)
    })
    .await
}

async fn list_jobs(State(ci): CiState, Path(id): Path<String>, head: Parts) -> Response {
    ci.answer_call(CiCall::Jobs, &head, |model, now, _| {
        let page = model.list_jobs(now, parse_id(&id, "Workflow not found")?)?;
        let jobs = page.items.iter();
        let jobs = jobs.map(|job| format!("{} {}", job.name, job.status));
        let note = jobs.collect::<Vec<_>>().join(", ");
        ApiSuccess::new(200, &page, note)
    })
    .await
}

async fn rerun_workflow(State(ci): CiState, Path(id): Path<String>, head: Parts) -> Response {
    ci.answer_call(CiCall::Rerun, &head, |model, now, _| {
        let new = model.request_rerun(now, parse_id(&id, "Workflow not found")?)?;
        ApiSuccess::new(202, &json!({"workflow_id": new}), "rerun".to_owned())
    })
    .await
}

async fn approve_job(
    State(ci): CiState,
    Path((id, request)): Path<(String, String)>,
    head: Parts,
) -> Response {
    ci.answer_call(CiCall::Approve, &head, |model, now, _| {
        let id = parse_id(&id, "Workflow not found")?;
        model.approve_job(now, id, parse_id(&request, "Job not found")?)?;
        ApiSuccess::new(202, &json!({"message": "Accepted."}), "approved".to_owned())
    })
    .await
}

async fn get_me(State(ci): CiState, head: Parts) -> Response {
    ci.answer_call(CiCall::Me, &head, |model, _, _| {
        ApiSuccess::new(200, &model.get_me(), "deployer".to_owned())
    })
    .await
}
