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
use chatops_sandbox::slack::signed_request;
use chrono::TimeDelta;
use http::Request;
use uuid::Uuid;

use crate::outside::{ORIGIN, WEBHOOK};
use crate::points::drive;
use crate::world::{SIGNING, World, is_acknowledgement};

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
    fn verb(&self) -> &str {
        self.text.split(' ').next().unwrap_or_default()
    }

    /// Whether it asks for an answer and for nothing else.
    #[must_use]
    pub fn is_question(&self) -> bool {
        matches!(self.verb(), "status" | "history" | "failed" | "plan")
    }

    /// Whether somebody waits for an answer: to a question, or to a wish.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        let wish = matches!(self.verb(), "retry" | "cancel");
        self.user.is_some() && (wish || self.is_question())
    }
}

impl World {
    /// A person types a command; what the stage answered, or `None` if it crashed.
    pub fn types(&mut self, user: &str, channel: &str, text: &str) -> Option<String> {
        let (id, request) = self.request(user, channel, text)?;
        let answer = drive(self.ingest(TimeDelta::zero()).handle(request))?;
        let answer = String::from_utf8_lossy(answer.body()).into_owned();
        if is_acknowledgement(&answer) {
            self.acknowledged.push(id);
        }
        Some(answer)
    }

    /// The signed request of a command, and the deploy it asks for.
    pub(crate) fn request(
        &mut self,
        user: &str,
        channel: &str,
        text: &str,
    ) -> Option<(DeployId, Request<Bytes>)> {
        let (response_url, trigger_id) = self.slack.typed(user, channel);
        let fields = [
            ("team_id", "T0001"),
            ("channel_id", channel),
            ("user_id", user),
            ("command", "/chatops"),
            ("text", text),
            ("api_app_id", "A0001"),
            ("response_url", &response_url),
            ("trigger_id", &trigger_id),
        ];
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let signed = signed_request(SIGNING, self.clock.now().timestamp(), body);
        let mut request = Request::post("/slack/commands");
        for (name, value) in &signed.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Bytes::from(signed.body)).ok()?;
        let id = DeployId::of_request("T0001", "A0001", &trigger_id);
        self.typed.push(Typed {
            deploy: Some(id),
            request: RequestId::of_request("T0001", "A0001", &trigger_id),
            user: Some(user.to_owned()),
            path: response_url.replacen(ORIGIN, "", 1),
            text: text.to_owned(),
            at: self.clock.now(),
        });
        Some((id, request))
    }

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
        if let Some(text) = self.pressed(words, nth) {
            self.types(user, "C0001", &text);
        }
    }

    /// What somebody types who means the deploy that is the `nth` on record: the verb, its id, and
    /// the rest of the words.
    pub(crate) fn pressed(&self, words: &str, nth: usize) -> Option<String> {
        let head = self.deploys().into_iter().nth(nth)?;
        let (verb, rest) = words.split_once(' ').unwrap_or((words, ""));
        let text = format!("{verb} {} {rest}", head.short.as_str());
        Some(text.trim_end().to_owned())
    }

    /// An operator wishes something, as the command line puts it into the queue.
    pub fn operates(&mut self, wish: Wish) {
        let n = self.typed.len() as u128;
        let text = match &wish {
            Wish::Retry {
                deploy,
                confirm,
                force,
            } => {
                let said = |word, is_said| if is_said { word } else { "" };
                let (confirm, force) = (said("confirm", *confirm), said("force", *force));
                format!("retry {deploy} {confirm}{force}")
            }
            Wish::Cancel { deploy } => format!("cancel {deploy}"),
        };
        let request = RequestId::of_call(Uuid::from_u128(n));
        self.typed.push(Typed {
            deploy: None,
            request,
            user: None,
            path: String::new(),
            text,
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
    pub fn operator_retries(&mut self, nth: usize, confirm: bool, force: bool) {
        if let Some(head) = self.deploys().into_iter().nth(nth) {
            self.operates(Wish::Retry {
                deploy: DeployRef::Full(head.id),
                confirm,
                force,
            });
        }
    }

    /// An operator cancels the deploy that is the `nth` on record.
    pub fn operator_cancels(&mut self, nth: usize) {
        if let Some(head) = self.deploys().into_iter().nth(nth) {
            self.operates(Wish::Cancel {
                deploy: DeployRef::Full(head.id),
            });
        }
    }

    /// From now on only these people may deploy.
    pub fn only(&mut self, people: &str) {
        self.configure(|text| text.replacen("people = [\"*\"]", people, 1));
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
        if let Some(request) = Self::event(pipeline, secret) {
            let _ = drive(self.ingest(TimeDelta::zero()).handle(request));
        }
    }

    /// The request that says so.
    pub(crate) fn event(pipeline: PipelineId, secret: &str) -> Option<Request<Bytes>> {
        let id = pipeline.0;
        let body = format!(r#"{{"type":"workflow-completed","pipeline":{{"id":"{id}"}}}}"#);
        Request::post("/circleci/webhook")
            .header("circleci-signature", format!("v1={}", sign(secret, &body)))
            .body(Bytes::from(body))
            .ok()
    }

    /// CircleCI's own event about every pipeline there is.
    pub fn webhooks(&mut self) {
        for pipeline in self.circleci.created() {
            self.webhook(PipelineId(pipeline.id), WEBHOOK);
        }
    }
}
