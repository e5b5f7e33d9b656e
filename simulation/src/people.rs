//! What people and operators do besides asking for deploys: press, ask, redrive, withdraw rights.
//!
//! Whatever they type goes through the real ingest; what was typed is remembered, so that the record
//! can be held against it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chatops_core::Time;
use chatops_core::command::Wish;
use chatops_core::config::Config;
use chatops_core::deploy::Head;
use chatops_core::id::{DeployId, DeployRef, PipelineId, RequestId};
use chatops_core::message::{Body, WishMessage, Wisher, WorkMessage};
use chatops_core::ports::{Clock, Lane, Queue};
use chatops_sandbox::circleci::sign;
use chrono::TimeDelta;
use http::Request;
use uuid::Uuid;

use crate::outside::WEBHOOK;
use crate::points::drive;
use crate::world::World;

/// A command as somebody typed it, or an operator's.
#[derive(Debug, Clone)]
pub struct Typed {
    /// The deploy it would be, if that is what it asks for.
    pub deploy: Option<DeployId>,
    /// What makes its wish one wish.
    pub request: RequestId,
    /// Who; nobody of Slack if it is an operator.
    pub user: Option<String>,
    /// The path of the reply address.
    pub path: String,
    /// What.
    pub text: String,
    /// When.
    pub at: Time,
}

impl Typed {
    /// Whether it asks for an answer and for nothing else.
    #[must_use]
    pub fn is_question(&self) -> bool {
        let first = self.text.split(' ').next().unwrap_or_default();
        matches!(first, "status" | "history" | "failed" | "plan")
    }
}

impl World {
    /// The deploys on record, in the order in which they were asked for; a retry follows what it
    /// repeats.
    #[must_use]
    pub fn deploys(&self) -> Vec<Head> {
        let mut heads = self.store.heads();
        heads.sort_by_key(|head| {
            let depth = std::iter::successors(head.retry_of, |old| self.before(*old)).count();
            (head.ask.asked_at, depth, head.ask.user.clone())
        });
        heads
    }

    fn before(&self, id: DeployId) -> Option<DeployId> {
        let heads = self.store.heads();
        heads.iter().find(|head| head.id == id)?.retry_of
    }

    /// A person types a command about the deploy that is the `nth` on record.
    pub fn presses(&mut self, user: &str, words: &str, nth: usize) {
        let Some(head) = self.deploys().into_iter().nth(nth) else {
            return;
        };
        let (verb, rest) = words.split_once(' ').unwrap_or((words, ""));
        let text = format!("{verb} {} {rest}", head.short.as_str());
        self.types(user, "C0001", text.trim_end());
    }

    /// An operator wishes something, as the command line puts it into the queue.
    pub fn operates(&mut self, wish: Wish) {
        let n = self.typed.len() as u128;
        let request = RequestId::of_call(Uuid::from_u128(n));
        self.typed.push(Typed {
            deploy: None,
            request,
            user: None,
            path: String::new(),
            text: format!("{} by an operator", wish.verb().word()),
            at: self.clock.now(),
        });
        let message = WishMessage {
            id: request,
            from: Wisher::Operator {
                name: "ops".to_owned(),
            },
            wish,
            asked_at: self.clock.now(),
        };
        self.puts(&WorkMessage::Wish(Box::new(message)));
    }

    /// An operator wishes a retry of the deploy that is the `nth` on record.
    pub fn operator_retries(&mut self, nth: usize, force: bool) {
        if let Some(head) = self.deploys().into_iter().nth(nth) {
            self.operates(Wish::Retry {
                deploy: DeployRef::Full(head.id),
                confirm: false,
                force,
            });
        }
    }

    fn puts(&self, message: &WorkMessage) {
        if let Ok(body) = Body::encode(message) {
            let _ = drive(self.queue.send(Lane::Work, &body, Duration::ZERO));
        }
    }

    /// The message that was put into the work queue last, to be delivered once more later.
    #[must_use]
    pub fn last_work(&self) -> Option<Body> {
        let messages = self.queue.messages(Lane::Work);
        let last = messages.into_iter().max_by_key(|lying| lying.sequence)?;
        Some(last.body)
    }

    /// A copy of a message arrives.
    pub fn repeats(&self, body: Option<&Body>) {
        if let Some(body) = body {
            let _ = drive(self.queue.send(Lane::Work, body, Duration::ZERO));
        }
    }

    /// Sends every message back from the work queue's dead-letter queue.
    pub fn redrive_all(&mut self) {
        for _ in 0..self.queue.messages(Lane::WorkDead).len() {
            self.redrive();
        }
    }

    /// From now on the configuration reads like this, with the times kept.
    pub fn configure(&mut self, change: impl FnOnce(&str) -> String) {
        let times = self.config().times.clone();
        let text = change(crate::world::CONFIG);
        let config = Config::parse(&text, "simulation.toml");
        let mut config = config.unwrap_or_else(|error| unreachable!("{error}"));
        config.times = times;
        self.set_config(Arc::new(config));
    }

    /// CircleCI says that a workflow of the pipeline is over, with its own signature or another's.
    pub fn webhook(&mut self, pipeline: PipelineId, secret: &str) {
        let id = pipeline.0;
        let body = format!(r#"{{"type":"workflow-completed","pipeline":{{"id":"{id}"}}}}"#);
        let request = Request::post("/circleci/webhook")
            .header("circleci-signature", format!("v1={}", sign(secret, &body)))
            .body(Bytes::from(body));
        if let Ok(request) = request {
            let _ = drive(self.ingest(TimeDelta::zero()).handle(request));
        }
    }

    /// CircleCI's own event about every pipeline there is.
    pub fn webhooks(&mut self) {
        for pipeline in self.circleci.created() {
            self.webhook(PipelineId(pipeline.id), WEBHOOK);
        }
    }
}
