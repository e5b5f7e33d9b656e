//! The audit in the log: each event with its hash, once the ledger has it.

use chatops_core::id::DeployId;
use chatops_core::message::{MessageBody, WorkMessage};
use chatops_core::ports::{DeployReader as _, QueueName};
use chatops_testkit::thread_log;
use serde_json::{Value, json};

use crate::support::{deploy_command, deploy_id, invocation, new_worker};

#[tokio::test]
async fn each_event_of_a_deploy_and_of_its_retry_is_logged_with_its_hash() {
    let (worker, clock) = new_worker();
    let deploy = deploy_id(1);
    let request = deploy_command(deploy, &clock);
    let ticket = MessageBody::encode(&WorkMessage::Retry { deploy });
    for (n, body) in [MessageBody::encode(&request), ticket]
        .into_iter()
        .enumerate()
    {
        let invocation = invocation(&format!("run {n}"));
        let body = body.unwrap();
        let handled = worker.handle(&invocation, QueueName::Work, &body, None);
        Box::pin(handled).await.unwrap();
    }

    let log = thread_log::take();
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
        ["requested", "trigger_begun", "retried", "ended"]
    );

    for id in [deploy, DeployId::of_retry(deploy, None)] {
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
