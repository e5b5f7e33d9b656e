//! CircleCI over HTTP: the token check, the faults and the record that every call shares.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Notify;
use uuid::Uuid;

use super::deliver::Hooks;
use super::model::{Model, Refusal};
use super::{v1, v2};
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
    /// `POST /project/{provider}/{organization}/{project}/pipeline/run`.
    Run,
    /// `GET /project/{slug}`.
    Project,
    /// `GET /projects/{id}/pipeline-definitions`.
    Definitions,
    /// API v1.1: `POST /project/:vcs/:org/:repo/tree/:branch`.
    StartBuild,
    /// API v1.1: the listing of recent builds.
    Builds,
    /// API v1.1: one build.
    Build,
    /// API v1.1: `POST /project/:vcs/:org/:repo/:build_num/cancel`.
    CancelBuild,
}

/// The running CircleCI.
#[derive(Debug)]
pub struct CircleCi {
    model: Mutex<Model>,
    faults: Faults<Call>,
    pub(super) journal: Journal,
    pub(super) hooks: Hooks,
    pub(super) touched: Notify,
}

impl CircleCi {
    pub(crate) fn new(model: Model, journal: Journal) -> Self {
        Self {
            model: Mutex::new(model),
            faults: Faults::new(),
            journal,
            hooks: Hooks::default(),
            touched: Notify::new(),
        }
    }

    /// The model, locked: look, add projects, set scripts. Do not hold it across an await.
    pub fn lock(&self) -> MutexGuard<'_, Model> {
        let model = self.peek();
        // Whoever delivers webhooks looks again once the lock is free.
        self.touched.notify_one();
        model
    }

    /// The model, locked to be read.
    pub(super) fn peek(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next call of this kind that has no fault yet meets this one.
    pub fn fail_next(&self, call: Call, fault: Fault) {
        self.faults.push(call, fault);
    }

    /// Answers one call: the token, the fault, the effect on the model, the journal.
    pub(super) async fn answer(
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
                .map_err(|refusal| match call {
                    Call::Run => Refusal::new(401, "Invalid token provided."),
                    _ => refusal,
                })
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
pub(super) struct Done {
    status: u16,
    body: Value,
    note: String,
}

impl Done {
    pub(super) fn new(status: u16, body: &impl Serialize, note: String) -> Result<Self, Refusal> {
        let body =
            serde_json::to_value(body).map_err(|error| Refusal::new(500, error.to_string()))?;
        Ok(Self { status, body, note })
    }
}

/// Both versions of the API.
pub(crate) fn router(circleci: Arc<CircleCi>) -> Router {
    Router::new()
        .nest("/api/v2", v2::router())
        .merge(v1::router())
        .method_not_allowed_fallback(unknown)
        .fallback(unknown)
        .with_state(circleci)
}

pub(super) type Server = State<Arc<CircleCi>>;
pub(super) type Slug = Path<(String, String, String)>;

/// A value of the query.
pub(super) fn query(head: &Parts, name: &str) -> Option<String> {
    let query = head.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
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

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// What is not an id names nothing.
pub(super) fn parse(id: &str, missing: &str) -> Result<Uuid, Refusal> {
    id.parse().map_err(|_| Refusal::new(404, missing))
}
