//! Where a pipeline stands.

use std::time::Duration;

use chatops_core::id::PipelineId;
use chatops_core::ports::{Ci, Look, PipelineState, WorkflowStatus};
use chatops_sandbox::circleci::{Script, WorkflowScript};
use serde_json::json;
use uuid::Uuid;

use crate::raw::{Raw, answer};
use crate::support::{ago, calls, client, run, sandbox, scripted, slug};

pub(crate) async fn look_at(script: Script, age: i64) -> Look {
    let sandbox = sandbox().await;
    let id = scripted(&sandbox, script, age);
    let look = client(sandbox.circleci_url())
        .look(&slug(), &run(id))
        .await
        .unwrap();
    let paths: Vec<_> = calls(&sandbox)
        .into_iter()
        .map(|(_, path, _)| path)
        .collect();
    assert_eq!(
        paths,
        [
            format!("/pipeline/{id}"),
            format!("/pipeline/{id}/workflow")
        ]
    );
    look
}

pub(crate) fn statuses(look: &Look) -> Vec<(&str, WorkflowStatus)> {
    look.workflows
        .iter()
        .map(|workflow| (workflow.name.as_str(), workflow.status))
        .collect()
}

pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn a_look_shows_where_a_pipeline_stands() {
    use PipelineState::{Created, Errored, Pending, Setup, SetupPending};
    use WorkflowStatus::{Failed, OnHold, Queued, Running, Success};
    let cases = [
        (Script::success(HOUR), 0, Pending, vec![]),
        (
            Script::success(HOUR),
            1_800,
            Created,
            vec![("deploy", Running)],
        ),
        (
            Script::success(MINUTE),
            120,
            Created,
            vec![("deploy", Success)],
        ),
        (
            Script::failure(MINUTE),
            120,
            Created,
            vec![("deploy", Failed)],
        ),
        (
            Script::endless(),
            86_400,
            Created,
            vec![("deploy", Running)],
        ),
        (Script::no_workflow(), 120, Created, vec![]),
        (
            Script::on_hold_then(HOUR, "success"),
            2_700,
            Created,
            vec![("deploy", OnHold)],
        ),
        (
            Script::queued(HOUR, 2 * HOUR),
            1_800,
            Created,
            vec![("deploy", Queued)],
        ),
        (Script::setup_then_success(HOUR), 0, SetupPending, vec![]),
        (
            Script::setup_then_success(HOUR),
            600,
            Setup,
            vec![("setup", Running)],
        ),
        (
            Script::setup_then_success(HOUR),
            1_200,
            Pending,
            vec![("setup", Success)],
        ),
        (
            Script::setup_then_success(HOUR),
            2_400,
            Created,
            vec![("setup", Success), ("deploy", Running)],
        ),
        (
            Script::two_workflows((MINUTE, "success"), (HOUR, "failed")),
            1_800,
            Created,
            vec![("build", Success), ("deploy", Running)],
        ),
        (Script::config_error("No such job"), 120, Errored, vec![]),
    ];
    for (script, age, state, workflows) in cases {
        let look = look_at(script.clone(), age).await;
        assert_eq!(look.state, state, "{script:?} after {age}");
        assert_eq!(statuses(&look), workflows, "{script:?} after {age}");
        assert!(look.workflows.iter().all(|workflow| !workflow.rerun_coming));
        let revision = look.revision.unwrap();
        assert!(revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit()));
        let errors: &[&str] = if state == Errored {
            &["No such job"]
        } else {
            &[]
        };
        assert_eq!(look.errors, errors);
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
        let look = look_at(Script::ending(MINUTE, word), 120).await;
        assert_eq!(statuses(&look), [("deploy", status)], "{word}");
        assert_eq!(look.workflows[0].status.is_final(), is_final, "{word}");
    }
}

#[tokio::test]
async fn a_rerun_that_is_coming_is_known() {
    use WorkflowStatus::{Failed, Running, Success};
    let rerun = || Script::auto_rerun(HOUR);
    let coming =
        |look: &Look| -> Vec<bool> { look.workflows.iter().map(|w| w.rerun_coming).collect() };

    // The rerun is not listed yet: the failure alone says that it will be.
    let mut first = rerun();
    first.workflows.truncate(1);
    let look = look_at(first, 2_000).await;
    assert_eq!(
        (statuses(&look), coming(&look)),
        (vec![("deploy", Failed)], vec![true])
    );

    let look = look_at(rerun(), 1_200).await;
    assert_eq!(
        (statuses(&look), coming(&look)),
        (vec![("deploy", Running)], vec![false])
    );
    let look = look_at(rerun(), 7_200).await;
    assert_eq!(statuses(&look), [("deploy", Failed), ("deploy", Success)]);
    assert!(!look.workflows[1].rerun_coming);
    assert!(look.workflows[0].created_at < look.workflows[1].created_at);

    // The last rerun that is allowed is followed by none.
    let mut last = Script::failure(MINUTE);
    last.workflows = vec![last.workflows.remove(0).auto_rerun(2, 2)];
    assert_eq!(coming(&look_at(last, 120).await), [false]);
}

#[tokio::test]
async fn a_rerun_by_hand_is_a_later_workflow_of_the_same_name() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let id = scripted(&sandbox, Script::failure(MINUTE), 120);
    let first = client
        .look(&slug(), &run(id))
        .await
        .unwrap()
        .workflows
        .remove(0);
    let again = WorkflowScript::new("deploy", Duration::ZERO, &[(Duration::ZERO, "running")]);
    let second = {
        let mut model = sandbox.circleci().lock();
        model
            .rerun(ago(10), first.id.parse().unwrap(), again)
            .unwrap()
    };
    let look = client.look(&slug(), &run(id)).await.unwrap();
    let ids: Vec<_> = look
        .workflows
        .iter()
        .map(|workflow| workflow.id.clone())
        .collect();
    assert_eq!(ids, [first.id, second.to_string()]);
    assert!(look.workflows[0].created_at < look.workflows[1].created_at);
}

#[tokio::test]
async fn long_errors_are_cut() {
    let look = look_at(Script::config_error(&"x".repeat(5_000)), 120).await;
    assert_eq!(look.errors[0].chars().count(), 301);
}

#[tokio::test]
async fn a_pipeline_that_is_not_there_is_an_error() {
    let sandbox = sandbox().await;
    let error = client(sandbox.circleci_url())
        .look(&slug(), &run(PipelineId(Uuid::nil())))
        .await;
    assert_eq!(error.unwrap_err().message, "HTTP 404: Pipeline not found");
}

fn workflows_page(name: &str, next: Option<&str>) -> String {
    let workflow = json!({
        "id": name, "name": name, "status": "success", "created_at": "2026-01-02T03:04:05Z",
    });
    answer(
        "200 OK",
        &[],
        &json!({"items": [workflow], "next_page_token": next}).to_string(),
    )
}

#[tokio::test]
async fn a_pipeline_may_say_less_or_something_new() {
    for (state, known) in [
        ("created", PipelineState::Created),
        ("brand-new", PipelineState::Unknown),
    ] {
        let details = answer(
            "200 OK",
            &[],
            &json!({"state": state, "surprise": [1]}).to_string(),
        );
        let raw = Raw::new(vec![details, workflows_page("deploy", None)]).await;
        let look = client(&raw.url)
            .look(&slug(), &run(PipelineId(Uuid::nil())))
            .await
            .unwrap();
        assert_eq!(
            (look.state, look.revision, look.errors.len()),
            (known, None, 0)
        );
        assert_eq!(look.workflows.len(), 1);
    }
}

#[tokio::test]
async fn workflows_are_read_page_by_page() {
    let details = answer("200 OK", &[], r#"{"state":"created"}"#);
    let pages = [
        workflows_page("build", Some("a b&c")),
        workflows_page("deploy", None),
    ];
    let raw = Raw::new([vec![details], pages.to_vec()].concat()).await;
    let look = client(&raw.url)
        .look(&slug(), &run(PipelineId(Uuid::nil())))
        .await
        .unwrap();
    assert_eq!(statuses(&look).len(), 2);
    let requests = raw.requests();
    let path = format!("GET /api/v2/pipeline/{}/workflow", Uuid::nil());
    assert!(
        requests[1].starts_with(&format!("{path} HTTP/1.1")),
        "{requests:?}"
    );
    assert!(
        requests[2].starts_with(&format!("{path}?page-token=a+b%26c HTTP/1.1")),
        "{requests:?}"
    );
}

#[tokio::test]
async fn workflows_without_end_show_nothing() {
    let details = answer("200 OK", &[], r#"{"state":"created"}"#);
    let raw = Raw::new(vec![details, workflows_page("deploy", Some("more"))]).await;
    let error = client(&raw.url)
        .look(&slug(), &run(PipelineId(Uuid::nil())))
        .await
        .unwrap_err();
    assert_eq!(
        error.message,
        "the pipeline has more than 10 pages of workflows"
    );
    assert_eq!(raw.requests().len(), 11);
}
