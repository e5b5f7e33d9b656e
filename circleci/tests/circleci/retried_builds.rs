//! Builds of API v1.1 that CircleCI repeats by itself, and those that it never builds.

use chatops_core::ports::{CiClient, CiWorkflow, WorkflowStatus};
use serde_json::{Value, json};

use crate::raw_server::{RawServer, ok_response, raw_response};
use crate::support::{build_run, client, slug};

/// A build that CircleCI has repeated, as recorded in 2016.
fn retried(number: u64, retries: &Value) -> Value {
    json!({
        "build_num": number, "lifecycle": "finished", "status": "retried",
        "outcome": "infrastructure_fail", "retries": retries, "infrastructure_fail": true,
        "build_parameters": {"CIRCLE_JOB": "deploy"}, "vcs_revision": "a".repeat(40),
        "usage_queued_at": "2026-01-02T03:04:05.678Z",
    })
}

fn retry(number: u64, status: &str, lifecycle: &str) -> Value {
    let outcome = (lifecycle == "finished").then_some(status);
    json!({
        "build_num": number, "lifecycle": lifecycle, "status": status, "outcome": outcome,
        "why": "auto-retry", "retry_of": number - 1, "build_parameters": null,
        "vcs_revision": "a".repeat(40), "usage_queued_at": "2026-01-02T03:05:05.678Z",
    })
}

/// The workflow that a poll of build 226 shows, and the builds that were read.
async fn poll_chain(builds: &[Value]) -> (CiWorkflow, Vec<String>) {
    let answers = builds.iter().map(|build| ok_response(&build.to_string()));
    let raw = RawServer::new(answers.collect()).await;
    let poll = client(&raw.url).poll(&slug(), &build_run(226), false).await;
    let mut workflows = poll.unwrap().workflows;
    assert_eq!(workflows.len(), 1);
    let number = |request: &String| {
        let path = request.split(' ').nth(1).unwrap();
        path.rsplit('/').next().unwrap().to_owned()
    };
    (
        workflows.remove(0),
        raw.requests().iter().map(number).collect(),
    )
}

#[tokio::test]
async fn a_build_is_followed_into_its_retry() {
    use WorkflowStatus::{Canceled, Failed, Queued, Running, Success};
    for (status, lifecycle, expected) in [
        ("queued", "queued", Queued),
        ("running", "running", Running),
        ("success", "finished", Success),
        ("fixed", "finished", Success),
        ("failed", "finished", Failed),
        ("canceled", "finished", Canceled),
    ] {
        let chain = [retried(226, &json!([227])), retry(227, status, lifecycle)];
        let (seen, read) = poll_chain(&chain).await;
        assert_eq!(read, ["226", "227"]);
        assert_eq!((seen.status, &*seen.id), (expected, "227"));
        // The retry does not show its parameters, but it runs the same job.
        assert_eq!(seen.name, "deploy");
        assert_eq!(seen.max_auto_reruns, None);
    }
}

#[tokio::test]
async fn a_retry_may_be_retried() {
    let chain = [
        retried(226, &json!([227])),
        retried(227, &json!([228])),
        retry(228, "success", "finished"),
    ];
    let (seen, read) = poll_chain(&chain).await;
    assert_eq!(read, ["226", "227", "228"]);
    assert_eq!((seen.status, &*seen.id), (WorkflowStatus::Success, "228"));
}

#[tokio::test]
async fn a_chain_without_end_is_left() {
    let chain: Vec<_> = (226..300).map(|n| retried(n, &json!([n + 1]))).collect();
    let (seen, read) = poll_chain(&chain).await;
    assert_eq!(read.len(), 11);
    assert_eq!(seen.id, "236");
    assert_eq!(seen.max_auto_reruns, Some(1));
    // Nor is a circle followed.
    for retries in [json!([226]), json!([1, 225])] {
        let (seen, read) = poll_chain(&[retried(226, &retries)]).await;
        assert_eq!((read.len(), &*seen.id), (1, "226"));
    }
}

#[tokio::test]
async fn a_retry_that_is_not_listed_yet_is_waited_for() {
    for retries in [Value::Null, json!([]), json!("x"), json!([null])] {
        let (seen, read) = poll_chain(&[retried(226, &retries)]).await;
        assert_eq!(read, ["226"]);
        // As a workflow whose automatic rerun is still to come.
        assert_eq!(seen.status, WorkflowStatus::Failed, "{retries}");
        assert_eq!(
            (seen.auto_rerun_number, seen.max_auto_reruns),
            (None, Some(1))
        );
    }
}

#[tokio::test]
async fn a_retry_that_somebody_asked_for_is_not_followed() {
    for status in ["success", "failed", "canceled"] {
        let mut build = retry(226, status, "finished");
        build["retries"] = json!([227]);
        let (seen, read) = poll_chain(&[build]).await;
        assert_eq!(read, ["226"]);
        assert_eq!((&*seen.id, seen.max_auto_reruns), ("226", None));
    }
}

#[tokio::test]
async fn a_retry_that_cannot_be_read_shows_nothing() {
    let first = ok_response(&retried(226, &json!([227])).to_string());
    let gone = raw_response("404 Not Found", &[], r#"{"message":"Build not found"}"#);
    let raw = RawServer::new(vec![first, gone]).await;
    let poll = client(&raw.url).poll(&slug(), &build_run(226), false).await;
    assert_eq!(poll.unwrap_err().message, "HTTP 404: Build not found");
}

#[tokio::test]
async fn a_cancel_reaches_the_retry() {
    let chain = [
        retried(226, &json!([227])),
        retry(227, "running", "running"),
        json!({}),
    ];
    let answers = chain.map(|build| ok_response(&build.to_string()));
    let raw = RawServer::new(answers.to_vec()).await;
    let client = client(&raw.url);
    let run = build_run(226);
    let poll = client.poll(&slug(), &run, false).await.unwrap();
    let workflow = &poll.workflows[0].id;
    assert_eq!(client.cancel(&slug(), &run, workflow).await, Ok(()));
    let start = "POST /api/v1.1/project/github/acme/web/227/cancel HTTP/1.1";
    assert!(raw.requests()[2].starts_with(start));
    let error = client.cancel(&slug(), &run, "").await.unwrap_err();
    assert_eq!(error.message, "CircleCI's list shows no id of the workflow");
    assert_eq!(raw.requests().len(), 3);
}

#[tokio::test]
async fn what_circleci_does_not_build_never_runs() {
    for (lifecycle, status, why) in [
        ("not_run", "not_run", "no-followers"),
        ("not_run", "not_run", "prs-only"),
        ("scheduled", "not_run", "1.0-not-available"),
    ] {
        let mut build = retry(226, status, lifecycle);
        build["dont_build"] = json!(why);
        let (seen, _) = poll_chain(&[build]).await;
        assert_eq!(seen.status, WorkflowStatus::NotRun, "{why}");
    }
}

#[tokio::test]
async fn a_build_has_no_jobs_of_its_own() {
    let raw = RawServer::new(vec![ok_response("{}")]).await;
    let jobs = client(&raw.url).list_jobs(&build_run(226), "226").await;
    assert_eq!(jobs, Ok(vec![]));
    assert_eq!(raw.requests(), [""; 0]);
}
