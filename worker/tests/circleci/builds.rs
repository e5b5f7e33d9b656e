//! API v1.1: one job as a build of its own.

use std::time::Duration;

use chatops_core::config::TriggerCall;
use chatops_core::name::BranchName;
use chatops_core::ports::{Ci, Outcome, PipelineState, WorkflowStatus};
use chatops_sandbox::Fault;
use chatops_sandbox::circleci::{Call, Script};
use serde_json::{Value, json};

use crate::ends::{look, start};
use crate::faults::{failed, failures};
use crate::look::{HOUR, MINUTE, statuses};
use crate::raw::{Raw, answer, is_unknown};
use crate::support::{
    DEPLOY, TOKEN, ago, build, built, calls, client, client_for, order_by, refuse, sandbox,
    sandbox_with, slug,
};

const BUILDS: &str = "/api/v1.1/project/github/acme/web";

#[tokio::test]
async fn the_request_is_what_the_api_describes_and_hides_the_token() {
    let body = r#"{"build_num":3926}"#;
    let raw = Raw::new(vec![answer("201 Created", &[], body)]).await;
    let outcome = client(&raw.url).trigger(&order_by(&TriggerCall::Job)).await;
    let Outcome::Created(run) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        run,
        chatops_core::deploy::Pipeline {
            url: format!("{}/gh/acme/web/3926", raw.url).parse().unwrap(),
            ..build(3_926)
        }
    );
    let [request] = &raw.requests()[..] else {
        panic!("not one request")
    };
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with(&format!("POST {BUILDS}/tree/feature%2Fx HTTP/1.1\r\n")),
        "{head}"
    );
    let head = head.to_ascii_lowercase();
    assert!(head.contains(&format!("\r\ncircle-token: {TOKEN}")));
    assert!(head.contains("\r\ncontent-type: application/json"));
    assert_eq!(request.matches(TOKEN).count(), 1);
    let parameters = json!({"CIRCLE_JOB": "deploy", "CHATOPS_DEPLOY_ID": DEPLOY});
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body, json!({"build_parameters": parameters}));
}

#[tokio::test]
async fn each_branch_is_built_whatever_its_name() {
    let sandbox = sandbox_with(|project| project.any_branch = true).await;
    let client = client(sandbox.circleci_url());
    let names = ["main", "feature/x", "a/b/c", "a.b", "v1.1_x-y", "tree", "7"];
    for name in names {
        let mut order = order_by(&TriggerCall::Job);
        order.branch = BranchName::parse(name).unwrap();
        let outcome = client.trigger(&order).await;
        assert!(
            matches!(outcome, Outcome::Created(_)),
            "{name}: {outcome:?}"
        );
    }
    let model = sandbox.circleci().lock();
    let built: Vec<_> = model.builds().map(|build| build.branch.as_str()).collect();
    assert_eq!(built, names);
}

#[tokio::test]
async fn every_end_of_a_build_has_its_meaning() {
    use WorkflowStatus::{Canceled, Failed, NotRun, Success};
    for (word, end) in [
        ("success", Success),
        ("fixed", Success),
        ("failed", Failed),
        ("timedout", Failed),
        ("infrastructure_fail", Failed),
        ("no_tests", Failed),
        ("canceled", Canceled),
        ("not_run", NotRun),
    ] {
        let sandbox = sandbox().await;
        sandbox
            .circleci()
            .lock()
            .script_next(Script::ending(MINUTE, word));
        let run = build(built(&sandbox, ago(120), "feature/x", DEPLOY));
        let seen = look(&sandbox, &run).await;
        assert_eq!(statuses(&seen), [("deploy", end)], "{word}");
        assert!(seen.workflows[0].status.is_final());
    }
}

#[tokio::test]
async fn fixed_is_a_success_where_nothing_else_says_so() {
    for outcome in [json!("fixed"), Value::Null] {
        let build_json = json!({
            "build_num": 3926, "lifecycle": "finished", "status": "fixed", "outcome": outcome,
        });
        let raw = Raw::new(vec![answer("200 OK", &[], &build_json.to_string())]).await;
        let seen = client(&raw.url).look(&slug(), &build(3_926)).await.unwrap();
        assert_eq!(statuses(&seen), [("build", WorkflowStatus::Success)]);
    }
}

#[tokio::test]
async fn a_build_is_followed_through_its_stages() {
    use WorkflowStatus::{Queued, Running};
    for (script, age, expected) in [
        (Script::success(HOUR), 10, Some(Queued)),
        (Script::success(HOUR), 1_800, Some(Running)),
        (Script::queued(HOUR, 2 * HOUR), 1_800, Some(Queued)),
        (Script::endless(), 86_400, Some(Running)),
        // A condition left it out; whether it may still begin is not for the client to say.
        (Script::no_workflow(), 60, None),
    ] {
        let sandbox = sandbox().await;
        sandbox.circleci().lock().script_next(script.clone());
        let run = build(built(&sandbox, ago(age), "feature/x", DEPLOY));
        let seen = look(&sandbox, &run).await;
        let found = seen.workflows.first().map(|workflow| workflow.status);
        assert_eq!(found, expected, "{script:?}");
        assert_eq!(seen.state, PipelineState::Created);
        let paths = calls(&sandbox);
        let expected = format!("{BUILDS}/{}", run.number);
        assert_eq!(paths, [("GET".to_owned(), expected, Some(200))]);
    }
}

#[tokio::test]
async fn a_build_that_is_skipped_did_not_run() {
    let skip = |project: &mut chatops_sandbox::circleci::Project| {
        project.ci_skip = vec!["feature/x".to_owned()];
    };
    let sandbox = sandbox_with(skip).await;
    let run = start(&sandbox, &TriggerCall::Job).await;
    let seen = look(&sandbox, &run).await;
    assert_eq!(statuses(&seen), [("deploy", WorkflowStatus::NotRun)]);
}

#[tokio::test]
async fn githubs_words_inside_circlecis_are_shown_alone() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let mut wrong = order_by(&TriggerCall::Job);
    wrong.branch = BranchName::parse("gone").unwrap();
    let refused = |message: &str| Outcome::Refused {
        status: 404,
        message: message.to_owned(),
    };
    assert_eq!(client.trigger(&wrong).await, refused("Branch not found"));
    let mut wrong = order_by(&TriggerCall::Job);
    wrong.slug.repo = "gone".to_owned();
    assert_eq!(client.trigger(&wrong).await, refused("Project not found"));
    let nested = Fault::Refuse {
        status: 404,
        retry_after_s: None,
        message: r#"{"message":"Not Found","documentation_url":"https://docs.github.com"}"#
            .to_owned(),
    };
    for call in [Call::StartBuild, Call::Build] {
        sandbox.circleci().fail_next(call, nested.clone());
    }
    let order = order_by(&TriggerCall::Job);
    assert_eq!(client.trigger(&order).await, refused("Not Found"));
    let error = client.look(&slug(), &build(3_926)).await.unwrap_err();
    assert_eq!(error.message, "HTTP 404: Not Found");
}

#[tokio::test]
async fn what_the_post_meets_means_the_same_as_on_api_v2() {
    let meets = async |fault: Fault, left_behind: usize| {
        let sandbox = sandbox().await;
        sandbox
            .circleci()
            .fail_next(Call::StartBuild, fault.clone());
        let circleci = client_for(sandbox.circleci_url(), &fault);
        let outcome = circleci.trigger(&order_by(&TriggerCall::Job)).await;
        assert_eq!(calls(&sandbox).len(), 1, "the POST is sent once");
        assert_eq!(sandbox.circleci().lock().builds().count(), left_behind);
        outcome
    };
    for status in [400, 403, 404, 422] {
        let outcome = meets(refuse(status, None), 0).await;
        let message = "No, sorry".to_owned();
        assert_eq!(outcome, Outcome::Refused { status, message });
    }
    let outcome = meets(refuse(401, None), 0).await;
    assert!(
        matches!(outcome, Outcome::Unauthorized { .. }),
        "{outcome:?}"
    );
    let after = Some(Duration::from_secs(7));
    let obstacle = "HTTP 429: No, sorry".to_owned();
    let outcome = meets(refuse(429, Some(7)), 0).await;
    assert_eq!(outcome, Outcome::NotNow { obstacle, after });
    for status in [408, 500, 503] {
        is_unknown(&meets(refuse(status, None), 0).await);
        is_unknown(&meets(Fault::ErrorAfter { status }, 1).await);
    }
    for fault in [Fault::AnswerLost, Fault::HalfBody, Fault::Garbage] {
        is_unknown(&meets(fault, 1).await);
    }
    is_unknown(&meets(Fault::Hang { for_: HOUR }, 0).await);
}

#[tokio::test]
async fn a_look_and_a_cancel_that_meet_a_fault_say_so() {
    let sandbox = sandbox().await;
    sandbox.circleci().lock().script_next(Script::endless());
    let run = build(built(&sandbox, ago(60), "feature/x", DEPLOY));
    for (fault, after, unauthorized) in failures() {
        let failing = client_for(sandbox.circleci_url(), &fault);
        sandbox.circleci().fail_next(Call::Build, fault);
        failed(failing.look(&slug(), &run).await, after, unauthorized);
    }
    for (fault, after, unauthorized) in failures() {
        // Whatever CircleCI accepted counts; nobody reads its words.
        let is_accepted = fault == Fault::Garbage || fault == Fault::HalfBody;
        let failing = client_for(sandbox.circleci_url(), &fault);
        sandbox.circleci().fail_next(Call::CancelBuild, fault);
        let outcome = failing.cancel(&slug(), &run, "3926").await;
        if is_accepted {
            assert_eq!(outcome, Ok(()));
        } else {
            failed(outcome, after, unauthorized);
        }
    }
}

#[tokio::test]
async fn a_build_is_canceled_by_its_number() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    sandbox.circleci().lock().script_next(Script::endless());
    let run = build(built(&sandbox, ago(60), "feature/x", DEPLOY));
    assert_eq!(client.cancel(&slug(), &run, "3926").await, Ok(()));
    let cancel = (
        "POST".to_owned(),
        format!("{BUILDS}/3926/cancel"),
        Some(200),
    );
    assert_eq!(calls(&sandbox), [cancel]);
    let seen = look(&sandbox, &run).await;
    assert_eq!(statuses(&seen), [("deploy", WorkflowStatus::Canceled)]);
    let error = client.cancel(&slug(), &build(1), "1").await.unwrap_err();
    assert_eq!(error.message, "HTTP 404: Build not found");
}
