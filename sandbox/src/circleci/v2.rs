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
use uuid::Uuid;

use super::run::{Ran, RunRequest, bad_request};
use super::server::{Call, CircleCi, Done, Server, Slug, is_json, parse, query};

/// The body of a trigger.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Trigger {
    branch: Option<String>,
    parameters: BTreeMap<String, Value>,
}

/// The routes below `/api/v2`.
pub(super) fn router() -> Router<Arc<CircleCi>> {
    Router::new()
        .route(
            "/project/{vcs}/{org}/{repo}/pipeline",
            post(trigger).get(list),
        )
        .route("/project/{vcs}/{org}/{repo}/pipeline/run", post(run))
        .route("/project/{vcs}/{org}/{repo}", get(project))
        .route("/projects/{id}/pipeline-definitions", get(definitions))
        .route("/pipeline/{id}", get(pipeline))
        .route("/pipeline/{id}/workflow", get(workflows))
        .route("/pipeline/{id}/values", get(values))
        .route("/workflow/{id}/cancel", post(cancel))
        .route("/me", get(me))
}

async fn trigger(
    State(circleci): Server,
    Path((vcs, org, repo)): Slug,
    head: Parts,
    body: Bytes,
) -> Response {
    let slug = format!("{vcs}/{org}/{repo}");
    circleci
        .answer(Call::Trigger, &head, |model, now, token| {
            let request = if is_json(&head.headers) {
                serde_json::from_slice(&body).map_err(|_| bad_request())?
            } else {
                // CircleCI ignores a body that is not declared as JSON, and builds the default
                // branch.
                Trigger::default()
            };
            let Trigger { branch, parameters } = request;
            let created = model.trigger(now, token, &slug, branch.as_deref(), parameters)?;
            let note = format!("pipeline {} created", created.number);
            Done::new(201, &created, note)
        })
        .await
}

async fn run(
    State(circleci): Server,
    Path((vcs, org, repo)): Slug,
    head: Parts,
    body: Bytes,
) -> Response {
    let slug = format!("{vcs}/{org}/{repo}");
    circleci
        .answer(Call::Run, &head, |model, now, token| {
            let request = if is_json(&head.headers) {
                // An object: serde would take a list for its fields in order.
                serde_json::from_slice::<Map<String, Value>>(&body)
                    .and_then(|body| serde_json::from_value(Value::Object(body)))
                    .map_err(|_| bad_request())?
            } else {
                RunRequest::default()
            };
            match model.run_pipeline(now, token, &slug, request)? {
                Ran::Created(created) => {
                    let note = format!("pipeline {} created", created.number);
                    Done::new(201, &created, note)
                }
                Ran::NotTriggered(message) => {
                    Done::new(200, &json!({"message": message}), message.clone())
                }
            }
        })
        .await
}

async fn project(State(circleci): Server, Path((vcs, org, repo)): Slug, head: Parts) -> Response {
    let slug = format!("{vcs}/{org}/{repo}");
    circleci
        .answer(Call::Project, &head, |model, _, token| {
            Done::new(200, &model.project(token, &slug)?, slug.clone())
        })
        .await
}

async fn definitions(State(circleci): Server, Path(id): Path<String>, head: Parts) -> Response {
    circleci
        .answer(Call::Definitions, &head, |model, _, token| {
            let definitions = model.definitions(token, parse(&id, "Project does not exist.")?)?;
            Done::new(200, &definitions, "definitions".to_owned())
        })
        .await
}

async fn list(State(circleci): Server, Path((vcs, org, repo)): Slug, head: Parts) -> Response {
    let slug = format!("{vcs}/{org}/{repo}");
    let (branch, page) = (query(&head, "branch"), query(&head, "page-token"));
    circleci
        .answer(Call::List, &head, |model, now, _| {
            let page = model.pipelines(now, &slug, branch.as_deref(), page.as_deref())?;
            let note = format!("{} pipelines", page.items.len());
            Done::new(200, &page, note)
        })
        .await
}

async fn pipeline(State(circleci): Server, Path(id): Path<String>, head: Parts) -> Response {
    circleci
        .answer(Call::Pipeline, &head, |model, now, _| {
            let view = model.pipeline(now, parse(&id, "Pipeline not found")?)?;
            Done::new(200, &view, view.state.as_str().to_owned())
        })
        .await
}

async fn workflows(State(circleci): Server, Path(id): Path<String>, head: Parts) -> Response {
    let page = query(&head, "page-token");
    circleci
        .answer(Call::Workflows, &head, |model, now, _| {
            let id = parse(&id, "Pipeline not found")?;
            let page = model.workflows_from(now, id, page.as_deref())?;
            let statuses: Vec<String> = page
                .items
                .iter()
                .map(|workflow| format!("{} {}", workflow.name, workflow.status))
                .collect();
            let note = if statuses.is_empty() {
                "no workflow".to_owned()
            } else {
                statuses.join(", ")
            };
            Done::new(200, &page, note)
        })
        .await
}

async fn values(State(circleci): Server, Path(id): Path<String>, head: Parts) -> Response {
    circleci
        .answer(Call::Values, &head, |model, _, _| {
            let values = model.values(parse(&id, "Pipeline not found")?)?;
            Done::new(200, &values, format!("{} values", values.len()))
        })
        .await
}

async fn cancel(State(circleci): Server, Path(id): Path<String>, head: Parts) -> Response {
    circleci
        .answer(Call::Cancel, &head, |model, now, _| {
            model.cancel_workflow(now, parse(&id, "Workflow not found")?)?;
            Done::new(202, &json!({"message": "Accepted."}), "canceled".to_owned())
        })
        .await
}

async fn me(State(circleci): Server, head: Parts) -> Response {
    circleci
        .answer(Call::Me, &head, |_, _, _| {
            let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, b"deployer");
            let user = json!({"id": id, "login": "deployer", "name": "Deployer"});
            Done::new(200, &user, "deployer".to_owned())
        })
        .await
}
