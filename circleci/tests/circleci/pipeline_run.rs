//! `pipeline/run`: its request, and its 200 that starts nothing.

use chatops_core::config::{ProjectSlug, TriggerCall};
use chatops_core::name::{BranchName, GitRef};
use chatops_core::ports::{CiClient, TriggerOutcome};
use chatops_sandbox::HttpFault;
use chatops_sandbox::circleci::{CiCall, FakeProject, ParameterType};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::ends::start_run;
use crate::raw_server::{RawServer, assert_unknown, created_response, pipeline_json};
use crate::support::{
    DEPLOY, FakeToken, TOKEN, ago, assert_created, calls, client, client_of, client_with,
    created_count, fail_next, rejected, rejection, sandbox, sandbox_client, sandbox_with,
    trigger_request_by, unauthorized,
};

const RUN: TriggerCall = TriggerCall::PipelineRun { definition: None };

/// As the sandbox records it.
const PATH: &str = "/project/gh/acme/web/pipeline/run";

#[tokio::test]
async fn the_request_is_what_the_api_describes() {
    for definition in [None, Some(Uuid::from_u128(7))] {
        let call = TriggerCall::PipelineRun { definition };
        let raw = RawServer::new(vec![created_response(&pipeline_json(7))]).await;
        let outcome = client(&raw.url).trigger(&trigger_request_by(&call)).await;
        assert_created(&outcome);
        let [request] = &raw.requests()[..] else {
            panic!("not one request")
        };
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let start = format!("POST /api/v2{PATH} HTTP/1.1\r\n");
        assert!(head.starts_with(&start), "{head}");
        let head = head.to_ascii_lowercase();
        assert!(head.contains("content-type: application/json"));
        assert_eq!(request.matches(TOKEN).count(), 1);
        let mut expected = json!({
            "config": {"branch": "feature/x"},
            "checkout": {"branch": "feature/x"},
            "parameters": {"job": "deploy", "deploy_id": DEPLOY},
        });
        if let Some(definition) = definition {
            expected["definition_id"] = json!(definition);
        }
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body, expected);
    }
}

#[tokio::test]
async fn the_configuration_may_be_that_of_another_branch() {
    let raw = RawServer::new(vec![created_response(&pipeline_json(7))]).await;
    let mut request = trigger_request_by(&RUN);
    request.config_branch = Some(BranchName::parse("main").unwrap());
    assert_created(&client(&raw.url).trigger(&request).await);
    let requests = raw.requests();
    let (_, body) = requests[0].split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["config"], json!({"branch": "main"}));
    assert_eq!(body["checkout"], json!({"branch": "feature/x"}));
}

#[tokio::test]
async fn a_tag_is_sent_as_one_by_both_calls() {
    let tag = json!({"tag": "v1.2+x"});
    let main = json!({"branch": "main"});
    for (call, config_branch, expected) in [
        (&TriggerCall::Pipeline, None, tag.clone()),
        (&RUN, None, json!({"config": tag, "checkout": tag})),
        (&RUN, Some("main"), json!({"config": main, "checkout": tag})),
    ] {
        let mut request = trigger_request_by(call);
        request.git_ref = GitRef::parse("tag:v1.2+x").unwrap();
        request.config_branch = config_branch.map(|name| BranchName::parse(name).unwrap());
        let raw = RawServer::new(vec![created_response(&pipeline_json(7))]).await;
        assert_created(&client(&raw.url).trigger(&request).await);
        let requests = raw.requests();
        let (_, body) = requests[0].split_once("\r\n\r\n").unwrap();
        let mut body: Value = serde_json::from_str(body).unwrap();
        let parameters = body.as_object_mut().unwrap().remove("parameters").unwrap();
        assert_eq!(parameters, json!({"job": "deploy", "deploy_id": DEPLOY}));
        assert_eq!(body, expected);

        let sandbox = sandbox_with(|_| ()).await;
        assert_created(&client_of(&sandbox).trigger(&request).await);
        let pipelines = sandbox.circleci().lock().all_pipelines().to_vec();
        assert_eq!((&*pipelines[0].tag, &*pipelines[0].branch), ("v1.2+x", ""));
    }
}

#[tokio::test]
async fn parameters_keep_their_types() {
    let types = [
        ("dry_run", ParameterType::Boolean),
        ("size", ParameterType::Integer),
    ];
    for call in [&TriggerCall::Pipeline, &RUN] {
        let sandbox = sandbox_with(|project| {
            let names = types.map(|(name, _)| name.to_owned());
            project.parameters.extend(names);
            project.typed = types.map(|(name, kind)| (name.to_owned(), kind)).into();
        })
        .await;
        for (dry_run, size, fits) in [
            (json!(true), json!(2), true),
            (json!("true"), json!(2), false),
            (json!(true), json!("2"), false),
        ] {
            let mut request = trigger_request_by(call);
            request.parameters.insert("dry_run".to_owned(), dry_run);
            request.parameters.insert("size".to_owned(), size);
            assert_created(&client_of(&sandbox).trigger(&request).await);
            let model = sandbox.circleci().lock();
            let made = model.all_pipelines().last().unwrap();
            assert_eq!(made.parameters, request.parameters);
            let errors = model.get_pipeline(ago(-60), made.id).unwrap().errors;
            assert_eq!(errors.unwrap_or_default().is_empty(), fits, "{request:?}");
        }
    }
}

#[tokio::test]
async fn the_definition_decides_what_is_run() {
    let other = Uuid::from_u128(7);
    let sandbox = sandbox_with(|project| project.definitions = vec![other]).await;
    start_run(&sandbox, &RUN).await;
    let definition = Some(other);
    start_run(&sandbox, &TriggerCall::PipelineRun { definition }).await;
    let default = FakeProject::new("gh/acme/web", TOKEN).default_definition();
    let pipelines = sandbox.circleci().lock().all_pipelines().to_vec();
    let used: Vec<_> = pipelines.iter().map(|made| made.definition).collect();
    assert_eq!(used, [Some(default), definition]);
    let definition = Some(Uuid::from_u128(8));
    let request = trigger_request_by(&TriggerCall::PipelineRun { definition });
    let outcome = client_of(&sandbox).trigger(&request).await;
    assert_eq!(
        outcome,
        rejected(404, "Pipeline definition does not exist.")
    );
}

#[tokio::test]
async fn a_project_of_a_github_app_is_run_and_not_triggered() {
    let sandbox = sandbox_with(|project| "circleci/org/app".clone_into(&mut project.slug)).await;
    let client = client_of(&sandbox);
    for (call, works) in [
        (TriggerCall::Pipeline, false),
        (TriggerCall::Job, false),
        (RUN, true),
    ] {
        let [vcs, org, repo] = ["circleci", "org", "app"].map(str::to_owned);
        let mut request = trigger_request_by(&call);
        request.slug = ProjectSlug { vcs, org, repo };
        let outcome = client.trigger(&request).await;
        let is_created = matches!(outcome, TriggerOutcome::Created(_));
        assert_eq!(is_created, works, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_success_that_started_nothing_is_a_definite_no() {
    let (sandbox, client) = sandbox_client().await;
    let message = "No trigger for this branch";
    sandbox.circleci().lock().skip_next_run(message);
    let outcome = client.trigger(&trigger_request_by(&RUN)).await;
    assert_eq!(outcome, rejected(200, message));
    assert_eq!(created_count(&sandbox), 0);
    let post = ("POST".to_owned(), PATH.to_owned(), Some(200));
    assert_eq!(calls(&sandbox), [post]);

    let skip = |project: &mut FakeProject| project.ci_skip_branches = vec!["feature/x".to_owned()];
    let sandbox = sandbox_with(skip).await;
    let outcome = client_of(&sandbox).trigger(&trigger_request_by(&RUN)).await;
    let why = "Ignoring pipeline due to CI skip in the commit";
    assert_eq!(outcome, rejected(200, why));
}

#[tokio::test]
async fn its_errors_are_understood() {
    let (sandbox, client) = sandbox_client().await;
    let mut wrong = trigger_request_by(&RUN);
    wrong.slug.repo = "gone".to_owned();
    let outcome = client.trigger(&wrong).await;
    assert_eq!(outcome, rejected(404, "Project does not exist."));
    let mut wrong = trigger_request_by(&RUN);
    wrong.git_ref = GitRef::parse("gone").unwrap();
    let outcome = client.trigger(&wrong).await;
    assert_eq!(outcome, rejected(400, "Branch not found"));
    let mut wrong = trigger_request_by(&RUN);
    wrong.parameters.insert("job".to_owned(), json!(["a list"]));
    let outcome = client.trigger(&wrong).await;
    assert_eq!(outcome, rejected(400, "Unexpected request body provided."));
    let stale = client_with(sandbox.circleci_url(), "", FakeToken(Ok("an-older-token")));
    let outcome = stale.trigger(&trigger_request_by(&RUN)).await;
    assert_eq!(outcome, unauthorized("Invalid token provided."));
    assert_eq!(created_count(&sandbox), 0);
}

#[tokio::test]
async fn an_answer_that_is_lost_or_broken_leaves_the_outcome_unknown() {
    for (fault, left_behind) in [
        (HttpFault::AnswerLost, 1),
        (HttpFault::HalfBody, 1),
        (HttpFault::Garbage, 1),
        (HttpFault::ErrorAfter { status: 502 }, 1),
        (rejection(503, Some(5)), 0),
        (rejection(408, None), 0),
    ] {
        let sandbox = sandbox().await;
        fail_next(&sandbox, CiCall::Run, fault);
        let circleci = client_of(&sandbox);
        assert_unknown(&circleci.trigger(&trigger_request_by(&RUN)).await);
        assert_eq!(created_count(&sandbox), left_behind);
        assert_eq!(calls(&sandbox).len(), 1);
    }
}
