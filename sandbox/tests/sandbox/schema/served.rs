//! The same over HTTP: each route answers with the schema's shape, and is counted.

use chatops_sandbox::circleci::{CiCall, RunScript};
use chatops_sandbox::http::HttpReply;
use chatops_sandbox::{HttpFault, Sandbox};
use serde_json::{Value, json};

use super::{conforms, documented};
use crate::support::{self, JSON, web_project};

async fn call(sandbox: &Sandbox, method: &str, path: &str) -> HttpReply {
    let url = format!("{}/api/v2{path}", sandbox.circleci_url());
    let headers = [("circle-token", "token"), ("content-type", JSON)];
    support::send(method, &url, &headers, "{}").await.unwrap()
}

async fn read(sandbox: &Sandbox, path: &str, schema: &Value) -> Value {
    let reply = call(sandbox, "GET", path).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    conforms(schema, &reply.json().unwrap(), path)
}

/// A run that is on hold at once and succeeds in an hour.
fn held_script() -> RunScript {
    let hour = std::time::Duration::from_hours(1);
    let mut script = RunScript::on_hold_then(hour, "success");
    let workflow = &mut script.workflows[0];
    workflow.starts_after = std::time::Duration::ZERO;
    workflow.steps[0].0 = workflow.starts_after;
    workflow.steps[1].0 = workflow.starts_after;
    script
}

#[tokio::test]
async fn a_hold_is_approved_and_its_workflow_rerun() {
    let sandbox = support::start(vec![web_project()]).await;
    sandbox.circleci().lock().script_next(held_script());
    let started = call(&sandbox, "POST", "/project/gh/acme/web/pipeline").await;
    let created = started.json().unwrap();
    conforms(&documented::created_pipeline(), &created, "started");
    let id = created["id"].as_str().unwrap();
    read(
        &sandbox,
        &format!("/pipeline/{id}"),
        &documented::pipeline(),
    )
    .await;
    read(
        &sandbox,
        &format!("/pipeline/{id}/values"),
        &documented::values(),
    )
    .await;
    let config = read(
        &sandbox,
        &format!("/pipeline/{id}/config"),
        &documented::config(),
    )
    .await;
    let compiled = config["compiled"].as_str().unwrap();
    assert!(compiled.contains("\n  deploy:\n    jobs:\n    - hold:\n        type: approval\n"));
    read(&sandbox, "/me", &documented::me()).await;
    read(&sandbox, "/project/gh/acme/web", &documented::project()).await;
    let workflows = documented::page(&documented::workflow());
    let list = format!("/pipeline/{id}/workflow");
    let workflow = read(&sandbox, &list, &workflows).await["items"][0].clone();
    assert_eq!(workflow["status"], "on_hold");
    let workflow = format!("/workflow/{}", workflow["id"].as_str().unwrap());

    let early = call(&sandbox, "POST", &format!("{workflow}/rerun")).await;
    let refused = conforms(&documented::message(), &early.json().unwrap(), "early");
    let why = "Workflow must be in a terminal state to be rerun";
    assert_eq!(
        (early.status.as_u16(), &refused["message"]),
        (400, &json!(why))
    );

    let jobs_path = format!("{workflow}/job");
    let jobs_schema = documented::page(&documented::job());
    let jobs = read(&sandbox, &jobs_path, &jobs_schema).await;
    let hold = &jobs["items"][0];
    assert_eq!(
        (&hold["type"], &hold["status"]),
        (&json!("approval"), &json!("on_hold"))
    );
    assert_eq!(jobs["items"][1]["status"], "blocked");
    assert_eq!(jobs["items"][1]["dependencies"], json!([hold["id"]]));
    let request = hold["approval_request_id"].as_str().unwrap();
    let approve = format!("{workflow}/approve/{request}");
    let approved = call(&sandbox, "POST", &approve).await;
    assert_eq!(approved.status, 202);
    conforms(
        &documented::message(),
        &approved.json().unwrap(),
        "approved",
    );
    assert_eq!(call(&sandbox, "POST", &approve).await.status, 400);
    let jobs = read(&sandbox, &jobs_path, &jobs_schema).await;
    assert!(jobs["items"][0]["approved_by"].is_string());
    let ended = read(&sandbox, &workflow, &documented::workflow()).await;
    assert_eq!(ended["status"], "success");
    // It ends when it is approved, not when the script would have ended it.
    assert!(ended["stopped_at"].as_str() >= ended["created_at"].as_str());

    let rerun = call(&sandbox, "POST", &format!("{workflow}/rerun")).await;
    assert_eq!(rerun.status, 202);
    let rerun = conforms(&documented::rerun(), &rerun.json().unwrap(), "rerun");
    let newest = read(&sandbox, &list, &workflows).await["items"][0].clone();
    assert_eq!(newest["id"], rerun["workflow_id"]);
    let cancel = format!("/workflow/{}/cancel", newest["id"].as_str().unwrap());
    let canceled = call(&sandbox, "POST", &cancel).await;
    assert_eq!(canceled.status, 202);
    conforms(
        &documented::message(),
        &canceled.json().unwrap(),
        "canceled",
    );
    let canceled = read(&sandbox, &list, &workflows).await["items"][0].clone();
    assert_eq!(canceled["status"], "canceled");
    assert_eq!(canceled["canceled_by"], canceled["started_by"]);
}

#[tokio::test]
async fn every_call_is_counted_whatever_its_answer() {
    let sandbox = support::start(vec![web_project()]).await;
    let circleci = sandbox.circleci();
    assert_eq!(circleci.call_count(), 0);
    circleci.fail_next(CiCall::List, HttpFault::throttle_for(1));
    for _ in 0..2 {
        call(&sandbox, "GET", "/project/gh/acme/web/pipeline").await;
    }
    call(&sandbox, "GET", "/me").await;
    call(&sandbox, "GET", "/nowhere").await;
    let counts = circleci.call_counts();
    assert_eq!(counts, [(CiCall::List, 2), (CiCall::Me, 1)].into());
    assert_eq!(circleci.call_count(), 3);
}
