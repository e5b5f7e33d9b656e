//! API v1.1, `pipeline/run`, projects and pipeline definitions.

use chatops_sandbox::Sandbox;
use chatops_sandbox::circleci::FakeProject;
use chatops_sandbox::http::HttpReply;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{self, JSON, endless_script, web_project};

const BUILDS: &str = "/api/v1.1/project/github/acme/web";
const RUN: &str = "/api/v2/project/gh/acme/web/pipeline/run";

async fn start(change: impl FnOnce(&mut FakeProject)) -> Sandbox {
    let mut project = web_project();
    project.first_build = 3_926;
    change(&mut project);
    support::start(vec![project]).await
}

async fn send(sandbox: &Sandbox, method: &str, path: &str, kind: &str, body: &str) -> HttpReply {
    let url = format!("{}{path}", sandbox.circleci_url());
    let headers = [("circle-token", "token"), ("content-type", kind)];
    support::send(method, &url, &headers, body).await.unwrap()
}

async fn post(sandbox: &Sandbox, path: &str, body: &Value) -> HttpReply {
    send(sandbox, "POST", path, JSON, &body.to_string()).await
}

async fn get(sandbox: &Sandbox, path: &str) -> Value {
    let reply = send(sandbox, "GET", path, JSON, "").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.headers.contains_key("date"));
    reply.json().unwrap()
}

fn status_and_message(reply: &HttpReply) -> (u16, String) {
    let body = reply.json().unwrap();
    let message = body["message"].as_str().unwrap().to_owned();
    (reply.status.as_u16(), message)
}

#[tokio::test]
async fn a_build_can_be_started_listed_followed_and_canceled() {
    let sandbox = start(|_| ()).await;
    sandbox.circleci().lock().script_next(endless_script());
    let parameters = json!({"CIRCLE_JOB": "deploy", "ID": "1"});
    let path = format!("{BUILDS}/tree/feature%2Fx");
    let reply = post(&sandbox, &path, &json!({"build_parameters": parameters})).await;
    assert_eq!(reply.status, 201);
    assert_eq!(reply.headers["location"], format!("{BUILDS}/3926"));
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
    assert_eq!(running["lifecycle"], "running");
    assert_eq!(running["status"], "running");
    let mut listed = running.clone();
    for name in ["circle_yml", "steps"] {
        // Only the answer for one build has these.
        assert!(listed.as_object_mut().unwrap().remove(name).is_some());
    }
    assert_eq!(get(&sandbox, &path).await, json!([listed]));

    let cancel = format!("{BUILDS}/3926/cancel");
    let reply = post(&sandbox, &cancel, &json!({})).await;
    assert_eq!(reply.status, 200);
    let canceled = reply.json().unwrap();
    assert_eq!(canceled["lifecycle"], "finished");
    assert_eq!(canceled["outcome"], "canceled");
}

#[tokio::test]
async fn the_body_of_a_build_may_be_a_form_or_empty() {
    let sandbox = start(|_| ()).await;
    let path = format!("{BUILDS}/tree/main");
    let form = "application/x-www-form-urlencoded";
    let body = "build_parameters%5BCIRCLE_JOB%5D=deploy&build_parameters[A]=b+c&x=y";
    let reply = send(&sandbox, "POST", &path, form, body).await;
    let expected = json!({"CIRCLE_JOB": "deploy", "A": "b c"});
    assert_eq!(reply.json().unwrap()["build_parameters"], expected);
    let build = post(&sandbox, &path, &json!({})).await.json().unwrap();
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
        let number = |build: &Value| {
            assert_eq!(build.get("build_parameters"), None);
            build["build_num"].as_u64().unwrap()
        };
        list.as_array().unwrap().iter().map(number).collect()
    };
    let down = |from: u64, to: u64| (to..=from).rev().collect::<Vec<_>>();
    assert_eq!(numbers("").await, down(3_995, 3_966));
    assert_eq!(numbers("?limit=2&offset=34").await, [3_961, 3_960]);
    assert_eq!(numbers("/tree/main?limit=500").await, down(3_960, 3_926));
    assert_eq!(numbers("/tree/main?offset=34").await, [3_926]);
    assert_eq!(numbers("/tree/main?offset=35").await, [] as [u64; 0]);
    let build = get(&sandbox, &format!("{BUILDS}/3926")).await;
    assert_eq!(build["build_parameters"]["CIRCLE_JOB"], "build");
}

#[tokio::test]
async fn builds_are_rejected_as_circleci_rejects_them() {
    let sandbox = start(|_| ()).await;
    let gone = post(&sandbox, &format!("{BUILDS}/tree/gone"), &json!({})).await;
    let (status, message) = status_and_message(&gone);
    assert_eq!(status, 404);
    // CircleCI's message is GitHub's response.
    let nested: Value = serde_json::from_str(&message).unwrap();
    assert_eq!(nested["message"], "Branch not found");
    let not_found = |what: &str| (404, format!("{what} not found"));
    let elsewhere = "/api/v1.1/project/github/acme/gone/tree/main";
    let elsewhere = post(&sandbox, elsewhere, &json!({})).await;
    assert_eq!(status_and_message(&elsewhere), not_found("Project"));
    for number in ["1", "3926", "x"] {
        let path = format!("{BUILDS}/{number}");
        let reply = send(&sandbox, "GET", &path, JSON, "").await;
        assert_eq!(status_and_message(&reply), not_found("Build"));
    }
}

#[tokio::test]
async fn a_run_is_created_or_skipped_with_a_reason() {
    let sandbox = start(|project| project.ci_skip_branches = vec!["feature/x".to_owned()]).await;
    let run = |branch: &str| {
        let reference = json!({"branch": branch});
        let body =
            json!({"config": reference, "checkout": reference, "parameters": {"job": "deploy"}});
        let sandbox = &sandbox;
        async move { post(sandbox, RUN, &body).await }
    };
    let reply = run("main").await;
    assert_eq!(reply.status, 201);
    let created = reply.json().unwrap();
    assert_eq!(created["number"], 1);
    assert_eq!(created["state"], "pending");
    let ci_skip = "Ignoring pipeline due to CI skip in the commit";
    let skipped = |message: &str| (200, message.to_owned());
    assert_eq!(
        status_and_message(&run("feature/x").await),
        skipped(ci_skip)
    );
    sandbox.circleci().lock().skip_next_run("Not today");
    assert_eq!(status_and_message(&run("main").await), skipped("Not today"));
    assert_eq!(sandbox.circleci().lock().all_pipelines().len(), 1);
}

#[tokio::test]
async fn a_run_rejects_an_unknown_key() {
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
    // A slug in one segment is another route.
    let encoded = "/api/v2/project/gh%2Facme%2Fweb/pipeline/run";
    assert_eq!(post(&sandbox, encoded, &json!({})).await.status, 404);
}

#[tokio::test]
async fn a_project_and_its_definitions_can_be_read() {
    let other = Uuid::from_u128(7);
    let sandbox = start(|project| project.definitions = vec![other]).await;
    let project = get(&sandbox, "/api/v2/project/gh/acme/web").await;
    assert_eq!(project["slug"], "gh/acme/web");
    assert_eq!(project["vcs_info"]["default_branch"], "main");
    let id = project["id"].as_str().unwrap();
    let path = format!("/api/v2/projects/{id}/pipeline-definitions");
    let definitions = get(&sandbox, &path).await;
    let items = definitions["items"].as_array().unwrap().iter();
    let ids: Vec<_> = items.map(|item| item["id"].clone()).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[1], json!(other));
    for (definition, status) in [(&ids[0], 201), (&json!(Uuid::from_u128(8)), 404)] {
        let body = json!({"definition_id": definition});
        assert_eq!(post(&sandbox, RUN, &body).await.status, status);
    }
    let unknown = "/api/v2/project/gh/acme/x";
    let reply = send(&sandbox, "GET", unknown, JSON, "").await;
    assert_eq!(reply.status, 404);
}
