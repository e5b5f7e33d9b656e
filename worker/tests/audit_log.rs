//! The audit in the log: each event with its hash, once the ledger has it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the exemption for tests does not reach their helper functions"
)]

use std::io;
use std::sync::{Arc, Mutex};

use chatops_core::config::ProjectSlug;
use chatops_core::deploy::CiPipeline;
use chatops_core::id::{DeployId, InvocationId};
use chatops_core::message::{MessageBody, WorkMessage};
use chatops_core::ports::{
    CiClient, CiJob, CiReadError, Clock as _, DeployReader as _, LookupRequest, LookupResult,
    PollResult, Ports, SecretError, SecretName, SecretReader, SecretVersions, TriggerOutcome,
    TriggerRequest,
};
use chatops_testkit::config::{TestConfig, TestJob};
use chatops_testkit::memory::{ManualClock, MemoryLedger, MemoryQueue};
use chatops_worker::{Invocation, Worker};
use serde_json::{Value, json};

/// Rejects every trigger.
struct RejectingCircleCi;

impl CiClient for RejectingCircleCi {
    async fn trigger(&self, _: &TriggerRequest) -> TriggerOutcome {
        let message = "Branch not found".to_owned();
        TriggerOutcome::Refused {
            status: 400,
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

struct NoSecrets;

impl SecretReader for NoSecrets {
    async fn get(&self, name: SecretName) -> Result<SecretVersions, SecretError> {
        panic!("{name:?} is not needed")
    }

    async fn refresh(&self, name: SecretName) -> Result<(), SecretError> {
        panic!("{name:?} is not needed")
    }
}

#[derive(Clone, Default)]
struct LogCapture(Arc<Mutex<Vec<u8>>>);

impl io::Write for LogCapture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_event_of_a_deploy_and_of_its_retry_is_logged_with_its_hash() {
    let log = LogCapture::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_writer(move || writer.clone())
        .init();
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
    let deploy = DeployId::of_request("T0001", "A0001", "1.2.3");
    let request = json!({
        "type": "deploy.v1", "id": deploy, "team": "T0001", "channel": "C0001", "user": "U0001",
        "response_url": null, "requested_at": clock.now(),
        "deploy": {"project": "web", "branch": "main", "job": "deploy"},
    });
    let ticket = MessageBody::encode(&WorkMessage::Retry { deploy });
    for (n, body) in [MessageBody::encode(&request), ticket]
        .into_iter()
        .enumerate()
    {
        let invocation = Invocation::from(InvocationId::new(format!("run {n}")));
        Box::pin(worker.handle(&invocation, &body.unwrap()))
            .await
            .unwrap();
    }

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let recorded: Vec<Value> = lines.filter(|line| line["message"] == "recorded").collect();
    let kinds: Vec<_> = recorded
        .iter()
        .map(|line| line["event.kind"].as_str().unwrap())
        .collect();
    let once = ["requested", "trigger_begun", "ended"];
    assert_eq!(kinds[..3], once);
    assert_eq!(
        kinds[3..],
        ["requested", "retried", "trigger_begun", "ended"]
    );

    for id in [deploy, DeployId::of_retry(deploy)] {
        let logged = recorded
            .iter()
            .filter(|line| line["deploy.id"] == id.to_string());
        let logged: Vec<_> = logged
            .map(|line| {
                assert_eq!(line["level"], "INFO");
                let field = |name: &str| line[name].clone();
                ["event.n", "event.hash", "event.kind", "state"].map(field)
            })
            .collect();
        let events = worker.ports.ledger.read_events(id).await.unwrap();
        let expected: Vec<_> = events
            .iter()
            .map(|event| {
                let body: Value = serde_json::from_str(&event.body).unwrap();
                let (kind, state) = (body["change"]["kind"].clone(), body["state"].clone());
                [json!(event.n), json!(event.hash), kind, state]
            })
            .collect();
        assert_eq!(logged, expected);
    }
}
