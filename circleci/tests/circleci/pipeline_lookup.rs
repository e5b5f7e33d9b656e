//! The lookup of a pipeline by its deploy id parameter.

use std::time::Duration;

use chatops_core::config::TriggerCall;
use chatops_core::id::PipelineId;
use chatops_core::name::GitRef;
use chatops_core::ports::{CiClient, LookupRequest, LookupResult, TriggerRequest};
use chatops_sandbox::circleci::{CiCall, RunScript};
use chatops_sandbox::{HttpFault, Sandbox};
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::malformed::assert_unreadable;
use crate::raw_server::{RawServer, assert_unknown, ok_response, pipeline_json};
use crate::support::{
    DEPLOY, PIPELINES, ago, calls, client, client_of, fail_next, lookup_by, lookup_since, sandbox,
    sandbox_client, start_pipeline, start_scripted, trigger_request, trigger_request_by,
};

pub(crate) fn absent_run() -> LookupResult {
    LookupResult::Absent { candidates: vec![] }
}

pub(crate) fn found_pipeline(result: &LookupResult) -> PipelineId {
    match result {
        LookupResult::Found(pipeline) => pipeline.id,
        other @ LookupResult::Absent { .. } => panic!("{other:?}"),
    }
}

fn listing_calls(sandbox: &Sandbox) -> Vec<String> {
    let paths = calls(sandbox).into_iter().map(|call| call.1);
    paths.filter(|path| path.starts_with(PIPELINES)).collect()
}

#[tokio::test]
async fn the_deploy_id_is_found_among_others() {
    let (sandbox, client) = sandbox_client().await;
    let lookup = lookup_since(ago(60));
    assert_eq!(client.look_up(&lookup).await, Ok(absent_run()));
    start_pipeline(&sandbox, ago(30), "feature/x", "another deploy");
    let (ours, number) = start_pipeline(&sandbox, ago(20), "feature/x", DEPLOY);
    start_pipeline(&sandbox, ago(10), "feature/x", "a third");
    let result = client.look_up(&lookup).await.unwrap();
    assert_eq!(found_pipeline(&result), ours);
    let LookupResult::Found(pipeline) = result else {
        panic!("not found")
    };
    assert_eq!(pipeline.number, number);
    let url = "https://app.circleci.com/pipelines/github/acme/web/471";
    assert_eq!(pipeline.url.as_str(), url);
    for path in listing_calls(&sandbox) {
        assert_eq!(path, format!("{PIPELINES}?branch=feature%2Fx"));
    }
    assert!(calls(&sandbox).iter().all(|(method, ..)| method == "GET"));
}

#[tokio::test]
async fn a_tags_pipeline_is_found_in_the_list_of_all_branches() {
    let run = TriggerCall::PipelineRun { definition: None };
    for (call, fails) in [(TriggerCall::Pipeline, CiCall::Trigger), (run, CiCall::Run)] {
        let sandbox = sandbox().await;
        start_pipeline(&sandbox, ago(30), "feature/x", "another deploy");
        let git_ref = GitRef::parse("tag:v1.2+x").unwrap();
        let trigger = TriggerRequest {
            git_ref: git_ref.clone(),
            ..trigger_request_by(&call)
        };
        fail_next(&sandbox, fails, HttpFault::AnswerLost);
        let client = client_of(&sandbox);
        assert_unknown(&client.trigger(&trigger).await);
        start_pipeline(&sandbox, ago(0), "main", "a third");
        let made = sandbox.circleci().lock().all_pipelines()[1].id;
        let lookup = LookupRequest {
            git_ref,
            ..lookup_by(&call, ago(60))
        };
        let result = client.look_up(&lookup).await.unwrap();
        assert_eq!(found_pipeline(&result).0, made);
        // Without a deploy id, only what may be it is a candidate.
        let lookup = LookupRequest {
            deploy_id: None,
            ..lookup
        };
        let found = client.look_up(&lookup).await.unwrap();
        let LookupResult::Absent { candidates } = found else {
            panic!("{found:?}")
        };
        let candidates: Vec<_> = candidates.iter().map(|one| one.id.0).collect();
        assert_eq!(candidates, [made]);
        let listed = listing_calls(&sandbox);
        assert!(listed.iter().all(|path| !path.contains('?')), "{listed:?}");
    }
}

#[tokio::test]
async fn the_triggered_pipeline_is_found() {
    let sandbox = sandbox().await;
    fail_next(&sandbox, CiCall::Trigger, HttpFault::AnswerLost);
    let client = client_of(&sandbox);
    let since = ago(0);
    assert_unknown(&client.trigger(&trigger_request()).await);
    let result = client.look_up(&lookup_since(since)).await.unwrap();
    let triggered = sandbox.circleci().lock().all_pipelines()[0].id;
    assert_eq!(found_pipeline(&result).0, triggered);
}

#[tokio::test]
async fn another_branch_or_value_proves_nothing() {
    let (sandbox, client) = sandbox_client().await;
    start_pipeline(&sandbox, ago(10), "main", DEPLOY);
    let (upper, longer) = (DEPLOY.to_uppercase(), format!("{DEPLOY} "));
    for almost in ["", &DEPLOY[1..], &upper, &longer] {
        start_pipeline(&sandbox, ago(10), "feature/x", almost);
    }
    let lookup = lookup_since(ago(60));
    assert_eq!(client.look_up(&lookup).await, Ok(absent_run()));
}

#[tokio::test]
async fn a_pipeline_may_be_listed_late() {
    let (sandbox, client) = sandbox_client().await;
    let lookup = lookup_since(ago(100));
    let late = |after| RunScript::default().listed_after(after);
    start_scripted(&sandbox, late(Duration::from_hours(1)), 60);
    assert_eq!(client.look_up(&lookup).await, Ok(absent_run()));
    let ours = start_scripted(&sandbox, late(Duration::from_secs(50)), 60);
    let result = client.look_up(&lookup).await.unwrap();
    assert_eq!(found_pipeline(&result), ours);
}

#[tokio::test]
async fn the_listing_is_read_page_by_page() {
    let (sandbox, client) = sandbox_client().await;
    let (ours, _) = start_pipeline(&sandbox, ago(60), "feature/x", DEPLOY);
    for _ in 0..45 {
        start_pipeline(&sandbox, ago(30), "feature/x", "another deploy");
    }
    let result = client.look_up(&lookup_since(ago(60))).await.unwrap();
    assert_eq!(found_pipeline(&result), ours);
    let lists = listing_calls(&sandbox);
    assert_eq!(lists.len(), 3, "{lists:?}");
    let query = "?branch=feature%2Fx&page-token=496";
    assert!(lists[1].ends_with(query), "{lists:?}");
}

#[tokio::test]
async fn the_lookup_stops_at_an_older_pipeline() {
    let (sandbox, client) = sandbox_client().await;
    for _ in 0..45 {
        start_pipeline(&sandbox, ago(3_600), "feature/x", DEPLOY);
    }
    start_pipeline(&sandbox, ago(30), "feature/x", "another deploy");
    let lookup = lookup_since(ago(60));
    assert_eq!(client.look_up(&lookup).await, Ok(absent_run()));
    assert_eq!(listing_calls(&sandbox).len(), 1);
    // The values of the older ones are not read.
    assert_eq!(calls(&sandbox).len(), 2);
}

#[tokio::test]
async fn clocks_may_be_five_minutes_apart() {
    let since = ago(1_000);
    for (earlier, counts) in [(299, true), (300, true), (301, false)] {
        let sandbox = sandbox().await;
        let at = since - TimeDelta::seconds(earlier);
        start_pipeline(&sandbox, at, "feature/x", DEPLOY);
        // CircleCI shows milliseconds only.
        let since = since - TimeDelta::nanoseconds(i64::from(since.timestamp_subsec_nanos()));
        let mut lookup = lookup_since(since);
        let client = client_of(&sandbox);
        let result = client.look_up(&lookup).await.unwrap();
        let is_found = matches!(result, LookupResult::Found(_));
        assert_eq!(is_found, counts, "{earlier}");
        lookup.deploy_id = None;
        let result = client.look_up(&lookup).await.unwrap();
        assert_eq!(result != absent_run(), counts, "{earlier}");
    }
}

#[tokio::test]
async fn without_a_deploy_id_there_are_only_candidates() {
    let (sandbox, client) = sandbox_client().await;
    let lookup = LookupRequest {
        deploy_id: None,
        ..lookup_since(ago(60))
    };
    assert_eq!(client.look_up(&lookup).await, Ok(absent_run()));
    start_pipeline(&sandbox, ago(3_600), "feature/x", DEPLOY);
    start_pipeline(&sandbox, ago(20), "main", DEPLOY);
    let mut expected: Vec<_> = (0..3)
        .map(|n| start_pipeline(&sandbox, ago(30 - n), "feature/x", DEPLOY))
        .collect();
    // Newest first.
    expected.reverse();
    let LookupResult::Absent { candidates } = client.look_up(&lookup).await.unwrap() else {
        panic!("found without a deploy id")
    };
    let seen: Vec<_> = candidates.iter().map(|p| (p.id, p.number)).collect();
    assert_eq!(seen, expected);
    let is_read = |path: &str| path.contains("values");
    assert!(!calls(&sandbox).iter().any(|call| is_read(&call.1)));
}

#[tokio::test]
async fn a_listing_without_end_proves_nothing() {
    let (sandbox, client) = sandbox_client().await;
    for _ in 0..201 {
        start_pipeline(&sandbox, ago(30), "feature/x", "another deploy");
    }
    let lookup = LookupRequest {
        deploy_id: None,
        ..lookup_since(ago(60))
    };
    let error = client.look_up(&lookup).await.unwrap_err();
    let message = "there are more than 10 pages of recent pipelines";
    assert_eq!(error.message, message);
    assert_eq!(listing_calls(&sandbox).len(), 10);
}

#[tokio::test]
async fn a_value_may_go_by_its_bare_name_and_has_to_be_a_string() {
    let line: Value = serde_json::from_str(&pipeline_json(7)).unwrap();
    let list = ok_response(&json!({"items": [line], "next_page_token": null}).to_string());
    for (values, proves) in [
        (json!({"deploy_id": DEPLOY}), true),
        (json!({"pipeline.parameters.deploy_id": DEPLOY}), true),
        (
            json!({"pipeline.parameters.deploy_id": "x", "deploy_id": DEPLOY}),
            false,
        ),
        (json!({"pipeline.parameters.other": DEPLOY}), false),
        (json!({"pipeline.parameters.deploy_id": [DEPLOY]}), false),
        (json!({}), false),
    ] {
        let raw = RawServer::new(vec![list.clone(), ok_response(&values.to_string())]).await;
        let lookup = lookup_since("2026-01-02T03:04:00Z".parse().unwrap());
        let result = client(&raw.url).look_up(&lookup).await.unwrap();
        assert_eq!(matches!(result, LookupResult::Found(_)), proves, "{values}");
        let start = format!(
            "GET /api/v2/pipeline/{}/values HTTP/1.1",
            Uuid::from_u128(7)
        );
        assert!(raw.requests()[1].starts_with(&start));
    }
}

#[tokio::test]
async fn a_listing_is_a_page_of_pipelines_or_proves_nothing() {
    for body in [
        r#"{"items":null}"#,
        r#"{"items":[],"next_page_token":7}"#,
        "{}",
        "[]",
        "<html>",
        "",
    ] {
        let raw = RawServer::new(vec![ok_response(body)]).await;
        let outcome = client(&raw.url).look_up(&lookup_since(ago(0))).await;
        assert_unreadable(outcome, body);
    }
}

#[tokio::test]
async fn an_item_that_cannot_be_read_may_be_the_pipeline() {
    let ours: Value = serde_json::from_str(&pipeline_json(7)).unwrap();
    let lookup = lookup_since("2026-01-02T03:04:00Z".parse().unwrap());
    let values = ok_response(&json!({"pipeline.parameters.deploy_id": DEPLOY}).to_string());
    let list = |items: Value| ok_response(&json!({ "items": items }).to_string());
    for item in [
        json!({"id": "x"}),
        json!({}),
        json!([]),
        json!(17),
        json!({"id": ours["id"]}),
    ] {
        let answers = vec![
            list(json!([item])),
            list(json!([item, ours])),
            values.clone(),
        ];
        let raw = RawServer::new(answers).await;
        let client = client(&raw.url);
        let error = client.look_up(&lookup).await.unwrap_err();
        assert_eq!(error.message, "the list has a pipeline that cannot be read");
        let result = client.look_up(&lookup).await.unwrap();
        assert_eq!(found_pipeline(&result).0, Uuid::from_u128(7), "{item}");
    }
    // Null is none, and a pipeline without a time is as old as need be.
    let mut timeless = ours.clone();
    timeless["created_at"] = Value::Null;
    let answers = vec![list(json!([null])), list(json!([null, timeless])), values];
    let raw = RawServer::new(answers).await;
    let client = client(&raw.url);
    assert_eq!(client.look_up(&lookup).await, Ok(absent_run()));
    let result = client.look_up(&lookup).await.unwrap();
    assert_eq!(found_pipeline(&result).0, Uuid::from_u128(7));
}
