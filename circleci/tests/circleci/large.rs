//! Answers that are larger than anybody expects, and texts that are longer.

use chatops_core::config::TriggerCall;
use chatops_core::ports::{CiClient, LookupResult, TriggerOutcome, WorkflowStatus};
use serde_json::{Value, json};

use crate::ends::every_call;
use crate::raw_server::{
    RawServer, created_response, ok_response, pipeline_json, raw_response, trigger_outcome,
};
use crate::support::{
    DEPLOY, assert_created, build_run, client, lookup_by, missing_pipeline, rejected, slug,
    trigger_request_by, unknown,
};

const MIB: usize = 1024 * 1024;

/// What CircleCI adds to a build: its whole configuration, and an address for each step.
fn fill(mut value: Value, size: usize) -> Value {
    let step = json!({"actions": [{"output_url": "https://example.invalid/".repeat(40)}]});
    let steps = size / step.to_string().len();
    value["steps"] = Value::Array(vec![step; steps]);
    value["circle_yml"] = json!({"string": "x".repeat(size / 10)});
    value
}

fn build_json(size: usize) -> Value {
    let build = json!({
        "build_num": 3926,
        "why": "api",
        "lifecycle": "finished",
        "outcome": "success",
        "status": "success",
        "build_parameters": {"CIRCLE_JOB": "deploy", "CHATOPS_DEPLOY_ID": DEPLOY},
    });
    fill(build, size)
}

#[tokio::test]
async fn a_large_answer_to_the_trigger_still_names_what_was_created() {
    for call in every_call() {
        for size in [MIB / 2, 2 * MIB] {
            let created = match call {
                TriggerCall::Job => build_json(size),
                _ => fill(serde_json::from_str(&pipeline_json(7)).unwrap(), size),
            };
            let raw = RawServer::new(vec![created_response(&created.to_string())]).await;
            let outcome = client(&raw.url).trigger(&trigger_request_by(&call)).await;
            assert_created(&outcome);
            assert_eq!(raw.requests().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_large_build_is_polled_and_found() {
    for size in [2 * MIB, 4 * MIB] {
        let build = build_json(size);
        let answers = [build.clone(), json!([build])].map(|json| ok_response(&json.to_string()));
        let raw = RawServer::new(answers.to_vec()).await;
        let client = client(&raw.url);
        let poll = client.poll(&slug(), &build_run(3_926), true).await.unwrap();
        assert_eq!(poll.workflows[0].status, WorkflowStatus::Success);
        let lookup = lookup_by(&TriggerCall::Job, "2026-01-02T03:04:00Z".parse().unwrap());
        let result = client.look_up(&lookup).await.unwrap();
        assert!(matches!(result, LookupResult::Found(_)), "{result:?}");
    }
}

#[tokio::test]
async fn large_lists_of_api_v2_are_read() {
    let pipeline: Value = serde_json::from_str(&pipeline_json(7)).unwrap();
    let list = |item: Value| json!({"items": [item], "next_page_token": null});
    let mut values = fill(json!({}), 2 * MIB);
    values["pipeline.parameters.deploy_id"] = json!(DEPLOY);
    let workflow = json!({"id": "w", "name": "deploy", "status": "success"});
    let answers = [
        list(fill(pipeline, 2 * MIB)),
        values,
        fill(json!({"state": "created"}), 2 * MIB),
        list(fill(workflow, 2 * MIB)),
    ];
    let answers = answers.map(|json| ok_response(&json.to_string()));
    let raw = RawServer::new(answers.to_vec()).await;
    let client = client(&raw.url);
    let since = "2026-01-02T03:04:00Z".parse().unwrap();
    let result = client
        .look_up(&lookup_by(&TriggerCall::Pipeline, since))
        .await;
    assert!(matches!(result, Ok(LookupResult::Found(_))), "{result:?}");
    let poll = client
        .poll(&slug(), &missing_pipeline(), true)
        .await
        .unwrap();
    assert_eq!(poll.workflows[0].status, WorkflowStatus::Success);
}

#[tokio::test]
async fn the_first_bytes_of_an_error_say_enough() {
    let page = format!("<h1>Not found</h1>{}", "<hr>".repeat(MIB));
    let outcome = trigger_outcome(raw_response("404 Not Found", &[], &page)).await;
    assert_eq!(outcome, rejected(404, "Not found"));
    // Also if its length was never announced, and if its status makes the outcome unknown.
    let endless = raw_response("502 Bad Gateway", &[], &page).replace("content-length", "x-length");
    let outcome = trigger_outcome(endless).await;
    assert_eq!(outcome, unknown("HTTP 502: Not found"));
}

#[tokio::test]
async fn a_large_answer_that_breaks_off_leaves_the_outcome_unknown() {
    let whole = created_response(&fill(json!({"number": 7}), 2 * MIB).to_string());
    let outcome = trigger_outcome(whole[..whole.len() - 1].to_owned()).await;
    let TriggerOutcome::Unknown { because } = &outcome else {
        panic!("{outcome:?}")
    };
    assert!(because.starts_with("the connection failed"), "{because}");
    let garbage = created_response(&"x".repeat(2 * MIB));
    let outcome = trigger_outcome(garbage).await;
    assert!(
        matches!(outcome, TriggerOutcome::Unknown { .. }),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn what_is_long_is_cut_with_a_mark() {
    let long = "\u{e9}".repeat(5_000);
    let error = json!({"type": "config", "message": long});
    let details = json!({
        "state": "errored", "errors": vec![error; 40], "vcs": {"revision": long},
    });
    let workflow = json!({"id": long, "name": long, "status": "success"});
    let build = json!({
        "lifecycle": "running", "vcs_revision": long, "build_parameters": {"CIRCLE_JOB": long},
    });
    let answers = [
        details,
        json!({"items": [workflow]}),
        json!({"items": [{"name": long, "status": "success"}]}),
        build,
    ];
    let answers = answers.map(|json| ok_response(&json.to_string()));
    let raw = RawServer::new(answers.to_vec()).await;
    let client = client(&raw.url);
    let poll = client
        .poll(&slug(), &missing_pipeline(), true)
        .await
        .unwrap();
    let is_cut = |text: &str, length: usize| {
        assert_eq!(text.chars().count(), length + 1);
        assert!(text.ends_with('…'));
    };
    let details = poll.pipeline.unwrap();
    assert_eq!(details.errors.len(), 10);
    is_cut(&details.errors[9].message, 300);
    is_cut(&details.revision.unwrap(), 200);
    is_cut(&poll.workflows[0].id, 200);
    is_cut(&poll.workflows[0].name, 200);
    let jobs = client.list_jobs(&missing_pipeline(), "w").await.unwrap();
    is_cut(&jobs[0].name, 200);
    let poll = client.poll(&slug(), &build_run(3_926), true).await.unwrap();
    is_cut(&poll.workflows[0].name, 200);
    is_cut(&poll.pipeline.unwrap().revision.unwrap(), 200);
}
