//! CircleCI over HTTP: the routes of API v2, the token check and the faults.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::model::{Model, Refusal};
use crate::fault::{Answer, Fault, Faults, meet};
use crate::journal::{Journal, Seen};
use crate::server::now;

/// The calls that can fail on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// `POST /project/{slug}/pipeline`.
    Trigger,
    /// `GET /project/{slug}/pipeline`.
    List,
    /// `GET /pipeline/{id}`.
    Pipeline,
    /// `GET /pipeline/{id}/workflow`.
    Workflows,
    /// `GET /pipeline/{id}/values`.
    Values,
    /// `POST /workflow/{id}/cancel`.
    Cancel,
    /// `GET /me`.
    Me,
}

/// The running CircleCI.
#[derive(Debug)]
pub struct CircleCi {
    model: Mutex<Model>,
    faults: Faults<Call>,
    journal: Journal,
}

impl CircleCi {
    pub(crate) fn new(model: Model, journal: Journal) -> Self {
        Self {
            model: Mutex::new(model),
            faults: Faults::new(),
            journal,
        }
    }

    /// The model, locked: look, add projects, set scripts. Do not hold it across an await.
    pub fn lock(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next call of this kind that has no fault yet meets this one.
    pub fn fail_next(&self, call: Call, fault: Fault) {
        self.faults.push(call, fault);
    }

    /// Answers one call: the token, the fault, the effect on the model, the journal.
    async fn answer(
        &self,
        call: Call,
        head: &Parts,
        effect: impl FnOnce(&mut Model, DateTime<Utc>, Option<&str>) -> Result<Done, Refusal> + Send,
    ) -> Response {
        let now = now();
        let token = token(&head.headers);
        let met = meet(self.faults.take(&call), error_body, || {
            let mut model = self.lock();
            let done = model
                .authorise(token)
                .and_then(|()| effect(&mut model, now, token));
            match done {
                Ok(done) => Answer {
                    status: done.status,
                    body: done.body.to_string(),
                    note: done.note,
                },
                Err(refusal) => Answer {
                    status: refusal.status,
                    body: error_body(&refusal.message),
                    note: refusal.message,
                },
            }
        });
        self.record(now, head, met.status, &met.note);
        met.into_response().await
    }

    fn record(&self, now: DateTime<Utc>, head: &Parts, status: Option<u16>, note: &str) {
        let path = head
            .uri
            .path_and_query()
            .map_or_else(String::new, ToString::to_string);
        self.journal.record(
            now,
            Seen::CircleCall {
                method: head.method.to_string(),
                path,
                status,
                note: note.to_owned(),
            },
        );
    }
}

/// A call that succeeded.
struct Done {
    status: u16,
    body: Value,
    note: String,
}

impl Done {
    fn new(status: u16, body: &impl Serialize, note: String) -> Result<Self, Refusal> {
        let body =
            serde_json::to_value(body).map_err(|error| Refusal::new(500, error.to_string()))?;
        Ok(Self { status, body, note })
    }
}

/// The body of a trigger.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Trigger {
    branch: Option<String>,
    parameters: BTreeMap<String, Value>,
}

/// The API under `/api/v2`.
pub(crate) fn router(circleci: Arc<CircleCi>) -> Router {
    let api = Router::new()
        .route(
            "/project/{vcs}/{org}/{repo}/pipeline",
            post(trigger).get(list),
        )
        .route("/pipeline/{id}", get(pipeline))
        .route("/pipeline/{id}/workflow", get(workflows))
        .route("/pipeline/{id}/values", get(values))
        .route("/workflow/{id}/cancel", post(cancel))
        .route("/me", get(me));
    Router::new()
        .nest("/api/v2", api)
        .fallback(unknown)
        .with_state(circleci)
}

type Server = State<Arc<CircleCi>>;
type Slug = Path<(String, String, String)>;

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
                serde_json::from_slice(&body)
                    .map_err(|_| Refusal::new(400, "Unexpected request body provided."))?
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

async fn list(State(circleci): Server, Path((vcs, org, repo)): Slug, head: Parts) -> Response {
    let slug = format!("{vcs}/{org}/{repo}");
    let query = |name: &str| {
        let query = head.uri.query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    let (branch, page) = (query("branch"), query("page-token"));
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
    circleci
        .answer(Call::Workflows, &head, |model, now, _| {
            let page = model.workflows(now, parse(&id, "Pipeline not found")?)?;
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

/// A wrong route is answered by the web site, not by the API.
async fn unknown(State(circleci): Server, head: Parts) -> Response {
    let met = meet(None, error_body, || Answer {
        status: 404,
        body: "<!doctype html><title>Page not found</title>".to_owned(),
        note: "no such route".to_owned(),
    });
    circleci.record(now(), &head, met.status, &met.note);
    met.into_response().await
}

fn error_body(message: &str) -> String {
    json!({ "message": message }).to_string()
}

/// The token, from either header that CircleCI accepts.
fn token(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    text("circle-token").or_else(|| text("authorization")?.strip_prefix("Bearer "))
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// What is not an id names nothing.
fn parse(id: &str, missing: &str) -> Result<Uuid, Refusal> {
    id.parse().map_err(|_| Refusal::new(404, missing))
}
