//! Webhooks go out when workflows end: once, or in the ways in which deliveries go wrong.
//!
//! Nothing ticks: the next end is known from the scripts, and whoever takes the model's lock wakes
//! the task that waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use hyper::Request;
use uuid::Uuid;

use super::model::Model;
use super::server::CircleCi;
use super::webhook::{Event, SignedEvent};
use crate::http;
use crate::journal::Seen;
use crate::server::now;

/// How long CircleCI waits for an answer.
const LIMIT: Duration = Duration::from_secs(10);

/// How the webhooks of one workflow are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delivery {
    /// Once, when the workflow ends.
    #[default]
    Once,
    /// Twice, with the same id.
    Doubled,
    /// Once, signed with a secret that is not the app's.
    Forged,
    /// Once, as soon as the workflow begins: the API still says that it runs.
    Early,
    /// Never.
    Lost,
}

/// Where webhooks go, and how the next ones are sent.
#[derive(Debug, Default)]
pub(super) struct Hooks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    target: Option<Target>,
    deliveries: VecDeque<Delivery>,
    /// How many workflows of the model's order are known.
    known: usize,
    waiting: Vec<(Uuid, Delivery)>,
}

#[derive(Debug, Clone)]
struct Target {
    url: String,
    secret: Option<String>,
}

/// A workflow whose time has come.
struct Due {
    events: Vec<Event>,
    how: Delivery,
}

impl State {
    /// What is due by `now`, and when to look again.
    fn due(&mut self, model: &Model, now: DateTime<Utc>) -> (Vec<Due>, Option<DateTime<Utc>>) {
        for workflow in &model.order[self.known..] {
            let how = self.deliveries.pop_front().unwrap_or_default();
            self.waiting.push((*workflow, how));
        }
        self.known = model.order.len();
        let (mut due, mut next) = (Vec::new(), None::<DateTime<Utc>>);
        self.waiting.retain(|(workflow, how)| {
            let Ok((_, run)) = model.run(*workflow) else {
                return false;
            };
            let Some((at, status)) = run.end() else {
                return true;
            };
            let when = if *how == Delivery::Early {
                run.starts_at()
            } else {
                at
            };
            if when > now {
                next = Some(next.map_or(when, |earlier| earlier.min(when)));
                return true;
            }
            due.push(Due {
                events: events(model, *workflow, at.min(now), status),
                how: *how,
            });
            false
        });
        (due, next)
    }
}

/// What CircleCI has to say about an end; nothing about a workflow that never ran.
fn events(model: &Model, workflow: Uuid, at: DateTime<Utc>, status: &str) -> Vec<Event> {
    let job = matches!(status, "success" | "failed" | "canceled" | "unauthorized")
        .then(|| model.job_completed(workflow, at, status));
    let ended = (status != "not_run").then(|| model.workflow_completed(workflow, at, status));
    job.into_iter().chain(ended).flatten().collect()
}

impl CircleCi {
    pub(crate) fn hear(&self, url: &str, secret: Option<&str>) {
        self.with_hooks(|hooks| {
            hooks.target = Some(Target {
                url: url.to_owned(),
                secret: secret.map(str::to_owned),
            });
        });
    }

    /// The next workflow that is started has its webhooks sent like this; several calls queue up.
    pub fn deliver_next(&self, how: Delivery) {
        self.with_hooks(|hooks| hooks.deliveries.push_back(how));
    }

    /// Sends an event to where webhooks go, signed as they are. The status that the app answered.
    pub async fn send_event(&self, event: &Event) -> Option<u16> {
        let target = self.with_hooks(|hooks| hooks.target.clone())?;
        let signed = event.signed(target.secret.as_deref());
        self.send_to(&target.url, &signed, "sent by hand").await
    }

    /// Sends these very bytes to where webhooks go. The status that the app answered.
    pub async fn send_signed(&self, event: &SignedEvent) -> Option<u16> {
        let target = self.with_hooks(|hooks| hooks.target.clone())?;
        self.send_to(&target.url, event, "sent by hand").await
    }

    fn with_hooks<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let done = change(&mut self.hooks.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.touched.notify_one();
        done
    }

    async fn send(&self, target: &Target, due: &Due) {
        if due.how == Delivery::Lost {
            return;
        }
        for event in &due.events {
            let (secret, note) = match due.how {
                Delivery::Forged => (Some("somebody else's secret"), "forged"),
                Delivery::Doubled => (target.secret.as_deref(), "doubled"),
                Delivery::Early => (target.secret.as_deref(), "early"),
                Delivery::Once | Delivery::Lost => (target.secret.as_deref(), ""),
            };
            let signed = event.signed(secret);
            let times = if due.how == Delivery::Doubled { 2 } else { 1 };
            for _ in 0..times {
                self.send_to(&target.url, &signed, note).await;
            }
        }
    }

    async fn send_to(&self, url: &str, event: &SignedEvent, note: &str) -> Option<u16> {
        let mut request = Request::post(url);
        for (name, value) in &event.headers {
            request = request.header(*name, value);
        }
        let status = match request.body(event.body.clone()) {
            Ok(request) => http::send(request, LIMIT).await.ok(),
            Err(_) => None,
        };
        let status = status.map(|reply| reply.status.as_u16());
        self.journal.record(
            now(),
            Seen::Webhook {
                event: event.kind.clone(),
                status,
                note: note.to_owned(),
            },
        );
        status
    }
}

/// Sends webhooks until it is dropped.
pub(crate) async fn deliver(circleci: Arc<CircleCi>) {
    loop {
        let at = now();
        let (target, due, next) = {
            // The model first, as whoever sets a delivery with the model in hand.
            let model = circleci.peek();
            let mut hooks = circleci
                .hooks
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let (due, next) = match &hooks.target {
                Some(_) => hooks.due(&model, at),
                None => (Vec::new(), None),
            };
            (hooks.target.clone(), due, next)
        };
        if let Some(target) = &target {
            for due in &due {
                circleci.send(target, due).await;
            }
        }
        let pause = next.map_or(Duration::MAX, |next| {
            // The end itself has to be over: the API counts it from then on.
            (next - now()).to_std().unwrap_or_default() + Duration::from_millis(1)
        });
        let _ = tokio::time::timeout(pause, circleci.touched.notified()).await;
    }
}
