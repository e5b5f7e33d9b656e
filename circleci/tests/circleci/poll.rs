//! What a poll shows of a pipeline.

use std::time::Duration;

use chatops_core::id::PipelineId;
use chatops_core::ports::{
    CiClient, CiWorkflow, PipelineDetails, PipelineState, PollResult, WorkflowStatus,
};
use chatops_sandbox::circleci::{RunScript, WorkflowScript};
use serde_json::json;
use uuid::Uuid;

use crate::raw_server::{RawServer, ok_response};
use crate::support::{
    ago, calls, client, client_of, missing_pipeline, pipeline_run, sandbox, sandbox_client, slug,
    start_scripted,
};

pub(crate) async fn poll_script(script: RunScript, age: i64) -> PollResult {
    let sandbox = sandbox().await;
    let id = start_scripted(&sandbox, script, age);
    let poll = poll_pipeline(&client_of(&sandbox), id).await;
    let paths: Vec<_> = calls(&sandbox).into_iter().map(|call| call.1).collect();
    let path = format!("/pipeline/{id}");
    assert_eq!(paths, [path.clone(), path + "/workflow"]);
    poll
}

pub(crate) async fn poll_pipeline(client: &impl CiClient, id: PipelineId) -> PollResult {
    let poll = client.poll(&slug(), &pipeline_run(id), true).await;
    poll.unwrap()
}

/// The pipeline itself, which a poll with details shows.
pub(crate) fn details(poll: &PollResult) -> &PipelineDetails {
    poll.pipeline.as_ref().unwrap()
}

/// The same in the order of the names.
fn sorted_statuses(poll: &PollResult) -> Vec<(&str, WorkflowStatus)> {
    let mut all = statuses(poll);
    all.sort_by_key(|(name, _)| *name);
    all
}

pub(crate) fn statuses(poll: &PollResult) -> Vec<(&str, WorkflowStatus)> {
    let workflows = poll.workflows.iter();
    workflows.map(|w| (w.name.as_str(), w.status)).collect()
}

pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn a_poll_shows_the_state_and_the_workflows() {
    use PipelineState::{Created, Errored, Pending, Setup, SetupPending};
    use WorkflowStatus::{Failed, OnHold, Queued, Running, Success};
    let deploy = |status| vec![("deploy", status)];
    let setup = |status| vec![("setup", status)];
    let success = || RunScript::success(HOUR);
    let with_setup = || RunScript::setup_then_success(HOUR);
    let two = RunScript::two_workflows((MINUTE, "success"), (HOUR, "failed"));
    let cases = [
        (success(), 0, Pending, vec![]),
        (success(), 1_800, Created, deploy(Running)),
        (RunScript::success(MINUTE), 120, Created, deploy(Success)),
        (RunScript::failure(MINUTE), 120, Created, deploy(Failed)),
        (RunScript::endless(), 86_400, Created, deploy(Running)),
        (RunScript::no_workflow(), 120, Created, vec![]),
        (
            RunScript::on_hold_then(HOUR, "success"),
            2_700,
            Created,
            deploy(OnHold),
        ),
        (
            RunScript::queued(HOUR, 2 * HOUR),
            1_800,
            Created,
            deploy(Queued),
        ),
        (with_setup(), 0, SetupPending, vec![]),
        (with_setup(), 600, Setup, setup(Running)),
        (with_setup(), 1_200, Pending, setup(Success)),
        (
            with_setup(),
            2_400,
            Created,
            [deploy(Running), setup(Success)].concat(),
        ),
        (
            two,
            1_800,
            Created,
            vec![("build", Success), ("deploy", Running)],
        ),
        (RunScript::config_error("No such job"), 120, Errored, vec![]),
    ];
    for (script, age, state, workflows) in cases {
        let poll = poll_script(script.clone(), age).await;
        let found = sorted_statuses(&poll);
        assert_eq!(found, workflows, "{script:?} after {age}");
        let PipelineDetails {
            state: seen,
            errors: found,
            revision,
            subject,
            author,
        } = details(&poll).clone();
        assert_eq!(seen, state, "{script:?} after {age}");
        // CircleCI names no author of a pipeline that OAuth's projects have.
        assert!(subject.is_some() && author.is_none());
        let revision = revision.unwrap();
        assert!(revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit()));
        let errors = usize::from(state == Errored);
        let found: Vec<_> = found.iter().map(|error| &*error.message).collect();
        assert_eq!(found, ["No such job"][..errors]);
    }
}

#[tokio::test]
async fn each_status_is_read_and_an_unknown_one_is_not_final() {
    use WorkflowStatus as W;
    for (word, status, is_final) in [
        ("success", W::Success, true),
        ("failed", W::Failed, true),
        ("error", W::Error, true),
        ("canceled", W::Canceled, true),
        ("unauthorized", W::Unauthorized, true),
        ("not_run", W::NotRun, true),
        ("running", W::Running, false),
        ("failing", W::Failing, false),
        ("on_hold", W::OnHold, false),
        ("queued", W::Queued, false),
        ("blocked", W::Unknown, false),
        ("cancelled", W::Unknown, false),
        ("SUCCESS", W::Unknown, false),
        ("", W::Unknown, false),
    ] {
        let poll = poll_script(RunScript::ending(MINUTE, word), 120).await;
        assert_eq!(statuses(&poll), [("deploy", status)], "{word}");
        assert_eq!(poll.workflows[0].status.is_final(), is_final, "{word}");
    }
}

#[tokio::test]
async fn each_run_shows_which_automatic_rerun_it_is() {
    let rerun = RunScript::auto_rerun(HOUR);
    let mut poll = poll_script(rerun, 7_200).await;
    poll.workflows.sort_by_key(|workflow| workflow.created_at);
    let seen: Vec<_> = poll
        .workflows
        .iter()
        .map(|run| (run.status, run.auto_rerun_number))
        .collect();
    let expected = [
        (WorkflowStatus::Failed, None),
        (WorkflowStatus::Success, Some(1)),
    ];
    assert_eq!(seen, expected);
    let allowed = |run: &CiWorkflow| run.max_auto_reruns.is_some_and(|most| most >= 1);
    assert!(poll.workflows.iter().all(allowed));

    let mut last = RunScript::failure(MINUTE);
    last.workflows = vec![last.workflows.remove(0).auto_rerun(2, 2)];
    let seen = poll_script(last, 120).await.workflows.remove(0);
    assert_eq!(
        (seen.auto_rerun_number, seen.max_auto_reruns),
        (Some(2), Some(2))
    );
}

#[tokio::test]
async fn a_rerun_by_hand_is_a_later_workflow_of_the_same_name() {
    let (sandbox, client) = sandbox_client().await;
    let id = start_scripted(&sandbox, RunScript::failure(MINUTE), 120);
    let first = poll_pipeline(&client, id).await.workflows.remove(0);
    let again = WorkflowScript::new("deploy", Duration::ZERO, &[(Duration::ZERO, "running")]);
    let workflow = first.id.parse().unwrap();
    let second = sandbox
        .circleci()
        .lock()
        .rerun_workflow(ago(10), workflow, again);
    let mut poll = poll_pipeline(&client, id).await;
    poll.workflows.sort_by_key(|workflow| workflow.created_at);
    let ids: Vec<_> = poll.workflows.iter().map(|w| w.id.clone()).collect();
    assert_eq!(ids, [first.id, second.unwrap().to_string()]);
    assert!(poll.workflows[0].created_at < poll.workflows[1].created_at);
}

#[tokio::test]
async fn without_details_only_the_workflows_are_read() {
    let (sandbox, client) = sandbox_client().await;
    let id = start_scripted(&sandbox, RunScript::success(MINUTE), 120);
    let poll = client.poll(&slug(), &pipeline_run(id), false).await;
    let poll = poll.unwrap();
    assert_eq!(poll.pipeline, None);
    assert_eq!(statuses(&poll), [("deploy", WorkflowStatus::Success)]);
    let paths: Vec<_> = calls(&sandbox).into_iter().map(|call| call.1).collect();
    assert_eq!(paths, [format!("/pipeline/{id}/workflow")]);
}

#[tokio::test]
async fn a_pipeline_that_is_not_there_is_an_error() {
    let sandbox = sandbox().await;
    let client = client_of(&sandbox);
    let error = client.poll(&slug(), &missing_pipeline(), true).await;
    assert_eq!(error.unwrap_err().message, "HTTP 404: Pipeline not found");
}

fn workflows_page(name: &str, next: Option<&str>) -> String {
    let workflow = json!({
        "id": name, "name": name, "status": "success", "created_at": "2026-01-02T03:04:05Z",
    });
    ok_response(&json!({"items": [workflow], "next_page_token": next}).to_string())
}

#[tokio::test]
async fn a_pipeline_may_say_less_or_something_new() {
    for (state, known) in [
        ("created", PipelineState::Created),
        ("brand-new", PipelineState::Unknown),
    ] {
        let answer = ok_response(&json!({"state": state, "surprise": [1]}).to_string());
        let raw = RawServer::new(vec![answer, workflows_page("deploy", None)]).await;
        let poll = poll_pipeline(&client(&raw.url), PipelineId(Uuid::nil())).await;
        let expected = PipelineDetails {
            state: known,
            errors: vec![],
            revision: None,
            subject: None,
            author: None,
        };
        assert_eq!(details(&poll), &expected);
        assert_eq!(poll.workflows.len(), 1);
    }
}

#[tokio::test]
async fn the_commit_is_named_where_circleci_shows_it() {
    let long = "x".repeat(500);
    let cut = format!("{}…", "x".repeat(200));
    for (pipeline, subject, author) in [
        (
            json!({"vcs": {"revision": "abc", "commit": {"subject": "Fix the cart\n\nand more", "body": ""}}}),
            Some("Fix the cart"),
            None,
        ),
        (
            json!({"vcs": {"revision": "abc", "commit": null}}),
            None,
            None,
        ),
        (
            json!({"vcs": {"revision": "abc", "commit": {"subject": 7}}}),
            None,
            None,
        ),
        // Of a GitHub App; the API's own runs name nobody.
        (
            json!({"trigger_parameters": {
                "git": {"checkout_sha": "abc", "commit_message": "Fix it\nnow", "commit_author_name": ""},
                "github_app": {"commit_title": "Fix it", "commit_author_name": "Bo"},
            }}),
            Some("Fix it"),
            Some("Bo"),
        ),
        (
            json!({"trigger_parameters": {
                "git": {"checkout_sha": "abc", "commit_message": "\n Fix it\nnow", "commit_author_name": " Bo "},
            }}),
            Some("Fix it"),
            Some("Bo"),
        ),
        (
            json!({"vcs": {"revision": "abc", "commit": {"subject": long}}}),
            Some(&*cut),
            None,
        ),
    ] {
        let mut answer = json!({"state": "created"});
        answer
            .as_object_mut()
            .unwrap()
            .extend(pipeline.as_object().unwrap().clone());
        let answer = ok_response(&answer.to_string());
        let raw = RawServer::new(vec![answer, workflows_page("deploy", None)]).await;
        let poll = poll_pipeline(&client(&raw.url), PipelineId(Uuid::nil())).await;
        let seen = details(&poll);
        assert_eq!(seen.revision.as_deref(), Some("abc"));
        assert_eq!(seen.subject.as_deref(), subject);
        assert_eq!(seen.author.as_deref(), author);
    }
}

#[tokio::test]
async fn workflows_are_read_page_by_page() {
    let details = ok_response(r#"{"state":"created"}"#);
    let first = workflows_page("build", Some("a b&c"));
    let raw = RawServer::new(vec![details, first, workflows_page("deploy", None)]).await;
    let poll = poll_pipeline(&client(&raw.url), PipelineId(Uuid::nil())).await;
    assert_eq!(statuses(&poll).len(), 2);
    let requests = raw.requests();
    let path = format!("GET /api/v2/pipeline/{}/workflow", Uuid::nil());
    for (request, query) in requests[1..].iter().zip(["", "?page-token=a+b%26c"]) {
        let start = format!("{path}{query} HTTP/1.1");
        assert!(request.starts_with(&start), "{requests:?}");
    }
}

#[tokio::test]
async fn workflows_without_end_show_nothing() {
    let details = ok_response(r#"{"state":"created"}"#);
    let raw = RawServer::new(vec![details, workflows_page("deploy", Some("more"))]).await;
    let client = client(&raw.url);
    let outcome = client.poll(&slug(), &missing_pipeline(), true).await;
    let message = "the pipeline has more than 10 pages of workflows";
    assert_eq!(outcome.unwrap_err().message, message);
    assert_eq!(raw.requests().len(), 11);
}
