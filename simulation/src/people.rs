//! What people and operators do besides asking for deploys: press, ask, redrive, withdraw rights.
//!
//! Whatever they type goes through the real ingest; what was typed is remembered, so that the record
//! can be held against it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chatops_core::Time;
use chatops_core::command::DeployAction;
use chatops_core::config::Config;
use chatops_core::deploy::DeployRecord;
use chatops_core::id::{DeployId, DeployRef, PipelineId, RequestId};
use chatops_core::message::{ActionMessage, ActionRequester, MessageBody, WorkMessage};
use chatops_core::ports::{Clock, MessageQueue, QueueName};
use chatops_sandbox::circleci::sign_webhook;
use chatops_sandbox::slack::signed_request;
use chrono::TimeDelta;
use http::Request;
use uuid::Uuid;

use crate::crash_points::drive;
use crate::outside::{SLACK_ORIGIN, WEBHOOK_SECRET};
use crate::world::{SIGNING_SECRET, World, is_acknowledgement};

/// A command as somebody typed it, or an operator's.
#[derive(Debug, Clone)]
pub struct IssuedCommand {
    /// The deploy it would be, if that is what it asks for.
    pub deploy: Option<DeployId>,
    /// What makes its wish one wish.
    pub request: RequestId,
    /// Who; nobody of Slack if it is an operator.
    pub user: Option<String>,
    /// The path of the reply address.
    pub response_path: String,
    /// What.
    pub text: String,
    /// When.
    pub typed_at: Time,
}

impl IssuedCommand {
    fn verb(&self) -> &str {
        self.text.split(' ').next().unwrap_or_default()
    }

    /// Whether it asks for an answer and for nothing else.
    #[must_use]
    pub fn is_query(&self) -> bool {
        matches!(self.verb(), "status" | "history" | "failed" | "plan")
    }

    /// Whether somebody waits for an answer: to a question, or to a wish.
    #[must_use]
    pub fn expects_reply(&self) -> bool {
        let action = matches!(self.verb(), "retry" | "cancel");
        self.user.is_some() && (action || self.is_query())
    }
}

impl World {
    /// A person types a command; what the stage answered, or `None` if it crashed.
    pub fn type_command(&mut self, user: &str, channel: &str, text: &str) -> Option<String> {
        let (id, request) = self.command_request(user, channel, text)?;
        let answer = drive(self.ingest(TimeDelta::zero()).handle(request))?;
        let answer = String::from_utf8_lossy(answer.body()).into_owned();
        if is_acknowledgement(&answer) {
            self.acknowledged.push(id);
        }
        Some(answer)
    }

    /// The signed request of a command, and the deploy it asks for.
    pub(crate) fn command_request(
        &mut self,
        user: &str,
        channel: &str,
        text: &str,
    ) -> Option<(DeployId, Request<Bytes>)> {
        let (response_url, trigger_id) = self.slack.start_command(user, channel);
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
        let signed = signed_request(SIGNING_SECRET, self.clock.now().timestamp(), body);
        let mut request = Request::post("/slack/commands");
        for (name, value) in &signed.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Bytes::from(signed.body)).ok()?;
        let id = DeployId::of_request("T0001", "A0001", &trigger_id);
        self.typed.push(IssuedCommand {
            deploy: Some(id),
            request: RequestId::of_request("T0001", "A0001", &trigger_id),
            user: Some(user.to_owned()),
            response_path: response_url.replacen(SLACK_ORIGIN, "", 1),
            text: text.to_owned(),
            typed_at: self.clock.now(),
        });
        Some((id, request))
    }

    /// The deploys on record, in the order in which they were asked for; a retry follows what it
    /// repeats.
    #[must_use]
    pub fn deploys(&self) -> Vec<DeployRecord> {
        let mut records = self.ledger.records();
        records.sort_by_key(|record| {
            let depth =
                std::iter::successors(record.retry_of, |old| self.retried_deploy(*old)).count();
            (
                record.request.requested_at,
                depth,
                record.request.user.clone(),
            )
        });
        records
    }

    fn retried_deploy(&self, id: DeployId) -> Option<DeployId> {
        let records = self.ledger.records();
        records.iter().find(|record| record.id == id)?.retry_of
    }

    /// A person types a command about the deploy that is the `nth` on record.
    pub fn act_on_deploy(&mut self, user: &str, command: &str, nth: usize) {
        if let Some(text) = self.action_text(command, nth) {
            self.type_command(user, "C0001", &text);
        }
    }

    /// What somebody types who means the deploy that is the `nth` on record: the verb, its id, and
    /// the rest of the words.
    pub(crate) fn action_text(&self, command: &str, nth: usize) -> Option<String> {
        let record = self.deploys().into_iter().nth(nth)?;
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        let text = format!("{verb} {} {rest}", record.short_id.as_str());
        Some(text.trim_end().to_owned())
    }

    /// An operator wishes something, as the command line puts it into the queue.
    pub fn send_operator_action(&mut self, action: DeployAction) {
        let n = self.typed.len() as u128;
        let text = match &action {
            DeployAction::Retry {
                deploy,
                confirm,
                force,
            } => {
                let said = |word, is_said| if is_said { word } else { "" };
                let (confirm, force) = (said("confirm", *confirm), said("force", *force));
                format!("retry {deploy} {confirm}{force}")
            }
            DeployAction::Cancel { deploy } => format!("cancel {deploy}"),
        };
        let request = RequestId::of_call(Uuid::from_u128(n));
        self.typed.push(IssuedCommand {
            deploy: None,
            request,
            user: None,
            response_path: String::new(),
            text,
            typed_at: self.clock.now(),
        });
        let message = ActionMessage {
            id: request,
            requested_by: ActionRequester::Operator {
                name: "ops".to_owned(),
            },
            action,
            requested_at: self.clock.now(),
        };
        self.send_work(&WorkMessage::Action(Box::new(message)));
    }

    /// An operator wishes a retry of the deploy that is the `nth` on record.
    pub fn retry_as_operator(&mut self, nth: usize, confirm: bool, force: bool) {
        if let Some(record) = self.deploys().into_iter().nth(nth) {
            self.send_operator_action(DeployAction::Retry {
                deploy: DeployRef::Full(record.id),
                confirm,
                force,
            });
        }
    }

    /// An operator cancels the deploy that is the `nth` on record.
    pub fn cancel_as_operator(&mut self, nth: usize) {
        if let Some(record) = self.deploys().into_iter().nth(nth) {
            self.send_operator_action(DeployAction::Cancel {
                deploy: DeployRef::Full(record.id),
            });
        }
    }

    /// From now on only these people may deploy.
    pub fn restrict_users(&mut self, people: &str) {
        self.change_config(|text| text.replacen("users = [\"*\"]", people, 1));
    }

    fn send_work(&self, message: &WorkMessage) {
        if let Ok(body) = MessageBody::encode(message) {
            let _ = drive(self.queue.send(QueueName::Work, &body, Duration::ZERO));
        }
    }

    /// The message that was put into the work queue last, to be delivered once more later.
    #[must_use]
    pub fn last_work_message(&self) -> Option<MessageBody> {
        let messages = self.queue.messages(QueueName::Work);
        let last = messages
            .into_iter()
            .max_by_key(|message| message.sequence)?;
        Some(last.body)
    }

    /// A copy of a message arrives.
    pub fn send_copy(&self, body: Option<&MessageBody>) {
        if let Some(body) = body {
            let _ = drive(self.queue.send(QueueName::Work, body, Duration::ZERO));
        }
    }

    /// Sends every message back from the work queue's dead-letter queue.
    pub fn redrive_all(&mut self) {
        for _ in 0..self.queue.messages(QueueName::WorkDlq).len() {
            self.redrive_one();
        }
    }

    /// From now on the configuration reads like this, with the times kept.
    pub fn change_config(&mut self, change: impl FnOnce(&str) -> String) {
        let timeouts = self.config().timeouts.clone();
        let text = change(crate::world::CONFIG);
        let config = Config::parse(&text, "simulation.toml");
        let mut config = config.unwrap_or_else(|error| unreachable!("{error}"));
        config.timeouts = timeouts;
        self.set_config(Arc::new(config));
    }

    /// CircleCI says that a workflow of the pipeline is over, with its own signature or another's.
    pub fn send_webhook(&mut self, pipeline: PipelineId, secret: &str) {
        if let Some(request) = Self::webhook_request(pipeline, secret) {
            let _ = drive(self.ingest(TimeDelta::zero()).handle(request));
        }
    }

    /// The request that says so.
    pub(crate) fn webhook_request(pipeline: PipelineId, secret: &str) -> Option<Request<Bytes>> {
        let id = pipeline.0;
        let body = format!(r#"{{"type":"workflow-completed","pipeline":{{"id":"{id}"}}}}"#);
        Request::post("/circleci/webhook")
            .header(
                "circleci-signature",
                format!("v1={}", sign_webhook(secret, &body)),
            )
            .body(Bytes::from(body))
            .ok()
    }

    /// CircleCI's own event about every pipeline there is.
    pub fn send_all_webhooks(&mut self) {
        for pipeline in self.circleci.created_pipelines() {
            self.send_webhook(PipelineId(pipeline.id), WEBHOOK_SECRET);
        }
    }
}
