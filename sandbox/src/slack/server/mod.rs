//! Slack over HTTP: the say endpoint, the response URLs, the bot's Web API and the faults.

pub(super) mod installed_app;
pub(super) mod press;
pub(super) mod say;
pub(super) mod sender;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{get, post};
use chrono::TimeDelta;
use serde_json::{Value, json};
use strum::VariantArray as _;
use tokio::task::JoinSet;

use self::say::SayEndpoint;
use super::model::bot::BotMethod;
use super::model::message::ShownMessage;
use super::model::{PostAttempt, PostResponse, SlackModel};
use crate::fault::{FaultQueues, HttpFault, PlannedResponse, apply_fault};
use crate::journal::{Journal, JournalEvent};
use crate::page::guard::{OwnAddress, require_own_host};
use crate::server::{Time, lock, now};

/// A way to post a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SlackEndpoint {
    ResponseUrl,
    /// Any method of the Web API.
    WebApi,
    /// One method of the Web API.
    Method(BotMethod),
}

/// A fault of one call.
#[derive(Debug)]
enum SlackFault {
    Http(HttpFault),
    /// The call has this status, or no answer, and takes effect later, or when told.
    Late {
        status: Option<u16>,
        after: Option<Duration>,
    },
}

/// The running Slack.
#[derive(Debug)]
pub struct FakeSlack {
    model: Mutex<SlackModel>,
    faults: FaultQueues<SlackEndpoint, SlackFault>,
    journal: Journal,
    /// Late calls that wait for their time.
    late: Mutex<JoinSet<()>>,
}

impl FakeSlack {
    pub(crate) fn new(journal: Journal) -> Self {
        Self {
            model: Mutex::default(),
            faults: FaultQueues::new(),
            journal,
            late: Mutex::default(),
        }
    }

    /// The model, locked. Do not hold it across an await.
    pub fn lock(&self) -> MutexGuard<'_, SlackModel> {
        lock(&self.model)
    }

    /// The next call of a response URL has this fault; several faults queue up.
    pub fn fail_next(&self, fault: HttpFault) {
        let fault = SlackFault::Http(fault);
        self.faults.push(SlackEndpoint::ResponseUrl, fault);
    }

    /// The next call of the Web API has this fault; several faults queue up. The message of a
    /// rejection is Slack's error code, such as `ratelimited`.
    pub fn fail_next_bot(&self, fault: HttpFault) {
        let fault = SlackFault::Http(fault);
        self.faults.push(SlackEndpoint::WebApi, fault);
    }

    /// The next call of this method has this fault, before those of any method.
    pub fn fail_next_call(&self, method: BotMethod, fault: HttpFault) {
        let fault = SlackFault::Http(fault);
        self.faults.push(SlackEndpoint::Method(method), fault);
    }

    /// The next call of this method is answered with `status`, or not at all, and takes effect
    /// `after` some time; without a time, at [`Self::carry_out_late`].
    pub fn delay_next_call(&self, method: BotMethod, status: Option<u16>, after: Option<Duration>) {
        let fault = SlackFault::Late { status, after };
        self.faults.push(SlackEndpoint::Method(method), fault);
    }

    /// Carries out every late call, due or not.
    pub fn carry_out_late(&self) {
        let now = now();
        let mut model = self.lock();
        let done = model.carry_out_late(now).to_vec();
        self.record_late(now, &model, &done);
    }

    fn carry_out_due(&self, due: Time) {
        let mut model = self.lock();
        let done = model.carry_out_due(due).to_vec();
        self.record_late(due, &model, &done);
    }

    fn record_late(&self, at: Time, model: &SlackModel, done: &[PostAttempt]) {
        for attempt in done {
            let event = match changed_message(model, attempt) {
                Some(message) => change_event(message.clone(), &attempt.response_path, None),
                None => JournalEvent::MessageRejected {
                    status: None,
                    error: attempt.response.body.clone(),
                },
            };
            self.journal.record(at, event);
        }
    }
}

/// The say endpoint, the bot's methods and the response URLs. The model knows no other path.
pub(crate) fn router(slack: Arc<FakeSlack>, say_endpoint: SayEndpoint, own: &OwnAddress) -> Router {
    let mut router = Router::new();
    for &method in BotMethod::VARIANTS {
        let call = move |State(slack): State<Arc<FakeSlack>>, head: Parts, body: Bytes| async move {
            handle_bot(&slack, method, &head, &body).await
        };
        let route = match method {
            // It only reads.
            BotMethod::AuthTest => get(call).post(call),
            _ => post(call),
        };
        router = router.route(method.path(), route);
    }
    let say = post(say::handle_say).with_state(Arc::new(say_endpoint));
    router
        .with_state(Arc::clone(&slack))
        .merge(require_own_host(
            Router::new().route(say::SAY_PATH, say),
            own,
        ))
        .fallback_service(post(handle_url).with_state(slack))
}

async fn handle_url(State(slack): State<Arc<FakeSlack>>, head: Parts, body: Bytes) -> Response {
    let fault = match slack.faults.take_next(&SlackEndpoint::ResponseUrl) {
        Some(SlackFault::Http(fault)) => Some(fault),
        // Only calls of the bot come late.
        Some(SlackFault::Late { .. }) | None => None,
    };
    slack
        .handle_message(fault, str::to_owned, |model, now| {
            model.post_to_url(now, head.uri.path(), &body)
        })
        .await
}

async fn handle_bot(
    slack: &Arc<FakeSlack>,
    method: BotMethod,
    head: &Parts,
    body: &[u8],
) -> Response {
    let token = head
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let fault = slack.faults.take_next(&SlackEndpoint::Method(method));
    let fault = fault.or_else(|| slack.faults.take_next(&SlackEndpoint::WebApi));
    let fault = match fault {
        Some(SlackFault::Http(fault)) => Some(fault),
        Some(SlackFault::Late { status, after }) => {
            hold_call(slack, after, method, token, body);
            // Neither has an effect of its own.
            Some(match status {
                Some(status) => HttpFault::Reject {
                    status,
                    retry_after_s: None,
                    message: "internal_error".to_owned(),
                },
                None => HttpFault::Hang {
                    duration: Duration::ZERO,
                },
            })
        }
        None => None,
    };
    let error_body = |error: &str| json!({"ok": false, "error": error}).to_string();
    slack
        .handle_message(fault, error_body, |model, now| {
            model.call_bot(now, method, token, body)
        })
        .await
}

/// Keeps a call until its time, or until told.
fn hold_call(
    slack: &Arc<FakeSlack>,
    after: Option<Duration>,
    method: BotMethod,
    token: Option<&str>,
    body: &[u8],
) {
    let now = now();
    // A time that no calendar has never comes.
    let delta = after.map(|after| TimeDelta::from_std(after).unwrap_or(TimeDelta::MAX));
    let due = delta.and_then(|delta| now.checked_add_signed(delta));
    let delta = due.map(|due| due - now);
    slack.lock().hold_bot_call(now, delta, method, token, body);
    if let (Some(due), Some(after)) = (due, after) {
        // Does not keep the server alive.
        let slack_then = Arc::downgrade(slack);
        lock(&slack.late).spawn(async move {
            tokio::time::sleep(after).await;
            if let Some(slack) = slack_then.upgrade() {
                slack.carry_out_due(due);
            }
        });
    }
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
        let mut changed = None;
        let mut is_visible = true;
        let faulted = apply_fault(fault, error_body, || {
            let mut model = self.lock();
            let before = model.attempts().len();
            let answer = deliver(&mut model, now);
            if let Some(attempt) = model.attempts().get(before) {
                let message = changed_message(&model, attempt);
                changed = message.map(|m| (m.clone(), attempt.response_path.clone()));
            }
            // `auth.test` succeeds without a message.
            is_visible = changed.is_some() || !is_ok_answer(&answer.body);
            PlannedResponse {
                status: answer.status,
                note: answer.body.clone(),
                body: answer.body,
            }
        });
        let seen = match changed {
            Some((message, path)) => Some(change_event(message, &path, faulted.status)),
            None => is_visible.then(|| JournalEvent::MessageRejected {
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

/// The message that a call posted, edited or deleted; `None` if it was rejected.
fn changed_message<'a>(model: &'a SlackModel, attempt: &PostAttempt) -> Option<&'a ShownMessage> {
    if attempt.response.body == "ok" {
        let path = &attempt.response_path;
        let mut messages = model.messages().iter().rev();
        return messages.find(|message| {
            let posted = message.response_path == *path && message.nth_use == attempt.nth_use;
            posted || message.replaced_by.last() == Some(path)
        });
    }
    let answer: Value = serde_json::from_str(&attempt.response.body).ok()?;
    let ts = answer["ts"].as_str().or(answer["message_ts"].as_str())?;
    // Timestamps differ over all channels, and not every answer names one.
    model.messages().iter().find(|message| message.ts == ts)
}

fn change_event(message: ShownMessage, path: &str, status: Option<u16>) -> JournalEvent {
    let (shown, block_id) = (message.shown_text(), message.block_id());
    let (channel, ts) = (message.channel, message.ts);
    if path == BotMethod::Delete.path() {
        return JournalEvent::MessageDeleted {
            channel,
            ts,
            status,
        };
    }
    if path == BotMethod::Update.path() || message.replaced_by.last().is_some_and(|by| by == path) {
        return JournalEvent::MessageEdited {
            channel,
            ts,
            shown,
            block_id,
            status,
        };
    }
    JournalEvent::MessageDelivered {
        channel,
        visible_to: message.visible_to,
        response_path: message.response_path,
        shown,
        block_id,
        nth_use: message.nth_use,
        status,
    }
}

/// Whether a call of the Web API succeeded.
fn is_ok_answer(body: &str) -> bool {
    serde_json::from_str::<Value>(body).is_ok_and(|answer| answer["ok"] == true)
}
