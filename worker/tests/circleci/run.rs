//! `pipeline/run`: what it is sent, and its 200 that starts nothing.

use chatops_core::config::TriggerCall;
use chatops_core::name::BranchName;
use chatops_core::ports::{Ci, Outcome};
use chatops_sandbox::Fault;
use chatops_sandbox::circleci::{Call, Project};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::ends::start;
use crate::raw::{Raw, answer, is_unknown, pipeline_json};
use crate::support::{
    DEPLOY, TOKEN, Token, calls, client, client_with, created, order_by, refuse, sandbox,
    sandbox_with,
};

const RUN: TriggerCall = TriggerCall::PipelineRun { definition: None };

/// As the sandbox records it.
const PATH: &str = "/project/gh/acme/web/pipeline/run";

fn refused(status: u16, message: &str) -> Outcome {
    Outcome::Refused {
        status,
        message: message.to_owned(),
    }
}

#[tokio::test]
async fn the_request_is_what_the_api_describes() {
    let definition = Uuid::from_u128(7);
    for (call, named) in [
        (RUN, None),
        (
            TriggerCall::PipelineRun {
                definition: Some(definition),
            },
            Some(definition),
        ),
    ] {
        let raw = Raw::new(vec![answer("201 Created", &[], &pipeline_json(7))]).await;
        let outcome = client(&raw.url).trigger(&order_by(&call)).await;
        assert!(matches!(outcome, Outcome::Created(_)), "{outcome:?}");
        let [request] = &raw.requests()[..] else {
            panic!("not one request")
        };
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("POST /api/v2/project/gh/acme/web/pipeline/run HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(
            head.to_ascii_lowercase()
                .contains("content-type: application/json")
        );
        assert_eq!(request.matches(TOKEN).count(), 1);
        let mut expected = json!({
            "config": {"branch": "feature/x"},
            "checkout": {"branch": "feature/x"},
            "parameters": {"job": "deploy", "deploy_id": DEPLOY},
        });
        if let Some(definition) = named {
            expected["definition_id"] = json!(definition);
        }
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body, expected);
    }
}

#[tokio::test]
async fn the_definition_decides_what_is_run() {
    let other = Uuid::from_u128(7);
    let sandbox = sandbox_with(|project| project.definitions = vec![other]).await;
    start(&sandbox, &RUN).await;
    let definition = Some(other);
    start(&sandbox, &TriggerCall::PipelineRun { definition }).await;
    {
        let model = sandbox.circleci().lock();
        let default = Project::new("gh/acme/web", TOKEN).default_definition();
        let used: Vec<_> = model.ledger().iter().map(|made| made.definition).collect();
        assert_eq!(used, [Some(default), definition]);
    }
    let definition = Some(Uuid::from_u128(8));
    let outcome = client(sandbox.circleci_url())
        .trigger(&order_by(&TriggerCall::PipelineRun { definition }))
        .await;
    assert_eq!(outcome, refused(404, "Pipeline definition does not exist."));
}

#[tokio::test]
async fn a_project_of_a_github_app_is_run_and_not_triggered() {
    let sandbox = sandbox_with(|project| "circleci/org/app".clone_into(&mut project.slug)).await;
    let client = client(sandbox.circleci_url());
    for (call, works) in [
        (TriggerCall::Pipeline, false),
        (TriggerCall::Job, false),
        (RUN, true),
    ] {
        let mut order = order_by(&call);
        order.slug.vcs = "circleci".to_owned();
        order.slug.org = "org".to_owned();
        order.slug.repo = "app".to_owned();
        let outcome = client.trigger(&order).await;
        assert_eq!(matches!(outcome, Outcome::Created(_)), works, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_success_that_started_nothing_is_a_definite_no() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    sandbox
        .circleci()
        .lock()
        .leave_next("No trigger for this branch");
    let outcome = client.trigger(&order_by(&RUN)).await;
    assert_eq!(outcome, refused(200, "No trigger for this branch"));
    assert_eq!(created(&sandbox), 0);
    assert_eq!(
        calls(&sandbox),
        [("POST".to_owned(), PATH.to_owned(), Some(200))]
    );

    let skip = |project: &mut Project| project.ci_skip = vec!["feature/x".to_owned()];
    let sandbox = sandbox_with(skip).await;
    let outcome = client_with(sandbox.circleci_url(), "", Token(Ok(TOKEN)))
        .trigger(&order_by(&RUN))
        .await;
    let why = "Ignoring pipeline due to CI skip in the commit";
    assert_eq!(outcome, refused(200, why));
}

#[tokio::test]
async fn its_refusals_are_understood() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let mut wrong = order_by(&RUN);
    wrong.slug.repo = "gone".to_owned();
    assert_eq!(
        client.trigger(&wrong).await,
        refused(404, "Project does not exist.")
    );
    let mut wrong = order_by(&RUN);
    wrong.branch = BranchName::parse("gone").unwrap();
    assert_eq!(
        client.trigger(&wrong).await,
        refused(400, "Branch not found")
    );
    let mut wrong = order_by(&RUN);
    wrong.parameters.insert("job".to_owned(), json!(["a list"]));
    assert_eq!(
        client.trigger(&wrong).await,
        refused(400, "Unexpected request body provided.")
    );
    let stale = client_with(sandbox.circleci_url(), "", Token(Ok("an-older-token")));
    let message = "Invalid token provided.".to_owned();
    assert_eq!(
        stale.trigger(&order_by(&RUN)).await,
        Outcome::Unauthorized { message }
    );
    assert_eq!(created(&sandbox), 0);
}

#[tokio::test]
async fn an_answer_that_is_lost_or_broken_leaves_everything_open() {
    for (fault, left_behind) in [
        (Fault::AnswerLost, 1),
        (Fault::HalfBody, 1),
        (Fault::Garbage, 1),
        (Fault::ErrorAfter { status: 502 }, 1),
        (refuse(503, Some(5)), 0),
        (refuse(408, None), 0),
    ] {
        let sandbox = sandbox().await;
        sandbox.circleci().fail_next(Call::Run, fault);
        let circleci = client(sandbox.circleci_url());
        is_unknown(&circleci.trigger(&order_by(&RUN)).await);
        assert_eq!(created(&sandbox), left_behind);
        assert_eq!(calls(&sandbox).len(), 1);
    }
}
