//! Slack over HTTP: the keyboard, the response addresses and the faults.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::post;

use super::keyboard::{self, Keyboard};
use super::model::Model;
use crate::fault::{Answer, Fault, Faults, meet};
use crate::journal::{Journal, Seen};
use crate::server::now;

/// The running Slack.
#[derive(Debug)]
pub struct Slack {
    model: Mutex<Model>,
    faults: Faults<()>,
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
        self.faults.push((), fault);
    }
}

/// The keyboard and the response addresses; every other path is unknown to the model, too.
pub(crate) fn router(slack: Arc<Slack>, keyboard: Arc<Keyboard>) -> Router {
    Router::new()
        .route(keyboard::PATH, post(keyboard::say).with_state(keyboard))
        .fallback_service(post(respond).with_state(slack))
}

async fn respond(State(slack): State<Arc<Slack>>, head: Parts, body: Bytes) -> Response {
    let now = now();
    let mut delivered = None;
    let met = meet(slack.faults.take(&()), str::to_owned, || {
        let mut model = slack.lock();
        let answer = model.post(now, head.uri.path(), &body);
        if answer.status == 200 {
            delivered = model.messages().last().cloned();
        }
        Answer {
            status: answer.status,
            note: answer.body.clone(),
            body: answer.body,
        }
    });
    let seen = match delivered {
        Some(message) => Seen::SlackMessage {
            shown: message.shown(),
            channel: message.channel,
            visible_to: message.visible_to,
            response_path: message.response_path,
            nth_use: message.nth_use,
            status: met.status,
        },
        None => Seen::SlackRefused {
            status: met.status,
            error: met.note.clone(),
        },
    };
    slack.journal.record(now, seen);
    met.into_response().await
}
