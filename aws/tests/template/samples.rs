//! The sample events: each is one that its function reads, and all of them together are every trigger.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use chatops_aws::lambda::batch::{SqsBatch, WorkerEvent};
use chatops_aws::lambda::http::GatewayRequest;
use chatops_core::message::{MessageBody, NotifyMessage, WorkMessage};
use http::Method;
use serde_json::Value;

use crate::document::{STACK, TEMPLATE, project_file};

const TO_INGEST: [(&str, Method, &str); 5] = [
    ("command.json", Method::POST, "/slack/commands"),
    ("command-rest-api.json", Method::POST, "/slack/commands"),
    (
        "certificate-check.json",
        Method::GET,
        "/slack/commands?ssl_check=1",
    ),
    ("webhook.json", Method::POST, "/circleci/webhook"),
    ("health.json", Method::GET, "/healthz"),
];

fn sample(name: &str) -> String {
    project_file(&format!("events/{name}"))
}

#[test]
fn every_sample_is_read_by_a_test_here() {
    let files = fs::read_dir(Path::new(TEMPLATE).with_file_name("events")).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let others = ["work.json", "notify.json", "schedule.json"];
    let known = TO_INGEST.iter().map(|(name, ..)| *name).chain(others);
    let known: BTreeSet<_> = known.map(str::to_owned).collect();
    assert_eq!(files.collect::<BTreeSet<_>>(), known);
}

#[test]
fn samples_for_ingest_are_requests() {
    for (name, method, target) in TO_INGEST {
        let call: GatewayRequest = serde_json::from_str(&sample(name)).unwrap();
        let request = call.request();
        let request = request.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(*request.method(), method, "{name}");
        assert_eq!(request.uri(), target, "{name}");
        assert_eq!(request.body().is_empty(), method == Method::GET, "{name}");
    }
}

/// Both of API Gateway's formats carry the same form.
#[test]
fn the_command_is_the_same_in_both_formats() {
    let request = |name| {
        serde_json::from_str::<GatewayRequest>(&sample(name))
            .unwrap()
            .request()
            .unwrap()
    };
    let (http, rest) = (request("command.json"), request("command-rest-api.json"));
    assert_eq!(http.body(), rest.body());
    for header in [
        "x-slack-signature",
        "x-slack-request-timestamp",
        "content-type",
    ] {
        assert_eq!(http.headers()[header], rest.headers()[header], "{header}");
    }
    let form: Vec<(String, String)> = form_urlencoded::parse(http.body()).into_owned().collect();
    let said = ("text".to_owned(), "main deploy".to_owned());
    assert!(form.contains(&said), "{form:?}");
    let first: Value = serde_json::from_str(&sample("command.json")).unwrap();
    // So a form comes through an HTTP API.
    assert_eq!(first["isBase64Encoded"], true);
}

#[test]
fn the_work_sample_has_every_message_of_the_worker() {
    let WorkerEvent::Batch(batch) = serde_json::from_str(&sample("work.json")).unwrap() else {
        panic!("it is no batch");
    };
    let mut kinds = BTreeSet::new();
    for record in batch.records {
        assert_eq!(record.attributes.receive_count.as_deref(), Some("1"));
        let message: WorkMessage = MessageBody::from_wire(record.body).decode().unwrap();
        kinds.insert(match message {
            WorkMessage::Deploy(_) => "deploy",
            WorkMessage::Poll { .. } => "poll",
            WorkMessage::Retry { .. } => "retry",
            WorkMessage::Webhook { .. } => "webhook",
            WorkMessage::Query(_) => "query",
            WorkMessage::Action(_) => "action",
        });
    }
    let all = ["action", "deploy", "poll", "query", "retry", "webhook"];
    assert_eq!(kinds, all.into());
}

#[test]
fn the_notify_sample_has_every_message_of_the_notifier() {
    let batch: SqsBatch = serde_json::from_str(&sample("notify.json")).unwrap();
    let mut kinds = BTreeSet::new();
    for record in batch.records {
        let message: NotifyMessage = MessageBody::from_wire(record.body).decode().unwrap();
        kinds.insert(match message {
            NotifyMessage::Notify { .. } => "notify",
            NotifyMessage::CardPressed { .. } => "card pressed",
            NotifyMessage::QueryReply(_) => "query reply",
        });
    }
    assert_eq!(kinds, ["card pressed", "notify", "query reply"].into());
}

#[test]
fn the_schedules_sample_is_the_sweep() {
    let event = sample("schedule.json");
    let work: WorkerEvent = serde_json::from_str(&event).unwrap();
    assert!(matches!(work, WorkerEvent::Schedule(_)));
    let event: Value = serde_json::from_str(&event).unwrap();
    let rule = event["resources"][0].as_str().unwrap();
    assert!(rule.ends_with(&format!(":rule/{STACK}-sweep")), "{rule}");
}
