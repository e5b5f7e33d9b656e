//! The search for a pipeline that carries the proof.

use std::time::Duration;

use chatops_core::id::PipelineId;
use chatops_core::ports::{Ci, Finding, Search};
use chatops_sandbox::circleci::{Call, Script};
use chatops_sandbox::{Fault, Sandbox};
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::raw::{Raw, answer, is_unknown, pipeline_json};
use crate::support::{
    DEPLOY, PIPELINES, ago, calls, client, order, sandbox, scripted, search_since, started,
};

pub(crate) fn absent() -> Finding {
    Finding::Absent { candidates: vec![] }
}

pub(crate) fn found(finding: &Finding) -> PipelineId {
    match finding {
        Finding::Found(pipeline) => pipeline.id,
        other @ Finding::Absent { .. } => panic!("{other:?}"),
    }
}

fn lists(sandbox: &Sandbox) -> Vec<String> {
    let list = |call: &(String, String, _)| call.1.starts_with(PIPELINES);
    calls(sandbox)
        .into_iter()
        .filter(list)
        .map(|call| call.1)
        .collect()
}

#[tokio::test]
async fn the_proof_is_found_among_others() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let search = search_since(ago(60));
    assert_eq!(client.search(&search).await, Ok(absent()));
    started(&sandbox, ago(30), "feature/x", "another deploy");
    let (ours, number) = started(&sandbox, ago(20), "feature/x", DEPLOY);
    started(&sandbox, ago(10), "feature/x", "a third");
    let finding = client.search(&search).await.unwrap();
    assert_eq!(found(&finding), ours);
    let Finding::Found(pipeline) = finding else {
        panic!("not found")
    };
    assert_eq!(pipeline.number, number);
    assert_eq!(
        pipeline.url.as_str(),
        "https://app.circleci.com/pipelines/github/acme/web/471"
    );
    assert!(
        lists(&sandbox)
            .iter()
            .all(|path| *path == format!("{PIPELINES}?branch=feature%2Fx"))
    );
    assert!(calls(&sandbox).iter().all(|(method, ..)| method == "GET"));
}

#[tokio::test]
async fn what_was_triggered_is_what_is_found() {
    let sandbox = sandbox().await;
    sandbox
        .circleci()
        .fail_next(Call::Trigger, Fault::AnswerLost);
    let client = client(sandbox.circleci_url());
    let since = ago(0);
    is_unknown(&client.trigger(&order()).await);
    let finding = client.search(&search_since(since)).await.unwrap();
    assert_eq!(found(&finding).0, sandbox.circleci().lock().ledger()[0].id);
}

#[tokio::test]
async fn another_branch_or_value_proves_nothing() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    started(&sandbox, ago(10), "main", DEPLOY);
    for almost in [
        "",
        &DEPLOY[1..],
        &DEPLOY.to_uppercase(),
        &format!("{DEPLOY} "),
    ] {
        started(&sandbox, ago(10), "feature/x", almost);
    }
    assert_eq!(client.search(&search_since(ago(60))).await, Ok(absent()));
}

#[tokio::test]
async fn a_pipeline_may_be_listed_late() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let search = search_since(ago(100));
    scripted(
        &sandbox,
        Script::default().listed_after(Duration::from_hours(1)),
        60,
    );
    assert_eq!(client.search(&search).await, Ok(absent()));
    let ours = scripted(
        &sandbox,
        Script::default().listed_after(Duration::from_secs(50)),
        60,
    );
    assert_eq!(found(&client.search(&search).await.unwrap()), ours);
}

#[tokio::test]
async fn the_listing_is_read_page_by_page() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let (ours, _) = started(&sandbox, ago(60), "feature/x", DEPLOY);
    for _ in 0..45 {
        started(&sandbox, ago(30), "feature/x", "another deploy");
    }
    let finding = client.search(&search_since(ago(60))).await.unwrap();
    assert_eq!(found(&finding), ours);
    let lists = lists(&sandbox);
    assert_eq!(lists.len(), 3, "{lists:?}");
    assert!(
        lists[1].ends_with("?branch=feature%2Fx&page-token=496"),
        "{lists:?}"
    );
}

#[tokio::test]
async fn reading_stops_at_what_is_older() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    for _ in 0..45 {
        started(&sandbox, ago(3_600), "feature/x", DEPLOY);
    }
    started(&sandbox, ago(30), "feature/x", "another deploy");
    assert_eq!(client.search(&search_since(ago(60))).await, Ok(absent()));
    assert_eq!(lists(&sandbox).len(), 1);
    // The older ones were not even asked for their values.
    assert_eq!(calls(&sandbox).len(), 2);
}

#[tokio::test]
async fn clocks_may_be_five_minutes_apart() {
    let since = ago(1_000);
    for (earlier, counts) in [(299, true), (300, true), (301, false)] {
        let sandbox = sandbox().await;
        started(
            &sandbox,
            since - TimeDelta::seconds(earlier),
            "feature/x",
            DEPLOY,
        );
        // Milliseconds are all that CircleCI shows.
        let since = since - TimeDelta::nanoseconds(i64::from(since.timestamp_subsec_nanos()));
        let mut search = search_since(since);
        let finding = client(sandbox.circleci_url())
            .search(&search)
            .await
            .unwrap();
        assert_eq!(matches!(finding, Finding::Found(_)), counts, "{earlier}");
        search.proof = None;
        let finding = client(sandbox.circleci_url())
            .search(&search)
            .await
            .unwrap();
        assert_eq!(finding != absent(), counts, "{earlier}");
    }
}

#[tokio::test]
async fn without_proof_there_are_only_candidates() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let search = Search {
        proof: None,
        ..search_since(ago(60))
    };
    assert_eq!(client.search(&search).await, Ok(absent()));
    started(&sandbox, ago(3_600), "feature/x", DEPLOY);
    started(&sandbox, ago(20), "main", DEPLOY);
    let mut expected: Vec<_> = (0..3)
        .map(|n| started(&sandbox, ago(30 - n), "feature/x", DEPLOY))
        .collect();
    // Newest first.
    expected.reverse();
    let Finding::Absent { candidates } = client.search(&search).await.unwrap() else {
        panic!("without proof nothing is found")
    };
    let seen: Vec<_> = candidates.iter().map(|p| (p.id, p.number)).collect();
    assert_eq!(seen, expected);
    assert!(
        calls(&sandbox)
            .iter()
            .all(|(_, path, _)| !path.contains("values"))
    );
}

#[tokio::test]
async fn a_listing_without_end_proves_nothing() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    for _ in 0..201 {
        started(&sandbox, ago(30), "feature/x", "another deploy");
    }
    let search = Search {
        proof: None,
        ..search_since(ago(60))
    };
    let error = client.search(&search).await.unwrap_err();
    assert_eq!(
        error.message,
        "the branch has more than 10 pages of recent pipelines"
    );
    assert_eq!(lists(&sandbox).len(), 10);
}

#[tokio::test]
async fn a_value_may_go_by_its_bare_name_and_has_to_be_a_string() {
    let line: Value = serde_json::from_str(&pipeline_json(7)).unwrap();
    let list = answer(
        "200 OK",
        &[],
        &json!({"items": [line], "next_page_token": null}).to_string(),
    );
    for (values, proves) in [
        (json!({"deploy_id": DEPLOY}), true),
        (json!({"pipeline.parameters.deploy_id": DEPLOY}), true),
        (
            json!({"pipeline.parameters.deploy_id": "other", "deploy_id": DEPLOY}),
            false,
        ),
        (json!({"pipeline.parameters.other": DEPLOY}), false),
        (json!({"pipeline.parameters.deploy_id": [DEPLOY]}), false),
        (json!({}), false),
    ] {
        let raw = Raw::new(vec![
            list.clone(),
            answer("200 OK", &[], &values.to_string()),
        ])
        .await;
        let search = search_since("2026-01-02T03:04:00Z".parse().unwrap());
        let finding = client(&raw.url).search(&search).await.unwrap();
        assert_eq!(matches!(finding, Finding::Found(_)), proves, "{values}");
        let id = Uuid::from_u128(7);
        assert!(
            raw.requests()[1].starts_with(&format!("GET /api/v2/pipeline/{id}/values HTTP/1.1"))
        );
    }
}

#[tokio::test]
async fn what_is_listed_without_its_fields_ends_the_search() {
    for body in [
        r#"{"items":[{"id":"x"}]}"#,
        r#"{"items":null}"#,
        "{}",
        "[]",
        "<html>",
        "",
    ] {
        let raw = Raw::new(vec![answer("200 OK", &[], body)]).await;
        let error = client(&raw.url)
            .search(&search_since(ago(0)))
            .await
            .unwrap_err();
        assert!(
            error.message.starts_with("the answer cannot be read: "),
            "{error}"
        );
    }
}
