//! Lists of API v2 with less in them, or with something else, than is documented.

use chatops_core::Time;
use chatops_core::ports::{
    CiClient, CiReadError, CiWorkflow, PipelineDetails, PipelineError, PipelineErrorKind,
    PipelineState, PollResult, WorkflowStatus,
};
use serde_json::{Value, json};

use crate::malformed::assert_unreadable;
use crate::raw_server::{RawServer, ok_response};
use crate::support::{client, missing_pipeline, slug};

async fn poll_answers(answers: Vec<Value>, with_details: bool) -> Result<PollResult, CiReadError> {
    let answers = answers.iter().map(|json| ok_response(&json.to_string()));
    let raw = RawServer::new(answers.collect()).await;
    let client = client(&raw.url);
    client
        .poll(&slug(), &missing_pipeline(), with_details)
        .await
}

/// What a poll shows of these workflows.
async fn poll_workflows(items: Value) -> Vec<CiWorkflow> {
    let answer = json!({"items": items, "next_page_token": null});
    poll_answers(vec![answer], false).await.unwrap().workflows
}

/// What a poll shows of this pipeline.
async fn poll_details(details: Value) -> Result<PipelineDetails, CiReadError> {
    let poll = poll_answers(vec![details, json!({"items": []})], true).await;
    poll.map(|poll| poll.pipeline.unwrap())
}

fn workflow(name: &str, status: &str, at: &str) -> Value {
    json!({"id": name, "name": name, "status": status, "created_at": at})
}

fn names(workflows: &[CiWorkflow]) -> Vec<&str> {
    workflows.iter().map(|seen| &*seen.name).collect()
}

const AT: &str = "2026-01-02T03:04:05Z";

#[tokio::test]
async fn the_setup_workflow_is_told_from_the_others() {
    for (tag, is_setup) in [
        (json!("setup"), true),
        (Value::Null, false),
        (json!(""), false),
        (json!("Setup"), false),
        (json!(["setup"]), false),
    ] {
        let mut item = workflow("setup", "success", AT);
        item["tag"] = tag.clone();
        let seen = poll_workflows(json!([item])).await;
        assert_eq!(seen[0].is_setup, is_setup, "{tag}");
    }
}

#[tokio::test]
async fn the_order_of_the_list_is_kept_across_pages() {
    let page = |items: [&str; 2], next: Value| {
        let items = items.map(|name| workflow(name, "success", AT));
        json!({"items": items, "next_page_token": next})
    };
    let pages = vec![page(["d", "c"], json!("more")), page(["b", "a"], json!(""))];
    let poll = poll_answers(pages, false).await.unwrap();
    assert_eq!(names(&poll.workflows), ["d", "c", "b", "a"]);
}

#[tokio::test]
async fn a_null_item_is_none_and_any_other_may_still_run() {
    let good = workflow("deploy", "success", AT);
    let seen = poll_workflows(json!([null, good, null])).await;
    assert_eq!(names(&seen), ["deploy"]);
    for bad in [
        json!({}),
        json!([]),
        json!([good]),
        json!(7),
        json!(-1),
        json!(1.5),
        json!(true),
        json!("success"),
    ] {
        let seen = poll_workflows(json!([good, bad])).await;
        assert_eq!(names(&seen), ["deploy", "(no name)"], "{bad}");
        assert_eq!(seen[0].status, WorkflowStatus::Success);
        assert_eq!(seen[1].status, WorkflowStatus::Unknown, "{bad}");
    }
}

#[tokio::test]
async fn a_status_that_is_no_word_for_an_end_ends_nothing() {
    for status in [
        Value::Null,
        json!(7),
        json!(["success"]),
        json!({"success": null}),
        json!("Success"),
        json!("brand-new"),
        json!(""),
    ] {
        let mut item = workflow("deploy", "success", AT);
        item["status"] = status.clone();
        let seen = poll_workflows(json!([item])).await;
        assert_eq!(seen[0].status, WorkflowStatus::Unknown, "{status}");
        item.as_object_mut().unwrap().remove("status");
        let seen = poll_workflows(json!([item])).await;
        assert!(!seen[0].status.is_final());
    }
}

#[tokio::test]
async fn a_field_that_cannot_be_read_costs_that_field() {
    let fields = [
        "id",
        "name",
        "created_at",
        "tag",
        "auto_rerun_number",
        "max_auto_reruns",
    ];
    for bad in [Value::Null, json!([]), json!({}), json!(true), json!(-1)] {
        let items = fields.map(|field| {
            let mut item = workflow("deploy", "failed", AT);
            item[field] = bad.clone();
            item
        });
        let seen = poll_workflows(json!(items)).await;
        assert_eq!(seen.len(), fields.len());
        for seen in seen {
            assert_eq!(seen.status, WorkflowStatus::Failed, "{bad}");
            let counts = (seen.auto_rerun_number, seen.max_auto_reruns);
            assert_eq!(counts, (None, None), "{bad}");
        }
    }
}

#[tokio::test]
async fn a_run_without_a_time_is_as_old_as_its_place_in_the_list() {
    let (early, late) = ("2026-01-02T03:04:05Z", "2026-01-02T03:05:05Z");
    for (times, expected) in [
        (
            [json!(late), Value::Null, json!(early)],
            [late, late, early],
        ),
        (
            [Value::Null, json!(late), json!(early)],
            [late, late, early],
        ),
        (
            [json!(late), json!(early), Value::Null],
            [late, early, early],
        ),
        ([Value::Null, json!("x"), json!(early)], [early; 3]),
    ] {
        let items = times.map(|time| {
            let mut item = workflow("deploy", "success", AT);
            item["created_at"] = time;
            item
        });
        let seen = poll_workflows(json!(items)).await;
        let seen: Vec<_> = seen.iter().map(|seen| seen.created_at).collect();
        assert_eq!(seen, expected.map(|time| time.parse::<Time>().unwrap()));
    }
    let mut item = workflow("deploy", "success", AT);
    item["created_at"] = Value::Null;
    assert_eq!(
        poll_workflows(json!([item])).await[0].created_at,
        Time::default()
    );
}

#[tokio::test]
async fn automatic_reruns_are_counted_from_one() {
    for (number, most, expected) in [
        (json!(null), json!(3), (None, Some(3))),
        (json!(0), json!(3), (None, Some(3))),
        (json!(1), json!(3), (Some(1), Some(3))),
        (json!(u64::MAX), json!(1e300), (None, None)),
    ] {
        let mut item = workflow("deploy", "failed", AT);
        item["auto_rerun_number"] = number;
        item["max_auto_reruns"] = most;
        let seen = poll_workflows(json!([item])).await.remove(0);
        assert_eq!((seen.auto_rerun_number, seen.max_auto_reruns), expected);
    }
}

#[tokio::test]
async fn a_list_that_is_none_shows_nothing() {
    for answer in [
        json!({}),
        json!({"items": null}),
        json!({"items": {}}),
        json!({"items": [], "next_page_token": 7}),
        json!([]),
        json!(null),
    ] {
        let poll = poll_answers(vec![answer.clone()], false).await;
        assert_unreadable(poll, &answer.to_string());
    }
}

#[tokio::test]
async fn the_errors_of_a_pipeline_are_shown_whatever_its_state() {
    use PipelineErrorKind::{
        Config, ConfigFetch, InvalidTriggerSetup, Other, Permission, Plan, Timeout, TriggerRule,
    };
    for (kind, expected) in [
        (json!("config"), Config),
        (json!("config-fetch"), ConfigFetch),
        (json!("invalid-trigger-setup"), InvalidTriggerSetup),
        (json!("timeout"), Timeout),
        (json!("permission"), Permission),
        (json!("plan"), Plan),
        (json!("trigger-rule"), TriggerRule),
        (json!("other"), Other),
        (json!("brand-new"), Other),
        (Value::Null, Other),
        (json!(7), Other),
    ] {
        let details = json!({"state": "created", "errors": [{"type": kind, "message": "why"}]});
        let message = "why".to_owned();
        let kind = expected;
        let seen = poll_details(details).await.unwrap();
        assert_eq!(seen.state, PipelineState::Created);
        assert_eq!(seen.errors, [PipelineError { kind, message }]);
    }
}

#[tokio::test]
async fn an_error_without_a_message_is_an_error() {
    for (error, message) in [
        (json!({"type": "plan"}), "(no message)"),
        (json!({"message": null}), "(no message)"),
        (json!({"message": " "}), "(no message)"),
        (json!({"message": 7}), "(no message)"),
        (json!({}), "(no message)"),
        (json!("bad config"), "bad config"),
        (json!([]), "(no message)"),
        (json!(7), "(no message)"),
    ] {
        let details = json!({"state": "created", "errors": [null, error, null]});
        let seen = poll_details(details).await.unwrap();
        let seen: Vec<_> = seen.errors.iter().map(|error| &*error.message).collect();
        assert_eq!(seen, [message], "{error}");
    }
}

#[tokio::test]
async fn no_errors_have_many_forms_and_a_wrong_one_is_not_among_them() {
    for details in [
        json!({"state": "created"}),
        json!({"state": "created", "errors": null}),
        json!({"state": "created", "errors": []}),
        json!({"state": "created", "errors": [null]}),
    ] {
        assert_eq!(poll_details(details).await.unwrap().errors, []);
    }
    for errors in [json!({}), json!("config"), json!(true)] {
        let poll = poll_details(json!({"state": "created", "errors": errors})).await;
        assert_unreadable(poll, &errors.to_string());
    }
}

#[tokio::test]
async fn a_state_that_is_not_known_is_none() {
    for state in [
        Value::Null,
        json!(7),
        json!({"created": null}),
        json!("brand-new"),
    ] {
        let seen = poll_details(json!({ "state": state })).await.unwrap();
        assert_eq!(seen.state, PipelineState::Unknown, "{state}");
    }
    let seen = poll_details(json!({})).await.unwrap();
    assert_eq!(seen.state, PipelineState::Unknown);
}

#[tokio::test]
async fn the_commit_is_in_either_of_two_places() {
    let git = |sha: Value| json!({"git": {"checkout_sha": sha, "branch": "main"}});
    for (vcs, parameters, revision) in [
        (json!({"revision": "a"}), Value::Null, Some("a")),
        (json!({"revision": "a"}), git(json!("b")), Some("a")),
        (Value::Null, git(json!("b")), Some("b")),
        (json!({"revision": null}), git(json!("b")), Some("b")),
        (json!({"revision": ""}), git(json!("b")), Some("b")),
        (json!([]), git(json!("b")), Some("b")),
        (Value::Null, git(Value::Null), None),
        (Value::Null, json!({"git": null}), None),
        (Value::Null, json!({"git": "b"}), None),
        (json!("a"), json!([]), None),
    ] {
        let details = json!({"state": "created", "vcs": vcs, "trigger_parameters": parameters});
        let seen = poll_details(details).await.unwrap();
        assert_eq!(seen.revision.as_deref(), revision, "{vcs} {parameters}");
    }
}
