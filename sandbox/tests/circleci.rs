//! CircleCI over real connections: the calls, and each fault.

#![expect(
    clippy::unwrap_used,
    reason = "the exemption for tests does not reach their helper functions"
)]

use std::time::Duration;

use axum::http::Request;
use chatops_sandbox::circleci::{Call, Project, Script};
use chatops_sandbox::http::{self, Error, Reply};
use chatops_sandbox::{Fault, Sandbox, Seen, Settings};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(10);
const PIPELINES: &str = "/project/gh/acme/web/pipeline";

async fn start() -> Sandbox {
    let project = Project {
        branches: vec!["main".to_owned(), "feature/x".to_owned()],
        parameters: vec!["job".to_owned()],
        ..Project::new("gh/acme/web", "token")
    };
    let settings = Settings::new("signing secret", vec![project]);
    Sandbox::start(settings).await.unwrap()
}

async fn call(sandbox: &Sandbox, method: &str, path: &str, body: &str) -> Result<Reply, Error> {
    let request = Request::builder()
        .method(method)
        .uri(format!("{}/api/v2{path}", sandbox.circleci_url()))
        .header("Circle-Token", "token")
        .header("Content-Type", "application/json")
        .body(body.to_owned())
        .unwrap();
    http::send(request, LIMIT).await
}

async fn get(sandbox: &Sandbox, path: &str) -> Value {
    let reply = call(sandbox, "GET", path, "").await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json().unwrap()
}

async fn trigger(sandbox: &Sandbox) -> Result<Reply, Error> {
    let body = json!({"branch": "feature/x", "parameters": {"job": "deploy"}});
    call(sandbox, "POST", PIPELINES, &body.to_string()).await
}

fn created(sandbox: &Sandbox) -> usize {
    sandbox.circleci().lock().ledger().len()
}

#[tokio::test]
async fn a_pipeline_can_be_started_found_followed_and_cancelled() {
    let sandbox = start().await;
    sandbox.circleci().lock().script("deploy", {
        let mut script = Script::endless();
        script.workflows[0].starts_after = Duration::ZERO;
        script
    });
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
    assert_eq!(entries.iter().filter(|entry| entry.is_poll()).count(), 6);
    assert_eq!(entries.len(), 8);
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_json_builds_the_default_branch() {
    let sandbox = start().await;
    let request = Request::post(format!("{}/api/v2{PIPELINES}", sandbox.circleci_url()))
        .header("Circle-Token", "token")
        .body(json!({"branch": "feature/x", "parameters": {"job": "x"}}).to_string())
        .unwrap();
    assert_eq!(http::send(request, LIMIT).await.unwrap().status, 201);
    let model = sandbox.circleci().lock();
    let pipeline = &model.ledger()[0];
    assert_eq!(pipeline.branch, "main");
    assert!(pipeline.parameters.is_empty());
}

#[tokio::test]
async fn refusals_arrive_as_messages() {
    let sandbox = start().await;
    let missing = call(&sandbox, "POST", PIPELINES, r#"{"branch":"gone"}"#).await;
    let missing = missing.unwrap();
    assert_eq!(missing.status, 400);
    assert_eq!(
        missing.json().unwrap(),
        json!({"message": "Branch not found"})
    );
    let request = Request::get(format!("{}/api/v2/me", sandbox.circleci_url()));
    let request = request.body(String::new()).unwrap();
    let anonymous = http::send(request, LIMIT).await.unwrap();
    assert_eq!(anonymous.status, 401);
    assert_eq!(
        anonymous.json().unwrap(),
        json!({"message": "You must log in first."})
    );
    let nowhere = call(&sandbox, "GET", "/nowhere", "").await.unwrap();
    assert_eq!(nowhere.status, 404);
    assert!(nowhere.json().is_err());
    let nothing = call(&sandbox, "GET", "/pipeline/x", "").await.unwrap();
    assert_eq!(
        nothing.json().unwrap(),
        json!({"message": "Pipeline not found"})
    );
}

#[tokio::test]
async fn a_refusal_has_no_effect() {
    let sandbox = start().await;
    sandbox.circleci().fail_next(
        Call::Trigger,
        Fault::Refuse {
            status: 429,
            retry_after_s: Some(7),
            message: "Rate limit exceeded".to_owned(),
        },
    );
    let reply = trigger(&sandbox).await.unwrap();
    assert_eq!(reply.status, 429);
    assert_eq!(reply.headers["retry-after"], "7");
    assert_eq!(created(&sandbox), 0);
    assert_eq!(trigger(&sandbox).await.unwrap().status, 201);
}

#[tokio::test]
async fn a_lost_answer_leaves_the_pipeline_behind() {
    let sandbox = start().await;
    sandbox
        .circleci()
        .fail_next(Call::Trigger, Fault::AnswerLost);
    assert!(matches!(trigger(&sandbox).await, Err(Error::Broken(_))));
    assert_eq!(created(&sandbox), 1);
    let entries = sandbox.journal().entries();
    assert!(matches!(
        &entries[0].what,
        Seen::CircleCall { status: None, .. }
    ));
}

#[tokio::test]
async fn an_error_can_come_after_the_effect() {
    let sandbox = start().await;
    sandbox
        .circleci()
        .fail_next(Call::Trigger, Fault::ErrorAfter { status: 502 });
    assert_eq!(trigger(&sandbox).await.unwrap().status, 502);
    assert_eq!(created(&sandbox), 1);
}

#[tokio::test]
async fn half_a_body_is_no_answer() {
    let sandbox = start().await;
    sandbox.circleci().fail_next(Call::Trigger, Fault::HalfBody);
    assert!(matches!(trigger(&sandbox).await, Err(Error::Broken(_))));
    assert_eq!(created(&sandbox), 1);
}

#[tokio::test]
async fn half_a_body_starts_like_a_whole_one() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let sandbox = start().await;
    sandbox.circleci().fail_next(Call::Me, Fault::HalfBody);
    let address = sandbox.circleci_url().trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = "GET /api/v2/me HTTP/1.1\r\nhost: x\r\ncircle-token: token\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.unwrap().parse().unwrap();
    assert_eq!(body.len(), length / 2);
    assert!(body.starts_with('{'));
}

#[tokio::test]
async fn a_hang_ends_without_effect_or_answer() {
    let sandbox = start().await;
    sandbox.circleci().fail_next(
        Call::Trigger,
        Fault::Hang {
            for_: Duration::from_millis(20),
        },
    );
    assert!(matches!(trigger(&sandbox).await, Err(Error::Broken(_))));
    assert_eq!(created(&sandbox), 0);
}

#[tokio::test]
async fn garbage_is_a_success_that_says_nothing() {
    let sandbox = start().await;
    sandbox.circleci().fail_next(Call::Trigger, Fault::Garbage);
    let reply = trigger(&sandbox).await.unwrap();
    assert_eq!(reply.status, 201);
    assert!(reply.json().is_err());
    assert_eq!(created(&sandbox), 1);
}

#[tokio::test]
async fn faults_wait_in_line_for_their_own_call() {
    let sandbox = start().await;
    sandbox.circleci().fail_next(Call::List, Fault::AnswerLost);
    sandbox
        .circleci()
        .fail_next(Call::List, Fault::ErrorAfter { status: 500 });
    assert_eq!(trigger(&sandbox).await.unwrap().status, 201);
    assert!(call(&sandbox, "GET", PIPELINES, "").await.is_err());
    let second = call(&sandbox, "GET", PIPELINES, "").await.unwrap();
    assert_eq!(second.status, 500);
    let third = call(&sandbox, "GET", PIPELINES, "").await.unwrap();
    assert_eq!(third.status, 200);
}

#[tokio::test]
async fn a_dropped_sandbox_stops_serving() {
    let sandbox = start().await;
    let url = format!("{}/api/v2/me", sandbox.circleci_url());
    drop(sandbox);
    // The tasks end once the runtime has seen that they are aborted.
    tokio::task::yield_now().await;
    let request = Request::get(url).body(String::new()).unwrap();
    assert!(http::send(request, LIMIT).await.is_err());
}

#[tokio::test]
async fn circleci_can_be_taken_away_and_comes_back_at_the_same_address() {
    let sandbox = start().await;
    trigger(&sandbox).await.unwrap();
    for round in 0..3 {
        sandbox.take_circleci_away().await.unwrap();
        sandbox.take_circleci_away().await.unwrap();
        for _ in 0..3 {
            let refused = trigger(&sandbox).await.unwrap_err();
            let Error::Broken(why) = &refused else {
                panic!("{refused}");
            };
            assert_eq!(why.kind(), std::io::ErrorKind::ConnectionRefused);
        }
        assert_eq!(created(&sandbox), round + 1);
        sandbox.bring_circleci_back().await.unwrap();
        sandbox.bring_circleci_back().await.unwrap();
        assert_eq!(trigger(&sandbox).await.unwrap().status, 201);
    }
    let entries = sandbox.journal().entries();
    let count = |what: &Seen| entries.iter().filter(|entry| entry.what == *what).count();
    assert_eq!(count(&Seen::CircleGone), 3);
    assert_eq!(count(&Seen::CircleBack), 3);
}
