//! Sends webhooks when workflows end, once or with a fault.
//!
//! Nothing ticks: the next end follows from the scripts, and every lock of the model wakes the
//! task that waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use uuid::Uuid;

use super::super::model::CircleCiModel;
use super::super::model::webhook::{OutboundEvent, SignedEvent};
use super::FakeCircleCi;
use crate::http;
use crate::journal::JournalEvent;
use crate::server::{Time, lock, now};

/// How long CircleCI waits for a response.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// How the webhooks of one workflow are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WebhookMode {
    /// Once, when the workflow ends.
    #[default]
    Once,
    /// Twice, with the same id.
    Twice,
    /// Once, signed with a secret that is not the app's.
    Forged,
    /// Once, when the workflow starts, so that the API shows it running.
    Early,
    /// Never.
    Lost,
}

/// The URL of the webhooks, and how the next ones are sent.
#[derive(Debug, Default)]
pub(crate) struct WebhookQueue(Mutex<WebhookState>);

#[derive(Debug, Default)]
struct WebhookState {
    target: Option<WebhookTarget>,
    deliveries: VecDeque<WebhookMode>,
    /// How many workflows of the model's order were read.
    known_workflows: usize,
    waiting: Vec<(Uuid, WebhookMode)>,
}

#[derive(Debug, Clone)]
struct WebhookTarget {
    url: String,
    secret: Option<String>,
}

/// A workflow whose events are due.
struct DueEvents {
    events: Vec<OutboundEvent>,
    mode: WebhookMode,
}

impl WebhookState {
    /// What is due at `now`, and when the next is.
    fn take_due(&mut self, model: &CircleCiModel, now: Time) -> (Vec<DueEvents>, Option<Time>) {
        for workflow in &model.workflow_order[self.known_workflows..] {
            let mode = self.deliveries.pop_front().unwrap_or_default();
            self.waiting.push((*workflow, mode));
        }
        self.known_workflows = model.workflow_order.len();
        let (mut due, mut next) = (Vec::new(), None::<Time>);
        self.waiting.retain(|(workflow, mode)| {
            let Ok((pipeline, run)) = model.workflow_run(*workflow) else {
                return false;
            };
            if !pipeline.is_created(run) {
                return false;
            }
            let Some((at, status)) = run.end_status() else {
                return true;
            };
            let when = if *mode == WebhookMode::Early {
                run.starts_at()
            } else {
                at
            };
            if when > now {
                next = Some(next.map_or(when, |earlier| earlier.min(when)));
                return true;
            }
            due.push(DueEvents {
                events: end_events(model, *workflow, (at, at.min(now)), status),
                mode: *mode,
            });
            false
        });
        (due, next)
    }
}

/// The events of an end as of `at`, its jobs' before its own; none of a workflow that never ran.
fn end_events(
    model: &CircleCiModel,
    workflow: Uuid,
    (end, at): (Time, Time),
    status: &str,
) -> Vec<OutboundEvent> {
    let mut events = model.jobs_completed(workflow, end, at);
    if status != "not_run" {
        events.extend(model.workflow_completed(workflow, at, status));
    }
    events
}

impl FakeCircleCi {
    pub(crate) fn set_webhook(&self, url: &str, secret: Option<&str>) {
        let (url, secret) = (url.to_owned(), secret.map(str::to_owned));
        self.with_hooks(|hooks| hooks.target = Some(WebhookTarget { url, secret }));
    }

    /// The webhooks of the next workflow are sent like this; several calls queue up.
    pub fn deliver_next(&self, mode: WebhookMode) {
        self.with_hooks(|hooks| hooks.deliveries.push_back(mode));
    }

    /// Signs and sends an event. Returns the app's status.
    pub async fn send_event(&self, event: &OutboundEvent) -> Option<u16> {
        let target = self.with_hooks(|hooks| hooks.target.clone())?;
        let signed = event.signed(target.secret.as_deref());
        self.send_to(&target.url, &signed, "sent by hand").await
    }

    /// Sends an event as it is. Returns the app's status.
    pub async fn send_signed(&self, event: &SignedEvent) -> Option<u16> {
        let target = self.with_hooks(|hooks| hooks.target.clone())?;
        self.send_to(&target.url, event, "sent by hand").await
    }

    fn with_hooks<T>(&self, change: impl FnOnce(&mut WebhookState) -> T) -> T {
        let done = change(&mut lock(&self.hooks.0));
        self.changed.notify_one();
        done
    }

    async fn send_due(&self, target: &WebhookTarget, due: &DueEvents) {
        if due.mode == WebhookMode::Lost {
            return;
        }
        for event in &due.events {
            let (secret, note) = match due.mode {
                WebhookMode::Forged => (Some("somebody else's secret"), "forged"),
                WebhookMode::Twice => (target.secret.as_deref(), "doubled"),
                WebhookMode::Early => (target.secret.as_deref(), "early"),
                WebhookMode::Once | WebhookMode::Lost => (target.secret.as_deref(), ""),
            };
            let signed = event.signed(secret);
            let times = if due.mode == WebhookMode::Twice { 2 } else { 1 };
            for _ in 0..times {
                self.send_to(&target.url, &signed, note).await;
            }
        }
    }

    async fn send_to(&self, url: &str, event: &SignedEvent, note: &str) -> Option<u16> {
        let reply = http::post(url, &event.headers, &event.body, DELIVERY_TIMEOUT).await;
        let status = reply.ok().map(|reply| reply.status.as_u16());
        let sent = JournalEvent::WebhookSent {
            event: event.kind.clone(),
            status,
            note: note.to_owned(),
        };
        self.journal.record(now(), sent);
        status
    }
}

/// Sends webhooks until it is dropped.
pub(crate) async fn deliver_webhooks(circleci: Arc<FakeCircleCi>) {
    loop {
        let at = now();
        let (target, due, next) = {
            // The model first: a test may hold it while it calls `deliver_next`.
            let model = circleci.lock_for_read();
            let mut hooks = lock(&circleci.hooks.0);
            let (due, next) = match &hooks.target {
                Some(_) => hooks.take_due(&model, at),
                None => (Vec::new(), None),
            };
            (hooks.target.clone(), due, next)
        };
        if let Some(target) = &target {
            for due in &due {
                circleci.send_due(target, due).await;
            }
        }
        let pause = next.map_or(Duration::MAX, |next| {
            // After the end, so that the API shows it.
            (next - now()).to_std().unwrap_or_default() + Duration::from_millis(1)
        });
        let _ = tokio::time::timeout(pause, circleci.changed.notified()).await;
    }
}
