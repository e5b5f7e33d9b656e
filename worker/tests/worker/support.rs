//! A worker over ports in memory, whose CircleCI rejects every trigger.

use std::sync::Arc;
use std::time::Duration;

use chatops_core::command::DeployAction;
use chatops_core::config::ProjectSlug;
use chatops_core::deploy::CiPipeline;
use chatops_core::id::{DeployId, DeployRef, InvocationId, RequestId};
use chatops_core::message::{ActionMessage, ActionRequester, MessageBody, WorkMessage};
use chatops_core::ports::{
    CiClient, CiJob, CiReadError, Clock as _, LookupRequest, LookupResult, MessageQueue as _,
    PollResult, Ports, QueueName, SecretError, SecretName, SecretReader, SecretVersions,
    TriggerOutcome, TriggerRequest,
};
use chatops_testkit::config::{TestConfig, TestJob};
use chatops_testkit::memory::{ManualClock, MemoryLedger, MemoryQueue};
use chatops_testkit::thread_log;
use chatops_worker::{Invocation, Worker};
use serde_json::{Value, json};
use uuid::Uuid;

/// Rejects every trigger.
pub(crate) struct RejectingCircleCi;

impl CiClient for RejectingCircleCi {
    async fn trigger(&self, _: &TriggerRequest) -> TriggerOutcome {
        let message = "Permission denied".to_owned();
        TriggerOutcome::Refused {
            status: 403,
            message,
        }
    }

    async fn look_up(&self, _: &LookupRequest) -> Result<LookupResult, CiReadError> {
        panic!("the outcome is known")
    }

    async fn list_jobs(&self, _: &CiPipeline, _: &str) -> Result<Vec<CiJob>, CiReadError> {
        unreachable!("nothing runs")
    }

    async fn poll(
        &self,
        _: &ProjectSlug,
        _: &CiPipeline,
        _: bool,
    ) -> Result<PollResult, CiReadError> {
        panic!("nothing runs")
    }

    async fn cancel(&self, _: &ProjectSlug, _: &CiPipeline, _: &str) -> Result<(), CiReadError> {
        panic!("nothing runs")
    }
}

pub(crate) struct NoSecrets;

impl SecretReader for NoSecrets {
    async fn get(&self, name: SecretName) -> Result<SecretVersions, SecretError> {
        panic!("{name:?} is not needed")
    }

    async fn refresh(&self, name: SecretName) -> Result<(), SecretError> {
        panic!("{name:?} is not needed")
    }
}

pub(crate) type TestWorker = Worker<Ports<MemoryLedger, MemoryQueue, RejectingCircleCi, NoSecrets>>;

/// A worker, and its clock.
pub(crate) fn new_worker() -> (TestWorker, ManualClock) {
    thread_log::install();
    let clock = ManualClock::new("2026-01-02T03:04:05Z".parse().unwrap());
    let job = TestJob::limited("deploy", &["main"], &["C0001"], &["U0001"]);
    let config = TestConfig::new().project("web", &[job]);
    let worker = Worker {
        ports: Ports {
            ledger: MemoryLedger::new(),
            queue: MemoryQueue::new(clock.clone(), 5),
            vendor: RejectingCircleCi,
            secrets: NoSecrets,
        },
        clock: Arc::new(clock.clone()),
        config: Arc::new(config.parse()),
    };
    (worker, clock)
}

pub(crate) fn invocation(name: &str) -> Invocation {
    Invocation::from(InvocationId::new(name.to_owned()))
}

pub(crate) fn deploy_id(n: u32) -> DeployId {
    DeployId::of_request("T0001", "A0001", &n.to_string())
}

/// The command of a deploy that is requested now.
pub(crate) fn deploy_command(id: DeployId, clock: &ManualClock) -> Value {
    json!({
        "type": "deploy.v1", "id": id, "team": "T0001", "channel": "C0001", "user": "U0001",
        "response_url": null, "requested_at": clock.now(),
        "deploy": {"project": "web", "branch": "main", "job": "deploy"},
    })
}

/// Somebody cancels the first deploy.
pub(crate) fn cancel_action(requested_by: ActionRequester, clock: &ManualClock) -> MessageBody {
    let action = ActionMessage {
        id: RequestId::of_call(Uuid::from_u128(7)),
        requested_by,
        action: DeployAction::Cancel {
            deploy: DeployRef::Full(deploy_id(1)),
        },
        requested_at: clock.now(),
        card: None,
    };
    MessageBody::encode(&WorkMessage::Action(Box::new(action))).unwrap()
}

/// An operator of this name.
pub(crate) fn operator(name: &str) -> ActionRequester {
    let name = name.to_owned();
    ActionRequester::Operator { name }
}

/// The user of the tests.
pub(crate) fn user(response_url: Option<&str>) -> ActionRequester {
    let user = json!({
        "kind": "user", "team": "T0001", "channel": "C0001", "user": "U0001",
        "response_url": response_url,
    });
    serde_json::from_value(user).unwrap()
}

pub(crate) fn body(message: &Value) -> MessageBody {
    MessageBody::encode(message).unwrap()
}

/// Puts a message into a queue.
pub(crate) async fn put(worker: &TestWorker, queue: QueueName, message: &MessageBody) {
    let sent = worker.ports.queue.send(queue, message, Duration::ZERO);
    sent.await.unwrap();
}

/// What a queue holds.
pub(crate) fn bodies(worker: &TestWorker, queue: QueueName) -> Vec<String> {
    let messages = worker.ports.queue.messages(queue).into_iter();
    messages.map(|one| one.body.as_wire().to_owned()).collect()
}
