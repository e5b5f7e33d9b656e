//! Slack over HTTP: the keyboard, the response addresses, the bot's Web API and the faults.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::post;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::bot::Method;
use super::keyboard::{self, Keyboard};
use super::model::{Model, PostAnswer};
use crate::fault::{Answer, Fault, Faults, meet};
use crate::journal::{Journal, Seen};
use crate::server::now;

/// How a message comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Address,
    Bot,
}

/// The running Slack.
#[derive(Debug)]
pub struct Slack {
    model: Mutex<Model>,
    faults: Faults<Way>,
    journal: Journal,
}

impl Slack {
    pub(crate) fn new(journal: Journal) -> Self {
        Self {
            model: Mutex::default(),
            faults: Faults::new(),
            journal,
        }
    }

    /// The model, locked. Do not hold it across an await.
    pub fn lock(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next call of a response address that has no fault yet meets this one.
    pub fn fail_next(&self, fault: Fault) {
        self.faults.push(Way::Address, fault);
    }

    /// The next call of the Web API that has no fault yet meets this one. The message of a refusal
    /// is Slack's word for it, such as `ratelimited`.
    pub fn fail_next_bot(&self, fault: Fault) {
        self.faults.push(Way::Bot, fault);
    }
}

/// The keyboard, the bot's methods and the response addresses; every other path is unknown to the
/// model, too.
pub(crate) fn router(slack: Arc<Slack>, keyboard: Arc<Keyboard>) -> Router {
    let mut router = Router::new();
    for method in [Method::PostMessage, Method::PostEphemeral, Method::AuthTest] {
        let call = move |State(slack): State<Arc<Slack>>, head: Parts, body: Bytes| async move {
            call(&slack, method, &head, &body).await
        };
        router = router.route(method.path(), post(call));
    }
    router
        .with_state(Arc::clone(&slack))
        .route(keyboard::PATH, post(keyboard::say).with_state(keyboard))
        .fallback_service(post(respond).with_state(slack))
}

async fn respond(State(slack): State<Arc<Slack>>, head: Parts, body: Bytes) -> Response {
    let fault = slack.faults.take(&Way::Address);
    slack
        .take(fault, str::to_owned, |model, now| {
            model.post(now, head.uri.path(), &body)
        })
        .await
}

async fn call(slack: &Slack, method: Method, head: &Parts, body: &[u8]) -> Response {
    let token = head
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let fault = slack.faults.take(&Way::Bot);
    let refusal = |error: &str| json!({"ok": false, "error": error}).to_string();
    slack
        .take(fault, refusal, |model, now| {
            model.call(now, method, token, body)
        })
        .await
}

impl Slack {
    /// Takes one message, unless the fault prevents it, and records what came of it.
    async fn take(
        &self,
        fault: Option<Fault>,
        refusal: impl FnOnce(&str) -> String + Send,
        deliver: impl FnOnce(&mut Model, DateTime<Utc>) -> PostAnswer + Send,
    ) -> Response {
        let now = now();
        let mut delivered = None;
        let mut is_said = true;
        let met = meet(fault, refusal, || {
            let mut model = self.lock();
            let before = model.messages().len();
            let answer = deliver(&mut model, now);
            delivered = model.messages().get(before).cloned();
            // The Web API has answers to questions, too; those are nothing that people see.
            is_said = delivered.is_some() || !is_ok(&answer.body);
            Answer {
                status: answer.status,
                note: answer.body.clone(),
                body: answer.body,
            }
        });
        let seen = match delivered {
            Some(message) => Some(Seen::SlackMessage {
                shown: message.shown(),
                channel: message.channel,
                visible_to: message.visible_to,
                response_path: message.response_path,
                nth_use: message.nth_use,
                status: met.status,
            }),
            None => is_said.then(|| Seen::SlackRefused {
                status: met.status,
                error: met.note.clone(),
            }),
        };
        if let Some(seen) = seen {
            self.journal.record(now, seen);
        }
        met.into_response().await
    }
}

/// Whether the Web API has answered a question.
fn is_ok(body: &str) -> bool {
    serde_json::from_str::<Value>(body).is_ok_and(|answer| answer["ok"] == true)
}
