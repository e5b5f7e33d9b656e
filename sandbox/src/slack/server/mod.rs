//! Slack over HTTP: the say endpoint, the response URLs, the bot's Web API and the faults.

pub(super) mod press;
pub(super) mod say;
pub(super) mod sender;

use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::post;
use serde_json::{Value, json};
use strum::VariantArray as _;

use self::say::SayEndpoint;
use super::model::bot::BotMethod;
use super::model::{PostResponse, SlackModel};
use crate::fault::{FaultQueues, HttpFault, PlannedResponse, apply_fault};
use crate::journal::{Journal, JournalEvent};
use crate::server::{Time, lock, now};

/// A way to post a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SlackEndpoint {
    ResponseUrl,
    WebApi,
}

/// The running Slack.
#[derive(Debug)]
pub struct FakeSlack {
    model: Mutex<SlackModel>,
    faults: FaultQueues<SlackEndpoint>,
    journal: Journal,
}

impl FakeSlack {
    pub(crate) fn new(journal: Journal) -> Self {
        Self {
            model: Mutex::default(),
            faults: FaultQueues::new(),
            journal,
        }
    }

    /// The model, locked. Do not hold it across an await.
    pub fn lock(&self) -> MutexGuard<'_, SlackModel> {
        lock(&self.model)
    }

    /// The next call of a response URL has this fault; several faults queue up.
    pub fn fail_next(&self, fault: HttpFault) {
        self.faults.push(SlackEndpoint::ResponseUrl, fault);
    }

    /// The next call of the Web API has this fault; several faults queue up. The message of a
    /// rejection is Slack's error code, such as `ratelimited`.
    pub fn fail_next_bot(&self, fault: HttpFault) {
        self.faults.push(SlackEndpoint::WebApi, fault);
    }
}

/// The say endpoint, the bot's methods and the response URLs. The model knows no other path.
pub(crate) fn router(slack: Arc<FakeSlack>, say_endpoint: Arc<SayEndpoint>) -> Router {
    let mut router = Router::new();
    for &method in BotMethod::VARIANTS {
        let call = move |State(slack): State<Arc<FakeSlack>>, head: Parts, body: Bytes| async move {
            handle_bot(&slack, method, &head, &body).await
        };
        router = router.route(method.path(), post(call));
    }
    router
        .with_state(Arc::clone(&slack))
        .route(
            say::SAY_PATH,
            post(say::handle_say).with_state(say_endpoint),
        )
        .fallback_service(post(handle_url).with_state(slack))
}

async fn handle_url(State(slack): State<Arc<FakeSlack>>, head: Parts, body: Bytes) -> Response {
    let fault = slack.faults.take_next(&SlackEndpoint::ResponseUrl);
    slack
        .handle_message(fault, str::to_owned, |model, now| {
            model.post_to_url(now, head.uri.path(), &body)
        })
        .await
}

async fn handle_bot(slack: &FakeSlack, method: BotMethod, head: &Parts, body: &[u8]) -> Response {
    let token = head
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let fault = slack.faults.take_next(&SlackEndpoint::WebApi);
    let error_body = |error: &str| json!({"ok": false, "error": error}).to_string();
    slack
        .handle_message(fault, error_body, |model, now| {
            model.call_bot(now, method, token, body)
        })
        .await
}

impl FakeSlack {
    /// Takes one message, unless the fault prevents it, and records the result.
    async fn handle_message(
        &self,
        fault: Option<HttpFault>,
        error_body: impl FnOnce(&str) -> String + Send,
        deliver: impl FnOnce(&mut SlackModel, Time) -> PostResponse + Send,
    ) -> Response {
        let now = now();
        let mut delivered = None;
        let mut is_shown = true;
        let faulted = apply_fault(fault, error_body, || {
            let mut model = self.lock();
            let before = model.messages().len();
            let answer = deliver(&mut model, now);
            delivered = model.messages().get(before).cloned();
            // `auth.test` succeeds without a message.
            is_shown = delivered.is_some() || !is_ok_answer(&answer.body);
            PlannedResponse {
                status: answer.status,
                note: answer.body.clone(),
                body: answer.body,
            }
        });
        let seen = match delivered {
            Some(message) => Some(JournalEvent::MessageDelivered {
                shown: message.shown_text(),
                block_id: message.block_id(),
                channel: message.channel,
                visible_to: message.visible_to,
                response_path: message.response_path,
                nth_use: message.nth_use,
                status: faulted.status,
            }),
            None => is_shown.then(|| JournalEvent::MessageRejected {
                status: faulted.status,
                error: faulted.note.clone(),
            }),
        };
        if let Some(seen) = seen {
            self.journal.record(now, seen);
        }
        faulted.into_response().await
    }
}

/// Whether a call of the Web API succeeded.
fn is_ok_answer(body: &str) -> bool {
    serde_json::from_str::<Value>(body).is_ok_and(|answer| answer["ok"] == true)
}
