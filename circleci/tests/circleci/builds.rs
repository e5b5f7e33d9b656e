//! API v1.1: one job as a build of its own.

use chatops_core::config::TriggerCall;
use chatops_core::name::GitRef;
use chatops_core::ports::{CiClient, PipelineState, TriggerOutcome, WorkflowStatus};
use chatops_sandbox::HttpFault;
use chatops_sandbox::circleci::{CiCall, RunScript};
use serde_json::{Value, json};

use crate::ends::{poll_run, start_run};
use crate::faults::{assert_failed, read_faults};
use crate::poll::{HOUR, MINUTE, details, statuses};
use crate::raw_server::{RawServer, assert_unknown, created_response, ok_response};
use crate::support::{
    DEPLOY, TOKEN, ago, assert_created, build_run, calls, client, client_for, client_of, fail_next,
    job_request, not_now, rejected, rejection, sandbox, sandbox_client, sandbox_with, script_next,
    slug, start_build, unauthorized,
};

const BUILDS: &str = "/api/v1.1/project/github/acme/web";

#[tokio::test]
async fn the_request_is_what_the_api_describes_and_hides_the_token() {
    let body = r#"{"build_num":3926}"#;
    let raw = RawServer::new(vec![created_response(body)]).await;
    let outcome = client(&raw.url).trigger(&job_request()).await;
    let TriggerOutcome::Created(run) = outcome else {
        panic!("{outcome:?}")
    };
    let url = format!("{}/gh/acme/web/3926", raw.url);
    assert_eq!(
        (run.kind, run.id),
        (build_run(3_926).kind, build_run(3_926).id)
    );
    assert_eq!((run.number, run.url.as_str()), (3_926, url.as_str()));
    let [request] = &raw.requests()[..] else {
        panic!("not one request")
    };
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let start = format!("POST {BUILDS}/tree/feature%2Fx HTTP/1.1\r\n");
    assert!(head.starts_with(&start), "{head}");
    let head = head.to_ascii_lowercase();
    assert!(head.contains(&format!("\r\ncircle-token: {TOKEN}")));
    assert!(head.contains("\r\ncontent-type: application/json"));
    assert_eq!(request.matches(TOKEN).count(), 1);
    let parameters = json!({"CIRCLE_JOB": "deploy", "CHATOPS_DEPLOY_ID": DEPLOY});
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body, json!({"build_parameters": parameters}));
}

#[tokio::test]
async fn a_branch_of_any_name_is_built() {
    let sandbox = sandbox_with(|project| project.any_ref = true).await;
    let client = client_of(&sandbox);
    let names = ["main", "feature/x", "a/b/c", "a.b", "v1.1_x-y", "tree", "7"];
    for name in names {
        let mut request = job_request();
        request.git_ref = GitRef::parse(name).unwrap();
        let outcome = client.trigger(&request).await;
        assert_created(&outcome);
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
        script_next(&sandbox, RunScript::ending(MINUTE, word));
        let run = build_run(start_build(&sandbox, ago(120), "feature/x", DEPLOY));
        let seen = poll_run(&sandbox, &run).await;
        assert_eq!(statuses(&seen), [("deploy", end)], "{word}");
        assert!(seen.workflows[0].status.is_final());
    }
}

#[tokio::test]
async fn fixed_alone_is_a_success() {
    for outcome in [json!("fixed"), Value::Null] {
        let build_json = json!({
            "build_num": 3926, "lifecycle": "finished", "status": "fixed", "outcome": outcome,
        });
        let raw = RawServer::new(vec![ok_response(&build_json.to_string())]).await;
        let seen = client(&raw.url)
            .poll(&slug(), &build_run(3_926), true)
            .await;
        assert_eq!(
            statuses(&seen.unwrap()),
            [("build", WorkflowStatus::Success)]
        );
    }
}

#[tokio::test]
async fn a_build_is_followed_through_its_states() {
    use WorkflowStatus::{Queued, Running};
    for (script, age, expected) in [
        (RunScript::success(HOUR), 10, Some(Queued)),
        (RunScript::success(HOUR), 1_800, Some(Running)),
        (RunScript::queued(HOUR, 2 * HOUR), 1_800, Some(Queued)),
        (RunScript::endless(), 86_400, Some(Running)),
        // A condition left it out; the client does not know whether it may still begin.
        (RunScript::no_workflow(), 60, None),
    ] {
        let sandbox = sandbox().await;
        script_next(&sandbox, script.clone());
        let run = build_run(start_build(&sandbox, ago(age), "feature/x", DEPLOY));
        let seen = poll_run(&sandbox, &run).await;
        let found = seen.workflows.first().map(|workflow| workflow.status);
        assert_eq!(found, expected, "{script:?}");
        assert_eq!(details(&seen).state, PipelineState::Created);
        // The first line of the message, as the stand-in commits.
        let subject = details(&seen).subject.as_deref();
        assert!(
            subject.is_some_and(|subject| subject.contains(' ')),
            "{subject:?}"
        );
        let paths = calls(&sandbox);
        let expected = format!("{BUILDS}/{}", run.number);
        assert_eq!(paths, [("GET".to_owned(), expected, Some(200))]);
    }
}

#[tokio::test]
async fn a_build_that_is_skipped_did_not_run() {
    let skip = |project: &mut chatops_sandbox::circleci::FakeProject| {
        project.ci_skip_branches = vec!["feature/x".to_owned()];
    };
    let sandbox = sandbox_with(skip).await;
    let run = start_run(&sandbox, &TriggerCall::Job).await;
    let seen = poll_run(&sandbox, &run).await;
    assert_eq!(statuses(&seen), [("deploy", WorkflowStatus::NotRun)]);
}

#[tokio::test]
async fn githubs_message_inside_circlecis_is_shown_alone() {
    let (sandbox, client) = sandbox_client().await;
    let mut wrong = job_request();
    wrong.git_ref = GitRef::parse("gone").unwrap();
    let outcome = client.trigger(&wrong).await;
    assert_eq!(outcome, rejected(404, "Branch not found"));
    let mut wrong = job_request();
    wrong.slug.repo = "gone".to_owned();
    let outcome = client.trigger(&wrong).await;
    assert_eq!(outcome, rejected(404, "Project not found"));
    let nested = HttpFault::Reject {
        status: 404,
        retry_after_s: None,
        message: r#"{"message":"Not Found","documentation_url":"https://docs.github.com"}"#
            .to_owned(),
    };
    for call in [CiCall::StartBuild, CiCall::Build] {
        fail_next(&sandbox, call, nested.clone());
    }
    let outcome = client.trigger(&job_request()).await;
    assert_eq!(outcome, rejected(404, "Not Found"));
    let error = client
        .poll(&slug(), &build_run(3_926), true)
        .await
        .unwrap_err();
    assert_eq!(error.message, "HTTP 404: Not Found");
}

#[tokio::test]
async fn an_answer_means_the_same_as_on_api_v2() {
    let outcome_of = async |fault: HttpFault, left_behind: usize| {
        let sandbox = sandbox().await;
        fail_next(&sandbox, CiCall::StartBuild, fault.clone());
        let circleci = client_for(&sandbox, &fault);
        let outcome = circleci.trigger(&job_request()).await;
        assert_eq!(calls(&sandbox).len(), 1, "the POST is sent once");
        assert_eq!(sandbox.circleci().lock().builds().count(), left_behind);
        outcome
    };
    for status in [400, 403, 404, 422] {
        let outcome = outcome_of(rejection(status, None), 0).await;
        assert_eq!(outcome, rejected(status, "No, sorry"));
    }
    let outcome = outcome_of(rejection(401, None), 0).await;
    assert_eq!(outcome, unauthorized("No, sorry"));
    let outcome = outcome_of(rejection(429, Some(7)), 0).await;
    assert_eq!(outcome, not_now("HTTP 429: No, sorry", Some(7)));
    for status in [408, 500, 503] {
        assert_unknown(&outcome_of(rejection(status, None), 0).await);
        assert_unknown(&outcome_of(HttpFault::ErrorAfter { status }, 1).await);
    }
    for fault in [
        HttpFault::AnswerLost,
        HttpFault::HalfBody,
        HttpFault::Garbage,
    ] {
        assert_unknown(&outcome_of(fault, 1).await);
    }
    assert_unknown(&outcome_of(HttpFault::Hang { duration: HOUR }, 0).await);
}

#[tokio::test]
async fn a_poll_and_a_cancel_that_meet_a_fault_fail() {
    let sandbox = sandbox().await;
    script_next(&sandbox, RunScript::endless());
    let run = build_run(start_build(&sandbox, ago(60), "feature/x", DEPLOY));
    for (fault, after, unauthorized) in read_faults() {
        let failing = client_for(&sandbox, &fault);
        fail_next(&sandbox, CiCall::Build, fault);
        assert_failed(failing.poll(&slug(), &run, true).await, after, unauthorized);
    }
    for (fault, after, unauthorized) in read_faults() {
        // Only the status counts; the body is not read.
        let is_accepted = fault == HttpFault::Garbage || fault == HttpFault::HalfBody;
        let failing = client_for(&sandbox, &fault);
        fail_next(&sandbox, CiCall::CancelBuild, fault);
        let outcome = failing.cancel(&slug(), &run, "3926").await;
        if is_accepted {
            assert_eq!(outcome, Ok(()));
        } else {
            assert_failed(outcome, after, unauthorized);
        }
    }
}

#[tokio::test]
async fn a_build_is_canceled_by_its_number() {
    let (sandbox, client) = sandbox_client().await;
    script_next(&sandbox, RunScript::endless());
    let run = build_run(start_build(&sandbox, ago(60), "feature/x", DEPLOY));
    assert_eq!(client.cancel(&slug(), &run, "3926").await, Ok(()));
    let path = format!("{BUILDS}/3926/cancel");
    assert_eq!(calls(&sandbox), [("POST".to_owned(), path, Some(200))]);
    let seen = poll_run(&sandbox, &run).await;
    assert_eq!(statuses(&seen), [("deploy", WorkflowStatus::Canceled)]);
    let outcome = client.cancel(&slug(), &build_run(1), "1").await;
    let error = outcome.unwrap_err();
    assert_eq!(error.message, "HTTP 404: Build not found");
}
