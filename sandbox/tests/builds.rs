//! API v1.1, `pipeline/run` and what a project says of itself, over real connections.

#![expect(
    clippy::unwrap_used,
    reason = "the exemption for tests does not reach their helper functions"
)]

use std::time::Duration;

use axum::http::Request;
use chatops_sandbox::circleci::{Project, Script};
use chatops_sandbox::http::{self, Reply};
use chatops_sandbox::{Sandbox, Settings};
use serde_json::{Value, json};
use uuid::Uuid;

const LIMIT: Duration = Duration::from_secs(10);
const BUILDS: &str = "/api/v1.1/project/github/acme/web";
const RUN: &str = "/api/v2/project/gh/acme/web/pipeline/run";

async fn start(change: impl FnOnce(&mut Project)) -> Sandbox {
    let mut project = Project {
        branches: vec!["main".to_owned(), "feature/x".to_owned()],
        parameters: vec!["job".to_owned()],
        first_build: 3_926,
        ..Project::new("gh/acme/web", "token")
    };
    change(&mut project);
    let settings = Settings::new("signing secret", vec![project]);
    Sandbox::start(settings).await.unwrap()
}

async fn send(sandbox: &Sandbox, method: &str, path: &str, kind: &str, body: &str) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", sandbox.circleci_url()))
        .header("Circle-Token", "token")
        .header("Content-Type", kind)
        .body(body.to_owned())
        .unwrap();
    http::send(request, LIMIT).await.unwrap()
}

async fn post(sandbox: &Sandbox, path: &str, body: &Value) -> Reply {
    send(sandbox, "POST", path, "application/json", &body.to_string()).await
}

async fn get(sandbox: &Sandbox, path: &str) -> Value {
    let reply = send(sandbox, "GET", path, "application/json", "").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.headers.contains_key("date"));
    reply.json().unwrap()
}

fn endless() -> Script {
    let mut script = Script::endless();
    script.workflows[0].starts_after = Duration::ZERO;
    script
}

#[tokio::test]
async fn a_build_can_be_started_listed_followed_and_canceled() {
    let sandbox = start(|_| ()).await;
    sandbox.circleci().lock().script_next(endless());
    let parameters = json!({"CIRCLE_JOB": "deploy", "ID": "1"});
    let path = format!("{BUILDS}/tree/feature%2Fx");
    let reply = post(&sandbox, &path, &json!({"build_parameters": parameters})).await;
    assert_eq!(reply.status, 201);
    assert_eq!(
        reply.headers["location"],
        "/api/v1.1/project/github/acme/web/3926"
    );
    let build = reply.json().unwrap();
    for (name, value) in [
        ("build_num", json!(3_926)),
        ("build_url", json!("https://circleci.com/gh/acme/web/3926")),
        ("branch", json!("feature/x")),
        ("username", json!("acme")),
        ("reponame", json!("web")),
        ("why", json!("api")),
        ("outcome", Value::Null),
        ("previous", Value::Null),
        ("job_name", Value::Null),
        ("build_parameters", parameters),
    ] {
        assert_eq!(build[name], value, "{name}");
    }
    let running = get(&sandbox, &format!("{BUILDS}/3926")).await;
    assert_eq!(
        (&running["lifecycle"], &running["status"]),
        (&json!("running"), &json!("running"))
    );
    let list = get(&sandbox, &path).await;
    assert_eq!(list, json!([running]));

    let cancel = format!("{BUILDS}/3926/cancel");
    let reply = post(&sandbox, &cancel, &json!({})).await;
    assert_eq!(reply.status, 200);
    let canceled = reply.json().unwrap();
    assert_eq!(canceled["lifecycle"], "finished");
    assert_eq!(canceled["outcome"], "canceled");
}

#[tokio::test]
async fn the_body_of_a_build_may_be_a_form_or_nothing() {
    let sandbox = start(|_| ()).await;
    let path = format!("{BUILDS}/tree/main");
    let form = "application/x-www-form-urlencoded";
    let body = "build_parameters%5BCIRCLE_JOB%5D=deploy&build_parameters[A]=b+c&x=y";
    let reply = send(&sandbox, "POST", &path, form, body).await;
    let expected = json!({"CIRCLE_JOB": "deploy", "A": "b c"});
    assert_eq!(reply.json().unwrap()["build_parameters"], expected);
    let reply = post(&sandbox, &path, &json!({})).await;
    let build = reply.json().unwrap();
    assert_eq!(build["build_parameters"], json!({"CIRCLE_JOB": "build"}));
    assert_eq!(build["previous"]["build_num"], 3_926);
}

#[tokio::test]
async fn builds_are_listed_newest_first_by_limit_and_offset() {
    let sandbox = start(|project| project.lists_build_parameters = false).await;
    for branch in ["main", "feature%2Fx"] {
        for _ in 0..35 {
            let path = format!("{BUILDS}/tree/{branch}");
            assert_eq!(post(&sandbox, &path, &json!({})).await.status, 201);
        }
    }
    let numbers = async |path: &str| -> Vec<u64> {
        let list = get(&sandbox, &format!("{BUILDS}{path}")).await;
        let builds = list.as_array().unwrap().iter();
        builds
            .map(|build| {
                assert_eq!(build.get("build_parameters"), None);
                build["build_num"].as_u64().unwrap()
            })
            .collect()
    };
    let down = |from: u64, to: u64| (to..=from).rev().collect::<Vec<_>>();
    assert_eq!(numbers("").await, down(3_995, 3_966));
    assert_eq!(numbers("?limit=2&offset=34").await, [3_961, 3_960]);
    assert_eq!(numbers("/tree/main?limit=500").await, down(3_960, 3_926));
    assert_eq!(numbers("/tree/main?offset=34").await, [3_926]);
    assert_eq!(numbers("/tree/main?offset=35").await, [] as [u64; 0]);
    let whole = get(&sandbox, &format!("{BUILDS}/3926")).await;
    assert_eq!(whole["build_parameters"]["CIRCLE_JOB"], "build");
}

#[tokio::test]
async fn builds_are_refused_as_circleci_refuses_them() {
    let sandbox = start(|_| ()).await;
    let message = |reply: &Reply| {
        reply.json().unwrap()["message"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let gone = post(&sandbox, &format!("{BUILDS}/tree/gone"), &json!({})).await;
    assert_eq!(gone.status, 404);
    // GitHub's own answer, as a text within CircleCI's.
    let nested: Value = serde_json::from_str(&message(&gone)).unwrap();
    assert_eq!(nested["message"], "Branch not found");
    let elsewhere = "/api/v1.1/project/github/acme/gone/tree/main";
    let elsewhere = post(&sandbox, elsewhere, &json!({})).await;
    assert_eq!(
        (elsewhere.status.as_u16(), message(&elsewhere)),
        (404, "Project not found".to_owned())
    );
    for number in ["1", "3926", "x"] {
        let path = format!("{BUILDS}/{number}");
        let reply = send(&sandbox, "GET", &path, "application/json", "").await;
        assert_eq!(
            (reply.status.as_u16(), message(&reply)),
            (404, "Build not found".to_owned())
        );
    }
}

#[tokio::test]
async fn a_run_is_created_or_left_with_a_reason() {
    let sandbox = start(|project| project.ci_skip = vec!["feature/x".to_owned()]).await;
    let body = |branch: &str| {
        let reference = json!({"branch": branch});
        json!({"config": reference, "checkout": reference, "parameters": {"job": "deploy"}})
    };
    let reply = post(&sandbox, RUN, &body("main")).await;
    assert_eq!(reply.status, 201);
    let created = reply.json().unwrap();
    assert_eq!(
        (&created["number"], &created["state"]),
        (&json!(1), &json!("pending"))
    );
    let reply = post(&sandbox, RUN, &body("feature/x")).await;
    assert_eq!(reply.status, 200);
    let why = json!({"message": "Ignoring pipeline due to CI skip in the commit"});
    assert_eq!(reply.json().unwrap(), why);
    sandbox.circleci().lock().leave_next("Not today");
    let reply = post(&sandbox, RUN, &body("main")).await;
    assert_eq!(reply.json().unwrap(), json!({"message": "Not today"}));
    assert_eq!(sandbox.circleci().lock().ledger().len(), 1);
}

#[tokio::test]
async fn a_run_takes_no_key_that_it_does_not_know() {
    let sandbox = start(|_| ()).await;
    for body in [
        json!({"branch": "main"}),
        json!({"config": {"branch": "main", "content": "x"}}),
        json!({"definition_id": "x"}),
        json!({"config": {"branch": "main", "tag": "v1"}}),
        json!([]),
    ] {
        let reply = post(&sandbox, RUN, &body).await;
        assert_eq!(reply.status, 400, "{body}");
        let why = json!({"message": "Unexpected request body provided."});
        assert_eq!(reply.json().unwrap(), why);
    }
    // One segment with slashes in it is another address.
    let encoded = "/api/v2/project/gh%2Facme%2Fweb/pipeline/run";
    assert_eq!(post(&sandbox, encoded, &json!({})).await.status, 404);
}

#[tokio::test]
async fn a_project_and_its_definitions_can_be_asked_for() {
    let other = Uuid::from_u128(7);
    let sandbox = start(|project| project.definitions = vec![other]).await;
    let project = get(&sandbox, "/api/v2/project/gh/acme/web").await;
    assert_eq!(project["slug"], "gh/acme/web");
    assert_eq!(project["vcs_info"]["default_branch"], "main");
    let id = project["id"].as_str().unwrap();
    let path = format!("/api/v2/projects/{id}/pipeline-definitions");
    let definitions = get(&sandbox, &path).await;
    let ids: Vec<_> = definitions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].clone())
        .collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[1], json!(other));
    let body = json!({"definition_id": ids[0]});
    assert_eq!(post(&sandbox, RUN, &body).await.status, 201);
    let body = json!({"definition_id": Uuid::from_u128(8)});
    assert_eq!(post(&sandbox, RUN, &body).await.status, 404);
    let nowhere = send(
        &sandbox,
        "GET",
        "/api/v2/project/gh/acme/x",
        "application/json",
        "",
    )
    .await;
    assert_eq!(nowhere.status, 404);
}
