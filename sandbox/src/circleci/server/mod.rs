//! CircleCI over HTTP: the token check, the faults and the journal that all calls share.

pub(super) mod delivery;
pub(super) mod online;
pub(super) mod v1;
pub(super) mod v2;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Notify;
use uuid::Uuid;

use self::delivery::WebhookQueue;
use super::model::{ApiError, ApiResult, CircleCiModel};
use crate::fault::{FaultQueues, HttpFault, PlannedResponse, apply_fault};
use crate::journal::{Journal, JournalEvent};
use crate::server::{Time, lock, now};

/// The calls that can fail on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CiCall {
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
    /// `GET /pipeline/{id}/config`.
    Config,
    /// `GET /workflow/{id}`.
    Workflow,
    /// `GET /workflow/{id}/job`.
    Jobs,
    /// `POST /workflow/{id}/cancel`.
    Cancel,
    /// `POST /workflow/{id}/rerun`.
    Rerun,
    /// `POST /workflow/{id}/approve/{approval_request_id}`.
    Approve,
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
pub struct FakeCircleCi {
    model: Mutex<CircleCiModel>,
    faults: FaultQueues<CiCall>,
    calls: Mutex<BTreeMap<CiCall, u64>>,
    pub(super) journal: Journal,
    pub(super) hooks: WebhookQueue,
    pub(super) changed: Notify,
}

impl FakeCircleCi {
    pub(crate) fn new(model: CircleCiModel, journal: Journal) -> Self {
        Self {
            model: Mutex::new(model),
            faults: FaultQueues::new(),
            calls: Mutex::default(),
            journal,
            hooks: WebhookQueue::default(),
            changed: Notify::new(),
        }
    }

    /// The model, locked, to read it, add projects and set scripts. Do not hold it across an await.
    pub fn lock(&self) -> MutexGuard<'_, CircleCiModel> {
        let model = self.lock_for_read();
        // `deliver_webhooks` reads the model again once the lock is free.
        self.changed.notify_one();
        model
    }

    /// The model, locked, to read it.
    pub(crate) fn lock_for_read(&self) -> MutexGuard<'_, CircleCiModel> {
        lock(&self.model)
    }

    /// The next call of this kind has this fault; several faults queue up.
    pub fn fail_next(&self, call: CiCall, fault: HttpFault) {
        self.faults.push(call, fault);
    }

    /// The fault that the next call of this kind has.
    pub(crate) fn next_fault(&self, call: CiCall) -> Option<HttpFault> {
        self.faults.peek(&call)
    }

    /// The next call of this kind has this fault or none, whatever was to come.
    pub(crate) fn replace_faults(&self, call: CiCall, fault: Option<HttpFault>) {
        self.faults.replace(call, fault);
    }

    /// How many calls of each kind arrived so far, whatever their answers, also those whose answer
    /// a fault kept back. Two readings give the calls between them.
    pub fn call_counts(&self) -> BTreeMap<CiCall, u64> {
        lock(&self.calls).clone()
    }

    /// How many calls of all kinds arrived so far.
    pub fn call_count(&self) -> u64 {
        lock(&self.calls).values().sum()
    }

    /// Answers one call: checks the token, applies the fault, changes the model and records it.
    pub(super) async fn answer_call(
        &self,
        call: CiCall,
        head: &Parts,
        effect: impl FnOnce(&mut CircleCiModel, Time, Option<&str>) -> ApiResult<ApiSuccess> + Send,
    ) -> Response {
        let now = now();
        *lock(&self.calls).entry(call).or_default() += 1;
        let token = request_token(&head.headers);
        let faulted = apply_fault(self.faults.take_next(&call), error_body, || {
            let mut model = self.lock();
            let done = model
                .authorise(token)
                .map_err(|error| match call {
                    CiCall::Run => ApiError::new(401, "Invalid token provided."),
                    _ => error,
                })
                .and_then(|()| effect(&mut model, now, token));
            done.map_or_else(ApiError::into_response, |ApiSuccess(planned)| planned)
        });
        self.record_call(now, head, faulted.status, &faulted.note);
        faulted.into_response().await
    }

    fn record_call(&self, now: Time, head: &Parts, status: Option<u16>, note: &str) {
        let path = head.uri.path_and_query();
        let event = JournalEvent::CircleCiCall {
            method: head.method.to_string(),
            path: path.map_or_else(String::new, ToString::to_string),
            status,
            note: note.to_owned(),
        };
        self.journal.record(now, event);
    }
}

/// The response to a call that succeeded.
pub(super) struct ApiSuccess(PlannedResponse);

impl ApiSuccess {
    pub(super) fn new(status: u16, body: &impl Serialize, note: String) -> ApiResult<Self> {
        let body = serde_json::to_value(body);
        let body = body.map_err(|error| ApiError::new(500, error.to_string()))?;
        let body = body.to_string();
        Ok(Self(PlannedResponse { status, body, note }))
    }
}

impl ApiError {
    fn into_response(self) -> PlannedResponse {
        PlannedResponse {
            status: self.status,
            body: error_body(&self.message),
            note: self.message,
        }
    }
}

/// Both versions of the API.
pub(crate) fn router(circleci: Arc<FakeCircleCi>) -> Router {
    Router::new()
        .nest("/api/v2", v2::router())
        .merge(v1::router())
        .method_not_allowed_fallback(unknown_route)
        .fallback(unknown_route)
        .with_state(circleci)
}

pub(super) type CiState = State<Arc<FakeCircleCi>>;
pub(super) type SlugPath = Path<ProjectPath>;

/// The parts of a project's path, and what API v1.1 appends to it.
#[derive(Debug, Deserialize)]
pub(super) struct ProjectPath {
    vcs: String,
    org: String,
    repo: String,
    pub(super) branch: Option<String>,
    pub(super) number: Option<String>,
}

impl ProjectPath {
    pub(super) fn slug(&self) -> String {
        format!("{}/{}/{}", self.vcs, self.org, self.repo)
    }
}

/// A parameter of the query.
pub(super) fn query_value(head: &Parts, name: &str) -> Option<String> {
    let query = head.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// The web site answers an unknown route, not the API.
async fn unknown_route(State(circleci): CiState, head: Parts) -> Response {
    let faulted = apply_fault(None, error_body, || PlannedResponse {
        status: 404,
        body: "<!doctype html><title>Page not found</title>".to_owned(),
        note: "no such route".to_owned(),
    });
    circleci.record_call(now(), &head, faulted.status, &faulted.note);
    faulted.into_response().await
}

fn error_body(message: &str) -> String {
    json!({ "message": message }).to_string()
}

/// The token, from one of the two headers that CircleCI accepts.
fn request_token(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    text("circle-token").or_else(|| text("authorization")?.strip_prefix("Bearer "))
}

/// An id; one that is malformed is not found.
pub(super) fn parse_id(id: &str, missing: &str) -> ApiResult<Uuid> {
    id.parse().map_err(|_| ApiError::new(404, missing))
}
