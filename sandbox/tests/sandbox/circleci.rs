//! API v2, and each fault.

use std::error::Error as _;
use std::io::ErrorKind;
use std::time::Duration;

use chatops_sandbox::circleci::CiCall;
use chatops_sandbox::http::{HttpError, HttpReply};
use chatops_sandbox::{HttpFault, JournalEvent, Sandbox};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{self, JSON, endless_script, events, reject_429, send, web_project};

const PIPELINES: &str = "/project/gh/acme/web/pipeline";

async fn start() -> Sandbox {
    support::start(vec![web_project()]).await
}

/// A sandbox whose next call of this kind has this fault.
async fn start_with(call: CiCall, fault: HttpFault) -> Sandbox {
    let sandbox = start().await;
    sandbox.circleci().fail_next(call, fault);
    sandbox
}

fn url(sandbox: &Sandbox, path: &str) -> String {
    format!("{}/api/v2{path}", sandbox.circleci_url())
}

async fn call(
    sandbox: &Sandbox,
    method: &str,
    path: &str,
    body: &str,
) -> Result<HttpReply, HttpError> {
    let headers = [("circle-token", "token"), ("content-type", JSON)];
    send(method, &url(sandbox, path), &headers, body).await
}

async fn get(sandbox: &Sandbox, path: &str) -> Value {
    let reply = call(sandbox, "GET", path, "").await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json().unwrap()
}

async fn trigger(sandbox: &Sandbox) -> Result<HttpReply, HttpError> {
    let body = json!({"branch": "feature/x", "parameters": {"job": "deploy"}});
    call(sandbox, "POST", PIPELINES, &body.to_string()).await
}

fn pipeline_count(sandbox: &Sandbox) -> usize {
    sandbox.circleci().lock().all_pipelines().len()
}

#[tokio::test]
async fn a_pipeline_can_be_started_found_followed_and_canceled() {
    let sandbox = start().await;
    let script = endless_script();
    sandbox.circleci().lock().script_job("deploy", script);
    let reply = trigger(&sandbox).await.unwrap();
    assert_eq!(reply.status, 201);
    assert!(reply.headers.contains_key("date"));
    let created = reply.json().unwrap();
    assert_eq!(created["state"], "pending");
    let id = created["id"].as_str().unwrap();

    let list = get(&sandbox, &format!("{PIPELINES}?branch=feature%2Fx")).await;
    assert_eq!(list["items"][0]["id"], id);
    assert_eq!(list["next_page_token"], Value::Null);
    let values = get(&sandbox, &format!("/pipeline/{id}/values")).await;
    assert_eq!(values["pipeline.parameters.job"], "deploy");
    let pipeline = get(&sandbox, &format!("/pipeline/{id}")).await;
    assert_eq!(pipeline["number"], 1);
    let workflows = format!("/pipeline/{id}/workflow");
    let workflow = get(&sandbox, &workflows).await["items"][0].clone();
    assert_eq!(workflow["status"], "running");

    let cancel = format!("/workflow/{}/cancel", workflow["id"].as_str().unwrap());
    let reply = call(&sandbox, "POST", &cancel, "").await.unwrap();
    assert_eq!(reply.status, 202);
    assert_eq!(reply.json().unwrap(), json!({"message": "Accepted."}));
    let workflow = get(&sandbox, &workflows).await["items"][0].clone();
    assert_eq!(workflow["status"], "canceled");
    assert_eq!(get(&sandbox, "/me").await["login"], "deployer");

    let entries = sandbox.journal().entries();
    assert_eq!(entries.iter().filter(|entry| entry.is_get()).count(), 6);
    assert_eq!(entries.len(), 8);
}

#[tokio::test]
async fn a_tags_pipeline_is_on_no_branch() {
    let sandbox = start().await;
    for tag in ["v1.2.3", "v2"] {
        let body = json!({"tag": tag, "parameters": {"job": "deploy"}});
        let reply = call(&sandbox, "POST", PIPELINES, &body.to_string()).await;
        let status = if tag == "v2" { 400 } else { 201 };
        assert_eq!(reply.unwrap().status, status);
    }
    let both = json!({"tag": "v1.2.3", "branch": "main"}).to_string();
    assert_eq!(
        call(&sandbox, "POST", PIPELINES, &both)
            .await
            .unwrap()
            .status,
        400
    );
    trigger(&sandbox).await.unwrap();

    let all = get(&sandbox, PIPELINES).await;
    let vcs = |n: usize| all["items"][n]["vcs"].clone();
    assert_eq!(
        (&vcs(0)["branch"], vcs(0).get("tag")),
        (&json!("feature/x"), None)
    );
    assert_eq!(
        (&vcs(1)["tag"], vcs(1).get("branch")),
        (&json!("v1.2.3"), None)
    );
    for branch in ["main", "v1.2.3", ""] {
        let list = get(&sandbox, &format!("{PIPELINES}?branch={branch}")).await;
        assert_eq!(list["items"], json!([]));
    }
    let id = all["items"][1]["id"].as_str().unwrap();
    let values = get(&sandbox, &format!("/pipeline/{id}/values")).await;
    assert_eq!(
        (&values["pipeline.git.tag"], &values["pipeline.git.branch"]),
        (&json!("v1.2.3"), &json!(""))
    );
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_json_builds_the_default_branch() {
    let sandbox = start().await;
    let body = json!({"branch": "feature/x", "parameters": {"job": "x"}}).to_string();
    let url = url(&sandbox, PIPELINES);
    let reply = send("POST", &url, &[("circle-token", "token")], &body).await;
    assert_eq!(reply.unwrap().status, 201);
    let model = sandbox.circleci().lock();
    let pipeline = &model.all_pipelines()[0];
    assert_eq!(pipeline.branch, "main");
    assert!(pipeline.parameters.is_empty());
}

#[tokio::test]
async fn a_rejection_has_a_message() {
    let sandbox = start().await;
    let missing = call(&sandbox, "POST", PIPELINES, r#"{"branch":"gone"}"#).await;
    let anonymous = send("GET", &url(&sandbox, "/me"), &[], "").await;
    let unknown = call(&sandbox, "GET", "/pipeline/x", "").await;
    for (reply, status, message) in [
        (missing, 400, "Branch not found"),
        (anonymous, 401, "You must log in first."),
        (unknown, 404, "Pipeline not found"),
    ] {
        let reply = reply.unwrap();
        assert_eq!(reply.status, status);
        assert_eq!(reply.json().unwrap(), json!({"message": message}));
    }
    let no_route = call(&sandbox, "GET", "/nowhere", "").await.unwrap();
    assert_eq!(no_route.status, 404);
    assert!(no_route.json().is_err());
}

#[tokio::test]
async fn a_rejected_trigger_creates_no_pipeline() {
    let sandbox = start_with(CiCall::Trigger, reject_429(7, "Rate limit exceeded")).await;
    let reply = trigger(&sandbox).await.unwrap();
    assert_eq!(reply.status, 429);
    assert_eq!(reply.headers["retry-after"], "7");
    assert_eq!(pipeline_count(&sandbox), 0);
    assert_eq!(trigger(&sandbox).await.unwrap().status, 201);
}

#[tokio::test]
async fn a_throttle_asks_for_any_wait() {
    let at = chrono::DateTime::from_timestamp(784_111_777, 0).unwrap();
    for (fault, retry_after) in [
        (HttpFault::throttle_for(1_764_284_400), "1764284400"),
        (
            HttpFault::throttle_until(at),
            "Sun, 06 Nov 1994 08:49:37 GMT",
        ),
        (
            HttpFault::Throttle {
                retry_after: "soon".to_owned(),
            },
            "soon",
        ),
    ] {
        let sandbox = start_with(CiCall::Trigger, fault).await;
        let reply = trigger(&sandbox).await.unwrap();
        assert_eq!(reply.status, 429);
        assert_eq!(reply.headers["retry-after"], retry_after);
        assert_eq!(pipeline_count(&sandbox), 0);
    }
}

#[tokio::test]
async fn a_fault_breaks_the_connection_before_or_after_the_effect() {
    let duration = Duration::from_millis(20);
    for (fault, pipelines) in [
        (HttpFault::AnswerLost, 1),
        (HttpFault::HalfBody, 1),
        (HttpFault::Hang { duration }, 0),
    ] {
        let sandbox = start_with(CiCall::Trigger, fault).await;
        assert!(matches!(trigger(&sandbox).await, Err(HttpError::Broken(_))));
        assert_eq!(pipeline_count(&sandbox), pipelines);
        assert!(matches!(
            events(&sandbox)[0],
            JournalEvent::CircleCiCall { status: None, .. }
        ));
    }
}

#[tokio::test]
async fn a_fault_replaces_the_response_after_the_effect() {
    for (fault, status) in [
        (HttpFault::ErrorAfter { status: 502 }, 502),
        (HttpFault::Garbage, 201),
    ] {
        let is_garbage = fault == HttpFault::Garbage;
        let sandbox = start_with(CiCall::Trigger, fault).await;
        let reply = trigger(&sandbox).await.unwrap();
        assert_eq!(reply.status, status);
        assert_eq!(reply.json().is_err(), is_garbage);
        assert_eq!(pipeline_count(&sandbox), 1);
    }
}

#[tokio::test]
async fn half_a_body_starts_like_a_complete_one() {
    let sandbox = start_with(CiCall::Me, HttpFault::HalfBody).await;
    let address = sandbox.circleci_url().trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = "GET /api/v2/me HTTP/1.1\r\nhost: x\r\ncircle-token: token\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let (_, length) = head.split_once("content-length: ").unwrap();
    let length: usize = length.lines().next().unwrap().parse().unwrap();
    assert_eq!(body.len(), length / 2);
    assert!(body.starts_with('{'));
}

#[tokio::test]
async fn faults_are_taken_in_order_by_their_own_call() {
    let sandbox = start_with(CiCall::List, HttpFault::AnswerLost).await;
    let circleci = sandbox.circleci();
    circleci.fail_next(CiCall::List, HttpFault::ErrorAfter { status: 500 });
    assert_eq!(trigger(&sandbox).await.unwrap().status, 201);
    let list = || call(&sandbox, "GET", PIPELINES, "");
    assert!(list().await.is_err());
    assert_eq!(list().await.unwrap().status, 500);
    assert_eq!(list().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_dropped_sandbox_stops_serving() {
    let sandbox = start().await;
    let url = url(&sandbox, "/me");
    drop(sandbox);
    // The tasks end once the runtime has seen that they are aborted.
    tokio::task::yield_now().await;
    assert!(send("GET", &url, &[], "").await.is_err());
}

#[tokio::test]
async fn circleci_goes_offline_and_comes_back_at_the_same_address() {
    let sandbox = start().await;
    trigger(&sandbox).await.unwrap();
    for round in 0..3 {
        sandbox.take_circleci_offline().await.unwrap();
        sandbox.take_circleci_offline().await.unwrap();
        for _ in 0..3 {
            let refused = trigger(&sandbox).await.unwrap_err();
            let mut causes = std::iter::successors(refused.source(), |&cause| cause.source());
            let cause = causes.find_map(|cause| cause.downcast_ref::<std::io::Error>());
            assert_eq!(cause.unwrap().kind(), ErrorKind::ConnectionRefused);
        }
        assert_eq!(pipeline_count(&sandbox), round + 1);
        sandbox.bring_circleci_online().await.unwrap();
        sandbox.bring_circleci_online().await.unwrap();
        assert_eq!(trigger(&sandbox).await.unwrap().status, 201);
    }
    let events = events(&sandbox);
    let count = |what: &JournalEvent| events.iter().filter(|event| *event == what).count();
    assert_eq!(count(&JournalEvent::CircleCiDown), 3);
    assert_eq!(count(&JournalEvent::CircleCiUp), 3);
}
