//! What people and operators do: deploy, retry, cancel, query, redrive; and the webhooks.
//!
//! What they type goes through the real ingest and is remembered, so that the record can be compared
//! with it. Nothing here changes the ledger itself.

use std::time::Duration;

use bytes::Bytes;
use chatops_core::command::DeployAction;
use chatops_core::deploy::DeployRecord;
use chatops_core::id::{DeployId, DeployRef, PipelineId, RequestId};
use chatops_core::message::{ActionMessage, ActionRequester, MessageBody, WorkMessage};
use chatops_core::ports::{Clock, MessageQueue, QueueName};
use chatops_core::text::{MessageKind, MessageMark};
use chatops_sandbox::circleci::sign_webhook;
use chatops_sandbox::slack::signed_request;
use chrono::TimeDelta;
use http::Request;
use serde_json::Value;
use uuid::Uuid;

use super::delivery::VISIBILITY;
use super::{SIGNING_SECRET, World};
use crate::crash_points::drive;
use crate::outside::{SLACK_ORIGIN, WEBHOOK_SECRET};
use crate::people::{IssuedCommand, Person};

impl World {
    /// A person of the first workspace types a command.
    pub fn type_command(&mut self, user: &'static str, channel: &'static str, text: &str) {
        self.type_as(Person::at_home(user, channel), text);
    }

    /// A person types a command.
    pub fn type_as(&mut self, person: Person, text: &str) {
        let Some((id, request)) = self.command_request(person, text) else {
            return;
        };
        let Some(answer) = drive(self.ingest(TimeDelta::zero()).handle(request)) else {
            return;
        };
        self.note_answer(id, answer.body());
    }

    /// Notes what a command was answered: whether it was promised that it is put on record.
    pub(crate) fn note_answer(&mut self, deploy: DeployId, answer: &[u8]) {
        if is_acknowledgement(answer) {
            self.acknowledged.push(deploy);
        }
    }

    /// The signed request of a command, and the deploy it requests.
    pub(crate) fn command_request(
        &mut self,
        person: Person,
        text: &str,
    ) -> Option<(DeployId, Request<Bytes>)> {
        let now = self.clock.now();
        self.history.note_disturbance(now, now);
        let (response_url, trigger_id) = self.slack.start_command(person.user, person.channel);
        let fields = [
            ("team_id", person.team),
            ("channel_id", person.channel),
            ("user_id", person.user),
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
        let id = DeployId::of_request(person.team, "A0001", &trigger_id);
        self.typed.push(IssuedCommand {
            deploy: Some(id),
            request: RequestId::of_request(person.team, "A0001", &trigger_id),
            person: Some(person),
            response_path: response_url.replacen(SLACK_ORIGIN, "", 1),
            text: text.to_owned(),
            typed_at: self.clock.now(),
            is_press: false,
        });
        Some((id, request))
    }

    /// The deploys on record, in the order of their requests; a retry follows what it retries.
    #[must_use]
    pub fn deploys(&self) -> Vec<DeployRecord> {
        let mut records = self.ledger.records();
        records.sort_by_key(|record| {
            let retried = |old: &DeployId| self.retried_deploy(*old);
            let depth = std::iter::successors(record.retry_of, retried).count();
            let request = &record.request;
            (request.requested_at, depth, request.user.clone())
        });
        records
    }

    fn retried_deploy(&self, id: DeployId) -> Option<DeployId> {
        let records = self.ledger.records();
        records.iter().find(|record| record.id == id)?.retry_of
    }

    /// A person of the first workspace types a command about the deploy that is the `nth` on record.
    pub fn act_on_deploy(&mut self, user: &'static str, command: &str, nth: usize) {
        self.act_as(Person::at_home(user, "C0001"), command, nth);
    }

    /// A person types a command about the deploy that is the `nth` on record.
    pub fn act_as(&mut self, person: Person, command: &str, nth: usize) {
        if let Some(text) = self.action_text(command, nth) {
            self.type_as(person, &text);
        }
    }

    /// A command about the deploy that is the `nth` on record: the verb, its id, and the rest.
    pub(crate) fn action_text(&self, command: &str, nth: usize) -> Option<String> {
        let record = self.deploys().into_iter().nth(nth)?;
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        let text = format!("{verb} {} {rest}", record.short_id.as_str());
        Some(text.trim_end().to_owned())
    }

    /// An operator's action, as the command line puts it into the queue.
    pub fn send_operator_action(&mut self, action: DeployAction) {
        let n = self.typed.len() as u128;
        let text = match &action {
            DeployAction::Retry {
                deploy,
                confirm,
                force,
            } => {
                let said = |word, is_said| if is_said { word } else { "" };
                let (confirm, force) = (said(" confirm", *confirm), said(" force", *force));
                format!("retry {deploy}{confirm}{force}")
            }
            DeployAction::Cancel { deploy } => format!("cancel {deploy}"),
            DeployAction::Dismiss { deploy } => format!("dismiss {deploy}"),
            DeployAction::Unlock { target, confirm } => {
                let confirm = if *confirm { " confirm" } else { "" };
                format!("unlock {target}{confirm}")
            }
        };
        let request = RequestId::of_call(Uuid::from_u128(n));
        self.typed.push(IssuedCommand {
            deploy: None,
            request,
            person: None,
            response_path: String::new(),
            text,
            typed_at: self.clock.now(),
            is_press: false,
        });
        let name = "ops".to_owned();
        let message = ActionMessage {
            id: request,
            requested_by: ActionRequester::Operator { name },
            action,
            requested_at: self.clock.now(),
            card: None,
        };
        let body = MessageBody::encode(&WorkMessage::Action(Box::new(message)));
        if let Ok(body) = body {
            let sent = self.queue.send(QueueName::Operators, &body, Duration::ZERO);
            let _ = drive(sent);
        }
    }

    /// Somebody who can write to the work queue, and to no other, retries a deploy as an operator.
    pub fn forge_operator_action(&mut self, nth: usize) {
        let Some(record) = self.deploys().into_iter().nth(nth) else {
            return;
        };
        let key = u128::from(u32::MAX) + self.typed.len() as u128;
        let message = ActionMessage {
            id: RequestId::of_call(Uuid::from_u128(key)),
            requested_by: ActionRequester::Operator {
                name: "root".to_owned(),
            },
            action: DeployAction::Retry {
                deploy: DeployRef::Full(record.id),
                confirm: true,
                force: true,
            },
            requested_at: self.clock.now(),
            card: None,
        };
        let body = MessageBody::encode(&WorkMessage::Action(Box::new(message)));
        self.send_copy(body.ok().as_ref());
    }

    /// An operator retries the deploy that is the `nth` on record.
    pub fn retry_as_operator(&mut self, nth: usize, confirm: bool, force: bool) {
        if let Some(record) = self.deploys().get(nth) {
            let deploy = DeployRef::Full(record.id);
            self.send_operator_action(DeployAction::Retry {
                deploy,
                confirm,
                force,
            });
        }
    }

    /// An operator cancels the deploy that is the `nth` on record.
    pub fn cancel_as_operator(&mut self, nth: usize) {
        if let Some(record) = self.deploys().get(nth) {
            let deploy = DeployRef::Full(record.id);
            self.send_operator_action(DeployAction::Cancel { deploy });
        }
    }

    /// The message that was last put into the work queue, to be delivered once more later.
    #[must_use]
    pub fn last_work_message(&self) -> Option<MessageBody> {
        let messages = self.queue.messages(QueueName::Work).into_iter();
        Some(messages.max_by_key(|message| message.sequence)?.body)
    }

    /// A copy of a message arrives.
    pub fn send_copy(&self, body: Option<&MessageBody>) {
        if let Some(body) = body {
            let _ = drive(self.queue.send(QueueName::Work, body, Duration::ZERO));
        }
    }

    /// Somebody sends the ticket of a deploy back to the work queue so often, if there is one.
    pub(crate) fn redrive_ticket(&mut self, deploy: DeployId, times: usize) {
        let is_of = |body: &MessageBody| matches!(body.decode(), Ok(WorkMessage::Retry { deploy: of }) if of == deploy);
        let mut dead = self.queue.messages(QueueName::WorkDlq).into_iter();
        let Some(ticket) = dead.find(|message| is_of(&message.body)) else {
            return;
        };
        // Which one a receive hands out is not to be chosen: SQS moves all that it has.
        for _ in 0..self.queue.messages(QueueName::WorkDlq).len() {
            match self.redrive_one() {
                Some(body) if is_of(&body) => break,
                Some(_) => {}
                None => return,
            }
        }
        for _ in 1..times {
            self.redriven.push((self.clock.now(), deploy));
            self.send_copy(Some(&ticket.body));
        }
    }

    /// Redrives a message from the work queue's dead-letter queue, as SQS does.
    pub fn redrive_one(&mut self) -> Option<MessageBody> {
        let dead = drive(self.queue.receive(QueueName::WorkDlq, 1, VISIBILITY))?
            .ok()?
            .pop()?;
        let _ = drive(self.queue.send(QueueName::Work, &dead.body, Duration::ZERO));
        let _ = drive(self.queue.delete(QueueName::WorkDlq, &dead.receipt));
        if let Ok(WorkMessage::Retry { deploy }) = dead.body.decode() {
            self.redriven.push((self.clock.now(), deploy));
        }
        Some(dead.body)
    }

    /// Redrives every message from the work queue's dead-letter queue.
    pub fn redrive_all(&mut self) {
        for _ in 0..self.queue.messages(QueueName::WorkDlq).len() {
            self.redrive_one();
        }
    }

    /// A webhook says that a workflow of the pipeline is over, signed with this secret.
    pub fn send_webhook(&mut self, pipeline: PipelineId, secret: &str) {
        if let Some(request) = Self::webhook_request(pipeline, secret) {
            let _ = drive(self.ingest(TimeDelta::zero()).handle(request));
        }
    }

    /// The request of such a webhook.
    pub(crate) fn webhook_request(pipeline: PipelineId, secret: &str) -> Option<Request<Bytes>> {
        let id = pipeline.0;
        let body = format!(r#"{{"type":"workflow-completed","pipeline":{{"id":"{id}"}}}}"#);
        let signature = format!("v1={}", sign_webhook(secret, &body));
        let request = Request::post("/circleci/webhook").header("circleci-signature", signature);
        request.body(Bytes::from(body)).ok()
    }

    /// CircleCI's own webhook about every pipeline there is.
    pub fn send_all_webhooks(&mut self) {
        for pipeline in self.circleci.created_pipelines() {
            self.send_webhook(PipelineId(pipeline.id), WEBHOOK_SECRET);
        }
    }
}

/// Whether the answer to a command promises that it is put on record.
fn is_acknowledgement(answer: &[u8]) -> bool {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let mark = answer["blocks"][0]["block_id"]
        .as_str()
        .and_then(MessageMark::parse);
    mark.is_some_and(|mark| matches!(mark.kind, MessageKind::Accepted))
}
